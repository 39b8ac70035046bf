//! The compile server as a process: what it answers, and that nothing it is given ends it in silence.

use mgenjit::compile::protocol::{
    Compiled, FailureKind, Hello, OptLevel, PROTOCOL_VERSION, Reply, Request,
};
use mgenjit::compile::transport::{self, TransportError};
use mgenjit::signature::Extension;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, Rela, SectionHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, elf};
use std::ffi::{CStr, CString, c_void};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const GOOD: &str = "define i32 @good() {\n  ret i32 42\n}\n";

#[test]
fn says_what_it_is() {
    let output = Command::new(SERVER).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let ours = Hello::ours();
    assert!(output.status.success());
    assert_eq!(
        text,
        format!(
            "mgenjit-server {}\nbuild {}\nLLVM {}\n",
            ours.package, ours.build, ours.llvm
        )
    );
}

#[test]
fn refuses_to_run_without_a_client() {
    fn check(arguments: &[&str], stdin: Stdio, expect: &str) {
        let output = Command::new(SERVER)
            .args(arguments)
            .stdin(stdin)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expect), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
    check(&[], Stdio::null(), "not a connected UNIX stream socket");
    check(&[], Stdio::piped(), "not a connected UNIX stream socket");
    check(&["--wach"], Stdio::null(), "--wach is not understood");
    check(&["--watch"], Stdio::null(), "--watch needs the number");
    check(&["--watch", "x"], Stdio::null(), "--watch needs the number");
    check(&["--watch", "1"], Stdio::null(), "--watch needs the number");
    let (ours, theirs) = UnixStream::pair().unwrap();
    check(
        &["--watch", "999"],
        OwnedFd::from(theirs).into(),
        "no such descriptor",
    );
    drop(ours);
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    check(
        &[],
        OwnedFd::from(udp).into(),
        "not a connected UNIX stream socket",
    );
}

