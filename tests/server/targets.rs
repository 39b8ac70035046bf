//! Objects, assembly and IR for other targets than this machine.

use crate::client::{Artifacts, Outcome, Server, request};
use crate::tools::{
    AARCH64, CC, LLVM_AS, LLVM_OBJDUMP, Machine, NODE, OPT, READELF, RISCV64, Tool, WASM_LD,
    folder, run, run_program,
};
use mgenjit::cpu::Cpu;
use mgenjit::protocol::messages::{CompileRequest, FailureKind, Request};
use mgenjit::types::{Emit, Input, OptLevel, Target, TargetSpec};
use std::env::consts::ARCH;

/// Calls the C library, and has a constructor, a thread-local variable, a variable of each linkage, and floating point.
const PROGRAM: &str = r#"
@format = private constant [21 x i8] c"%d %d %d %s %.2f %d\0A\00"
@text = internal global ptr @word
@word = private constant [4 x i8] c"abc\00"
@shared = common global i32 0
@weak = weak global i32 5
@own = thread_local global i32 7
@stdout = external global ptr
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @begin, ptr null }]

declare i32 @fprintf(ptr, ptr, ...)
declare double @sqrt(double)
declare ptr @llvm.threadlocal.address.p0(ptr)

define internal void @begin() {
  store i32 3, ptr @shared
  ret void
}

define linkonce_odr i32 @inlined(i32 %x) noinline {
  %r = mul i32 %x, 2
  ret i32 %r
}

define i32 @main(i32 %argc, ptr %argv) {
  %out = load ptr, ptr @stdout
  %shared = load i32, ptr @shared
  %weak = load i32, ptr @weak
  %place = call ptr @llvm.threadlocal.address.p0(ptr @own)
  %own = load i32, ptr %place
  %text = load ptr, ptr @text
  %wide = sitofp i32 %argc to double
  %two = fadd double %wide, 1.0
  %root = call double @sqrt(double %two)
  %double = call i32 @inlined(i32 %own)
  call i32 (ptr, ptr, ...) @fprintf(ptr %out, ptr @format, i32 %shared, i32 %weak, i32 %own, ptr %text, double %root, i32 %double)
  ret i32 0
}
"#;
const OUTPUT: &str = "3 5 7 abc 1.41 14\n";

fn spec(triple: &str, cpu: &str, features: &str) -> Target {
    Target::Other(TargetSpec {
        triple: triple.to_owned(),
        cpu: cpu.to_owned(),
        features: features.to_owned(),
    })
}

fn compile(server: &mut Server, ir: &str, target: Target, emit: Emit) -> Outcome {
    compile_at(server, ir, target, emit, OptLevel::O2)
}

fn compile_at(
    server: &mut Server,
    ir: &str,
    target: Target,
    emit: Emit,
    opt_level: OptLevel,
) -> Outcome {
    let request = Request::Compile(CompileRequest {
        opt_level,
        target,
        emit,
        ..request("test", ir.len() as u64)
    });
    server.request(&request, &[ir.as_bytes()])
}

fn object(server: &mut Server, ir: &str, target: Target) -> Artifacts {
    compile(server, ir, target, Emit::Code).unwrap_compiled()
}

#[test]
fn objects_link_with_cross_compilers_and_run() {
    fn check(server: &mut Server, machine: Machine) {
        for level in [OptLevel::O0, OptLevel::O2] {
            let target = spec(machine.triple, "", "");
            let made = compile_at(server, PROGRAM, target, Emit::Code, level).unwrap_compiled();
            assert!(made.image.is_empty());
            let names: Vec<&str> = made.reply.functions.iter().map(|f| &*f.name).collect();
            assert_eq!(names, ["inlined", "main"], "{}", machine.triple);
            let folder = folder(&[("program.o", &made.object)]);
            for flag in ["-pie", "-no-pie", "-static"] {
                let arguments = ["program.o", flag, "-o", "program", "-lm"];
                run(machine.cc, folder.path(), arguments);
                let output = machine.run("program", folder.path());
                assert_eq!(output, OUTPUT, "{} {flag} {level:?}", machine.triple);
            }
        }
    }
    let mut server = Server::start();
    check(&mut server, AARCH64);
    check(&mut server, RISCV64);
}

