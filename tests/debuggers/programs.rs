//! The programs that are debugged, and the ways in which their code comes into the process.

use crate::support::machine::is_emulated;
use crate::support::skips::skip;
use crate::support::source;
use crate::support::tools::{self, Place};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

pub fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| tools::build("debuggers", &["run", "cache", "repl"]))
}

/// The IR of a program in `tests/programs`, which clang makes once.
pub fn ir(name: &str, flags: &str) -> PathBuf {
    let prefix = option_env!("LLVM_SYS_221_PREFIX").unwrap_or("/usr/lib/llvm-22");
    let clang = Path::new(prefix).join("bin/clang");
    let clang = if clang.exists() {
        clang
    } else {
        PathBuf::from("clang-22")
    };
    let folder = tools().join("ir");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(format!("{name}{flags}.ll").replace(' ', ""));
    let part = folder.join(format!("{name}{flags}.{:?}", std::thread::current().id()));
    let output = Command::new(clang)
        .args(["-S", "-emit-llvm", "-fPIC", "-o"])
        .arg(&part)
        .args(flags.split_whitespace())
        .arg(source("tests/programs").join(name))
        .output()
        .expect("clang");
    assert!(output.status.success(), "{output:?}");
    std::fs::rename(&part, &path).expect("renamed");
    path
}

/// How code comes into the process.
pub const WAYS: [&str; 6] = ["cold", "warm", "uncached", "layer", "bundle", "trusted"];

/// A place where `run` finds the code of a file in that way, and the options for it.
pub fn place(way: &str, file: &Path, options: &[&str]) -> (Place, Vec<String>) {
    let place = Place::new(tools().join("run"));
    let file = file.to_str().expect("a path");
    let compile = |more: &[&str]| {
        let arguments: Vec<&str> = [options, more, &[file]].concat();
        let ran = place.run(&arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    let cache = |arguments: &[&str]| {
        let mut command = place.command(tools().join("cache"));
        let output = command.args(arguments).output().expect("the tool");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    let layer = place.path("layer").to_str().expect("a path").to_owned();
    let more: Vec<String> = match way {
        "cold" => vec![],
        "uncached" => vec!["--no-cache".into()],
        "warm" => {
            compile(&[]);
            vec![]
        }
        "layer" => {
            compile(&["--cache-dir", &layer]);
            vec!["--layer".into(), layer]
        }
        "bundle" => {
            compile(&["--cache-dir", &layer]);
            let bundle = place.path("code.bundle");
            let bundle = bundle.to_str().expect("a path");
            cache(&["--cache-dir", &layer, "export", "--all", "-o", bundle]);
            cache(&["import", bundle]);
            vec![]
        }
        "trusted" => {
            let key = place.path("key").to_str().expect("a path").to_owned();
            place.write_key("key");
            let more = ["--sign", &key, "--trust", &key];
            compile(&more);
            more.iter().map(|option| (*option).to_owned()).collect()
        }
        _ => panic!("{way}"),
    };
    let options = options.iter().map(|option| (*option).to_owned());
    let arguments = options.chain(more).chain([file.to_owned()]).collect();
    (place, arguments)
}

/// Whether a debugger is here and may debug.
pub fn has(debugger: &str) -> bool {
    let found = Command::new(debugger)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        skip("debuggers", &format!("there is no {debugger}"));
    } else if !is_emulated() && !crate::support::skips::can_trace() {
        skip("debuggers", "processes may not be traced here");
        return false;
    }
    found
}

/// What a debugger prints.
pub fn output(mut debugger: Command, folder: &Path) -> String {
    debugger
        .env("HOME", folder)
        .env("DEBUGINFOD_URLS", "")
        .env("TERM", "dumb");
    let outcome = crate::support::run::run(debugger, folder, Duration::from_mins(5));
    assert!(outcome.status.is_some(), "it hangs: {}", outcome.output);
    outcome.output
}

/// Checks that the output has these, in this order, with anything between them.
#[track_caller]
pub fn expect(what: &str, output: &str, parts: &[&str]) {
    let mut rest = output;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => panic!("{what}: no {part:?} where it should be in\n{output}"),
        }
    }
}

/// The number of the line of `tests/programs/debugged.c` that has this text.
pub fn line(text: &str) -> usize {
    let file = std::fs::read_to_string(source("tests/programs/debugged.c")).expect("the program");
    let found = file.lines().position(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("no line with {text}")) + 1
}
