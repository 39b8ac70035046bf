//! `examples-c/hotreload`: a file that is edited while a thread calls what it defines.

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::process::{ChildStdout, Command, Stdio};
use support::source;
use support::tools::{self, Place};

fn step(adds: &str) -> String {
    let path = source("examples-c/programs/step.ll");
    let text = std::fs::read_to_string(path).expect("the program");
    assert!(text.contains("%x, 1"));
    text.replace("%x, 1", adds)
}

/// The next line, which begins and ends so.
fn expect(lines: &mut Lines<BufReader<ChildStdout>>, start: &str, part: &str) {
    let line = lines.next().expect("a line").expect("a line of text");
    assert!(line.starts_with(start) && line.contains(part), "{line}");
}

#[test]
fn a_file_is_edited_while_a_thread_calls_it() {
    let programs = tools::build("hotreload", &["hotreload"]);
    let place = Place::new(programs.join("hotreload"));
    place.write("step.ll", step("%x, 1"));
    let mut command = place.command(programs.join("hotreload"));
    let mut host = command
        .arg("step.ll")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the host starts");
    let mut lines = BufReader::new(host.stdout.take().expect("its output")).lines();
    expect(&mut lines, "version 1: ", "each step adds 1,");

    // In place, as some editors write, and renamed, as others do.
    place.write("step.ll", step("%x, 5"));
    expect(&mut lines, "version 2: ", "each step adds 5,");
    place.write("other.ll", step("%x, 6"));
    std::fs::rename(place.path("other.ll"), place.path("step.ll")).expect("renamed");
    expect(&mut lines, "version 3: ", "each step adds 6,");

    // What cannot be compiled, or has no `step` any more, changes nothing.
    place.write("step.ll", step("%nothing, 1"));
    expect(&mut lines, "not replaced: ", "%nothing");
    place.write("step.ll", step("%x, 7").replace("@step", "@leap"));
    expect(&mut lines, "not replaced: ", "`step`");
    place.write("step.ll", step("%x, 8"));
    expect(&mut lines, "version 4: ", "each step adds 8,");

    let id = host.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &id]).status();
    assert!(killed.expect("kill runs").success());
    expect(&mut lines, "every call was counted: yes", "");
    assert!(host.wait().expect("it ends").success());
}
