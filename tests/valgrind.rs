//! A host below valgrind: memcheck and helgrind find nothing in what the library does.

mod support;

use std::process::Command;
use support::skips::skip;
use support::source;
use support::workspace::{Run, Workspace};

fn check(options: &[&str]) {
    let found = Command::new("valgrind").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        skip("valgrind", "it is not installed");
        return;
    }
    let workspace = Workspace::new("sanitized.cpp");
    let options = [&["-q", "--error-exitcode=99"], options].concat();
    for run in [Run::Cold, Run::Warm] {
        let what = format!("{options:?}, {run:?}");
        workspace
            .run_under("valgrind", &options, run)
            .expect_success(&what);
    }
}

#[test]
fn memcheck() {
    check(&["--leak-check=full", "--errors-for-leak-kinds=definite"]);
}

#[test]
fn helgrind() {
    let known = source("install/helgrind.supp");
    let known = format!("--suppressions={}", known.display());
    check(&["--tool=helgrind", &known]);
}