#[test]
fn greets_and_compares() {
    let mut server = Server::spawn(Spawn::default());
    let (theirs, _) = transport::receive::<Hello>(&server.socket).unwrap();
    assert_eq!(theirs, Hello::ours());
    server.greet(&Hello::ours());
    server.check(GOOD, Expect::Compiles("i32 @good()"));

    fn check(change: impl FnOnce(&mut Hello), expect: &str) {
        let mut hello = Hello::ours();
        change(&mut hello);
        let mut server = Server::spawn(Spawn::default());
        transport::receive::<Hello>(&server.socket).unwrap();
        server.greet(&hello);
        match server.receive() {
            Ok((Reply::Failed(failure), None)) => {
                assert_eq!(failure.kind, FailureKind::Protocol);
                assert!(failure.message.contains(expect), "{}", failure.message);
            }
            other => panic!("{other:?}"),
        }
        let (status, words) = server.wait();
        assert_eq!(status.code(), Some(1));
        assert!(words.contains(expect), "{words}");
    }
    check(|hello| hello.protocol += 1, "protocol 2");
    check(|hello| hello.package = "9.9.9".to_owned(), "mgenjit 9.9.9");
    check(|hello| hello.llvm = "21.1.0".to_owned(), "LLVM 21.1.0");
    check(|hello| hello.build = "feed".to_owned(), "build feed");
    assert_eq!(PROTOCOL_VERSION, 1);
}

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
                assert!(compiled.reply.triple.starts_with("x86_64-"));
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
        "target triple = \"x86_64-linux-gnu\"\ndefine i32 @test() {\n  ret i32 1\n}",
        1,
    );
    check(
        "target triple = \"x86_64-unknown-linux\"\ndefine i32 @test() {\n  ret i32 1\n}",
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
    check(include_str!("ir/server/shared.ll"), 0);
    check(include_str!("ir/server/exception.ll"), 221);
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
    check(
        "%pair = type { i32, i64 }
         define void @f(ptr sret(%pair) %a, i32 inreg %b) { ret void }
         define %pair @g() { ret %pair zeroinitializer }",
        &["void @f(ptr, i32 inreg)", "%pair @g()"],
    );
    check(
        "define fastcc void @f() { ret void }
         define coldcc void @g() { ret void }
         define preserve_mostcc void @h() { ret void }",
        &[
            "fastcc void @f()",
            "coldcc void @g()",
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
        include_str!("ir/server/shared.ll"),
        include_str!("ir/server/exception.ll"),
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
        let ir = include_str!("ir/server/shared.ll");
        server
            .compile("x", ir.as_bytes(), level)
            .unwrap_compiled()
            .image
    }
}

#[test]
fn bad_ir_fails_and_the_server_goes_on() {
    fn check<'a>(ir: impl AsRef<[u8]>, expect: impl Into<Expect<'a>>) {
        let mut server = Server::start();
        server.check(ir, expect.into());
        server.check(GOOD, Expect::Compiles("i32 @good()"));
    }
    use FailureKind::{Codegen, Link, Parse, Target, Verify};

    check("", (Parse, "the input is empty"));
    check(b"\x7fELF\x02\x01\x01\0", (Parse, "an ELF file"));
    check("!<arch>\nfoo", (Parse, "an archive"));
    check("define\0", (Parse, "NUL bytes"));
    check("BC", (Parse, "ends within its first word"));
    check(
        "{\n  \"json\": 1\n}",
        (Parse, "neither LLVM IR text nor bitcode", 1, 1, "{"),
    );
    check(
        "; IR\n\n\tint main",
        (Parse, "neither LLVM IR", 3, 2, "\tint main"),
    );
    check(
        "define i32 @f() {\r\n\t%x = add i32 1, 2.5\r\n  ret i32 %x\r\n}\r\n",
        (
            Parse,
            "floating point constant invalid for type",
            2,
            18,
            "\t%x = add i32 1, 2.5",
        ),
    );
    check(
        "define i32 @f() {\n  ret i32 %x\n}",
        (Parse, "use of undefined value '%x'", 2, 11, "  ret i32 %x"),
    );
    check(
        "define i32 @f() {\n  ret i32 0",
        (Parse, "", 2, 12, "  ret i32 0"),
    );
    check(b"\xff\xfe\xfd", (Parse, "neither LLVM IR text nor bitcode"));

    let broken = "define i1 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  %x = xor i1 1, 1\n  \
                  br label %b\nb:\n  ret i1 %x\n}\n";
    check(
        broken,
        (
            Verify,
            "in function @f: Instruction does not dominate all uses",
        ),
    );
    check(
        format!("{broken}{}", broken.replace("@f", "@\"second one\"")),
        (Verify, "in functions @f, @second one: "),
    );
    // With debug info, LLVM's own parser would end the process over it.
    check(
        format!(
            "{broken}!llvm.module.flags = !{{!0}}\n!0 = !{{i32 2, !\"Debug Info Version\", i32 3}}"
        ),
        (Verify, "in function @f: Instruction does not dominate"),
    );
    check(
        "@x = global i32 0\n@llvm.global_ctors = global i32 0",
        (Verify, "llvm.global_ctors"),
    );
    check(
        "define i32 @f() {\n  call void @llvm.nonsense()\n  ret i32 0\n}\ndeclare void @llvm.nonsense()",
        (Codegen, "no intrinsic of this name: llvm.nonsense"),
    );

    check(
        "target triple = \"aarch64-unknown-linux-gnu\"",
        (Target, "\"aarch64-unknown-linux-gnu\", but"),
    );
    check(
        "target triple = \"x86_64-pc-windows-msvc\"",
        (Target, "\"x86_64-pc-windows-msvc\", but"),
    );
    check(
        "target triple = \"x86_64-linux-musl\"",
        (Target, "\"x86_64-linux-musl\", but"),
    );
    check(
        "target datalayout = \"E-m:e\"",
        (Target, "data layout is \"E-m:e\", but"),
    );
    check(
        "target datalayout = \"e-m:e-i64:32-f80:128-n8:16:32:64-S128\"",
        (Target, "i64:32"),
    );
    check(
        "target datalayout = \"nonsense\"",
        (Parse, "", 1, 21, "target datalayout = \"nonsense\""),
    );

    check(
        "define void @f() {\n  call void asm sideeffect \"bogus foo\", \"\"()\n  ret void\n}",
        (Codegen, "invalid instruction mnemonic 'bogus'"),
    );
    check(
        "module asm \"bogus foo\"",
        (Codegen, "invalid instruction mnemonic 'bogus'"),
    );
    check(
        "define void @f(i32 %x) {\n  call void asm sideeffect \"nop\", \"{bad}\"(i32 %x)\n  ret void\n}",
        (Codegen, "constraint '{bad}'"),
    );
    check(
        "define i64 @f() {\n  %r = call i64 @llvm.read_register.i64(metadata !0)\n  ret i64 %r\n}
         declare i64 @llvm.read_register.i64(metadata)\n!0 = !{!\"nonsense\"}",
        (Codegen, "invalid register \"nonsense\""),
    );

    check(
        "@x = global i32 0\ndefine void @f() {\n  \
         call void asm sideeffect \"movl $$x, %eax\", \"\"()\n  ret void\n}",
        (Link, "must be position-independent"),
    );
    check(
        "@x = external thread_local global i32\ndefine void @f() {\n  \
         call void asm sideeffect \"movq x@gottpoff(%rip), %rax\", \"\"()\n  ret void\n}",
        (Link, "general-dynamic TLS"),
    );
}

#[test]
fn bad_bitcode_fails_and_the_server_goes_on() {
    fn check(bytes: &[u8], expect: &str) {
        let mut server = Server::start();
        server.check(bytes, Expect::from((FailureKind::Parse, expect)));
        server.check(bitcode(GOOD), Expect::Compiles("i32 @good()"));
    }
    let good = bitcode(include_str!("ir/server/shared.ll"));
    for len in [4, 8, 20, 100, good.len() / 2, good.len() - 4] {
        check(&good[..len], "the bitcode is cut short, damaged");
    }
    let newer = with_producer(&good, "LLVM99");
    Server::start().check(&newer, Expect::Compiles("i32 @jump(i32)"));
    // Somewhere in it is a byte that makes a record one that this LLVM does not understand. No change may
    // leave the server in a state that it cannot compile from.
    let mut blamed = 0;
    let mut server = Server::start();
    for place in (64..newer.len()).step_by(29) {
        let mut damaged = newer.clone();
        damaged[place] ^= 0xff;
        match server.compile("damaged", &damaged, OptLevel::O0) {
            Outcome::Failed(failure) => {
                let newer = "written by LLVM 99.1.8, which is newer than the LLVM 22.1.8 that is to read it";
                blamed += usize::from(failure.message.contains(newer));
                server.check(GOOD, Expect::Compiles("i32 @good()"));
            }
            Outcome::Compiled(_) => {}
            Outcome::Gone(status, words) => {
                assert!(words.contains("while "), "{status}: {words}");
                server = Server::start();
            }
        }
    }
    assert!(blamed > 0);
}

#[test]
fn a_death_says_why() {
    fn check(ir: impl AsRef<[u8]>, expect: &[&str]) {
        let mut server = Server::start();
        // What was said during an earlier request must not be taken for this one's.
        server.check(GOOD, Expect::Compiles("i32 @good()"));
        let outcome = server.compile("the module", ir.as_ref(), OptLevel::O2);
        let Outcome::Gone(status, words) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(!status.success() && status.code() != Some(101), "{status}");
        for part in expect {
            assert!(words.contains(part), "{part:?} is not in {words:?}");
        }
    }
    check(
        "declare void @llvm.aarch64.hint(i32)
         define void @f() {\n  call void @llvm.aarch64.hint(i32 0)\n  ret void\n}",
        &[
            "LLVM ERROR: Cannot select: intrinsic %llvm.aarch64.hint",
            "while generating code for the module",
        ],
    );
    check(
        "define void @f(<vscale x 4 x i32> %x, ptr %p) {
           store <vscale x 4 x i32> %x, ptr %p\n  ret void\n}",
        &["LLVM ERROR: ", "scalable vector", "the module"],
    );
    check(
        format!("@x = global {}", "{".repeat(3_000_000)),
        &[
            "stack overflow",
            "signal 11 (SIGSEGV)",
            "while parsing the module",
        ],
    );
}

