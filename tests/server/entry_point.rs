//! Executables of programs whose `main` the C start-up code cannot call.

use crate::client::{Server, request};
use crate::tools::{AARCH64, CC, NODE, READELF, WASM_LD, folder, run};
use mgenjit::cpu::Cpu;
use mgenjit::protocol::messages::{CompileRequest, Request};
use mgenjit::types::{OptLevel, Target, TargetSpec};
use std::process::Command;

fn object(server: &mut Server, ir: &str, target: Target, opt_level: OptLevel) -> Vec<u8> {
    let request = Request::Compile(CompileRequest {
        target,
        opt_level,
        ..request("main", ir.len() as u64)
    });
    let made = server.request(&request, &[ir.as_bytes()]).unwrap_compiled();
    let names: Vec<&str> = made.reply.functions.iter().map(|f| &*f.name).collect();
    assert_eq!(names, ["main"], "{ir}");
    made.object
}

fn other(triple: &str) -> Target {
    Target::Other(TargetSpec {
        triple: triple.to_owned(),
        cpu: String::new(),
        features: String::new(),
    })
}

const PRINTS: &str = "@text = private constant [6 x i8] c\"hello\\00\"\ndeclare i32 @puts(ptr)\n";

/// The status of a program that was started with two arguments more than its name.
fn status(server: &mut Server, main: &str, level: OptLevel) -> Option<i32> {
    let object = object(server, main, Target::Host(Cpu::native()), level);
    let folder = folder(&[("main.o", &object)]);
    let arguments = ["main.o", "-Wl,--wrap=main", "-o", "main"];
    run(CC, folder.path(), arguments);
    let mut command = Command::new(folder.path().join("main"));
    command.args(["one", "two"]).status().unwrap().code()
}

#[test]
fn an_odd_main_returns_its_status_to_the_system() {
    fn check(server: &mut Server, main: &str, expect: i32) {
        for level in [OptLevel::O0, OptLevel::O2] {
            assert_eq!(status(server, main, level), Some(expect), "{main}");
        }
    }
    let mut server = Server::start();
    check(&mut server, "define void @main() { ret void }", 0);
    check(&mut server, "define i64 @main() { ret i64 7 }", 7);
    check(&mut server, "define i64 @main() { ret i64 4294967298 }", 2);
    check(&mut server, "define i8 @main() { ret i8 5 }", 5);
    check(&mut server, "define i16 @main() { ret i16 -1 }", 255);
    check(&mut server, "define i64 @main(i64 %n) { ret i64 %n }", 3);
    check(&mut server, "define i8 @main(i8 %n) { ret i8 %n }", 3);
    // The last letter of the first argument, and whether there is an environment.
    check(
        &mut server,
        "define i64 @main(i64 %n, ptr %v, ptr %e) {
           %p = getelementptr ptr, ptr %v, i64 1
           %s = load ptr, ptr %p
           %l = getelementptr i8, ptr %s, i64 2
           %c = load i8, ptr %l
           %w = zext i8 %c to i64
           %first = load ptr, ptr %e
           %is = icmp ne ptr %first, null
           %one = zext i1 %is to i64
           %sum = add i64 %w, %one
           ret i64 %sum
         }",
        i32::from(b'e') + 1,
    );
    check(
        &mut server,
        "define void @main(i32 %n, ptr %v) uwtable { ret void }",
        0,
    );
    check(
        &mut server,
        "define weak i64 @main() \"frame-pointer\"=\"all\" { ret i64 9 }",
        9,
    );
}

#[test]
fn a_main_that_c_can_call_or_nobody_can_gets_no_wrapper() {
    fn check(server: &mut Server, main: &str, expect: bool) {
        let object = object(server, main, Target::Host(Cpu::native()), OptLevel::O2);
        let folder = folder(&[("main.o", &object)]);
        let symbols = run(READELF, folder.path(), ["-sW", "main.o"]);
        assert_eq!(
            symbols.contains(" __wrap_main\n"),
            expect,
            "{main}: {symbols}"
        );
        if expect {
            assert!(symbols.contains("HIDDEN"), "{symbols}");
        }
    }
    let mut server = Server::start();
    check(&mut server, "define void @main() { ret void }", true);
    check(&mut server, "define i32 @main() { ret i32 0 }", false);
    check(&mut server, "define i32 @main(i32 %n) { ret i32 0 }", false);
    check(
        &mut server,
        "define i32 @main(i32 %n, ptr %v) { ret i32 0 }",
        false,
    );
    check(
        &mut server,
        "define i32 @main(i32 %n, ptr %v, ptr %e) { ret i32 0 }",
        false,
    );
    check(
        &mut server,
        "define double @main() { ret double 0.0 }",
        false,
    );
    check(&mut server, "define i64 @main(ptr %v) { ret i64 0 }", false);
    check(&mut server, "define i1 @main() { ret i1 0 }", false);
    check(
        &mut server,
        "define i64 @main(i32 %n, ...) { ret i64 0 }",
        false,
    );
    check(
        &mut server,
        "define fastcc i64 @main() { ret i64 0 }",
        false,
    );
}

#[test]
fn other_targets_have_the_entry_point_too() {
    let mut server = Server::start();
    let ir = format!(
        "{PRINTS}define void @main(i64 %n) {{\n  %r = call i32 @puts(ptr @text)\n  ret void\n}}\n"
    );
    let made = object(&mut server, &ir, other(AARCH64.triple), OptLevel::O2);
    let folder_of = folder(&[("main.o", &made)]);
    let arguments = ["main.o", "-Wl,--wrap=main", "-o", "main"];
    run(AARCH64.cc, folder_of.path(), arguments);
    assert_eq!(AARCH64.run("main", folder_of.path()), "hello\n");
}

/// What the system's start-up code does, and that of its C library if `main` takes arguments.
#[test]
fn webassembly_calls_a_main_by_the_name_of_its_signature() {
    fn check(server: &mut Server, main: &str, called: &str, expect: &str) {
        let wasm = other("wasm32-unknown-unknown");
        let made = object(server, main, wasm.clone(), OptLevel::O2);
        let declared = called.replace("i32 2", "i32").replace("null", "");
        let start = format!(
            "declare i32 {declared}\ndefine i32 @start() {{\n  %r = call i32 {called}\n  ret i32 %r\n}}\n"
        );
        let request = Request::Compile(CompileRequest {
            target: wasm,
            ..request("start", start.len() as u64)
        });
        let start = server
            .request(&request, &[start.as_bytes()])
            .unwrap_compiled();
        let script = b"
const fs = require('fs');
WebAssembly.instantiate(fs.readFileSync('main.wasm')).then(({ instance }) => {
  console.log(instance.exports.start());
});
";
        let folder = folder(&[
            ("main.o", &made),
            ("start.o", &start.object),
            ("run.js", script),
        ]);
        let arguments = [
            "--no-entry",
            "--export=start",
            "start.o",
            "main.o",
            "-o",
            "main.wasm",
        ];
        run(WASM_LD, folder.path(), arguments);
        assert_eq!(run(NODE, folder.path(), ["run.js"]), expect, "{main}");
    }
    let mut server = Server::start();
    let argued = "@__main_argc_argv(i32 2, ptr null)";
    let adds = "define i64 @main(i64 %n) {\n  %r = add i64 %n, 40\n  ret i64 %r\n}\n";
    check(&mut server, adds, argued, "42\n");
    check(
        &mut server,
        "define void @main(i32 %n, ptr %v) { ret void }",
        argued,
        "0\n",
    );
    check(
        &mut server,
        "define i64 @main() { ret i64 7 }",
        "@__main_void()",
        "7\n",
    );
}
