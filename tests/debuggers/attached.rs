//! A debugger that comes later: it attaches, or reads a core file.

use crate::programs::{expect, has, ir, line, output, place, tools};
use crate::support::skips::skip;
use crate::support::{source, wait};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A process in the middle of compiled code.
struct Running {
    child: Child,
    place: crate::support::tools::Place,
}

impl Running {
    fn start(way: &str, more: &[&str]) -> Running {
        let file = ir("debugged.c", "-g -O0");
        let (place, arguments) = place(way, &file, &[&["-O0"], more].concat());
        let out = std::fs::File::create(place.path("printed")).expect("a file");
        let mut command = place.command(tools().join("run"));
        command.args(&arguments).arg("forever").stdout(out);
        let child = command.stderr(Stdio::null()).spawn().expect("it starts");
        let running = Running { child, place };
        wait::until("compiled code runs", || {
            std::fs::read_to_string(running.place.path("printed"))
                .is_ok_and(|text| text.contains('5'))
        });
        running
    }

    fn gdb(&self, commands: &[&str]) -> String {
        let mut gdb = self.place.command("gdb");
        gdb.args(["-nx", "-q", "-batch", "-ex", "set width 0"]);
        gdb.args(["-p", &self.child.id().to_string()]);
        self.finish(gdb, commands)
    }

    fn gdb_of_core(&self, core: &Path, commands: &[&str]) -> String {
        let mut gdb = self.place.command("gdb");
        gdb.args(["-nx", "-q", "-batch", "-ex", "set width 0"]);
        gdb.arg(tools().join("run")).arg(core);
        self.finish(gdb, commands)
    }

    fn finish(&self, mut gdb: Command, commands: &[&str]) -> String {
        for command in commands {
            gdb.args(["-ex", command]);
        }
        output(gdb, &self.place.path("."))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a debugger is here and may attach. Linux can allow it to a process's parents alone (Yama).
fn may_attach(debugger: &str) -> bool {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    let is_free = scope.map_or(true, |scope| scope.trim() == "0");
    if !is_free && !rustix::process::geteuid().is_root() {
        skip("debuggers", "debuggers may not attach (ptrace_scope)");
        return false;
    }
    has(debugger)
}

fn script() -> String {
    format!("source {}", source("install/mgenjit-gdb.py").display())
}

#[test]
fn with_the_script() {
    if !may_attach("gdb") {
        return;
    }
    let here = format!("break debugged.c:{}", line("usleep(1000)"));
    for way in ["cold", "warm", "uncached", "bundle", "trusted"] {
        let running = Running::start(way, &[]);
        let core = running.place.path("core");
        let keep = format!("gcore {}", core.display());
        let printed = running.gdb(&[
            &script(),
            "mgenjit list",
            "mgenjit load",
            "mgenjit load",
            &here,
            "continue",
            "bt",
            "print ticks > 0",
            &keep,
        ]);
        expect(
            way,
            &printed,
            &[
                "debugged.c-g-O0.ll",
                "mgenjit: symbols of 1 modules read",
                "mgenjit: symbols of 0 modules read",
                "Breakpoint 1 at",
                "Breakpoint 1, main (argc=2",
                "#0  main (argc=2",
                "mgenjit_executor_run_main",
                "$1 = 1",
                "Saved corefile",
            ],
        );
        let printed =
            running.gdb_of_core(&core, &[&script(), "mgenjit load", "bt", "print ticks > 0"]);
        expect(
            &format!("core file, {way}"),
            &printed,
            &[
                "mgenjit: symbols of 1 modules read",
                "#0  main (argc=2",
                "mgenjit_executor_run_main",
                "$1 = 1",
            ],
        );
    }
}

/// Code that was announced needs no script.
#[test]
fn announced() {
    if !may_attach("gdb") {
        return;
    }
    let here = format!("break debugged.c:{}", line("usleep(1000)"));
    for way in ["warm", "uncached"] {
        let running = Running::start(way, &["--debug"]);
        let core = running.place.path("core");
        let keep = format!("gcore {}", core.display());
        let printed = running.gdb(&[&here, "continue", "bt", &keep]);
        let parts = ["main (argc=2", "mgenjit_executor_run_main"];
        expect(way, &printed, &parts);
        let printed = running.gdb_of_core(&core, &["bt"]);
        expect(&format!("core file, {way}"), &printed, &parts);
    }
}

#[test]
fn lldb_sees_what_was_announced() {
    if !may_attach("lldb-22") {
        return;
    }
    let running = Running::start("warm", &["--debug"]);
    let mut lldb = running.place.command("lldb-22");
    lldb.args(["--no-lldbinit", "-b", "-p", &running.child.id().to_string()]);
    lldb.args(["-o", "bt", "-o", "image lookup -n fib", "-o", "detach"]);
    let printed = output(lldb, &running.place.path("."));
    expect(
        "lldb",
        &printed,
        &["main(argc=2", "mgenjit_executor_run_main", "fib"],
    );
}

/// The commands say what is wrong.
#[test]
fn without_the_library() {
    if !has("gdb") {
        return;
    }
    let place = crate::support::tools::Place::new(tools().join("run"));
    let mut gdb = place.command("gdb");
    gdb.args([
        "-nx",
        "-q",
        "-batch",
        "-ex",
        &script(),
        "-ex",
        "mgenjit load",
    ]);
    let printed = output(gdb, &place.path("."));
    expect(
        "gdb alone",
        &printed,
        &["mgenjit: there is no libmgenjit in this program"],
    );
}