#[test]
fn a_signal_is_named() {
    for (signal, name) in [
        (libc::SIGSEGV, "signal 11 (SIGSEGV)"),
        (libc::SIGBUS, "signal 7 (SIGBUS)"),
        (libc::SIGILL, "signal 4 (SIGILL)"),
        (libc::SIGFPE, "signal 8 (SIGFPE)"),
        (libc::SIGABRT, "signal 6 (SIGABRT)"),
    ] {
        let mut server = Server::start();
        server.check(GOOD, Expect::Compiles("i32 @good()"));
        server.kill(signal);
        let (status, words) = server.wait();
        assert_eq!(status.signal(), Some(signal));
        assert!(!status.core_dumped());
        assert_eq!(
            words,
            format!("mgenjit-server: {name} while waiting for a request\n")
        );
    }
}

#[test]
fn inherited_signals_are_reset() {
    // The shell ignores the signal, and what is ignored stays so across exec.
    let script = "trap '' TERM USR1 SEGV; exec \"$0\" \"$@\"";
    for signal in [libc::SIGTERM, libc::SIGUSR1, libc::SIGSEGV] {
        let mut server = Server::start_with(Spawn {
            script: Some(script),
            ..Spawn::default()
        });
        server.kill(signal);
        assert_eq!(server.wait().0.signal(), Some(signal));
    }
}

#[test]
fn running_out_of_memory_is_said() {
    let mut server = Server::start_with(Spawn {
        script: Some("ulimit -v 700000; exec \"$0\" \"$@\""),
        ..Spawn::default()
    });
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    let ir = format!(
        "@x = global [6000000 x i64] [{}]",
        (0..6_000_000)
            .map(|number| format!("i64 {number}"))
            .collect::<Vec<_>>()
            .join(",")
    );
    let outcome = server.compile("large", ir.as_bytes(), OptLevel::O2);
    let Outcome::Gone(status, words) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(status.code(), Some(70), "{words}");
    assert_eq!(words, "mgenjit-server: out of memory while parsing large\n");
}

