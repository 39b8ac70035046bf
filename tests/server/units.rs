//! Requests with several inputs: IR, objects and archives.

use crate::client::{Artifacts, Outcome, Server, request};
use crate::inputs::{GOOD, bitcode};
use crate::loaded::Loaded;
use crate::machine::{DATA_LAYOUT, NAME, OTHER_NAME, OTHER_TRIPLE};
use mgenjit::protocol::messages::{CompileRequest, Decision, FailureKind, Reply, Request};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport;
use mgenjit::types::{Emit, Input, OptLevel};
use object::read::archive::ArchiveFile;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSymbol};
use std::env::consts::ARCH;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// An input and its name.
type Named<'a> = (&'a str, &'a [u8]);

const MAIN: &str = "declare i32 @helper(i32)\ndefine i32 @test() {\n  %r = call i32 @helper(i32 20)\n  ret i32 %r\n}\n";
const HELPER: &str = "define i32 @helper(i32 %x) {\n  %r = add i32 %x, 22\n  ret i32 %r\n}\n";
const HELPER_C: &str = "int helper(int x) { return x + 22; }";

#[test]
fn ir_is_linked_before_it_is_optimised() {
    let mut server = Server::start();
    for inputs in [
        [
            ("main.ll", MAIN.as_bytes()),
            ("helper.ll", HELPER.as_bytes()),
        ],
        [
            ("helper.bc", &*bitcode(HELPER)),
            ("main.bc", &*bitcode(MAIN)),
        ],
    ] {
        let compiled = unit(&mut server, &inputs, Some(&["test"])).unwrap_compiled();
        assert_eq!(Loaded::new(&compiled.image).call("test"), 42);
        // It is inlined, and then nobody needs it.
        assert_eq!(defined(&compiled.object), ["test"]);
        assert_eq!(exported(&compiled.image), ["test"]);
        assert_eq!(functions(&compiled), ["i32 @test()"]);

        let all = unit(&mut server, &inputs, None).unwrap_compiled();
        assert_eq!(Loaded::new(&all.image).call("test"), 42);
        let mut names = exported(&all.image);
        names.sort();
        assert_eq!(names, ["helper", "test"]);
        assert!(all.image.len() > compiled.image.len() || all.object.len() > compiled.object.len());
    }
}

