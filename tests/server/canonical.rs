//! Which modules the server takes for the same, and that the code does not miss what is left out.

use crate::client::Server;
use crate::inputs::bitcode;
use crate::loaded::Loaded;
use mgenjit::cpu::{Cpu, Level};
use mgenjit::protocol::messages::Decision;
use mgenjit::types::OptLevel;
use std::env::consts::ARCH;

fn digest(server: &Server, ir: &[u8]) -> [u8; 32] {
    let digest = server.identify(ir);
    server.decide(Decision::Stop);
    digest
}

const MODULE: &str = r#"
; ModuleID = 'one'
source_filename = "one.c"
%pair = type { i32, i32 }
%two = type { i32, i32 }
@text = private unnamed_addr constant [3 x i8] c"ab\00"
@count = internal global i32 0
@pointer = global ptr @text
define i32 @test(i32 %x) {
entry:
  %positive = icmp sgt i32 %x, 0
  br i1 %positive, label %yes, label %no
yes:
  %sum = call i32 @helper(i32 %x)
  ret i32 %sum
no:
  ret i32 7
}
define internal i32 @helper(i32 %number) noinline {
start:
  %first = load i8, ptr @text
  %wide = zext i8 %first to i32
  %sum = add i32 %wide, %number
  store i32 %sum, ptr @count
  %inner = call i32 @deep(i32 %sum)
  ret i32 %inner
}
define private i32 @deep(i32 %number) noinline {
  %product = mul i32 %number, 3
  ret i32 %product
}
"#;

#[test]
fn names_that_do_not_matter_are_left_out() {
    let mut server = Server::start();
    let expect = digest(&server, MODULE.as_bytes());
    let artifacts = |server: &mut Server, ir: &[u8]| {
        let compiled = server.compile("test", ir, OptLevel::O2).unwrap_compiled();
        (compiled.image, compiled.object, compiled.reply.functions)
    };
    let code = artifacts(&mut server, MODULE.as_bytes());
    let mut check = |ir: &[u8]| {
        let shown = String::from_utf8_lossy(ir);
        assert_ne!(ir, MODULE.as_bytes());
        assert_eq!(digest(&server, ir), expect, "{shown}");
        assert!(artifacts(&mut server, ir) == code, "{shown}");
    };
    let mut change = |from: &str, to: &str| check(MODULE.replace(from, to).as_bytes());
    change("'one'", "'two'");
    change("one.c", "/elsewhere/two.c");
    change("source_filename = \"one.c\"", "");
    // Parameters, blocks, instructions, with a name or only a number.
    change("%x", "%y");
    change("entry:\n", "");
    change("yes", "positively");
    change("%number", "%\"a number\"");
    change("%positive", "%0");
    // Private globals.
    change("@text", "@.str.17");
    change("@text", "@\"a text\"");
    change("@deep", "@shallow");
    // Layout and comments.
    change("\n", "\n\n ; dso_local\n\t");
    change("  ", " ");
    change("ret i32 7", "ret i32 7 ; lucky");
    // What the server adds itself.
    let triple = format!("target triple = \"{ARCH}-pc-linux-gnu\"\n%pair");
    change("%pair", &triple);
    // A type that nothing has.
    change("%pair", "%couple");
    check(&bitcode(MODULE));
}