#[test]
fn a_gigabyte_of_zeros_fails_at_once() {
    let mut server = Server::start();
    let zeros = memfd(1 << 30, &[], true);
    let started = Instant::now();
    server.send_request("zeros", 1 << 30, Some(&zeros));
    match server.receive() {
        Ok((Reply::Failed(failure), None)) => {
            assert_eq!(failure.kind, FailureKind::Parse);
            assert!(failure.message.contains("NUL"), "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    server.check(GOOD, Expect::Compiles("i32 @good()"));
}

#[test]
fn any_length_of_text_is_read_to_its_end() {
    // LLVM's parser needs a NUL behind the text, which has to come from another page when the text fills its
    // last one.
    let mut server = Server::start();
    for len in [4094, 4095, 4096, 4097, 8192, 12288] {
        let ir = format!("{GOOD};{}", "x".repeat(len - GOOD.len() - 1));
        assert_eq!(ir.len(), len);
        server.check(&ir, Expect::Compiles("i32 @good()"));
    }
    // A page may hold something behind the end of the file, if it was written through a mapping.
    let dirty = memfd(GOOD.len() as u64, GOOD.as_bytes(), false);
    write_behind_end(&dirty, GOOD.len());
    rustix::fs::fcntl_add_seals(&dirty, SEALS).unwrap();
    server.send_request("dirty", GOOD.len() as u64, Some(&dirty));
    assert!(matches!(
        server.receive(),
        Ok((Reply::Compiled(_), Some(_)))
    ));
}

#[test]
fn malformed_requests_fail_and_the_server_goes_on() {
    fn check(len: u64, payload: Option<&OwnedFd>, expect: &str) {
        let mut server = Server::start();
        server.send_request("bad", len, payload);
        server.expect_protocol_failure(expect);
        server.check(GOOD, Expect::Compiles("i32 @good()"));
    }
    let (len, ir) = (GOOD.len() as u64, GOOD.as_bytes());
    let sealed = memfd(len, ir, true);
    check(len, None, "none came");
    check(len + 1, Some(&sealed), &format!("it has {len} bytes"));
    check(len - 1, Some(&sealed), &format!("it has {len} bytes"));
    check(u64::MAX, Some(&sealed), &format!("it has {len} bytes"));
    check(0, Some(&sealed), &format!("it has {len} bytes"));
    check(len, Some(&memfd(len, ir, false)), "not sealed");
    let partly = memfd(len, ir, false);
    rustix::fs::fcntl_add_seals(&partly, SEALS.difference(rustix::fs::SealFlags::WRITE)).unwrap();
    check(len, Some(&partly), "not sealed");
    check(len, Some(&File::open("/").unwrap().into()), "not a memfd");
    check(
        len,
        Some(&File::open("/dev/zero").unwrap().into()),
        "not a memfd",
    );
    let (pipe, _end) = rustix::pipe::pipe().unwrap();
    check(len, Some(&pipe), "not a memfd");
    check(
        len,
        Some(&UnixStream::pair().unwrap().0.into()),
        "not a memfd",
    );

    fn check_body(body: &[u8], expect: &str) {
        let mut server = Server::start();
        server.send_frame(u32::try_from(body.len()).unwrap(), body);
        server.expect_protocol_failure(expect);
        server.check(GOOD, Expect::Compiles("i32 @good()"));
    }
    let request = postcard::to_stdvec(&Request {
        name: "x".to_owned(),
        opt_level: OptLevel::O2,
        input_len: 0,
    })
    .unwrap();
    check_body(&[], "does not decode");
    check_body(&request[..1], "does not decode");
    check_body(&[0xff; 64], "does not decode");
    // A name that claims more bytes than there are.
    check_body(
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        "does not decode",
    );
    // A name that is not UTF-8.
    check_body(&[1, 0xff, 2, 0], "does not decode");
    // An optimisation level that does not exist.
    check_body(&[1, b'x', 6, 0], "does not decode");
    check_body(
        &[request.as_slice(), &[0, 0, 0]].concat(),
        "3 bytes after its message",
    );
    check_body(&[0; 1 << 20], "bytes after its message");
}

#[test]
fn a_stream_that_is_out_of_step_ends_the_server_cleanly() {
    fn check(bytes: &[u8], expect: &str) {
        let mut server = Server::start();
        (&server.socket).write_all(bytes).unwrap();
        server.socket.shutdown(std::net::Shutdown::Write).unwrap();
        server.expect_protocol_failure(expect);
        let (status, words) = server.wait();
        assert_eq!(status.code(), Some(1));
        assert!(words.contains(expect), "{words}");
    }
    check(&[1], "ended inside a frame");
    check(&[16, 0, 0, 0], "ended inside a frame");
    check(&[16, 0, 0, 0, 1, 2, 3], "ended inside a frame");
    check(&[0xff; 4], "claims 4294967295 bytes");
    check(&[0xff; 1000], "claims 4294967295 bytes");
    // The longest frame that is allowed, of which one byte comes.
    check(
        &[&transport::MAX_BODY_LEN.to_le_bytes()[..], &[1]].concat(),
        "ended inside a frame",
    );
    let too_long = transport::MAX_BODY_LEN + 1;
    check(&too_long.to_le_bytes(), &format!("claims {too_long} bytes"));
}

#[test]
fn several_descriptors_are_not_kept() {
    let server = Server::start();
    let count = |server: &Server| {
        std::fs::read_dir(format!("/proc/{}/fd", server.child.id()))
            .unwrap()
            .count()
    };
    for _ in 0..20 {
        let (len, ir) = (GOOD.len() as u64, GOOD.as_bytes());
        let fds: Vec<OwnedFd> = (0..6).map(|_| memfd(len, ir, true)).collect();
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let body = postcard::to_stdvec(&Request {
            name: "many".to_owned(),
            opt_level: OptLevel::O0,
            input_len: len,
        })
        .unwrap();
        let frame = [
            &u32::try_from(body.len()).unwrap().to_le_bytes()[..],
            &body[..],
        ]
        .concat();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(6))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        control.push(rustix::net::SendAncillaryMessage::ScmRights(&borrowed));
        rustix::net::sendmsg(
            &server.socket,
            &[std::io::IoSlice::new(&frame)],
            &mut control,
            rustix::net::SendFlags::empty(),
        )
        .unwrap();
        assert!(matches!(
            server.receive(),
            Ok((Reply::Compiled(_), Some(_)))
        ));
    }
    // The three standard ones and the watch's. The last reply's payload may be closed after it has arrived.
    let deadline = Instant::now() + Duration::from_secs(5);
    while count(&server) > 4 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(count(&server), 4);
}

#[test]
fn nothing_is_inherited_but_the_connection() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
    let mut server = Server::start_with(Spawn {
        // Every descriptor that was left open goes along, as from a host that does not mark them.
        script: Some("MAKEFLAGS='-j --jobserver-auth=3,4' WILD_SAVE_DIR=x exec \"$0\" \"$@\""),
        ..Spawn::default()
    });
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    drop(writer);
    // The end of the file is there while the server lives.
    let mut text = String::new();
    File::from(reader).read_to_string(&mut text).unwrap();
    server.check(GOOD, Expect::Compiles("i32 @good()"));
}

#[test]
fn the_end_of_the_connection_ends_the_server() {
    let server = Server::start();
    assert_eq!(server.hang_up().code(), Some(0));

    // Also before the greeting, and with it half said.
    let server = Server::spawn(Spawn::default());
    assert!(server.hang_up().code().is_some());
    let server = Server::spawn(Spawn::default());
    (&server.socket).write_all(&[9, 0]).unwrap();
    assert!(server.hang_up().code().is_some());

    // And in the middle of a compile that takes far longer.
    let server = Server::start();
    let ir = slow_module();
    let payload = memfd(ir.len() as u64, ir.as_bytes(), true);
    server.send_request("slow", ir.len() as u64, Some(&payload));
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    assert_eq!(server.hang_up().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_end_of_the_client_ends_the_server() {
    for busy in [false, true] {
        let mut client = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&client);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        rustix::io::fcntl_setfd(&pidfd, rustix::io::FdFlags::empty()).unwrap();
        let mut server = Server::start_with(Spawn {
            watch: Some(&pidfd),
            ..Spawn::default()
        });
        server.check(GOOD, Expect::Compiles("i32 @good()"));
        if busy {
            let ir = slow_module();
            let payload = memfd(ir.len() as u64, ir.as_bytes(), true);
            server.send_request("slow", ir.len() as u64, Some(&payload));
            std::thread::sleep(Duration::from_millis(300));
        }
        assert!(server.child.try_wait().unwrap().is_none());
        let started = Instant::now();
        client.kill().unwrap();
        // The connection is still open, as it is in a forked child of the host.
        assert_eq!(server.wait().0.code(), Some(0));
        assert!(started.elapsed() < Duration::from_secs(2));
        client.wait().unwrap();
    }
}

#[test]
fn last_words_do_not_pile_up() {
    let mut server = Server::start();
    // A feature that LLVM does not know: it complains on standard error and goes on.
    let ir = "define void @f() \"target-features\"=\"+nonsense\" { ret void }";
    server.check(ir, Expect::Compiles("void @f()"));
    let once = server.words();
    assert!(once.contains("nonsense"), "{once}");
    server.check(ir, Expect::Compiles("void @f()"));
    assert_eq!(server.words(), once);
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    assert_eq!(server.words(), "");
}

#[test]
fn a_log_file_as_standard_error_is_not_emptied() {
    let mut log = tempfile::NamedTempFile::new().unwrap();
    log.write_all(b"precious\n").unwrap();
    let stderr = std::fs::OpenOptions::new()
        .append(true)
        .open(log.path())
        .unwrap();
    let mut server = Server::start_with(Spawn {
        stderr: Some(stderr),
        ..Spawn::default()
    });
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    let mut text = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(text, "precious\n");
}

#[test]
fn images_are_fit_to_be_mapped() {
    let mut server = Server::start();
    for ir in [
        GOOD,
        "; nothing at all",
        include_str!("ir/server/shared.ll"),
        include_str!("ir/server/exception.ll"),
    ] {
        for level in [OptLevel::O0, OptLevel::O2] {
            let compiled = server
                .compile("test", ir.as_bytes(), level)
                .unwrap_compiled();
            check_image(&compiled.image);
        }
    }

    fn check_image(image: &[u8]) {
        let endian = LittleEndian;
        let file = ElfFile64::<LittleEndian>::parse(image).unwrap();
        assert_eq!(file.elf_header().e_type(endian), elf::ET_DYN);
        assert_eq!(file.build_id().unwrap().unwrap().len(), 32);
        assert!(file.section_by_name(".symtab").is_some());
        assert!(file.section_by_name(".ctors").is_none());
        let mut writable = Vec::new();
        for segment in file.elf_program_headers() {
            let flags = segment.p_flags(endian);
            assert!(!(flags.contains(elf::PF_W) && flags.contains(elf::PF_X)));
            if segment.p_type(endian) == elf::PT_LOAD {
                assert_eq!(segment.p_align(endian), 4096);
                if flags.contains(elf::PF_W) {
                    let start = segment.p_vaddr(endian);
                    writable.push(start..start + segment.p_memsz(endian));
                }
            }
        }
        // libgcc reads until it finds a length of zero.
        if let Some(frames) = file.section_by_name(".eh_frame") {
            assert!(frames.data().unwrap().ends_with(&[0; 4]));
        }
        let dynamic = file.section_by_name(".dynamic").unwrap();
        let tags: Vec<u64> = dynamic
            .data()
            .unwrap()
            .chunks(16)
            .map(|entry| u64::from_le_bytes(entry[..8].try_into().unwrap()))
            .collect();
        let has = |tag: elf::DynamicTag| tags.contains(&(tag.0 as u64));
        assert!(has(elf::DT_SYMTAB) && has(elf::DT_STRTAB) && has(elf::DT_GNU_HASH));
        assert!(!has(elf::DT_TEXTREL) && !has(elf::DT_NEEDED) && !has(elf::DT_HASH));
        for section in file.elf_section_table().iter() {
            let Some((relocations, _)) = section.rela(endian, image).unwrap() else {
                continue;
            };
            assert!(has(elf::DT_RELA));
            for relocation in relocations {
                let place = relocation.r_offset(endian);
                assert!(writable.iter().any(|range| range.contains(&place)));
                let kind = relocation.r_type(endian, false);
                assert_ne!(kind, elf::R_X86_64_TPOFF64);
                assert_ne!(kind, elf::R_X86_64_COPY);
            }
        }
    }
}

#[test]
fn every_frame_can_be_unwound() {
    // Without unwind tables for functions that cannot throw, a stack trace would end at the first.
    let ir = "define i32 @f(i32 %x) nounwind { ret i32 %x }\ndefine i32 @g(i32 %x) nounwind { ret i32 %x }";
    let compiled = Server::start()
        .compile("test", ir.as_bytes(), OptLevel::O2)
        .unwrap_compiled();
    let file = ElfFile64::<LittleEndian>::parse(compiled.image.as_slice()).unwrap();
    let header = file.section_by_name(".eh_frame_hdr").unwrap();
    let count = &header.data().unwrap()[8..12];
    assert_eq!(count, 2_u32.to_le_bytes());
}

#[test]
fn modules_share_weak_symbols() {
    // The first image's definition has to serve both, as the dynamic linker decides.
    let ir = |function: &str| {
        format!(
            "@shared_counter = {} global i32 0
             define weak dso_local i32 @whose() {{ ret i32 1 }}
             define ptr @{function}() {{ ret ptr @shared_counter }}
             define ptr @{function}_whose() {{ ret ptr @whose }}",
            "common dso_local"
        )
    };
    let mut server = Server::start();
    let mut image = |function: &str| {
        server
            .compile("test", ir(function).as_bytes(), OptLevel::O2)
            .unwrap_compiled()
            .image
    };
    let first = Loaded::new(&image("shared_first"));
    let second = Loaded::new(&image("shared_second"));
    assert_eq!(
        first.call_pointer("shared_first"),
        second.call_pointer("shared_second")
    );
    assert_eq!(
        first.call_pointer("shared_first_whose"),
        second.call_pointer("shared_second_whose")
    );
}

#[test]
fn names_of_the_static_libc_are_provided() {
    fn check(name: &str, declaration: &str, call: &str, handle_expected: bool) {
        let ir = format!(
            "@ran = global i32 0
             define internal void @handler() {{ store i32 1, ptr @ran ret void }}
             {declaration}
             define i32 @test() {{ {call} ret i32 %r }}"
        );
        let compiled = Server::start()
            .compile("test", ir.as_bytes(), OptLevel::O2)
            .unwrap_compiled();
        let file = ElfFile64::<LittleEndian>::parse(compiled.image.as_slice()).unwrap();
        assert!(
            !file
                .dynamic_symbols()
                .any(|symbol| symbol.name() == Ok(name) && symbol.is_undefined()),
            "{name} is left to the loader"
        );
        // What is provided belongs to the image, and is not in the object that goes elsewhere.
        let object = ElfFile64::<LittleEndian>::parse(compiled.object.as_slice()).unwrap();
        assert_eq!(
            object
                .symbols()
                .any(|symbol| symbol.name() == Ok("__mgenjit_dso_handle")),
            declaration.contains("__mgenjit_dso_handle")
        );

        let loaded = Loaded::new(&compiled.image);
        assert_eq!(loaded.call("test"), 0, "{name}");
        let handle = loaded.symbol("__mgenjit_dso_handle");
        assert_eq!(!handle.is_null(), handle_expected, "{name}");
        if name == "atexit" || name == "__dso_handle" {
            unsafe extern "C" {
                fn __cxa_finalize(handle: *mut c_void);
            }
            let ran = loaded.symbol("ran").cast::<i32>();
            // SAFETY: the image is loaded, `ran` is its `i32`, and its handler may run now.
            unsafe {
                assert_eq!(ran.read_volatile(), 0);
                __cxa_finalize(handle);
                assert_eq!(ran.read_volatile(), 1, "{name}");
            }
        }
    }
    check(
        "atexit",
        "declare i32 @atexit(ptr)",
        "%r = call i32 @atexit(ptr @handler)",
        true,
    );
    check(
        "__dso_handle",
        "@__dso_handle = external hidden global i8\ndeclare i32 @__cxa_atexit(ptr, ptr, ptr)",
        "%r = call i32 @__cxa_atexit(ptr @handler, ptr null, ptr @__dso_handle)",
        true,
    );
    check(
        "at_quick_exit",
        "declare i32 @at_quick_exit(ptr)",
        "%r = call i32 @at_quick_exit(ptr @handler)",
        true,
    );
    check(
        "pthread_atfork",
        "declare i32 @pthread_atfork(ptr, ptr, ptr)",
        "%r = call i32 @pthread_atfork(ptr null, ptr null, ptr null)",
        true,
    );
    // The module's own wins.
    check(
        "atexit",
        "@__dso_handle = hidden global i8 0
         @__mgenjit_dso_handle = alias i8, ptr @__dso_handle
         declare i32 @atexit(ptr)",
        "%r = call i32 @atexit(ptr @handler)",
        true,
    );
    check("none", "", "%r = add i32 0, 0", false);
}

const SERVER: &str = env!("CARGO_BIN_EXE_mgenjit-server");

const SEALS: rustix::fs::SealFlags = rustix::fs::SealFlags::SEAL
    .union(rustix::fs::SealFlags::SHRINK)
    .union(rustix::fs::SealFlags::GROW)
    .union(rustix::fs::SealFlags::WRITE);

#[derive(Default)]
struct Spawn<'a> {
    /// A shell script that runs the server as `"$0" "$@"`.
    script: Option<&'a str>,
    watch: Option<&'a OwnedFd>,
    stderr: Option<File>,
}

struct Server {
    child: Child,
    socket: UnixStream,
    stderr: File,
}

#[derive(Debug)]
enum Outcome {
    Compiled(Box<Artifacts>),
    Failed(mgenjit::compile::protocol::Failure),
    Gone(ExitStatus, String),
}

struct Artifacts {
    reply: Compiled,
    image: Vec<u8>,
    object: Vec<u8>,
}

impl std::fmt::Debug for Artifacts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.reply.fmt(out)
    }
}

