//! How gdb comes to a program: it starts it. Where an emulator runs the tests, it connects to the emulator, which the program
//! cannot know: it announces its code because it is told to (`MGENJIT_DEBUG`).

use crate::programs::output;
use crate::support::machine::is_emulated;
use crate::support::source;
use crate::support::tools::Place;
use std::path::Path;

/// A debugger of programs as they are built here.
pub fn name() -> &'static str {
    if is_emulated() {
        "gdb-multiarch"
    } else {
        "gdb"
    }
}

/// What a program is started with.
#[derive(Default)]
pub struct Start<'a> {
    pub arguments: &'a [String],
    pub environment: &'a [(&'a str, &'a str)],
    /// A file in the program's folder.
    pub input: Option<&'a str>,
}

impl Start<'_> {
    /// What gdb and the program print. The command `run` lets the program go.
    pub fn gdb(&self, place: &Place, program: &Path, commands: &[&str]) -> String {
        let mut settings: Vec<String> = [
            "breakpoint pending on",
            "confirm off",
            "width 0",
            "print frame-arguments scalars",
        ]
        .map(String::from)
        .into();
        let arguments: Vec<String> = self.arguments.iter().map(|one| quoted(one)).collect();
        let input = self.input.unwrap_or("/dev/null");
        let with = format!("{} <{input}", arguments.join(" "));
        let run = match is_emulated() {
            true => "continue".to_owned(),
            false => format!("run {with}"),
        };
        let mut gdb = place.command(name());
        if is_emulated() {
            let root = source("target/aarch64/root");
            let root = root.to_str().expect("a path");
            let folder = program.parent().expect("a folder");
            settings.push(format!("sysroot {root}"));
            let folder = folder.display();
            settings.push(format!("solib-search-path {folder}:{folder}/lib"));
            let script = format!(
                "rm -f socket\n\
                 qemu-aarch64 -L {} -g socket {} {with} &\n\
                 while [ ! -S socket ]; do kill -0 $! || exit; sleep 0.05; done\n\
                 {} \"$@\"\n\
                 kill $! 2>/dev/null\n\
                 wait",
                quoted(root),
                quoted(program.to_str().expect("a path")),
                name(),
            );
            gdb = place.command("sh");
            gdb.args(["-c", &script, "sh"]);
            gdb.env("MGENJIT_DEBUG", "1");
        }
        gdb.envs(self.environment.iter().copied());
        gdb.args(["-nx", "-q", "-batch"]);
        let settings = settings.iter().map(|setting| format!("set {setting}"));
        let start = is_emulated().then(|| "target remote socket".to_owned());
        let commands = commands.iter().map(|&command| match command {
            "run" => run.clone(),
            _ => command.to_owned(),
        });
        for command in settings.chain(start).chain(commands) {
            gdb.args(["-ex", &command]);
        }
        gdb.arg(program);
        output(gdb, &place.path("."))
    }
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