#[test]
fn everything_else_matters() {
    let server = Server::start();
    let mut seen = vec![digest(&server, MODULE.as_bytes())];
    let mut check = |from: &str, to: &str| {
        let ir = MODULE.replace(from, to);
        let found = digest(&server, ir.as_bytes());
        assert!(!seen.contains(&found), "{from:?} to {to:?}");
        seen.push(found);
    };
    check("i32 7", "i32 8");
    check("c\"ab", "c\"ac");
    check("mul", "add");
    check("sgt", "sge");
    check("add i32", "add nsw i32");
    check("constant [3", "global [3");
    check("unnamed_addr ", "");
    check("noinline {\nstart", "noinline nounwind {\nstart");
    check("noinline {\nstart", "{\nstart");
    check("i32 %x)", "i32 signext %x)");
    check("define i32 @test", "define fastcc i32 @test");
    check("define i32 @test", "define weak i32 @test");
    check("define i32 @test", "define hidden i32 @test");
    check("define private", "define internal");
    check("private unnamed_addr", "internal unnamed_addr");
    check("load i8", "load volatile i8");
    check("ptr @text\n  %wide", "ptr @text, align 4\n  %wide");
    check("global i32 0", "global i32 0, section \"there\"");
    check("global i32 0", "thread_local global i32 0");
    // Names that the object has.
    check("@test", "@other");
    check("@helper", "@internal");
    check("@count", "@number");
    check("@pointer", "@reference");
    // Names that signatures have.
    check(
        "i32 @test(i32 %x)",
        "i32 @test(i32 %x, ptr byval(%pair) %p)",
    );
    check("i32 @test(i32 %x)", "i32 @test(i32 %x, ptr byval(%two) %p)");
    check("@pointer", "module asm \"nop\"\n@pointer");
    check(
        "@pointer",
        "!llvm.ident = !{!0}\n!0 = !{!\"someone\"}\n@pointer",
    );
    let debug = |file: &str, line: u32| {
        format!(
            "!llvm.dbg.cu = !{{!0}}
             !llvm.module.flags = !{{!3}}
             !0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, emissionKind: FullDebug)
             !1 = !DIFile(filename: \"{file}\", directory: \"/\")
             !2 = distinct !DISubprogram(name: \"f\", file: !1, line: {line}, unit: !0)
             !3 = !{{i32 2, !\"Debug Info Version\", i32 3}}
             define void @debugged() !dbg !2 {{ ret void }}
             @pointer"
        )
    };
    check("@pointer", &debug("a.c", 1));
    check("@pointer", &debug("b.c", 1));
    check("@pointer", &debug("a.c", 2));
}

#[test]
fn names_that_something_refers_to_are_kept() {
    fn check(ir: &str, expect: i32) {
        for level in [OptLevel::O0, OptLevel::O2] {
            let compiled = Server::start()
                .compile("test", ir.as_bytes(), level)
                .unwrap_compiled();
            assert_eq!(Loaded::new(&compiled.image).call("test"), expect, "{ir}");
        }
    }
    // By the text of assembly.
    let (inside, outside) = match ARCH {
        "aarch64" => (
            "adrp ${0:x}, .Lhidden; ldr ${0:w}, [${0:x}, :lo12:.Lhidden]",
            "adrp x0, .Lhidden; ldr w0, [x0, :lo12:.Lhidden]; ret",
        ),
        _ => ("movl .Lhidden(%rip), $0", "movl .Lhidden(%rip), %eax; ret"),
    };
    check(
        &format!(
            "@hidden = private global i32 5
             @llvm.used = appending global [1 x ptr] [ptr @hidden], section \"llvm.metadata\"
             define i32 @test() {{
               %r = call i32 asm sideeffect \"{inside}\", \"=r\"()
               ret i32 %r
             }}"
        ),
        5,
    );
    check(
        &format!(
            "module asm \".globl outside\"
             module asm \"outside: {outside}\"
             @hidden = private global i32 6
             @llvm.compiler.used = appending global [1 x ptr] [ptr @hidden], section \"llvm.metadata\"
             declare hidden i32 @outside()
             define i32 @test() {{
               %r = call i32 @outside()
               ret i32 %r
             }}"
        ),
        6,
    );
    // By a comdat that is called as its member, and one that is not.
    check(
        "$leader = comdat any
         $other = comdat any
         @leader = private global i32 3, comdat
         @member = private global i32 4, comdat($other)
         @other = linkonce_odr global i32 0, comdat
         @llvm.used = appending global [2 x ptr] [ptr @leader, ptr @member], section \"llvm.metadata\"
         define i32 @test() {
           %a = load volatile i32, ptr @leader
           %b = load volatile i32, ptr @member
           %r = add i32 %a, %b
           ret i32 %r
         }",
        7,
    );
    // By a symbol that is not mangled.
    check(
        "@\"\\01plain\" = private global i32 8
         @plain = external hidden global i32
         define i32 @test() {
           %a = load volatile i32, ptr @plain
           %b = load volatile i32, ptr @\"\\01plain\"
           %r = add i32 %a, %b
           ret i32 %r
         }",
        16,
    );
    // As LLVM would call a global that has no name.
    check(
        "$__unnamed_1 = comdat any
         @named = private global i32 1
         @__unnamed_1 = private global i32 2, comdat
         define i32 @test() {
           %a = load volatile i32, ptr @named
           %b = load volatile i32, ptr @__unnamed_1
           %r = sub i32 %b, %a
           ret i32 %r
         }",
        1,
    );
    // By nothing but the IR: blocks, aliases, metadata, constructors.
    check(
        "@table = private constant [2 x ptr] [ptr blockaddress(@go, %one), ptr blockaddress(@go, %two)]
         @state = private global i32 0
         @llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 1, ptr @set, ptr null }]
         @alias = private alias i32, ptr @state
         define private void @set() {
           store i32 20, ptr @alias
           ret void
         }
         define private i32 @go(i32 %index) noinline {
         entry:
           %place = getelementptr [2 x ptr], ptr @table, i32 0, i32 %index
           %target = load ptr, ptr %place
           indirectbr ptr %target, [label %one, label %two]
         one:
           ret i32 1
         two:
           ret i32 2
         }
         define i32 @test() {
           %a = call i32 @go(i32 0)
           %b = call i32 @go(i32 1)
           %c = load i32, ptr @state
           %d = mul i32 %a, %b
           %r = add i32 %c, %d
           ret i32 %r
         }",
        22,
    );
}

#[test]
fn assembly_of_any_cpu_is_read() {
    // Writing bitcode reads assembly for its symbols, for a CPU that has no name.
    // Generating code reads it for one that may lack the instruction, and takes it all the same, as clang does:
    // assembly may first ask which CPU runs it. For AArch64, clang wants the assembly to name the extension.
    let addition = match ARCH {
        "aarch64" => ".arch_extension sve; add z0.d, z1.d, z2.d",
        _ => "vaddpd %zmm0, %zmm1, %zmm2",
    };
    let of_a_module = format!("module asm \"{addition}\"\ndefine i32 @test() {{ ret i32 1 }}");
    let of_a_function = format!(
        "define void @test() {{
           call void asm sideeffect \"{addition}\", \"\"()
           ret void
         }}"
    );
    let mut server = Server::start();
    for cpu in [
        Cpu::native(),
        Cpu::Level(Level::ALL[0]),
        Cpu::Level(Level::ALL[3]),
    ] {
        for ir in [&of_a_module, &of_a_function] {
            server
                .compile_for("test", ir.as_bytes(), OptLevel::O2, cpu)
                .unwrap_compiled();
            assert_eq!(server.words(), "");
        }
    }
}
