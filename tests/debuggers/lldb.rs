//! lldb starts the program.

use crate::programs::{expect, has, ir, line, output, place, tools};
use crate::support::machine;
use std::path::Path;

const LLDB: &str = "lldb-22";

fn check(way: &str, file: &Path, options: &[&str], commands: &[&str], parts: &[&str]) {
    let (place, arguments) = place(way, file, options);
    let mut lldb = place.command(LLDB);
    lldb.args(["--no-lldbinit", "-b"]);
    for command in commands {
        lldb.args(["-o", command]);
    }
    lldb.arg("--").arg(tools().join("run")).args(&arguments);
    let printed = output(lldb, &place.path("."));
    expect(&format!("{way} {options:?}"), &printed, parts);
}

#[test]
fn c_wherever_it_comes_from() {
    if !has(LLDB) {
        return;
    }
    let file = ir("debugged.c", "-g -O0");
    let in_add_up = line("pair->second += pair->first");
    let breakpoint = format!("breakpoint set -f debugged.c -l {in_add_up}");
    for way in ["cold", "warm", "uncached", "trusted"] {
        check(
            way,
            &file,
            &["-O0"],
            &[
                "breakpoint set -n fib",
                &breakpoint,
                "run",
                "frame variable n",
                "continue",
                "bt",
                "frame variable *pair",
                "up",
                "frame variable sum n",
                "image lookup -a $pc",
                "disassemble -c 3",
            ],
            &[
                "stop reason = breakpoint 1",
                "fib(n=5) at debugged.c",
                "(int) n = 5",
                "stop reason = breakpoint 2",
                "add_up(pair=0x",
                "fib(n=5) at debugged.c",
                "main(argc=1, argv=0x",
                "mgenjit_executor_run_main",
                "__libc_start",
                "first = 5, second = 2",
                "fib(n=5) at debugged.c",
                "(int) n = 5",
                "Summary: JIT(0x",
                "fib + ",
                machine::PUSH,
            ],
        );
    }
}

#[test]
fn optimised_code_has_whole_backtraces() {
    if !has(LLDB) {
        return;
    }
    for flags in ["-g -O2", "-g -O2 -gdwarf-4"] {
        let file = ir("debugged.c", flags);
        check(
            "warm",
            &file,
            &["-O2"],
            &["breakpoint set -n add_up", "run", "bt"],
            &[
                "stop reason = breakpoint 1",
                "add_up",
                "fib(n=",
                "main",
                "mgenjit_executor_run_main",
                "__libc_start",
            ],
        );
    }
}