#[test]
fn objects_and_members_are_linked() {
    let mut server = Server::start();
    let main = object(
        &["gcc", "-xc", "-O1", "-fPIC"],
        "int helper(int); int test(void) { return helper(20); }",
    );
    let helper = object(&["clang-22", "-xc", "-O1", "-fPIC"], HELPER_C);
    let other = object(
        &["gcc", "-xc", "-fPIC"],
        "int unneeded(void) { return absent(); }",
    );
    let bitcode = bitcode(HELPER);
    for archive in [
        archive as fn(&[Named<'_>]) -> Vec<u8>,
        plain_archive,
        bsd_archive,
    ] {
        let library = archive(&[("other.o", &other), ("helper.o", &helper)]);
        let mixed = archive(&[("other.o", &other), ("helper.bc", &bitcode)]);
        for (inputs, members) in [
            (
                vec![("main.ll", MAIN.as_bytes()), ("helper.o", &*helper)],
                Some(vec!["module.o", "input-1.o"]),
            ),
            (
                vec![("main.o", &*main), ("helper.ll", HELPER.as_bytes())],
                Some(vec!["module.o", "input-0.o"]),
            ),
            (
                vec![("main.o", &*main), ("helper.o", &*helper)],
                Some(vec!["input-0.o", "input-1.o"]),
            ),
            (
                vec![("main.ll", MAIN.as_bytes()), ("lib.a", &*library)],
                Some(vec!["module.o", "helper.o"]),
            ),
            (
                vec![("lib.a", &*library), ("main.o", &*main)],
                Some(vec!["input-1.o", "helper.o"]),
            ),
            (vec![("main.ll", MAIN.as_bytes()), ("lib.a", &*mixed)], None),
            (
                vec![("main.o", &*main), ("lib.a", &*mixed)],
                Some(vec!["module.o", "input-0.o"]),
            ),
        ] {
            let compiled = unit(&mut server, &inputs, None).unwrap_compiled();
            assert_eq!(Loaded::new(&compiled.image).call("test"), 42);
            assert!(!exported(&compiled.image).contains(&"unneeded".to_owned()));
            match members {
                Some(expect) => assert_eq!(members_of(&compiled.object), expect),
                None => assert!(compiled.object.starts_with(b"\x7fELF")),
            }
            // Equal requests, equal bytes.
            let renamed: Vec<Named<'_>> =
                inputs.iter().map(|(_, bytes)| ("-x @y", *bytes)).collect();
            let again = unit(&mut Server::start(), &renamed, None).unwrap_compiled();
            assert!(again.image == compiled.image && again.object == compiled.object);

            let kept = unit(&mut server, &inputs, Some(&["test"])).unwrap_compiled();
            assert_eq!(Loaded::new(&kept.image).call("test"), 42);
            assert_eq!(exported(&kept.image), ["test"]);
        }
    }
}

#[test]
fn an_object_or_an_archive_alone_is_a_module() {
    let mut server = Server::start();
    let test = object(&["gcc", "-xc", "-fPIC"], "int test(void) { return 42; }");
    let more = object(&["gcc", "-xc", "-fPIC"], "int more(void) { return 1; }");
    let library = plain_archive(&[("a.o", &test), ("a.o", &more)]);
    for input in [&test, &library] {
        let compiled = unit(&mut server, &[("input", input)], None).unwrap_compiled();
        assert_eq!(Loaded::new(&compiled.image).call("test"), 42);
        assert!(compiled.reply.functions.is_empty());
    }
    // Nothing refers to a member, so all are linked; two of one name stay two.
    let compiled = unit(&mut server, &[("lib.a", &library)], None).unwrap_compiled();
    assert_eq!(members_of(&compiled.object), ["a.o", "a-2.o"]);
    // What is to be kept is what is wanted.
    let compiled = unit(&mut server, &[("lib.a", &library)], Some(&["test"])).unwrap_compiled();
    assert_eq!(members_of(&compiled.object), ["a.o"]);
    assert_eq!(exported(&compiled.image), ["test"]);

    let empty = b"!<arch>\n";
    fails(
        &mut server,
        &[("e.a", empty)],
        None,
        FailureKind::Link,
        None,
        "nothing to link",
    );
    let compiled = unit(
        &mut server,
        &[("good.ll", GOOD.as_bytes()), ("e.a", empty)],
        None,
    );
    compiled.unwrap_compiled();
    for emit in [Emit::Assembly, Emit::Bitcode, Emit::Ir] {
        let request = CompileRequest {
            emit,
            ..unit_request(&[("t.o", &test)], None)
        };
        let failure = failure(send(&mut server, request, &[&test]));
        assert_eq!(failure.kind, FailureKind::Unsupported);
    }
}

#[test]
fn a_member_is_chosen_as_linkers_do() {
    let mut server = Server::start();
    let c = |text: &str| object(&["gcc", "-xc", "-fPIC", "-O1"], text);
    let one = c("int helper(int x) { return x + 22; }");
    let two = c("int helper(int x) { return x; } int two;");
    let weak =
        c("__attribute__((weak)) int helper(int); int test(void) { return helper ? 1 : 2; }");
    // The first archive wins, and a weak reference is no reason.
    let first = archive(&[("one.o", &one)]);
    let second = archive(&[("two.o", &two)]);
    let inputs = [
        ("main.ll", MAIN.as_bytes()),
        ("1.a", &*first),
        ("2.a", &*second),
    ];
    let compiled = unit(&mut server, &inputs, None).unwrap_compiled();
    assert_eq!(Loaded::new(&compiled.image).call("test"), 42);
    let compiled = unit(
        &mut server,
        &[("weak.o", &weak), ("1.a", &first)],
        Some(&["test"]),
    )
    .unwrap_compiled();
    assert_eq!(members_of(&compiled.object), ["input-0.o"]);

    // A member of another machine, or bitcode that is wanted too late, matters only if it is needed.
    let copies = "define void @test(ptr %a, ptr %b, i64 %n) {\n  call void @llvm.memcpy.p0.p0.i64(ptr %a, ptr %b, i64 %n, i1 false)\n  ret void\n}\ndeclare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n";
    let memcpy = "define ptr @memcpy(ptr %a, ptr %b, i64 %n) {\n  ret ptr %a\n}\n";
    let late = plain_archive(&[("memcpy.bc", &bitcode(memcpy))]);
    fails(
        &mut server,
        &[("copy.ll", copies.as_bytes()), ("late.a", &late)],
        None,
        FailureKind::Link,
        Some(1),
        "memcpy.bc is bitcode and defines `memcpy`, which only the code refers to",
    );
    let early = archive(&[(
        "memcpy.o",
        &c("void *memcpy(void *a, const void *b, unsigned long n) { return a; }"),
    )]);
    let compiled = unit(
        &mut server,
        &[("copy.ll", copies.as_bytes()), ("early.a", &early)],
        None,
    )
    .unwrap_compiled();
    assert_eq!(members_of(&compiled.object), ["module.o", "memcpy.o"]);
    let foreign = object(&["clang-22", "-xc", "-target", OTHER_TRIPLE], HELPER_C);
    let foreign = plain_archive(&[("foreign.o", &foreign)]);
    unit(
        &mut server,
        &[("good.ll", GOOD.as_bytes()), ("foreign.a", &foreign)],
        None,
    )
    .unwrap_compiled();
    fails(
        &mut server,
        &[("main.ll", MAIN.as_bytes()), ("foreign.a", &foreign)],
        None,
        FailureKind::Target,
        Some(1),
        &format!(
            "its member foreign.o is an object for {OTHER_NAME}, but code is generated for {NAME}"
        ),
    );
}

/// What the definition cannot follow is a warning.
#[test]
fn calls_that_differ_from_the_definition_are_told() {
    let mut server = Server::start();
    let mut check = |declared: &str, call: &str, defined: &str, expect: &[&str]| {
        let caller = format!("{declared}\ndefine void @caller() {{\n  {call}\n  ret void\n}}\n");
        let inputs = [("a.ll", caller.as_bytes()), ("b.ll", defined.as_bytes())];
        let compiled = unit(&mut server, &inputs, None).unwrap_compiled().reply;
        let warnings = &compiled.warnings;
        assert_eq!(
            warnings.len(),
            usize::from(!expect.is_empty()),
            "{call}: {warnings:?}"
        );
        for part in expect {
            assert!(warnings[0].contains(part), "{part}: {warnings:?}");
        }
    };
    let function = |head: &str| {
        let result = head.split(' ').next().expect("a type");
        let end = match result {
            "void" => "ret void",
            _ => "unreachable",
        };
        format!("define {head} {{\n  {end}\n}}\n")
    };
    for (defined, call) in [
        ("i32 @f()", "call i32 @f()"),
        ("i32 @f()", "call void @f()"),
        ("i64 @f()", "%r = call i32 @f()"),
        ("ptr @f(ptr %p)", "%r = call i64 @f(i64 1)"),
        ("i32 @f(i32 %a)", "%r = call i32 (...) @f(i32 1)"),
        ("i32 @f(i32 %a, ...)", "%r = call i32 @f(i32 1, double 0.0)"),
        ("void @f(i32 %a)", "call void @f(i32 1, i32 2)"),
        ("void @f(i8 %a)", "call void @f(i32 1)"),
        (
            "i128 @f(i128 %a)",
            "%r = call { i64, i64 } @f(ptr null, i64 1)",
        ),
        ("{ ptr, i64 } @f()", "%r = call [2 x i64] @f()"),
        (
            "void @f(ptr sret({ ptr, i64, i64 }) %p)",
            "call void @f(ptr null)",
        ),
        ("{ float, float } @f()", "%r = call [2 x float] @f()"),
    ] {
        check("declare void @f()", call, &function(defined), &[]);
    }
    for (defined, call) in [
        ("void @f()", "%r = call i32 @f()"),
        ("i32 @f()", "%r = call i64 @f()"),
        ("i32 @f(i32 %a)", "%r = call i32 @f()"),
        ("i32 @f(i64 %a)", "%r = call i32 @f(i32 1)"),
        ("i32 @f(double %a)", "%r = call i32 @f(i32 1)"),
        ("i32 @f(double %a)", "%r = call i32 @f(float 1.0)"),
        ("double @f()", "%r = call i64 @f()"),
        ("i32 @f(i32 %a, ...)", "%r = call i32 @f()"),
        ("[4 x i64] @f()", "call void @f()"),
        (
            "void @f(ptr sret({ ptr, i64, i64 }) %p)",
            "%r = call { ptr, i64, i64 } @f()",
        ),
    ] {
        let expect = ["a.ll calls `f` as `", "but b.ll defines it as `"];
        check("declare void @f()", call, &function(defined), &expect);
    }
    check(
        "declare fastcc void @f()",
        "call fastcc void @f()",
        &function("void @f()"),
        &["another calling convention"],
    );
    // What is not called does no harm.
    check(
        "declare { ptr, i64, i64 } @f()",
        "",
        &function("void @f()"),
        &[],
    );
    let aliased = format!("{}@f = alias i64 (), ptr @g\n", function("i64 @g()"));
    check("declare i32 @f()", "%r = call i32 @f()", &aliased, &[]);
    check(
        "declare i32 @f()",
        "%r = call double @f()",
        &aliased,
        &["`double ()`"],
    );
}

#[test]
fn inputs_that_contradict_each_other_are_named() {
    let mut server = Server::start();
    let mut check = |a: &str, b: &str, expect: &[&str]| {
        for (first, second) in [(a, b), (b, a)] {
            let outcome = unit(
                &mut server,
                &[("a.ll", first.as_bytes()), ("b.ll", second.as_bytes())],
                None,
            );
            if expect.is_empty() {
                outcome.unwrap_compiled();
                continue;
            }
            let failure = failure(outcome);
            assert_eq!(failure.kind, FailureKind::Link, "{failure:?}");
            for part in ["a.ll", "b.ll"].iter().chain(expect) {
                assert!(failure.message.contains(part), "{part}: {failure:?}");
            }
        }
    };
    let f = "define i32 @f() {\n  ret i32 1\n}\n";
    check(f, f, &["`f` is defined in both"]);
    check(f, "@f = global i32 0", &["`f` is defined in both"]);
    check(f, "define weak i32 @f() {\n  ret i32 2\n}\n", &[]);
    check(f, "define linkonce_odr i32 @f() {\n  ret i32 2\n}\n", &[]);
    check(
        f,
        "define internal i32 @f() {\n  ret i32 2\n}\n@x = global ptr @f",
        &[],
    );
    check(
        f,
        "define available_externally i32 @f() {\n  ret i32 1\n}\n@x = global ptr @f",
        &[],
    );
    check("@x = common global i32 0", "@x = common global i32 0", &[]);
    check("@x = common global i32 0", "@x = global i32 1", &[]);
    check(
        "$f = comdat any\ndefine i32 @f() comdat {\n  ret i32 1\n}\n",
        "$f = comdat any\ndefine i32 @f() comdat {\n  ret i32 1\n}\n",
        &[],
    );

    // What is declared otherwise is linked, as LLVM does, unless that has no meaning.
    let declared = |declaration: &str| format!("{declaration}\n@use = global ptr @f\n");
    for declaration in [
        "declare i64 @f()",
        "declare i32 @f(ptr)",
        "declare i32 @f(i32, ...)",
        "declare i32 @f(...)",
        "declare i32 @f()",
        "@f = external global i32",
    ] {
        check(f, &declared(declaration), &[]);
    }
    for (definition, declaration) in [
        ("@f = global i32 0", "@f = external global i64"),
        ("@f = global i32 0", "@f = external global [0 x i8]"),
        ("@f = global i32 0", "declare void @f()"),
        (
            "@f = global [3 x i32] zeroinitializer",
            "@f = external global [4 x i32]",
        ),
        (
            "%S = type { i32, ptr }\n@f = global %S zeroinitializer",
            "%O = type opaque\n@f = external global %O",
        ),
        ("@f = global i32 0", "@f = external thread_local global i32"),
        ("@f = thread_local global i32 0", "@f = external global i32"),
    ] {
        check(definition, &declared(declaration), &[]);
    }
    let caller = "declare i32 @f()\ndefine i32 @g() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n";
    check("@f = global i32 0", caller, &["`f` is a variable in"]);
    check(
        "@v = global i32 0\n@f = alias i32, ptr @v",
        caller,
        &["`f` is a variable in"],
    );
    let user = "@f = external thread_local global i32\n\
        declare ptr @llvm.threadlocal.address.p0(ptr)\n\
        define ptr @g() {\n  %p = call ptr @llvm.threadlocal.address.p0(ptr @f)\n  ret ptr %p\n}\n";
    check("@f = global i32 0", user, &["`f` is thread-local in"]);
    check("@f = thread_local global i32 0", user, &[]);
    // Two declarations that nothing is known of.
    check(
        &declared("declare i32 @f()"),
        "declare ptr @f(i64)\n@other = global ptr @f",
        &[],
    );
    check(
        "!llvm.module.flags = !{!0}\n!0 = !{i32 1, !\"some\", i32 1}",
        "!llvm.module.flags = !{!0}\n!0 = !{i32 1, !\"some\", i32 2}",
        &["'some'"],
    );

    let mut targets = |attribute: &str, ours: &str, theirs: &str| {
        let line = |value| format!("target {attribute} = \"{value}\"\n");
        let (ours, theirs) = (line(ours), line(theirs));
        for inputs in [
            [("a.ll", &ours), ("b.ll", &theirs)],
            [("b.ll", &theirs), ("a.ll", &ours)],
        ] {
            let inputs = inputs.map(|(name, text)| (name, text.as_bytes()));
            let failure = failure(unit(&mut server, &inputs, None));
            assert_eq!(failure.kind, FailureKind::Target);
            let index = failure.input.expect("the input") as usize;
            assert_eq!(inputs[index].0, "b.ll");
            assert!(failure.message.contains("a.ll"), "{failure:?}");
        }
    };
    let ours = format!("{ARCH}-linux-gnu");
    targets("triple", &ours, OTHER_TRIPLE);
    targets("datalayout", DATA_LAYOUT, "E-m:e");
}

#[test]
fn objects_that_contradict_each_other_are_named() {
    let mut server = Server::start();
    let c = |text: &str| object(&["gcc", "-xc", "-fPIC"], text);
    let main = c("int main(void) { return 0; }");
    let also = c("int main(void) { return 1; } int also;");
    let weak = c("__attribute__((weak)) int main(void) { return 2; }");
    let ir = "define i32 @main() {\n  ret i32 0\n}\n";
    let library = archive(&[("also.o", &also)]);
    let caller = "@also = external global i32\n@x = global ptr @also\ndefine i32 @main() {\n  ret i32 0\n}\n";
    for (inputs, parts) in [
        (vec![("a.o", &*main), ("b.o", &*also)], ["a.o", "b.o"]),
        (
            vec![("a.o", &*main), ("b.ll", ir.as_bytes())],
            ["a.o", "b.ll"],
        ),
        (
            vec![("a.ll", caller.as_bytes()), ("lib.a", &*library)],
            ["a.ll", "lib.a(also.o)"],
        ),
        (
            vec![("a.ll", ir.as_bytes()), ("b.ll", ir.as_bytes())],
            ["a.ll", "b.ll"],
        ),
    ] {
        for keep in [None, Some(&["main"][..])] {
            let failure = failure(unit(&mut server, &inputs, keep));
            assert_eq!(failure.kind, FailureKind::Link);
            assert!(
                failure.message.contains("`main` is defined in both"),
                "{failure:?}"
            );
            assert!(
                parts.iter().all(|part| failure.message.contains(part)),
                "{failure:?}"
            );
        }
    }
    unit(&mut server, &[("a.o", &main), ("b.o", &weak)], None).unwrap_compiled();
}

#[test]
fn what_cannot_be_linked_is_said() {
    use FailureKind::{Link, Parse, Target};
    let mut server = Server::start();
    let c = |compiler: &[&str], text: &str| object(compiler, text);
    let mut check = |bytes: &[u8], kind, expect: &str| {
        let inputs = [("good.ll", GOOD.as_bytes()), ("the input", bytes)];
        fails(&mut server, &inputs, None, kind, Some(1), expect);
        fails(
            &mut server,
            &[("the input", bytes)],
            None,
            kind,
            Some(0),
            expect,
        );
    };
    let data = "int x; int *get(void) { return &x; }";
    let code = "extern int x; int get(void) { return x; }";
    let tls = "extern __thread int x; int get(void) { return x; }";
    for compiler in ["gcc", "clang-22"] {
        // AArch64 reaches what is in the same image as position-independent code does.
        let text = if ARCH == "aarch64" { code } else { data };
        check(
            &c(&[compiler, "-xc", "-fno-pic", "-O1"], text),
            Link,
            "compile it with -fPIC",
        );
        check(
            &c(&[compiler, "-xc", "-fno-pic", "-mcmodel=large"], data),
            Link,
            "compile it with -fPIC",
        );
        check(
            &c(&[compiler, "-xc", "-fno-pic"], tls),
            Link,
            "-ftls-model=global-dynamic",
        );
        check(
            &c(&[compiler, "-xc", "-fPIC", "-ftls-model=initial-exec"], tls),
            Link,
            "-ftls-model=global-dynamic",
        );
        check(
            &c(&[compiler, "-xc", "-fPIC", "-ftls-model=local-exec"], tls),
            Link,
            "-ftls-model=global-dynamic",
        );
    }
    // These descriptors are what compilers for AArch64 take.
    if ARCH == "x86_64" {
        check(
            &c(&["gcc", "-xc", "-fPIC", "-mtls-dialect=gnu2", "-O1"], tls),
            Link,
            "-mtls-dialect=gnu",
        );
    }
    check(
        &c(&["gcc", "-xc", "-flto", "-fno-fat-lto-objects"], data),
        Parse,
        "-ffat-lto-objects",
    );
    check(
        &c(&["clang-22", "-xc", "-target", OTHER_TRIPLE], data),
        Target,
        &format!("is an object for {OTHER_NAME}, but code is generated for {NAME}"),
    );
    check(
        &c(&["riscv64-linux-gnu-gcc", "-xc"], data),
        Target,
        "is an object for RISC-V",
    );
    check(
        &c(&["clang-22", "-xc", "--target=i386-linux-gnu"], data),
        Target,
        "is an object for 32-bit x86",
    );
    check(
        &c(&["clang-22", "-xc", "--target=x86_64-linux-gnux32"], data),
        Target,
        if ARCH == "x86_64" {
            "is a 32-bit little-endian object for x86-64"
        } else {
            "is an object for x86-64, but"
        },
    );
    check(
        &c(&["clang-22", "-xc", "--target=powerpc64-linux-gnu"], data),
        Target,
        "is an object for PowerPC 64",
    );
    check(
        &c(&["clang-22", "-xc", "--target=x86_64-apple-darwin"], data),
        Parse,
        "is a Mach-O object",
    );
    check(
        &c(
            &["clang-22", "-xc", "--target=x86_64-pc-windows-msvc"],
            data,
        ),
        Parse,
        "is a COFF object",
    );
    check(
        &c(&["clang-22", "-xc", "--target=wasm32"], data),
        Parse,
        "is a WebAssembly module",
    );
    check(
        &built(&["gcc", "-xc", "-fPIC", "-shared"], data),
        Parse,
        "is a shared library or a program",
    );
    check(
        &built(
            &["gcc", "-xc", "-no-pie", "-fno-pie"],
            "int main(void) { return 0; }",
        ),
        Parse,
        "is a program, already linked",
    );

    // For AArch64, gcc reads it by way of the GOT.
    if ARCH == "x86_64" {
        let direct = c(&["gcc", "-xc", "-fPIE", "-O1"], code);
        check(&direct, Link, "compile it with -fPIC");
    }

    let object = c(&["gcc", "-xc", "-fPIC"], data);
    let library = archive(&[("a.o", &object)]);
    check(
        &plain_archive(&[("inner.a", &library)]),
        Parse,
        "its member inner.a is an archive itself",
    );
    check(b"!<thin>\n", Parse, "is a thin archive");
    check(
        &library[..library.len() - 10],
        Parse,
        "is an archive that is cut short or damaged",
    );
    check(
        &plain_archive(&[(
            "mac.o",
            &c(&["clang-22", "-xc", "--target=arm64-apple-darwin"], data),
        )]),
        Parse,
        "its member mac.o is a Mach-O object",
    );
    check(
        &plain_archive(&[("text", b"some text")]),
        Parse,
        "without an ELF object or bitcode",
    );
    check(
        &plain_archive(&[(
            "lto.o",
            &c(&["gcc", "-xc", "-flto", "-fno-fat-lto-objects"], data),
        )]),
        Parse,
        "its member lto.o holds no code",
    );
    check(
        &plain_archive(&[("cut.bc", &bitcode(GOOD)[..100])]),
        Parse,
        "its member cut.bc: the bitcode is cut short",
    );
}

#[test]
fn what_is_to_be_kept_must_be_there() {
    let mut server = Server::start();
    let hidden = object(
        &["gcc", "-xc", "-fPIC"],
        "__attribute__((visibility(\"hidden\"))) int hidden_one; static int local; int *p = &local;",
    );
    let inputs = [
        ("a.ll", MAIN.as_bytes()),
        ("b.ll", HELPER.as_bytes()),
        ("h.o", &*hidden),
    ];
    let keep = ["absent", "helper", "hidden_one", "local"];
    let failure = failure(unit(&mut server, &inputs, Some(&keep)));
    assert_eq!(failure.kind, FailureKind::NoSymbol);
    assert!(
        failure.message.contains("`absent`, `hidden_one`, `local`"),
        "{failure:?}"
    );

    // A hidden definition in IR can be made visible; the others of its group stay with it.
    let ir = "$g = comdat any
        @v = hidden global i32 42, align 4
        @w = weak global i32 1, comdat($g)
        @x = weak global i32 2, comdat($g)
        @used = global i32 3
        @unused = global i32 4
        @llvm.used = appending global [1 x ptr] [ptr @used]
        @a = alias i32, ptr @v
        module asm \".data; .globl from_assembly; from_assembly: .quad named\"
        define i32 @named() { ret i32 1 }
        define i32 @test() { %r = load i32, ptr @a\n ret i32 %r }";
    let compiled = unit(
        &mut server,
        &[("v.ll", ir.as_bytes())],
        Some(&["test", "v", "w"]),
    )
    .unwrap_compiled();
    assert_eq!(Loaded::new(&compiled.image).call("test"), 42);
    let mut names = exported(&compiled.image);
    names.sort();
    assert_eq!(names, ["test", "v", "w"]);
    let names = defined(&compiled.object);
    assert!(
        ["x", "used", "named"]
            .iter()
            .all(|name| names.contains(&name.to_string())),
        "{names:?}"
    );
    assert!(!names.contains(&"unused".to_owned()), "{names:?}");

    // Whatever the linker's lists are made of.
    for name in ["two words", "a\"b", "{*}", "*", "extern \"C\"", "/*"] {
        let ir = format!(
            "define i32 @test() {{\n  ret i32 42\n}}\ndefine i32 @\"{}\"() {{\n  ret i32 1\n}}\n",
            name.replace('"', "\\22")
        );
        let kept = unit(&mut server, &[("a", ir.as_bytes())], Some(&[name])).unwrap_compiled();
        assert_eq!(exported(&kept.image), [name]);
    }
    fails(
        &mut server,
        &[("a", b"define void @\"a;*;b\"() {\n  ret void\n}\n")],
        Some(&["a;*;b"]),
        FailureKind::Unsupported,
        None,
        "`a;*;b` cannot be kept",
    );
}

#[test]
fn constructors_and_handlers_survive_where_only_few_symbols_are_kept() {
    let mut server = Server::start();
    let c = object(
        &[
            "gcc",
            "-xc",
            "-fPIC",
            "-O1",
            "-ffunction-sections",
            "-fdata-sections",
        ],
        "int atexit(void (*)(void));
         static int state; static void end(void) { }
         __attribute__((constructor)) static void start(void) { state = 42; atexit(end); }
         int test(void) { return state; }
         char garbage[] = \"what nobody needs\";",
    );
    let compiled = unit(&mut server, &[("c.o", &c)], Some(&["test"])).unwrap_compiled();
    let loaded = Loaded::new(&compiled.image);
    assert_eq!(loaded.call("test"), 42);
    assert!(!loaded.symbol("__mgenjit_dso_handle").is_null());
    let garbage = b"what nobody needs";
    let has = |bytes: &[u8]| bytes.windows(garbage.len()).any(|window| window == garbage);
    assert!(has(&c) && !has(&compiled.image));
    let all = unit(&mut server, &[("c.o", &c)], None).unwrap_compiled();
    assert!(has(&all.image));
}

#[test]
fn a_digest_covers_all_that_is_linked() {
    let server = Server::start();
    let object = |text: &str| object(&["gcc", "-xc", "-fPIC"], text);
    let (one, two) = (object(HELPER_C), object("int helper(int x) { return x; }"));
    let renamed = MAIN.replace("%r", "%result");
    let main = MAIN.as_bytes();
    let alone = identify(&server, &[("a", main)], None);
    assert_eq!(alone, server.identify(main));
    server_stops(&server);
    let same =
        |a: &[Named<'_>], b: &[Named<'_>]| identify(&server, a, None) == identify(&server, b, None);
    assert!(same(
        &[("a", main), ("b", &one)],
        &[("x", renamed.as_bytes()), ("y", &one)]
    ));
    assert!(!same(
        &[("a", main), ("b", &one)],
        &[("a", main), ("b", &two)]
    ));
    assert!(!same(
        &[("a", main), ("b", &one)],
        &[("b", &one), ("a", main)]
    ));
    assert!(!same(&[("a", main), ("b", &one)], &[("a", main)]));
    assert!(!same(
        &[("a", &archive(&[("o.o", &one)])), ("m", main)],
        &[("a", &archive(&[("o.o", &two)])), ("m", main)]
    ));
    // What refers to a member may be gone once the IR is one module, but not the member.
    let plain = b"define i32 @test() {\n  ret i32 42\n}\n";
    let inline = b"declare i32 @helper(i32)\ndefine linkonce_odr i32 @inline() {\n  \
        %r = call i32 @helper(i32 1)\n  ret i32 %r\n}\n";
    let library = archive(&[("helper.o", &one)]);
    assert!(!same(
        &[("a", plain), ("b", inline), ("l", &library)],
        &[("a", plain), ("b", b"; nothing\n"), ("l", &library)]
    ));
    // Two inputs that are one module together are that module.
    let both = format!("{HELPER}{MAIN}");
    let both = both.replace("declare i32 @helper(i32)\n", "");
    assert!(same(
        &[("h", HELPER.as_bytes()), ("m", main)],
        &[("both", both.as_bytes())]
    ));
    let kept = |keep: &[&str]| identify(&server, &[("a", both.as_bytes())], Some(keep));
    assert_ne!(kept(&["test"]), kept(&["helper"]));
    assert_ne!(
        kept(&["helper", "test"]),
        identify(&server, &[("a", both.as_bytes())], None)
    );
}

/// What is damaged is an error or compiles. It ends no server, and takes no time.
#[test]
fn damaged_objects_and_archives_end_nothing() {
    let source = "#include <stdexcept>\n#include <string>\n\
        struct S { S(); ~S(); }; S s; thread_local std::string text; inline int counter = 1;\n\
        int test() { try { throw std::runtime_error(\"no\"); } catch (std::exception &e) { text = e.what(); return counter; } }\n\
        S::S() {} S::~S() {}\n";
    let object = object(
        &["g++", "-xc++", "-std=c++17", "-fPIC", "-O1", "-g"],
        source,
    );
    let library = archive(&[("one.o", &object), ("a_member_with_a_longer_name.o", b"x")]);
    let mut server = Server::start();
    let mut failed = 0;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for original in [&object, &library] {
        let mut damaged: Vec<Vec<u8>> = (0..original.len())
            .step_by(original.len() / 60)
            .map(|len| original[..len].to_vec())
            .collect();
        // Headers above all: they decide what is read.
        for place in 0..64 {
            for value in [0, 0x7f, 0xff] {
                let mut bytes = original.clone();
                bytes[place] = value;
                damaged.push(bytes);
            }
        }
        let tables = u64::from_le_bytes(object[40..48].try_into().unwrap()) as usize;
        for round in 0..300 {
            let mut bytes = original.clone();
            let range = if round % 2 == 0 {
                0..original.len()
            } else {
                tables..original.len()
            };
            for _ in 0..=round % 4 {
                let place = range.start + (next() as usize) % range.len();
                bytes[place] = next() as u8;
            }
            damaged.push(bytes);
        }
        for bytes in &damaged {
            match unit(
                &mut server,
                &[("good.ll", GOOD.as_bytes()), ("damaged", bytes)],
                None,
            ) {
                Outcome::Failed(_) => failed += 1,
                Outcome::Compiled(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(failed > 100, "{failed}");
    unit(&mut server, &[("good.o", &object)], None).unwrap_compiled();
}

fn unit_request(inputs: &[Named<'_>], keep: Option<&[&str]>) -> CompileRequest {
    CompileRequest {
        opt_level: OptLevel::O2,
        inputs: inputs
            .iter()
            .map(|(name, bytes)| Input {
                name: (*name).to_owned(),
                len: bytes.len() as u64,
            })
            .collect(),
        keep: keep.map(|keep| keep.iter().map(|name| (*name).to_owned()).collect()),
        ..request("the unit", 0)
    }
}

fn send(server: &mut Server, request: CompileRequest, inputs: &[&[u8]]) -> Outcome {
    let payload = payload::seal_inputs(inputs).unwrap();
    transport::send(
        &server.socket,
        &Request::Compile(request),
        Some(payload.as_fd()),
    )
    .unwrap();
    server.outcome()
}

fn unit(server: &mut Server, inputs: &[Named<'_>], keep: Option<&[&str]>) -> Outcome {
    let bytes: Vec<&[u8]> = inputs.iter().map(|(_, bytes)| *bytes).collect();
    send(server, unit_request(inputs, keep), &bytes)
}

fn identify(server: &Server, inputs: &[Named<'_>], keep: Option<&[&str]>) -> [u8; 32] {
    let bytes: Vec<&[u8]> = inputs.iter().map(|(_, bytes)| *bytes).collect();
    let payload = payload::seal_inputs(&bytes).unwrap();
    let request = CompileRequest {
        identify: true,
        ..unit_request(inputs, keep)
    };
    transport::send(
        &server.socket,
        &Request::Compile(request),
        Some(payload.as_fd()),
    )
    .unwrap();
    let digest = match server.receive() {
        Ok((Reply::Identified { digest }, None)) => digest,
        other => panic!("{other:?}"),
    };
    server_stops(server);
    digest
}

/// The server waits for a decision.
fn server_stops(server: &Server) {
    transport::send(&server.socket, &Decision::Stop, None).unwrap();
}

#[track_caller]
fn failure(outcome: Outcome) -> mgenjit::protocol::messages::Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn fails(
    server: &mut Server,
    inputs: &[Named<'_>],
    keep: Option<&[&str]>,
    kind: FailureKind,
    input: Option<u32>,
    expect: &str,
) {
    let Outcome::Failed(failure) = unit(server, inputs, keep) else {
        panic!("compiled, without: {expect}");
    };
    assert!(failure.message.contains(expect), "{expect}: {failure:?}");
    assert_eq!((failure.kind, failure.input), (kind, input), "{failure:?}");
}

/// What a compiler makes of a source. `command`: the compiler and its options.
fn object(command: &[&str], source: &str) -> Vec<u8> {
    built(&[command, &["-c"]].concat(), source)
}

fn built(command: &[&str], source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .args(["-w", "-", "-o"])
        .arg(&output)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", command[0]));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(source.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success(), "{command:?}");
    std::fs::read(output).unwrap()
}

/// An archive with a symbol table, by `ar`.
fn archive(members: &[Named<'_>]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in members {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        run(folder.path(), "ar", &["rcs", "library.a", name]);
    }
    std::fs::read(folder.path().join("library.a")).unwrap()
}

/// An archive without one. Of members that have one name, all are in it.
fn plain_archive(members: &[Named<'_>]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let name = format!("{name}/");
        let (numbers, len) = ("0           0     0     644     ", bytes.len());
        writeln!(archive, "{name:<16}{numbers}{len:<10}`").unwrap();
        archive.extend(*bytes);
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    archive
}

/// An archive as BSD and macOS have it: names lie before the members' bytes, and a symbol table is a member.
fn bsd_archive(members: &[Named<'_>]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in [("__.SYMDEF", &[0; 8][..])].iter().chain(members) {
        let place = name.len().next_multiple_of(8);
        let (header, len) = (format!("#1/{place}"), place + bytes.len());
        writeln!(
            archive,
            "{header:<16}0           0     0     100644  {len:<10}`"
        )
        .unwrap();
        let padding = vec![0; place - name.len()];
        archive.extend([name.as_bytes(), &padding, bytes].concat());
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    archive
}

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    // It wonders at bitcode.
    let status = command
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

fn functions(compiled: &Artifacts) -> Vec<String> {
    let functions = &compiled.reply.functions;
    functions.iter().map(ToString::to_string).collect()
}

fn exported(image: &[u8]) -> Vec<String> {
    let file = ElfFile64::<LittleEndian>::parse(image).unwrap();
    file.dynamic_symbols()
        .filter(|symbol| !symbol.is_undefined())
        .map(|symbol| symbol.name().unwrap().to_owned())
        .filter(|name| name != "__mgenjit_dso_handle")
        .collect()
}

/// Also what only the object itself sees.
fn defined(object: &[u8]) -> Vec<String> {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    file.symbols()
        .filter(object::ObjectSymbol::is_definition)
        .map(|symbol| symbol.name().unwrap().to_owned())
        .collect()
}

fn members_of(archive: &[u8]) -> Vec<String> {
    let file = ArchiveFile::parse(archive).unwrap();
    assert!(
        file.symbols()
            .unwrap()
            .is_some_and(|mut symbols| symbols.next().is_some())
    );
    file.members()
        .map(|member| {
            let member = member.unwrap();
            assert_eq!(
                (member.date(), member.uid(), member.gid()),
                (Some(0), Some(0), Some(0))
            );
            assert_eq!(member.mode(), Some(0o644));
            String::from_utf8(member.name().to_vec()).unwrap()
        })
        .collect()
}
