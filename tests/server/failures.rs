//! IR that cannot be compiled, and what kills a server.

use crate::client::{Expect, Outcome, Server, Spawn, memfd, request};
use crate::fatal::{fatal, intrinsic};
use crate::inputs::{GOOD, bitcode, here, with_producer};
use crate::machine::OTHER_TRIPLE;
use crate::slow::slow;
use mgenjit::protocol::messages::{CompileRequest, FailureKind, Phase, Reply, Request};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport;
use mgenjit::types::OptLevel;
use std::env::consts::ARCH;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;

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
        format!("target triple = \"{OTHER_TRIPLE}\""),
        (Target, &*format!("\"{OTHER_TRIPLE}\", but")),
    );
    check(
        "target triple = \"x86_64-pc-windows-msvc\"",
        (Target, "\"x86_64-pc-windows-msvc\", but"),
    );
    check(
        "target triple = \"x86_64-linux-gnux32\"",
        (Target, "\"x86_64-linux-gnux32\", but"),
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
        (Codegen, "instruction mnemonic"),
    );
    check(
        "module asm \"bogus foo\"",
        (Codegen, "instruction mnemonic"),
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

    let assembly = |variable: &str, text: &str| {
        format!(
            "@x = {variable}\ndefine void @f() {{\n  \
             call void asm sideeffect \"{text}\", \"\"()\n  ret void\n}}"
        )
    };
    let (absolute, initial_exec) = match ARCH {
        "aarch64" => (
            "movz x0, #:abs_g0:x",
            "adrp x0, :gottprel:x; ldr x0, [x0, :gottprel_lo12:x]",
        ),
        _ => ("movl $$x, %eax", "movq x@gottpoff(%rip), %rax"),
    };
    check(
        assembly("global i32 0", absolute),
        (Link, "must be position-independent"),
    );
    check(
        assembly("external thread_local global i32", initial_exec),
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
    let good = bitcode(&here(include_str!("../ir/server/shared.ll")));
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
            Outcome::Emitted(_) => panic!("nothing was to be emitted"),
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
        fatal("f"),
        &[
            &format!("LLVM ERROR: Cannot select: intrinsic %{}", intrinsic()),
            "while generating code for the module\n",
            "Running pass '",
            " Instruction Selection' on function '@f'\n",
        ],
    );
    check(
        "define void @f(<vscale x 4 x i32> %x, ptr %p) \"target-features\"=\"-sve\" {
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
fn a_crash_at_any_moment_says_where_and_ends() {
    for (level, functions, phase, pass) in [
        (OptLevel::O2, 2000, Phase::Optimise, "Running pass \""),
        (OptLevel::O0, 20_000, Phase::Codegen, "Running pass '"),
    ] {
        let ir = slow(functions);
        let mut named = 0;
        // Eight times, and until the moment was one that has a name: at first, no pass runs yet.
        for round in 0..100 {
            if round >= 8 && named > 0 {
                break;
            }
            let mut server = Server::start();
            let about = CompileRequest {
                opt_level: level,
                progress: true,
                ..request("loops", ir.len() as u64)
            };
            let payload = payload::seal(&[ir.as_bytes()]).unwrap();
            let about = Request::Compile(about);
            transport::send(&server.socket, &about, Some(payload.as_fd())).unwrap();
            loop {
                match server.receive() {
                    Ok((Reply::Progress(progress), _)) if progress.phase == phase => break,
                    Ok((Reply::Progress(_), _)) => {}
                    other => panic!("{other:?}"),
                }
            }
            server.kill_thread("compile", libc::SIGSEGV);
            let (status, words) = server.wait();
            assert_eq!(status.signal(), Some(libc::SIGSEGV), "{words}");
            let (first, rest) = words.split_once('\n').unwrap();
            assert!(
                first.starts_with("mgenjit-server: signal 11 (SIGSEGV) while ")
                    && first.ends_with(" loops"),
                "{words}"
            );
            // What is interrupted may be what would tell.
            named += usize::from(rest.starts_with(pass) && rest.contains(" on function "));
            assert!(rest.lines().count() <= 1, "{words}");
        }
        assert!(named > 0, "{phase:?}");
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
fn a_gigabyte_of_zeros_is_not_read() {
    let mut server = Server::start();
    let zeros = memfd(1 << 30, &[], true);
    server.send_request("zeros", 1 << 30, Some(&zeros));
    match server.receive() {
        Ok((Reply::Failed(failure), None)) => {
            assert_eq!(failure.kind, FailureKind::Parse);
            assert!(failure.message.contains("NUL"), "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
    // Pages that are looked at count as the server's.
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let most: u64 = most
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(most < 512 << 10, "{most} kB");
    server.check(GOOD, Expect::Compiles("i32 @good()"));
}