#[test]
fn riscv_has_floating_point_registers_unless_features_say_otherwise() {
    fn check(server: &mut Server, features: &str, used: &str, flags: &str) {
        let made = object(server, PROGRAM, spec("riscv64-linux-gnu", "", features));
        assert_eq!(made.reply.triple, "riscv64-unknown-linux-gnu");
        assert_eq!(
            (&*made.reply.cpu, &*made.reply.features),
            ("generic", used),
            "{features}"
        );
        let folder = folder(&[("program.o", &made.object)]);
        let header = run(READELF, folder.path(), ["-h", "program.o"]);
        assert!(header.contains(flags), "{features}: {header}");
    }
    let mut server = Server::start();
    let gc = "+m,+a,+f,+d,+c,+zicsr,+zifencei";
    check(&mut server, "", gc, "RVC, double-float ABI");
    check(&mut server, "+m,+f", "+m,+f", "single-float ABI");
    check(&mut server, "+m,+a", "+m,+a", "0x0\n");
    check(&mut server, "+d", "+d", "double-float ABI");
}

#[test]
fn webassembly_runs_under_node() {
    const IR: &str = "
@calls = global i32 0
@own = thread_local global i32 4
@shared = common global i32 0
declare i32 @twice(i32)
define i32 @add(i32 %a, i32 %b) {
  %n = load i32, ptr @calls
  %m = add i32 %n, 1
  store i32 %m, ptr @calls
  %s = add i32 %a, %b
  %t = call i32 @twice(i32 %s)
  ret i32 %t
}
define i64 @count() {
  %n = load i32, ptr @calls
  %o = load i32, ptr @own
  %s = load i32, ptr @shared
  %a = add i32 %n, %o
  %b = add i32 %a, %s
  %w = zext i32 %b to i64
  ret i64 %w
}
";
    const SCRIPT: &[u8] = b"
const fs = require('fs');
WebAssembly.instantiate(fs.readFileSync('program.wasm'), { env: { twice: x => 2 * x } }).then(({ instance }) => {
  const { add, count } = instance.exports;
  console.log(add(2, 3), add(-1, 1), String(count()));
});
";
    let mut server = Server::start();
    for (triple, features) in [
        ("wasm32-unknown-unknown", ""),
        ("wasm32-wasi", "+simd128,+bulk-memory"),
    ] {
        let made = object(&mut server, IR, spec(triple, "", features));
        assert!(made.image.is_empty());
        assert_eq!(made.reply.features, features);
        let functions: Vec<String> = made
            .reply
            .functions
            .iter()
            .map(std::string::ToString::to_string)
            .collect();
        assert_eq!(functions, ["i32 @add(i32, i32)", "i64 @count()"]);
        let folder = folder(&[("program.o", &made.object), ("run.js", SCRIPT)]);
        let arguments = [
            "--no-entry",
            "--export=add",
            "--export=count",
            "--allow-undefined",
            "program.o",
            "-o",
            "program.wasm",
        ];
        run(WASM_LD, folder.path(), arguments);
        assert_eq!(run(NODE, folder.path(), ["run.js"]), "10 0 6\n", "{triple}");
    }
}

