//! gdb starts the program, or connects to the emulator that did.

use crate::programs::{WAYS, expect, has, ir, line, place, tools};
use crate::start::{self, Start};
use crate::support::tools::Place;
use crate::support::{machine, source};
use std::path::Path;
use std::process::Command;

fn check(way: &str, file: &Path, options: &[&str], commands: &[&str], parts: &[&str]) {
    let (place, arguments) = place(way, file, options);
    let start = Start {
        arguments: &arguments,
        ..Start::default()
    };
    let printed = start.gdb(&place, &tools().join("run"), commands);
    expect(&format!("{way} {options:?}"), &printed, parts);
}

#[test]
fn c_wherever_it_comes_from() {
    if !has(start::name()) {
        return;
    }
    let file = ir("debugged.c", "-g -O0");
    let in_add_up = line("pair->second += pair->first");
    let at = format!("break debugged.c:{in_add_up}");
    let before = line("int before = fib(n - 1)");
    // It is not known where a thread's variables are, which no debugger can be told. LLVM says nothing of them for AArch64.
    let (of_thread, n) = match machine::IS_AARCH64 {
        true => ("$3 = <optimized out>", "$4 = 5"),
        false => ("Unhandled DWARF expression opcode", "$3 = 5"),
    };
    for way in WAYS {
        check(
            way,
            &file,
            &["-O0"],
            &[
                "break fib",
                &at,
                "run",
                "info args",
                "continue",
                "bt",
                "print *pair",
                "finish",
                "delete",
                &format!("tbreak debugged.c:{before}"),
                "continue",
                "info locals",
                "print of_thread",
                "step",
                "bt 2",
                "up",
                "print n",
                "info symbol $pc",
                "disassemble /s",
                // Without the CPU's help, which not every machine gives.
                "set can-use-hw-watchpoints 0",
                "watch before",
                "continue",
                "bt 1",
            ],
            &[
                "Breakpoint 1, fib (n=5)",
                "n = 5",
                "Breakpoint 2, add_up",
                "#0  add_up",
                "#1",
                " in fib (n=5) at ",
                " in main (argc=1, ",
                "mgenjit_executor_run_main",
                "#7",
                " main",
                "$1 = {first = 5, second = 2}",
                "Value returned is",
                "= 7",
                "Temporary breakpoint 3, fib (n=5)",
                "pair = {first = 5, second = 7}",
                "sum = 7",
                of_thread,
                "fib (n=4)",
                "#1",
                "fib (n=5)",
                "#1",
                "fib (n=5)",
                n,
                "fib + ",
                " in section .text",
                "int before = fib(n - 1);",
                machine::CALL,
                "<fib>",
                "Watchpoint 4: before",
                "Watchpoint 4: before",
                "New value = 3",
                "#0",
                "fib (n=5)",
            ],
        );
    }
}

#[test]
fn optimised_code_has_whole_backtraces() {
    if !has(start::name()) {
        return;
    }
    for flags in [
        "-g -O2",
        "-g -O2 -gdwarf-4",
        "-g1 -O2",
        "-g -O2 -ffunction-sections",
        "-g -O2 -fomit-frame-pointer",
    ] {
        let file = ir("debugged.c", flags);
        check(
            "warm",
            &file,
            &["-O2"],
            &["break add_up", "run", "bt"],
            &[
                "Breakpoint 1, add_up",
                "#0  add_up",
                "#1",
                " in fib (",
                " in main (",
                "mgenjit_executor_run_main",
            ],
        );
    }
}

#[test]
fn cplusplus() {
    if !has(start::name()) {
        return;
    }
    let file = ir("debugged.cpp", "-g -O0");
    check(
        "warm",
        &file,
        &["-O0", "--lib", "libstdc++.so.6"],
        &[
            "break Square::area",
            "catch throw",
            "run",
            "print *this",
            "ptype this",
            "up",
            "print shape",
            "print *(Square *)shape",
            "continue",
            "bt",
        ],
        &[
            "Breakpoint 1, Square::area",
            "side = 3",
            "type = const struct Square",
            "total (",
            "(const Shape *) 0x",
            "side = 3",
            "Catchpoint 2 (exception thrown)",
            "refuse",
            "main",
        ],
    );
}

#[test]
fn ir_without_debug_information() {
    if !has(start::name()) {
        return;
    }
    // As transpilers emit it: typed pointers, no target.
    let file = source("tests/programs/debugged_plain.ll");
    for way in ["cold", "warm", "uncached"] {
        check(
            way,
            &file,
            &["-O0"],
            &[
                "break plain_inner",
                "run",
                "bt",
                "info symbol $pc",
                "finish",
                "x/i $pc",
            ],
            &[
                "Breakpoint 1, 0x",
                "#0",
                " in plain_inner ()",
                " in plain_outer ()",
                " in main ()",
                "mgenjit_executor_run_main",
                "plain_inner",
                " in section .text",
                " in plain_outer ()",
                "<plain_outer+",
            ],
        );
    }
}

