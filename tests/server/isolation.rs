//! What a server cannot do once it reads requests.

use crate::client::{Expect, Outcome, Server};
use crate::inputs::GOOD;
use mgenjit::compile::protocol::{FailureKind, OptLevel, Reply};
use mgenjit::compile::transport;

#[test]
fn assembly_cannot_read_files() {
    let mut server = Server::start();
    let mut check = |ir: &str, expect: &str| {
        server.check(ir, Expect::from((FailureKind::Codegen, expect)));
        server.check(GOOD, Expect::Compiles("i32 @good()"));
    };
    check(
        "module asm \".incbin \\22/etc/passwd\\22\"",
        "Could not find incbin file '/etc/passwd'",
    );
    check(
        "module asm \".include \\22/etc/passwd\\22\"",
        "Could not find include file '/etc/passwd'",
    );
    check(
        "define void @f() {\n  call void asm \".incbin \\22/etc/passwd\\22\", \"\"()\n  ret void\n}\n",
        "Could not find incbin file '/etc/passwd'",
    );
    // What is open already is no file of the host's: 0 is the connection, 2 the last words.
    for path in ["/proc/self/fd/2", "/dev/stdin", "/proc/self/environ"] {
        let ir = format!("module asm \".incbin \\22{path}\\22\"");
        check(&ir, &format!("Could not find incbin file '{path}'"));
    }
}

#[test]
fn debug_info_does_not_make_it_read_sources() {
    let mut server = Server::start();
    let ir = "define i32 @f() !dbg !3 {\n  ret i32 7, !dbg !6\n}\n\
              !llvm.dbg.cu = !{!0}\n!llvm.module.flags = !{!2, !7}\n\
              !0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, emissionKind: FullDebug)\n\
              !1 = !DIFile(filename: \"passwd\", directory: \"/etc\")\n\
              !2 = !{i32 2, !\"Debug Info Version\", i32 3}\n\
              !3 = distinct !DISubprogram(name: \"f\", scope: !1, file: !1, line: 1, type: !4, unit: !0, \
              spFlags: DISPFlagDefinition)\n\
              !4 = !DISubroutineType(types: !5)\n!5 = !{null}\n!6 = !DILocation(line: 1, scope: !3)\n\
              !7 = !{i32 7, !\"Dwarf Version\", i32 5}\n";
    let artifacts = server
        .compile("debug", ir.as_bytes(), OptLevel::O2)
        .unwrap_compiled();
    let root = b"root:";
    let has_root = |bytes: &[u8]| bytes.windows(root.len()).any(|window| window == root);
    assert!(!has_root(&artifacts.object) && !has_root(&artifacts.image));
}

#[test]
fn every_thread_is_filtered() {
    let mut server = Server::start();
    let outcome = server.compile("good", GOOD.as_bytes(), OptLevel::O2);
    assert!(matches!(outcome, Outcome::Compiled(_)));
    let folder = format!("/proc/{}/task", server.child.id());
    let mut threads = 0;
    for thread in std::fs::read_dir(folder).expect("its threads") {
        let path = thread.expect("a thread").path().join("status");
        let status = std::fs::read_to_string(path).expect("its status");
        let value = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.expect(name)[name.len()..].trim().to_owned()
        };
        assert_eq!(value("Seccomp:"), "2", "{status}");
        assert_eq!(value("NoNewPrivs:"), "1", "{status}");
        threads += 1;
    }
    assert_eq!(
        threads, 3,
        "the one that waits, the watch, and the one that compiles"
    );
}

#[test]
fn it_says_so_if_the_kernel_cannot_isolate_it() {
    // SAFETY: asks for the version of Landlock, and reads no memory.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    let server = Server::start();
    let payload = transport::seal(&[GOOD.as_bytes()]).unwrap();
    server.send_request("good", GOOD.len() as u64, Some(&payload));
    match transport::receive(&server.socket) {
        Ok((Reply::Started { not_isolated }, None)) => {
            assert_eq!(not_isolated.is_empty(), version >= 6, "{not_isolated}");
        }
        other => panic!("{other:?}"),
    }
}