enum Expect<'a> {
    /// The first function, printed.
    Compiles(&'a str),
    Fails {
        kind: FailureKind,
        message: &'a str,
        position: Option<(u32, u32, &'a str)>,
    },
}

impl<'a> From<(FailureKind, &'a str)> for Expect<'a> {
    fn from((kind, message): (FailureKind, &'a str)) -> Self {
        Expect::Fails {
            kind,
            message,
            position: None,
        }
    }
}

impl<'a> From<(FailureKind, &'a str, u32, u32, &'a str)> for Expect<'a> {
    fn from(
        (kind, message, line, column, source_line): (FailureKind, &'a str, u32, u32, &'a str),
    ) -> Self {
        Expect::Fails {
            kind,
            message,
            position: Some((line, column, source_line)),
        }
    }
}

impl Outcome {
    fn unwrap_compiled(self) -> Artifacts {
        match self {
            Outcome::Compiled(artifacts) => *artifacts,
            other => panic!("{other:?}"),
        }
    }
}

impl Server {
    /// A server that has been greeted.
    fn start() -> Server {
        Server::start_with(Spawn::default())
    }

    fn start_with(spawn: Spawn<'_>) -> Server {
        let server = Server::spawn(spawn);
        server.greet(&Hello::ours());
        transport::receive::<Hello>(&server.socket).unwrap();
        server
    }

