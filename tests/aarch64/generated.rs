//! The same programs on both machines, compiled by clang and by the library: all print the same.

use crate::emulated::Emulated;
use crate::program;
use crate::support::tools;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// In `make test`, where these are too slow for all of them.
const FEW: u64 = 5;

#[test]
fn programs_print_the_same() {
    check("aarch64: programs_print_the_same", 0..FEW);
}

#[test]
#[ignore = "takes minutes: a part of make test-aarch64"]
fn soak_programs_print_the_same() {
    check("aarch64: soak_programs_print_the_same", FEW..100);
}

fn check(test: &str, numbers: std::ops::Range<u64>) {
    let Some(emulated) = Emulated::find(test) else {
        return;
    };
    let folder = tempfile::Builder::new()
        .prefix("generated-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    let folder = folder.path();
    let native = tools::build(&format!("generated-{}", numbers.start), &["run"]).join("run");
    let foreign = emulated.build_tool(&folder.join("run"));
    let clang = emulated.tool("clang++");
    for number in numbers {
        let source = folder.join("program.cpp");
        std::fs::write(&source, program::write(number)).expect("a file");
        let level = ["-O0", "-O1", "-O2"][(number % 3) as usize];
        let path = |name: &str| folder.join(name);
        for (compiler, to) in [
            (OsStr::new("clang++-22"), "here"),
            (clang.as_os_str(), "there"),
        ] {
            // Where it can, the compiler would make one operation of two.
            let made = |more: &[&str], name: String| {
                let mut command = Command::new(compiler);
                command.args(["-std=c++17", "-ffp-contract=off", "-fPIC", "-w", level]);
                command.args(more).arg("-o").arg(path(&name)).arg(&source);
                run(number, command);
            };
            made(&["-pthread"], format!("{to}.out"));
            made(&["-S", "-emit-llvm"], format!("{to}.ll"));
        }
        let compiled = |mut command: Command, server: &Path, name: &str| {
            command
                .args(["--no-cache", "--lib", "libstdc++.so.6", level])
                .arg(path(name))
                .env("MGENJIT_SERVER", server);
            run(number, command)
        };
        let expect = run(number, Command::new(path("here.out")));
        let server = Path::new(env!("CARGO_BIN_EXE_mgenjit-server"));
        let all = [
            run(number, emulated.command(&path("there.out"))),
            compiled(Command::new(&native), server, "here.ll"),
            compiled(emulated.command(&foreign), &emulated.server(), "there.ll"),
        ];
        for (by, output) in ["clang", "here", "AArch64"].into_iter().zip(all) {
            assert_eq!(
                output,
                expect,
                "program {number}, {by}, {level}:\n{}",
                program::write(number)
            );
        }
    }
}

/// What a command prints and what it ends with.
fn run(number: u64, mut command: Command) -> (String, Option<i32>) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "program {number}: {command:?}: {errors}");
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.code(),
    )
}