#[test]
fn names_of_cpus_and_features_decide_about_instructions() {
    const IR: &str = "define void @f(ptr %p) {
  %a = load <8 x i32>, ptr %p, align 4
  %b = mul <8 x i32> %a, %a
  store <8 x i32> %b, ptr %p, align 4
  ret void
}
";
    fn check(server: &mut Server, cpu: &str, features: &str, expect: &str) {
        let target = spec("x86_64-linux-gnu", cpu, features);
        let made = object(server, IR, target.clone());
        assert!(made.image.is_empty());
        let named = if cpu.is_empty() { "x86-64" } else { cpu };
        assert_eq!(
            (&*made.reply.triple, &*made.reply.cpu, &*made.reply.features),
            ("x86_64-unknown-linux-gnu", named, features)
        );
        let folder = folder(&[("f.o", &made.object)]);
        let code = run(LLVM_OBJDUMP, folder.path(), ["-d", "f.o"]);
        let registers = ["zmm", "ymm", "xmm"].map(|name| code.contains(name));
        assert_eq!(
            registers,
            ["zmm", "ymm", "xmm"].map(|name| name == expect),
            "{cpu}: {code}"
        );
        let assembly = compile(server, IR, target, Emit::Assembly).unwrap_emitted();
        assert!(
            String::from_utf8(assembly).unwrap().contains(expect),
            "{cpu}"
        );
    }
    let mut server = Server::start();
    check(&mut server, "", "", "xmm");
    check(&mut server, "x86-64-v3", "", "ymm");
    check(&mut server, "", "+avx2", "ymm");
    check(&mut server, "x86-64-v3", "-avx2,-avx", "xmm");
}

#[test]
fn names_that_llvm_does_not_know_are_told_from_those_it_knows() {
    fn check(target: [&str; 3], expect: &[&str]) -> Server {
        let mut server = Server::start();
        // As a server is that has worked.
        object(
            &mut server,
            PROGRAM,
            spec("aarch64-linux-gnu", "cortex-a72", "+crc"),
        );
        let [triple, cpu, features] = target;
        let outcome = compile(
            &mut server,
            PROGRAM,
            spec(triple, cpu, features),
            Emit::Code,
        );
        let failure = outcome.unwrap_failed();
        assert_eq!(failure.kind, FailureKind::Target, "{failure:?}");
        for part in expect {
            assert!(
                failure.message.contains(part),
                "{part}: {}",
                failure.message
            );
        }
        server
    }
    /// What LLVM was not asked about leaves the server as it was.
    fn goes_on(target: [&str; 3], expect: &[&str]) {
        let mut server = check(target, expect);
        object(
            &mut server,
            PROGRAM,
            spec("riscv64-linux-gnu", "sifive-u74", "+m"),
        );
        assert_eq!(server.words(), "");
    }
    /// The lists are printed once in a process.
    fn ends(target: [&str; 3], expect: &[&str]) {
        let (status, words) = check(target, expect).wait();
        assert_eq!((status.code(), &*words), (Some(0), ""), "{target:?}");
    }
    let arm = "aarch64-linux-gnu";
    let risc = "riscv64-linux-gnu";
    goes_on(
        ["vax-dec-vms", "", ""],
        &["\"vax-dec-vms\"", "aarch64", "wasm32"],
    );
    goes_on(["", "", ""], &["\"\"", "aarch64"]);
    goes_on(
        ["aarch64-linuks-gnu", "", ""],
        &["\"aarch64-linuks-gnu\"", "linux"],
    );
    ends(
        [arm, "cortex-a7200", ""],
        &["CPU \"cortex-a7200\"", "cortex-a72,"],
    );
    ends([arm, "help", ""], &["CPU \"help\"", "cortex-a72,"]);
    ends(
        [risc, "cortex-a72", ""],
        &["CPU \"cortex-a72\"", "sifive-u74"],
    );
    ends(["wasm32-wasi", "", "+avx"], &["feature \"avx\"", "simd128"]);
    ends([arm, "", "+sve,-help"], &["feature \"help\"", "sve2,"]);
    ends([arm, "", "+cpuhelp"], &["feature \"cpuhelp\"", "sve2,"]);
    goes_on([arm, "", "sve"], &["\"sve\"", "neither + nor -"]);
    goes_on([arm, "", "+sve,,-crc"], &["\"\"", "neither + nor -"]);
    // LLVM would end the process over these.
    ends([risc, "sifive-e31", ""], &["sifive-e31", "RV64"]);
    ends([risc, "", "+e,+d,+zfinx"], &["+e,+d,+zfinx"]);
}