    fn spawn(spawn: Spawn<'_>) -> Server {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let stderr = spawn.stderr.unwrap_or_else(|| {
            rustix::fs::memfd_create("last-words", rustix::fs::MemfdFlags::CLOEXEC)
                .unwrap()
                .into()
        });
        let mut command = match spawn.script {
            Some(script) => {
                let mut command = Command::new("bash");
                command.args(["-c", script, SERVER]);
                command
            }
            None => Command::new(SERVER),
        };
        if let Some(pidfd) = spawn.watch {
            command.args(["--watch", &pidfd.as_raw_fd().to_string()]);
        }
        let child = command
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap();
        Server {
            child,
            socket,
            stderr,
        }
    }

    fn greet(&self, hello: &Hello) {
        transport::send(&self.socket, hello, None).unwrap();
    }

    fn check<'a>(&mut self, ir: impl AsRef<[u8]>, expect: Expect<'a>) {
        let ir = ir.as_ref();
        let shown = String::from_utf8_lossy(&ir[..ir.len().min(500)]).into_owned();
        let outcome = self.compile("test", ir, OptLevel::O2);
        match (outcome, expect) {
            (Outcome::Compiled(artifacts), Expect::Compiles(expect)) => {
                let first = artifacts.reply.functions.first().map(ToString::to_string);
                assert_eq!(first.as_deref(), Some(expect), "{shown}");
            }
            (
                Outcome::Failed(failure),
                Expect::Fails {
                    kind,
                    message,
                    position,
                },
            ) => {
                assert_eq!(failure.kind, kind, "{shown}: {failure:?}");
                assert!(failure.message.contains(message), "{shown}: {failure:?}");
                assert!(!failure.message.contains("<ir>"), "{failure:?}");
                if let Some((line, column, source_line)) = position {
                    let found = failure.position.expect(&shown);
                    assert_eq!(
                        (found.line, found.column, found.source_line.as_str()),
                        (line, column, source_line),
                        "{shown}: {}",
                        failure.message
                    );
                }
            }
            (outcome, _) => panic!("{shown}: {outcome:?}"),
        }
    }

    fn compile(&mut self, name: &str, ir: &[u8], opt_level: OptLevel) -> Outcome {
        let payload = transport::seal(&[ir]).unwrap();
        let request = Request {
            name: name.to_owned(),
            opt_level,
            input_len: ir.len() as u64,
        };
        transport::send(&self.socket, &request, Some(payload.as_fd())).unwrap();
        match self.receive() {
            Ok((Reply::Compiled(reply), payload)) => {
                let len = reply.image_len + reply.object_len;
                let file = transport::check_payload(payload, len).unwrap();
                let mut image = vec![0; usize::try_from(reply.image_len).unwrap()];
                let mut object = vec![0; usize::try_from(reply.object_len).unwrap()];
                file.read_exact_at(&mut image, 0).unwrap();
                file.read_exact_at(&mut object, reply.image_len).unwrap();
                Outcome::Compiled(Box::new(Artifacts {
                    reply,
                    image,
                    object,
                }))
            }
            Ok((Reply::Failed(failure), None)) => Outcome::Failed(failure),
            Ok(other) => panic!("{other:?}"),
            Err(TransportError::Closed | TransportError::Io(_)) => {
                let (status, words) = self.wait();
                Outcome::Gone(status, words)
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn send_request(&self, name: &str, input_len: u64, payload: Option<&OwnedFd>) {
        let request = Request {
            name: name.to_owned(),
            opt_level: OptLevel::O2,
            input_len,
        };
        transport::send(&self.socket, &request, payload.map(AsFd::as_fd)).unwrap();
    }

    fn send_frame(&self, len: u32, body: &[u8]) {
        (&self.socket).write_all(&len.to_le_bytes()).unwrap();
        (&self.socket).write_all(body).unwrap();
    }

    fn receive(&self) -> Result<(Reply, Option<OwnedFd>), TransportError> {
        self.socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        loop {
            match transport::receive(&self.socket) {
                Ok((Reply::Started, None)) => {}
                other => return other,
            }
        }
    }

    fn expect_protocol_failure(&self, expect: &str) {
        match self.receive() {
            Ok((Reply::Failed(failure), None)) => {
                assert_eq!(failure.kind, FailureKind::Protocol);
                assert!(failure.message.contains(expect), "{}", failure.message);
            }
            other => panic!("{expect}: {other:?}"),
        }
    }

    fn kill(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: the child was not waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Waits for the process to end by itself.
    fn wait(&mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.words());
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn hang_up(mut self) -> ExitStatus {
        let (mut other, _) = UnixStream::pair().unwrap();
        std::mem::swap(&mut self.socket, &mut other);
        drop(other);
        self.wait().0
    }

    fn words(&self) -> String {
        let mut bytes = vec![0; usize::try_from(self.stderr.metadata().unwrap().len()).unwrap()];
        self.stderr.read_exact_at(&mut bytes, 0).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An image in this process, by the system's own dynamic linker: it is a shared object like any other.
struct Loaded {
    handle: *mut c_void,
}

impl Loaded {
    fn new(image: &[u8]) -> Loaded {
        let open = |path: &CStr, flags| {
            // SAFETY: the image's constructors are those of this file's IR.
            let handle = unsafe { libc::dlopen(path.as_ptr(), flags) };
            if handle.is_null() {
                // SAFETY: `dlopen` has just failed, so there is a message.
                panic!(
                    "{}",
                    unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy()
                );
            }
            handle
        };
        open(c"libstdc++.so.6", libc::RTLD_NOW | libc::RTLD_GLOBAL);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(image).unwrap();
        let path = CString::new(file.path().to_str().unwrap()).unwrap();
        Loaded {
            handle: open(&path, libc::RTLD_NOW | libc::RTLD_GLOBAL),
        }
    }

    fn symbol(&self, name: &str) -> *mut c_void {
        let name = CString::new(name).unwrap();
        // SAFETY: the handle is open and the name is NUL-terminated.
        unsafe { libc::dlsym(self.handle, name.as_ptr()) }
    }

    fn call(&self, name: &str) -> i32 {
        let symbol = self.symbol(name);
        assert!(!symbol.is_null(), "{name}");
        // SAFETY: the IR says `i32 ()`.
        let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(symbol) };
        function()
    }

    fn call_pointer(&self, name: &str) -> *mut c_void {
        let symbol = self.symbol(name);
        assert!(!symbol.is_null(), "{name}");
        // SAFETY: the IR says `ptr ()`.
        let function: extern "C" fn() -> *mut c_void = unsafe { std::mem::transmute(symbol) };
        function()
    }
}

fn memfd(len: u64, bytes: &[u8], sealed: bool) -> OwnedFd {
    use rustix::fs::MemfdFlags;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create("test", flags).unwrap());
    (&file).write_all(bytes).unwrap();
    file.set_len(len).unwrap();
    if sealed {
        rustix::fs::fcntl_add_seals(&file, SEALS).unwrap();
    }
    file.into()
}

/// Fills the rest of the file's last page, which is not part of the file.
fn write_behind_end(file: &OwnedFd, len: usize) {
    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
    // SAFETY: the mapping is new, one page long, and gone before anything else could use it.
    unsafe {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let page = mmap(
            std::ptr::null_mut(),
            4096,
            protection,
            MapFlags::SHARED,
            file,
            0,
        )
        .unwrap();
        std::ptr::write_bytes(page.cast::<u8>().add(len), b'}', 4096 - len);
        munmap(page, 4096).unwrap();
    }
}

/// IR that takes LLVM many seconds.
fn slow_module() -> String {
    (0..20_000)
        .map(|index| {
            format!(
                "define i64 @f{index}(ptr %p, i64 %n) {{\nentry:\n  br label %loop\nloop:\n  \
                 %i = phi i64 [0, %entry], [%next, %loop]\n  %s = phi i64 [{index}, %entry], [%t, %loop]\n  \
                 %q = getelementptr i64, ptr %p, i64 %i\n  %v = load i64, ptr %q\n  %m = mul i64 %v, %s\n  \
                 %t = add i64 %m, %i\n  %next = add i64 %i, 1\n  %c = icmp ult i64 %next, %n\n  \
                 br i1 %c, label %loop, label %done\ndone:\n  ret i64 %t\n}}\n"
            )
        })
        .collect()
}

/// The same module, assembled by the LLVM that the server is built with.
fn bitcode(ir: &str) -> Vec<u8> {
    let assembler = std::env::var_os("LLVM_SYS_221_PREFIX")
        .map(|prefix| std::path::PathBuf::from(prefix).join("bin/llvm-as"))
        .filter(|path| path.exists())
        .unwrap_or_else(|| "llvm-as-22".into());
    let mut child = Command::new(assembler)
        .args(["-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let ir = ir.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(ir.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// `bitcode` with another start of its producer, `LLVM22`. The name is an array of six-bit characters.
fn with_producer(bitcode: &[u8], producer: &str) -> Vec<u8> {
    fn bits(text: &str) -> Vec<bool> {
        text.bytes()
            .flat_map(|byte| {
                let number = match byte {
                    b'a'..=b'z' => byte - b'a',
                    b'A'..=b'Z' => byte - b'A' + 26,
                    _ => byte - b'0' + 52,
                };
                (0..6).map(move |bit| number >> bit & 1 == 1)
            })
            .collect()
    }
    let mut all: Vec<bool> = bitcode
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
        .collect();
    let old = bits("LLVM22");
    let place = all.windows(old.len()).position(|window| window == old);
    let place = place.expect("bitcode names its producer");
    all[place..place + old.len()].copy_from_slice(&bits(producer));
    all.chunks(8)
        .map(|byte| {
            byte.iter()
                .rev()
                .fold(0, |number, bit| number << 1 | u8::from(*bit))
        })
        .collect()
}
