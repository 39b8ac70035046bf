//! What `perf` shows of compiled code: from the cache by itself, and without one by a map or a jitdump.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use support::skips::skip;
use support::tools::{self, Place};

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("perf", &["run", "repl"]))
}

/// Takes some tenths of a second in `work`, which `outer` calls. Both stay functions of their own.
const PROGRAM: &str = "define internal i64 @work(i64 %n) noinline {\nentry:\n  br label %head\nhead:\n\
    %i = phi i64 [ 0, %entry ], [ %next, %head ]\n  %x = phi i64 [ 1, %entry ], [ %z, %head ]\n\
    %y = mul i64 %x, 25214903917\n  %z = xor i64 %y, %i\n  %next = add i64 %i, 1\n\
    %done = icmp eq i64 %next, %n\n  br i1 %done, label %exit, label %head\nexit:\n  ret i64 %z\n}\n\
    define i64 @outer(i64 %n) noinline {\n  %r = call i64 @work(i64 %n)\n  %s = add i64 %r, 1\n  ret i64 %s\n}\n\
    define i32 @main() {\n  %r = call i64 @outer(i64 100000000)\n  %t = trunc i64 %r to i1\n\
    %c = select i1 %t, i32 0, i32 0\n  ret i32 %c\n}\n";

/// Runs a program to its end. None: it is not there, or failed, for the reason that is told.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Whether `perf` can record here, in a virtual machine too.
fn can_record(place: &Place) -> Result<(), String> {
    let mut perf = place.command("perf");
    perf.args(["record", "-q", "-e", "cpu-clock", "-o", "none.data", "true"]);
    run(&mut perf).map(drop)
}

/// Records the program and returns the functions that `perf` saw, the longest first.
fn record(place: &Place, options: &[&str], kind: Option<&str>) -> String {
    let clock: &[&str] = if kind == Some("jitdump") {
        &["-k", "1"]
    } else {
        &[]
    };
    let mut perf = place.command("perf");
    perf.args(["record", "-q", "-e", "cpu-clock", "-o", "perf.data"])
        .args(clock)
        .arg("--");
    perf.arg(programs().join("run"))
        .args(options)
        .arg("prog.ll");
    perf.env("HOME", place.path(""))
        .env_remove("JITDUMPDIR")
        .env_remove("MGENJIT_PERF");
    if let Some(kind) = kind {
        perf.env("MGENJIT_PERF", kind);
    }
    run(&mut perf).expect("perf record");
    let mut data = "perf.data";
    if kind == Some("jitdump") {
        data = "jit.data";
        let mut perf = place.command("perf");
        perf.args(["inject", "--jit", "-i", "perf.data", "-o", data]);
        run(perf.env("HOME", place.path(""))).expect("perf inject");
    }
    let mut perf = place.command("perf");
    perf.args([
        "report",
        "-i",
        data,
        "--stdio",
        "--no-children",
        "-F",
        "overhead,sym,dso",
    ]);
    run(perf.env("HOME", place.path(""))).expect("perf report")
}

/// The new version of a function has its name, too.
#[test]
fn a_function_that_is_replaced() {
    let place = Place::new(programs().join("repl"));
    if let Err(why) = can_record(&place) {
        skip("perf", &why);
        return;
    }
    let (work, _) = PROGRAM
        .split_once("define i64 @outer")
        .expect("two functions");
    let session = format!(
        "define i64 @work(i64 %n) {{\n  ret i64 %n\n}}\nwork(1)\n{work}\nwork(100000000)\n"
    );
    place.write("session", session);
    let mut perf = place.command("perf");
    perf.args(["record", "-q", "-e", "cpu-clock", "-o", "perf.data", "--"])
        .arg(programs().join("repl"))
        .stdin(std::fs::File::open(place.path("session")).expect("a file"))
        .env("HOME", place.path(""))
        .env_remove("MGENJIT_PERF");
    run(&mut perf).expect("perf record");
    let mut perf = place.command("perf");
    perf.args([
        "report",
        "-i",
        "perf.data",
        "--stdio",
        "--no-children",
        "-F",
        "overhead,sym,dso",
    ]);
    let said = run(perf.env("HOME", place.path(""))).expect("perf report");
    let first = said
        .lines()
        .find(|line| line.contains('%') && !line.starts_with('#'));
    let first = first.unwrap_or_default();
    assert!(first.contains("] work") && first.contains(".so"), "{said}");
}

#[test]
fn perf_names_functions() {
    let place = Place::new(programs().join("run"));
    place.write("prog.ll", PROGRAM);
    if let Err(why) = can_record(&place) {
        skip("perf", &why);
        return;
    }
    let first = |report: &str| {
        let line = report
            .lines()
            .find(|line| line.contains('%') && !line.starts_with('#'));
        line.unwrap_or_default().to_owned()
    };
    // From the cache, without anything being told, whatever else is asked for.
    for kind in [None, None, Some("map"), Some("jitdump")] {
        let said = record(&place, &[], kind);
        let first = first(&said);
        assert!(
            first.contains("] work") && first.contains(".so"),
            "{kind:?}: {said}"
        );
    }
    // Without it, nobody knows, unless they are told.
    let said = record(&place, &["--no-cache"], None);
    assert!(!said.contains("] work"), "{said}");
    for kind in ["map", "jitdump"] {
        let said = record(&place, &["--no-cache"], Some(kind));
        assert!(first(&said).contains("] work"), "{kind}: {said}");
    }
    // What was written for it, and for nobody else.
    let files = std::fs::read_dir("/tmp").expect("a folder").flatten();
    let maps = files.filter(|file| {
        let name = file.file_name().into_string().unwrap_or_default();
        let is_map = name.starts_with("perf-")
            && Path::new(&name)
                .extension()
                .is_some_and(|extension| extension == "map");
        is_map && file.file_type().is_ok_and(|kind| kind.is_file())
    });
    for map in maps.map(|file| file.path()) {
        let text = std::fs::read_to_string(&map).unwrap_or_default();
        if text.contains(" work\n") && text.contains(" outer\n") {
            let _ = std::fs::remove_file(map);
        }
    }
}
