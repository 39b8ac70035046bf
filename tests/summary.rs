//! The summary of all tests, `tests/run.sh`, of what cargo and pytest print.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use support::source;

/// Writes a shell script.
fn script(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, format!("#!/bin/sh\n{text}")).expect("a script");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// What a program prints, and its status.
struct Prints(&'static str, i32);

/// Runs the tests of programs that print this, and compares the end of the summary.
#[track_caller]
fn check(python: &Prints, cargo: &Prints, expect: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("tests")).expect("a folder");
    std::fs::copy(source("tests/run.sh"), path("tests/run.sh")).expect("a copy");
    let prints =
        |Prints(text, status): &Prints| format!("cat <<'END'\n{text}\nEND\nexit {status}\n");
    let skips = "echo 'python: no reason' >>\"$MGENJIT_TESTS_SKIPPED\"\n";
    script(
        &path("bindings/python/tests/run.sh"),
        &format!("{skips}{}", prints(python)),
    );
    let tests = format!("[ \"$1\" = test ] || exit 1\n{}", prints(cargo));
    script(&path("cargo"), &tests);
    let output = Command::new(path("tests/run.sh"))
        .arg(path("cargo"))
        .env("CARGO_TARGET_DIR", path("target"))
        .output()
        .expect("the script runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, summary) = printed.rsplit_once("\nSkipped:\n").expect("a summary");
    let common = "  the format of the sources: there is no cargo fmt\n  \
        the style of the sources: there is no cargo clippy\n  python: no reason\n";
    assert_eq!(
        summary.replace(common, ""),
        format!("{expect}\n"),
        "{printed}"
    );
    let succeeds = !expect.contains("Failed:");
    assert_eq!(output.status.success(), succeeds, "{printed}");
}

const PYTHON: Prints = Prints("....\n4 passed, 2 skipped, 3 deselected in 1.25s", 0);
const CARGO: Prints = Prints(
    "     Running tests/a.rs (target/release/deps/a-1)\n\
     test one ... ok\n\n\
     test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
    0,
);

#[test]
fn what_passes_is_counted() {
    check(&PYTHON, &CARGO, "5 passed, 0 failed, 3 skipped");
}

#[test]
fn what_fails_in_python_is_named() {
    let python = Prints(
        "F...\nFAILED tests/test_a.py::test_b - AssertionError: 4 failed in 2s\n\
         1 failed, 3 passed in 1.25s\n\
         With Python 3.9.18:\n\
         FAILED tests/test_a.py::test_c[x y] - what\n\
         ERROR tests/test_d.py - what\n\
         ============ 1 failed, 2 passed, 1 warning, 1 error in 61.02s (0:01:01) ============",
        1,
    );
    let expect = "Failed:\n  bindings/python/tests/test_a.py::test_b\n  \
        bindings/python/tests/test_a.py::test_c[x y] (Python 3.9.18)\n  \
        bindings/python/tests/test_d.py (Python 3.9.18)\n6 passed, 3 failed, 3 skipped";
    check(&python, &CARGO, expect);
    let expect =
        "Failed:\n  bindings/python: its tests ended with status 4\n1 passed, 1 failed, 3 skipped";
    check(&Prints("no tests here", 4), &CARGO, expect);
}

#[test]
fn what_fails_in_rust_is_named_whatever_it_prints() {
    let cargo = Prints(
        "     Running tests/a.rs (target/release/deps/a-1)\n\
         test one ... FAILED\n\nfailures:\n\n---- one stdout ----\n\
         thread 'one' panicked at tests/a.rs:1:1:\n\
         cargo [\"test\"]: exit status: 101\n\
         |      Running tests/inner.rs (target/release/deps/inner-1)\n\
         | test inner ... FAILED\n| test other ... ignored, for now\n\
         | failures:\n|     inner\n\
         | test result: FAILED. 5 passed; 1 failed; 0 ignored\n\
         \n\nfailures:\n    one\n\n\
         test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n\
         \x20    Running tests/b.rs (target/release/deps/b-1)\n\
         test two ... ignored, it is slow\n\
         \x20    Running tests/c.rs (target/release/deps/c-1)\n\
         test three ... ok\n\n\
         test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        101,
    );
    let expect = "  two: it is slow\nFailed:\n  tests/a.rs: one\n  tests/b.rs: it did not run to its end\n\
        7 passed, 2 failed, 4 skipped";
    check(&PYTHON, &cargo, expect);
}
