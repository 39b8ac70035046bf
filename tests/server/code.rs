//! What IR becomes: code that runs, signatures, the same bytes each time.

use crate::client::Server;
use crate::inputs::{GOOD, bitcode, here};
use crate::loaded::Loaded;
use mgenjit::signature::Extension;
use mgenjit::types::OptLevel;
use std::env::consts::ARCH;

#[test]
fn code_runs() {
    fn check(ir: &str, expect: i32) {
        let mut server = Server::start();
        for input in [ir.as_bytes(), &bitcode(ir)] {
            for level in OptLevel::ALL {
                let compiled = server.compile("test", input, level).unwrap_compiled();
                assert_eq!(
                    Loaded::new(&compiled.image).call("test"),
                    expect,
                    "{level:?}: {ir}"
                );
                let features = compiled.reply.features.split(',').next().unwrap();
                assert!(features.starts_with(['+', '-']), "{features}");
                assert!(compiled.reply.triple.starts_with(ARCH));
                assert!(!compiled.reply.cpu.is_empty());
            }
        }
    }
    check("define i32 @test() {\n  ret i32 42\n}", 42);
    // As transpilers emit it: typed pointers, an empty triple and layout, quoted names.
    check(
        r#"
        target triple = ""
        target datalayout = ""
        @"a value" = internal global i64 7
        define i64* @"where is it"() {
          ret i64* @"a value"
        }
        define i32 @test() {
          %p = call i64* @"where is it"()
          %v = load i64, i64* %p
          %r = trunc i64 %v to i32
          ret i32 %r
        }"#,
        7,
    );
    check(
        &format!("target triple = \"{ARCH}-linux-gnu\"\ndefine i32 @test() {{\n  ret i32 1\n}}"),
        1,
    );
    check(
        &format!(
            "target triple = \"{ARCH}-unknown-linux\"\ndefine i32 @test() {{\n  ret i32 1\n}}"
        ),
        1,
    );
    // A data layout that an older LLVM wrote.
    check(
        "target datalayout = \"e-m:e-i64:64-f80:128-n8:16:32:64-S128\"
         define i32 @test() {\n  ret i32 1\n}",
        1,
    );
    // Debug info that does not verify is dropped, as LLVM's tools do.
    check(
        "define i32 @test() !dbg !1 {\n  ret i32 5\n}
         !llvm.module.flags = !{!0}
         !0 = !{i32 2, !\"Debug Info Version\", i32 3}
         !1 = distinct !DISubprogram(name: \"test\", unit: !0)",
        5,
    );
    check(&here(include_str!("../ir/server/shared.ll")), 0);
    check(&here(include_str!("../ir/server/exception.ll")), 221);
}

#[test]
fn signatures_are_those_of_the_ir() {
    fn check(ir: &str, expect: &[&str]) {
        let compiled = Server::start()
            .compile("test", ir.as_bytes(), OptLevel::O2)
            .unwrap_compiled();
        let found: Vec<String> = compiled
            .reply
            .functions
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expect, "{ir}");
    }
    check(
        "define void @b(i1 %a, i8 %b, i16 %c, i32 %d, i64 %e) { ret void }
         define double @a(float %a, double %b, ptr %c) { ret double 0.0 }",
        &[
            "void @b(i1, i8, i16, i32, i64)",
            "double @a(float, double, ptr)",
        ],
    );
    check(
        "define i32 @f(ptr %a, ...) { ret i32 0 }",
        &["i32 @f(ptr, ...)"],
    );
    check(
        "%pair = type { i32, i64 }
         define <4 x float> @f(i128 %a, ptr byval(%pair) %b, ptr addrspace(1) %c, ptr nest %d) {
           ret <4 x float> zeroinitializer
         }",
        &["<4 x float> @f(i128, ptr byval(%pair), ptr addrspace(1), ptr nest)"],
    );
    let result_in_memory = match std::env::consts::ARCH {
        "aarch64" => "void @f(ptr sret(%pair), i32 inreg)",
        _ => "void @f(ptr, i32 inreg)",
    };
    check(
        "%pair = type { i32, i64 }
         define void @f(ptr sret(%pair) %a, i32 inreg %b) { ret void }
         define %pair @g() { ret %pair zeroinitializer }",
        &[result_in_memory, "%pair @g()"],
    );
    check(
        "define fastcc void @f() { ret void }
         define swiftcc void @g() { ret void }
         define preserve_mostcc void @h() { ret void }",
        &[
            "fastcc void @f()",
            "swiftcc void @g()",
            "preserve_mostcc void @h()",
        ],
    );
    // Only what others can see, under the names that the image has.
    check(
        r#"define internal void @i() { ret void }
           define private void @p() { ret void }
           define hidden void @h() { ret void }
           define protected void @seen() { ret void }
           define linkonce_odr void @unused() { ret void }
           define available_externally void @elsewhere() { ret void }
           declare void @declared()
           define void @"quoted name"() { ret void }
           define void @"\01plain"() { ret void }
           @alias = alias void (), ptr @seen
           @"not\FFutf8" = alias void (), ptr @seen
           @variable = global i32 0"#,
        &[
            "void @h()",
            "void @seen()",
            "void @\"quoted name\"()",
            "void @plain()",
            "void @alias()",
        ],
    );
    let compiled = Server::start()
        .compile(
            "test",
            b"define void @f(i1 zeroext %a, i8 signext %b, i16 %c) { ret void }",
            OptLevel::O0,
        )
        .unwrap_compiled();
    let extensions: Vec<Extension> = compiled.reply.functions[0]
        .parameters
        .iter()
        .map(|parameter| parameter.extension)
        .collect();
    assert_eq!(
        extensions,
        [Extension::Zero, Extension::Sign, Extension::None]
    );
}

#[test]
fn equal_requests_get_equal_bytes() {
    let inputs = [
        GOOD,
        &here(include_str!("../ir/server/shared.ll")),
        &here(include_str!("../ir/server/exception.ll")),
        "declare i32 @atexit(ptr)\ndefine i32 @f(ptr %p) {\n  %r = call i32 @atexit(ptr %p)\n  ret i32 %r\n}",
    ];
    let mut first = Server::start();
    let mut second = Server::start();
    for ir in inputs {
        for level in [OptLevel::O0, OptLevel::O2] {
            let one = first.compile("one", ir.as_bytes(), level).unwrap_compiled();
            let again = first
                .compile("another", ir.as_bytes(), level)
                .unwrap_compiled();
            let other = second
                .compile("/a/third.ll", ir.as_bytes(), level)
                .unwrap_compiled();
            for same in [&again, &other] {
                assert!(one.image == same.image && one.object == same.object, "{ir}");
                assert_eq!(one.reply.functions, same.reply.functions);
            }
        }
    }
    let differs = |level| first_bytes(&mut Server::start(), level);
    assert_ne!(differs(OptLevel::O0), differs(OptLevel::O2));

    fn first_bytes(server: &mut Server, level: OptLevel) -> Vec<u8> {
        let ir = here(include_str!("../ir/server/shared.ll"));
        server
            .compile("x", ir.as_bytes(), level)
            .unwrap_compiled()
            .image
    }
}