#[test]
fn ir_of_another_target_is_refused_and_of_an_older_llvm_adopted() {
    fn check(server: &mut Server, target: &str, triple: &str, layout: &str, expect: Option<&str>) {
        let mut ir = "define i32 @f() {\n  ret i32 1\n}\n".to_owned();
        for (name, value) in [("triple", triple), ("datalayout", layout)] {
            if !value.is_empty() {
                ir.insert_str(0, &format!("target {name} = \"{value}\"\n"));
            }
        }
        match (
            compile(server, &ir, spec(target, "", ""), Emit::Code),
            expect,
        ) {
            (Outcome::Compiled(_), None) => {}
            (Outcome::Failed(failure), Some(expect)) => {
                assert_eq!(failure.kind, FailureKind::Target, "{failure:?}");
                assert!(failure.message.contains(expect), "{failure:?}");
            }
            (outcome, _) => panic!("{target} {triple} {layout}: {outcome:?}"),
        }
    }
    let mut server = Server::start();
    let mut accepted = |target, triple, layout| check(&mut server, target, triple, layout, None);
    let arm = "aarch64-linux-gnu";
    accepted(arm, "", "");
    accepted(arm, "aarch64-unknown-linux-gnu", "");
    accepted(arm, "arm64-linux-gnu", "");
    accepted(
        arm,
        "",
        "e-m:e-i8:8:32-i16:16:32-i64:64-i128:128-n32:64-S128",
    );
    accepted(
        "riscv64-linux-gnu",
        "",
        "e-m:e-p:64:64-i64:64-i128:128-n64-S128",
    );
    accepted(
        "wasm32-wasi",
        "",
        "e-m:e-p:32:32-i64:64-n32:64-S128-ni:1:10:20",
    );
    accepted(
        "x86_64-linux-gnu",
        "",
        "e-m:e-i64:64-f80:128-n8:16:32:64-S128",
    );
    // As lli and clang take them.
    for triple in [
        "unknown-unknown-unknown",
        "unknown",
        "x86_64",
        "x86_64-unknown-unknown",
        "x86_64-unknown-none",
        "x86_64-none-elf",
        "x86_64-elf",
        "x86_64-pc-linux",
        "x86_64-pc-linux-gnu-elf",
        "amd64-linux-gnu",
        "x86_64-linux-musl",
        "x86_64-linux-android",
        "x86_64-unknown-freebsd",
        "x86_64-unknown-hurd-gnu",
    ] {
        accepted("x86_64-linux-gnu", triple, "");
    }
    accepted(arm, "aarch64-none-elf", "");
    accepted(arm, "unknown-unknown-unknown", "");
    accepted("wasm32-wasi", "wasm32-unknown-unknown", "");
    accepted("x86_64-linux-gnu", "", "e-p:64:64:64-i1:8-ni:10:11:12:13");
    let mut refused =
        |target, triple, layout, expect| check(&mut server, target, triple, layout, Some(expect));
    refused(
        arm,
        "x86_64-pc-linux-gnu",
        "",
        "\"aarch64-unknown-linux-gnu\"",
    );
    refused(arm, "aarch64-apple-darwin", "", "\"aarch64-apple-darwin\"");
    for triple in [
        "i686-linux-gnu",
        "spir64",
        "x86_64-linux-gnux32",
        "x86_64-pc-windows-msvc",
        "x86_64-apple-darwin",
        "x86_64-unknown-uefi",
    ] {
        refused("x86_64-linux-gnu", triple, "", "target triple");
    }
    refused("x86_64-linux-gnu", "", "e-p:32:32", "data layout");
    refused(arm, "", "E-m:e-i64:64-i128:128-n32:64-S128", "data layout");
    refused(
        "riscv64-linux-gnu",
        "",
        "e-m:e-p:32:32-i64:64-n32-S128",
        "data layout",
    );
}

