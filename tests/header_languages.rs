//! The header compiles in every language and with every compiler that people use, without a warning.

mod support;

use std::process::Command;

const C: &str = "\
#include \"mgenjit.h\"
#include \"mgenjit.h\"
mgenjit_value first(void);
mgenjit_value first(void) { return mgenjit_i64(MGENJIT_VERSION_NUMBER + MGENJIT_STATUS_OK); }
";

const CPP: &str = "\
#include \"mgenjit.h\"
#include \"mgenjit.h\"
mgenjit_value first();
mgenjit_value first() { return mgenjit_pointer(nullptr); }
mgenjit_status (*compile)(mgenjit_executor *, const char *, const void *, size_t, mgenjit_module **, mgenjit_error **) =
    mgenjit_executor_compile;
";

fn check(compiler: &str, language: &str, standard: &str, program: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("program");
    std::fs::write(&source, program).expect("write the program");
    let output = Command::new(compiler)
        .args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wshadow",
            "-Wconversion",
            "-Wundef",
            "-Werror",
        ])
        .args(["-x", language, "-fsyntax-only"])
        .arg(format!("-std={standard}"))
        .arg("-I")
        .arg(support::source("include"))
        .arg(&source)
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}; `make setup` installs it"));
    assert!(
        output.status.success(),
        "{compiler} -std={standard}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn c() {
    for compiler in ["gcc", "clang-22"] {
        for standard in ["c99", "c11", "c17", "gnu99", "gnu17", "c2x"] {
            check(compiler, "c", standard, C);
        }
    }
}

#[test]
fn cpp() {
    for compiler in ["g++", "clang++-22"] {
        for standard in ["c++11", "c++17", "c++20"] {
            check(compiler, "c++", standard, CPP);
        }
    }
}

#[test]
#[should_panic(expected = "Werror")]
fn a_warning_is_an_error() {
    check(
        "gcc",
        "c",
        "c99",
        "#include \"mgenjit.h\"\nint f(void) { int unused; return 0; }\n",
    );
}
