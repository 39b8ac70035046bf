//! What the tools say when something is wrong: in the words of their options, not of the library's functions.

mod support;

use std::env::consts::ARCH;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use support::machine::{IS_AARCH64, OTHER_TRIPLE};
use support::source;
use support::tools::{self, Place};

fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| tools::build("messages", &["run", "build", "cache", "server"]))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension() == Some(OsStr::new("rs")) {
            files.push(path);
        }
    }
}

/// The names in a line that is no comment, where they are in a text: as code, a function has `fn` before its name, or
/// a parenthesis after it.
fn names_in_text(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (code, _) = line.split_once("//").unwrap_or((line, ""));
    for (at, _) in code.match_indices("mgenjit_") {
        let rest = &code[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        if !after.starts_with('(') && !code[..at].ends_with("fn ") {
            names.push(name);
        }
    }
    names
}

#[test]
fn what_the_library_calls_a_function_has_a_name_in_the_tools() {
    let exported = std::fs::read_to_string(source("tests/exports.txt")).expect("a list");
    let functions: Vec<&str> = exported.lines().collect();
    let table = std::fs::read_to_string(source("examples-c/common/message.c")).expect("a table");
    let mut files = Vec::new();
    rust_files(&source("src"), &mut files);
    let mut found = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        // What tests call them does not matter.
        let (text, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        for name in text.lines().flat_map(names_in_text) {
            if functions.contains(&name) {
                found += 1;
                let is_known = table.contains(&format!("{{\"{name}"));
                assert!(is_known, "{}: {name} is not in message.c", file.display());
            }
        }
    }
    assert!(found > 5, "only {found}");
}

const CALLER: &str = "declare i32 @nowhere()\ndeclare i32 @neither()\n\
    define i32 @main() {\n  %a = call i32 @nowhere()\n  %b = call i32 @neither()\n  ret i32 %b\n}\n";
const ONE: &str = "declare i32 @nowhere()\n\
    define i32 @main() {\n  %a = call i32 @nowhere()\n  ret i32 %a\n}\n";
const MAIN: &str = "define i32 @main() {\n  ret i32 0\n}\n";
const FUNCTION: &str = "define i32 @f(i32 %x) {\n  ret i32 %x\n}\n";

#[test]
fn no_message_names_a_function_of_the_library() {
    let place = Place::new(tools().join("run"));
    let other = format!("target triple = \"{OTHER_TRIPLE}\"\n@x = global i32 0\n");
    for (name, text) in [
        ("caller.ll", CALLER),
        ("one.ll", ONE),
        ("main.ll", MAIN),
        ("again.ll", MAIN),
        ("f.ll", FUNCTION),
        ("bad.ll", "define i32 @main() {\n  ret i32 %x\n}\n"),
        ("empty.ll", ""),
        ("odd.ll", "define i32 @main(float %x) {\n  ret i32 1\n}\n"),
        ("data.ll", "@main = global i32 0\n"),
        ("other.ll", &other),
    ] {
        place.write(name, text);
    }
    place.write(
        "n.c",
        "extern int v; int t[9]; int *w(int i) { return &t[i] + v; }\n",
    );
    place.cc(&["-c", "-fno-pic", "-fno-pie", "-o", "gcc.o", "n.c"]);
    let clang = ["-c", "-fno-pic", "-o", "clang.o", "n.c"];
    let status = place.command("clang-22").args(clang).status();
    assert!(status.expect("clang").success());
    place.write_large("large.ll", 400, MAIN);
    place.write_program("fails", "#!/bin/sh\necho wrong >&2\nexit 3\n");
    place.write_program("hangs", "#!/bin/sh\nexec sleep 60\n");

    let check = |command: &str, arguments: &[&[u8]], expected: &[&str]| {
        let output = place
            .command(tools().join(command))
            .args(arguments.iter().map(|one| OsStr::from_bytes(one)))
            .output()
            .expect("a tool");
        let said = String::from_utf8_lossy(&output.stderr);
        let shown: Vec<_> = arguments
            .iter()
            .map(|one| String::from_utf8_lossy(one))
            .collect();
        let context = format!("{command} {shown:?}: {}: {said}", output.status);
        assert!(!output.status.success() && !said.is_empty(), "{context}");
        assert!(!said.contains("mgenjit_"), "{context}");
        for part in expected {
            assert!(said.contains(part), "no {part:?}: {context}");
        }
    };
    let check_words = |line: &str, expected: &[&str]| {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let command = line.split(' ').next().expect("a tool");
        check(command, &words[1..], expected);
    };
    let ours = format!("build --target {ARCH}-linux-gnu --cpu nonsense -o x main.ll");
    for (line, expected) in [
        (
            "run caller.ll",
            &["--lib", "--with", "nowhere", "neither"][..],
        ),
        ("run one.ll", &["--lib", "nowhere"]),
        ("run f.ll", &["main"]),
        ("run odd.ll", &["main"]),
        ("run data.ll", &["main"]),
        ("run bad.ll", &["bad.ll:2:11"]),
        ("run nowhere.ll", &["nowhere.ll"]),
        ("run other.ll", &[OTHER_TRIPLE]),
        ("run --with again.ll main.ll", &["again.ll"]),
        ("run --add caller.ll main.ll", &["--lib"]),
        ("run --lib nowhere.so main.ll", &["nowhere.so"]),
        ("run --keep absent main.ll", &["absent"]),
        ("run --call g(1) f.ll", &["`g`"]),
        ("run --call f() f.ll", &["f"]),
        ("run --cpu i386 f.ll", &["i386"]),
        ("run --max-time 0.001 --no-cache large.ll", &["--max-time"]),
        (
            "run --max-memory 1 --no-cache --pieces off large.ll",
            &["--max-memory"],
        ),
        ("run --cache-dir  main.ll", &[]),
        ("run --trust nowhere main.ll", &["nowhere"]),
        ("run --sign nowhere main.ll", &["nowhere"]),
        ("run --server-idle 0 main.ll", &[]),
        ("build -o x caller.ll", &["(-l)"]),
        ("build --separate -o x main.ll again.ll", &["--keep"]),
        (
            "build --target riscv64-linux-gnu -o x main.ll",
            &["--linker"],
        ),
        ("build --target nonsense -o x main.ll", &["nonsense"]),
        ("build --cpu nonsense -o x main.ll", &["nonsense"]),
        (&ours, &["nonsense"]),
        (
            "build --linker nowhere -o x main.ll",
            &["--linker", "nowhere"],
        ),
        ("build --linker ./fails -o x main.ll", &["./fails"]),
        (
            "build --linker ./hangs --linker-timeout 0.2 -o x main.ll",
            &["--linker-timeout"],
        ),
        ("build -o x f.ll", &["main"]),
        ("build -o x odd.ll", &["main"]),
        ("build -l nowhere -o x main.ll", &["nowhere"]),
        ("build -o nowhere/x main.ll", &["nowhere/x"]),
        ("build --kind ir -o x.ll gcc.o", &[]),
        ("build --soname  -o x.so f.ll", &[]),
        ("cache show 00000000", &["00000000"]),
        ("cache show xyz", &["xyz"]),
        ("cache pin 12345678", &["12345678"]),
        ("cache explain nowhere.ll", &["nowhere.ll"]),
        ("cache explain --cpu nonsense main.ll", &["nonsense"]),
        ("cache import main.ll", &["main.ll"]),
        ("cache export -o nowhere/x --all", &["nowhere"]),
        ("cache verify --trust nowhere", &["nowhere"]),
        ("server stop --timeout x", &["milliseconds"]),
        ("server frob", &["frob"]),
    ] {
        check_words(line, expected);
    }
    // Code for AArch64 has no absolute addresses.
    if !IS_AARCH64 {
        for line in [
            "run FILE",
            "build -o x.so FILE",
            "build --target x86_64-linux-gnu -o x.so FILE",
        ] {
            for file in ["gcc.o", "clang.o"] {
                check_words(&line.replace("FILE", file), &["-fPIC"]);
            }
        }
    }
    // What is not UTF-8 is shown.
    let bad: &[u8] = b"caf\xe9";
    let shown = &["\"caf\\xe9\" is not UTF-8"];
    check("run", &[bad], shown);
    check("run", &[b"--with", bad, b"main.ll"], shown);
    check("run", &[b"--add", bad, b"main.ll"], shown);
    check("run", &[b"--lib", bad, b"main.ll"], shown);
    check("run", &[b"--keep", bad, b"main.ll"], shown);
    check("run", &[b"--cpu", bad, b"main.ll"], shown);
    check("run", &[b"--cache-dir", bad, b"main.ll"], shown);
    check("build", &[b"-o", bad, b"main.ll"], shown);
    check("build", &[b"-o", b"x", bad], shown);
    check("build", &[b"-o", b"x", b"-l", bad, b"main.ll"], shown);
    check("cache", &[b"--cache-dir", bad, b"stats"], shown);
    check("cache", &[b"show", bad], shown);
    check("cache", &[b"explain", bad], shown);
}