/// An optimiser that knows nothing of it would read the pointer as the integer that it was stored as.
#[test]
fn pointers_that_are_no_integers_stay_so() {
    let mut server = Server::start();
    let mut emitted = |layout: &str| {
        let ir = format!(
            "target datalayout = \"{layout}\"\n\
             define ptr addrspace(10) @f(i64 %x) {{\n  %a = alloca i64\n  store i64 %x, ptr %a\n  \
             %p = load ptr addrspace(10), ptr %a\n  ret ptr addrspace(10) %p\n}}\n"
        );
        match compile(&mut server, &ir, Target::Host(Cpu::native()), Emit::Ir) {
            Outcome::Emitted(text) => String::from_utf8(text).unwrap(),
            outcome => panic!("{outcome:?}"),
        }
    };
    let plain = emitted("e");
    assert!(
        plain.contains("inttoptr") && !plain.contains("-ni:"),
        "{plain}"
    );
    let kept = emitted("e-ni:10:11");
    assert!(
        !kept.contains("inttoptr") && kept.contains("-ni:10:11\""),
        "{kept}"
    );
}

#[test]
fn what_is_emitted_is_the_object_in_another_form() {
    fn check(server: &mut Server, target: Target, link: &dyn Fn(&[u8]) -> String) {
        let mut emit = |ir: &str, emit| compile(server, ir, target.clone(), emit);
        let assembly = emit(PROGRAM, Emit::Assembly).unwrap_emitted();
        assert_eq!(link(&assembly), OUTPUT);
        let ir = emit(PROGRAM, Emit::Ir).unwrap_emitted();
        let ir = String::from_utf8(ir).unwrap();
        for part in [
            "target triple = \"",
            "target datalayout = \"",
            "source_filename = ",
        ] {
            assert!(ir.contains(part), "{part}: {ir}");
        }
        let bitcode = emit(PROGRAM, Emit::Bitcode).unwrap_emitted();
        let folder = folder(&[("m.ll", ir.as_bytes()), ("m.bc", &bitcode)]);
        run(LLVM_AS, folder.path(), ["m.ll", "-o", "from-text.bc"]);
        for file in ["m.ll", "m.bc", "from-text.bc"] {
            let text = run(OPT, folder.path(), ["-passes=verify", "-S", file]);
            assert!(text.contains("@main("), "{file}: {text}");
        }
        // Both are inputs again, and are the same module.
        let request = |bytes: &[u8]| {
            Request::Compile(CompileRequest {
                target: target.clone(),
                ..request("again", bytes.len() as u64)
            })
        };
        let from_text = server.request(&request(ir.as_bytes()), &[ir.as_bytes()]);
        let from_bitcode = server.request(&request(&bitcode), &[&bitcode]);
        let [text, bits] = [from_text, from_bitcode].map(|made| made.unwrap_compiled().object);
        assert_eq!(text, bits);
    }
    let mut server = Server::start();
    check(&mut server, Target::Host(Cpu::native()), &|assembly| {
        let folder = folder(&[("m.s", assembly)]);
        run(CC, folder.path(), ["m.s", "-o", "m", "-lm"]);
        run_program(&folder.path().join("m"), folder.path(), [""; 0])
    });
    check(&mut server, spec(AARCH64.triple, "", ""), &|assembly| {
        let folder = folder(&[("m.s", assembly)]);
        run(AARCH64.cc, folder.path(), ["m.s", "-o", "m", "-lm"]);
        AARCH64.run("m", folder.path())
    });
}

#[test]
fn equal_requests_for_a_target_get_equal_bytes() {
    let targets = [
        Target::Host(Cpu::native()),
        spec("aarch64-linux-gnu", "", ""),
        spec("riscv64-linux-gnu", "", ""),
        spec("wasm32-wasi", "", ""),
        spec("x86_64-linux-gnu", "x86-64-v3", "-fma"),
        spec("i686-linux-gnu", "", ""),
        spec("riscv32-linux-gnu", "", ""),
        spec("aarch64-apple-darwin", "", ""),
        spec("x86_64-pc-windows-msvc", "", ""),
    ];
    let bytes = |outcome| match outcome {
        Outcome::Compiled(made) => made.object,
        other => other.unwrap_emitted(),
    };
    // In another order, by another server.
    let (mut one, mut other) = (Server::start(), Server::start());
    let emits = [Emit::Code, Emit::Assembly, Emit::Bitcode, Emit::Ir];
    let mut first = Vec::new();
    for target in &targets {
        for emit in emits {
            first.push(bytes(compile(&mut one, PROGRAM, target.clone(), emit)));
        }
    }
    for target in targets.iter().rev() {
        for emit in emits.iter().rev() {
            let again = bytes(compile(&mut other, PROGRAM, target.clone(), *emit));
            assert!(first.pop() == Some(again), "{target:?} {emit:?}");
        }
    }
}