#[test]
fn rust() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    if !has(start::name()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("debugged.ll");
    let output = Command::new(rustc)
        .args(["--crate-type=lib", "--emit=llvm-ir", "-Cdebuginfo=2"])
        .args(["-Copt-level=0", "-Cpanic=abort", "-o"])
        .arg(&path)
        .arg(source("tests/programs/debugged.rs"))
        .output()
        .expect("rustc");
    assert!(output.status.success(), "{output:?}");
    check(
        "warm",
        &path,
        &["-O0"],
        &[
            "break debugged::area",
            "run",
            "info args",
            "print *shape",
            "bt",
        ],
        &[
            "Breakpoint 1, debugged::area",
            "shape = ",
            "width: 3, height: 4",
            "debugged::main",
            "mgenjit_executor_run_main",
        ],
    );
}

/// A program of its own that adds and removes modules. `stripped`: with a library without its symbols for linkers.
fn host(environment: &[(&str, &str)], commands: &[&str], stripped: bool) -> String {
    let place = crate::support::tools::Place::new(crate::programs::tools().join("run"));
    let library = crate::support::library_folder(&place.path("."));
    if stripped {
        let library = library.join("libmgenjit.so.0");
        std::fs::remove_file(&library).expect("removed");
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&library);
        let status = strip.arg(crate::support::shared_library()).status();
        assert!(status.expect("strip").success());
    }
    let (program, other) = (place.path("host"), place.path("libother.so"));
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    place.cc(&[
        "-shared",
        "-fPIC",
        "-o",
        &text(&other),
        &text(&source("tests/debuggers/other.c")),
    ]);
    place.cc(&[
        "-g",
        "-I",
        &text(&source("include")),
        "-o",
        &text(&program),
        &text(&source("tests/debuggers/host.c")),
        "-L",
        &text(&library),
        "-lmgenjit",
        "-ldl",
        &format!("-Wl,-rpath,{}", text(&library)),
    ]);
    let start = Start {
        environment,
        ..Start::default()
    };
    start.gdb(&place, &program, commands)
}

/// A breakpoint by name is in the new version, and the stub between two functions is no frame.
#[test]
fn a_function_that_is_replaced() {
    if !has(start::name()) {
        return;
    }
    let place = Place::new(tools().join("repl"));
    let inner =
        |sum: &str| format!("define i64 @inner_of(i64 %x) {{\n  %y = {sum}\n  ret i64 %y\n}}\n");
    let outer = "define i64 @outer_of(i64 %x) {\n  %y = call i64 @inner_of(i64 %x)\n  %z = mul i64 %y, 111\n  \
                 ret i64 %z\n}\n";
    let (one, two) = (inner("add i64 %x, 1"), inner("mul i64 %x, 3"));
    let call = "outer_of(1)\n";
    place.write("session", format!("{one}{outer}{call}{two}{call}"));
    for option in ["--time", "--no-cache"] {
        let commands = [
            "break inner_of",
            "run",
            "bt 3",
            "continue",
            "bt 3",
            "continue",
        ];
        let arguments = [option.to_owned()];
        let start = Start {
            arguments: &arguments,
            input: Some("session"),
            ..Start::default()
        };
        let printed = start.gdb(&place, &tools().join("repl"), &commands);
        let stack = [
            "inner_of ()",
            "#0",
            "inner_of ()",
            "#1",
            "outer_of ()",
            "#2",
            "expression",
        ];
        let parts = [&stack[..], &["\n222\n"], &stack, &["\n333\n"]].concat();
        expect(option, &printed, &parts);
    }
}

#[test]
fn what_is_removed_disappears() {
    if !has(start::name()) {
        return;
    }
    let printed = host(
        &[],
        &[
            "break marker",
            "run",
            "info symbol code",
            "continue",
            "info symbol code",
            "continue",
            "info symbol code",
            "continue",
        ],
        false,
    );
    expect(
        "removal",
        &printed,
        &[
            "marker (what=1)",
            "in section .text",
            "marker (what=2)",
            "No symbol matches code",
            "marker (what=3)",
            "in section .text",
            "exited normally",
        ],
    );
}

/// Where nothing is announced, gdb knows no name.
#[test]
fn what_is_not_announced_has_no_name() {
    if !has(start::name()) {
        return;
    }
    let printed = host(
        &[("MGENJIT_DEBUG", "0")],
        &["break marker", "run", "info symbol code"],
        false,
    );
    let parts = ["marker (what=1)", "No symbol matches code"];
    expect("never", &printed, &parts);
}

/// Another library has the names of the interface too, as LLVM has, and it comes first.
#[test]
fn beside_another_jit() {
    if !has(start::name()) {
        return;
    }
    let printed = host(
        &[("OTHER", "./libother.so")],
        &["break answer", "run", "bt"],
        false,
    );
    expect(
        "another JIT",
        &printed,
        &["Breakpoint 1, 0x", " in answer ()", " in main ()"],
    );
}

#[test]
fn with_a_stripped_library() {
    if !has(start::name()) {
        return;
    }
    let printed = host(&[], &["break answer", "run", "bt"], true);
    expect(
        "stripped",
        &printed,
        &["Breakpoint 1, 0x", " in answer ()", " in main ()"],
    );
}