#[test]
fn an_intrinsic_that_llvm_lacks_is_named_whatever_is_emitted() {
    let ir = "declare i32 @llvm.no.such(i32)
define i32 @f() {
  %r = call i32 @llvm.no.such(i32 1)
  ret i32 %r
}
";
    let mut server = Server::start();
    for emit in [Emit::Code, Emit::Assembly, Emit::Ir] {
        for target in [Target::Host(Cpu::native()), spec("wasm32-wasi", "", "")] {
            let failure = compile(&mut server, ir, target, emit).unwrap_failed();
            assert_eq!(failure.kind, FailureKind::Codegen);
            assert!(failure.message.contains("llvm.no.such"), "{failure:?}");
        }
    }
}

/// Objects and archives of another target's compiler, with IR, in one unit.
fn with_objects(machine: Machine) {
    let mut server = Server::start();
    let ir = "declare i32 @one(i32)\ndeclare i32 @two(i32)\ndeclare i32 @puts(ptr)\n\
        @text = private constant [3 x i8] c\"hi\\00\"\n\
        define i32 @main() {\n  %n = call i32 @puts(ptr @text)\n  %a = call i32 @one(i32 20)\n  \
        %b = call i32 @two(i32 %a)\n  %wrong = icmp ne i32 %b, 42\n  %r = zext i1 %wrong to i32\n  ret i32 %r\n}\n";
    let files: [(&str, &[u8]); 3] = [
        ("one.c", b"int one(int x) { return x + 1; }"),
        ("two.c", b"int two(int x) { return 2 * x; }"),
        ("three.c", b"int three(void) { return absent(); }"),
    ];
    let folder = folder(&files);
    let folder = folder.path();
    run(
        machine.cc,
        folder,
        ["-w", "-O1", "-c", "one.c", "two.c", "three.c"],
    );
    run(
        Tool("ar", "binutils"),
        folder,
        ["rcS", "lib.a", "three.o", "two.o"],
    );
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (one, library) = (read("one.o"), read("lib.a"));
    let inputs = [
        ("main.ll", ir.as_bytes()),
        ("one.o", &*one),
        ("lib.a", &*library),
    ];
    let unit = |target: Target| {
        Request::Compile(CompileRequest {
            target,
            inputs: inputs
                .iter()
                .map(|(name, bytes)| Input {
                    name: (*name).to_owned(),
                    len: bytes.len() as u64,
                })
                .collect(),
            ..request("unit", 0)
        })
    };
    let bytes = inputs.map(|(_, bytes)| bytes);
    let made = server
        .request(&unit(spec(machine.triple, "", "")), &bytes)
        .unwrap_compiled();
    assert!(made.image.is_empty());
    std::fs::write(folder.join("unit.a"), &made.object).unwrap();
    let members = run(Tool("ar", "binutils"), folder, ["t", "unit.a"]);
    assert_eq!(members, "module.o\ninput-1.o\ntwo.o\n");
    run(machine.cc, folder, ["unit.a", "-o", "unit"]);
    assert_eq!(machine.run("unit", folder), "hi\n");
    // For this machine they are another's.
    if machine.triple.starts_with(ARCH) {
        return;
    }
    let failure = server
        .request(&unit(Target::Host(Cpu::native())), &bytes)
        .unwrap_failed();
    assert_eq!(
        (failure.kind, failure.input),
        (FailureKind::Target, Some(1))
    );
}

#[test]
fn objects_for_aarch64_are_linked_with_ir() {
    with_objects(AARCH64);
}

#[test]
fn objects_for_riscv_are_linked_with_ir() {
    with_objects(RISCV64);
}
