//! What a server cannot do once it reads requests.

use crate::client::{Expect, Outcome, Server};
use crate::inputs::GOOD;
use crate::skips;
use mgenjit::protocol::messages::{FailureKind, Reply};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport;
use mgenjit::types::OptLevel;
use std::ptr;

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
    let payload = payload::seal(&[GOOD.as_bytes()]).unwrap();
    server.send_request("good", GOOD.len() as u64, Some(&payload));
    match transport::receive(&server.socket) {
        Ok((Reply::Started { not_isolated }, None)) => {
            assert_eq!(not_isolated.is_empty(), version >= 6, "{not_isolated}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_can_start_nothing_and_open_nothing() {
    if !skips::can_trace() {
        return skips::skip(
            "isolation: it_can_start_nothing_and_open_nothing",
            "processes cannot be traced here",
        );
    }
    let mut server = Server::start();
    let outcome = server.compile("good", GOOD.as_bytes(), OptLevel::O2);
    assert!(matches!(outcome, Outcome::Compiled(_)));
    let pid = libc::pid_t::try_from(server.child.id()).unwrap();
    let traced = Traced::attach(pid);
    // What is allowed shows that calls are made at all.
    assert_eq!(traced.call(libc::SYS_getpid, [0; 3]), i64::from(pid));
    let path = c"/proc/self/exe".as_ptr() as u64;
    let old = OLD_CALLS.iter().map(|call| (*call, [path, 0, 0]));
    let calls = [
        (libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0]),
        (
            libc::SYS_clone,
            [(libc::CLONE_VM | libc::CLONE_THREAD) as u64, 0, 0],
        ),
        (libc::SYS_clone3, [0, 0, 0]),
        (libc::SYS_execve, [path, 0, 0]),
        (libc::SYS_wait4, [u64::MAX, 0, 0]),
        (libc::SYS_pipe2, [0, 0, 0]),
        (libc::SYS_openat, [u64::MAX, path, 0]),
        (
            libc::SYS_socket,
            [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0],
        ),
        (libc::SYS_kill, [1, 0, 0]),
        (libc::SYS_ptrace, [0, 0, 0]),
    ];
    for (call, arguments) in calls.into_iter().chain(old) {
        assert_eq!(
            traced.call(call, arguments),
            -i64::from(libc::EPERM),
            "call {call}"
        );
    }
}

/// A process that is made to do system calls.
struct Traced(libc::pid_t);

impl Traced {
    fn attach(pid: libc::pid_t) -> Traced {
        // SAFETY: stops the process, which is a child of this one; the address and the data are not used.
        let attached = unsafe { libc::ptrace(libc::PTRACE_ATTACH, pid, 0, 0) };
        assert_eq!(attached, 0, "{}", std::io::Error::last_os_error());
        let traced = Traced(pid);
        traced.wait();
        traced
    }

    /// Has its first thread, which waits in a system call, do another one, and returns the result.
    fn call(&self, call: libc::c_long, arguments: [u64; 3]) -> i64 {
        let before = self.registers();
        let mut registers = before;
        self.prepare(&mut registers, call, arguments);
        self.set_registers(&registers);
        // SAFETY: lets the process, which is stopped, make one step.
        unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.0, 0, 0) };
        self.wait();
        let result = result_in(&self.registers());
        self.set_registers(&before);
        result
    }

    #[cfg(target_arch = "x86_64")]
    fn prepare(&self, registers: &mut Registers, call: libc::c_long, arguments: [u64; 3]) {
        const INSTRUCTION: u64 = 2;
        registers.rip -= INSTRUCTION;
        registers.rax = call as u64;
        // Nothing is to be done again.
        registers.orig_rax = u64::MAX;
        [registers.rdi, registers.rsi, registers.rdx] = arguments;
    }

    /// Before a call is to be done again, the kernel goes back to its instruction, and only then lets the process stop.
    #[cfg(target_arch = "aarch64")]
    fn prepare(&self, registers: &mut Registers, call: libc::c_long, arguments: [u64; 3]) {
        const SVC: u32 = 0xd400_0001;
        // SAFETY: reads the memory of the process, which is stopped.
        let word = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, self.0, registers.pc, 0) };
        if word as u32 != SVC {
            registers.pc -= 4;
        }
        registers.regs[8] = call as u64;
        registers.regs[..3].copy_from_slice(&arguments);
    }

    fn wait(&self) {
        let mut status = 0;
        // SAFETY: waits for a child of this process to stop.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL) };
        assert!(waited == self.0 && libc::WIFSTOPPED(status), "{status:x}");
    }

    fn registers(&self) -> Registers {
        // SAFETY: any bytes are a value of the type.
        let mut registers: Registers = unsafe { std::mem::zeroed() };
        self.exchange(libc::PTRACE_GETREGSET, &raw mut registers);
        registers
    }

    fn set_registers(&self, registers: &Registers) {
        self.exchange(libc::PTRACE_SETREGSET, ptr::from_ref(registers).cast_mut());
    }

    fn exchange(&self, request: libc::c_uint, registers: *mut Registers) {
        let mut part = libc::iovec {
            iov_base: registers.cast(),
            iov_len: size_of::<Registers>(),
        };
        // SAFETY: the kernel reads or writes no more than the registers, as callers have it. The process is another one.
        let done = unsafe { libc::ptrace(request, self.0, libc::NT_PRSTATUS, &raw mut part) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }
}

type Registers = libc::user_regs_struct;

#[cfg(target_arch = "x86_64")]
fn result_in(registers: &Registers) -> i64 {
    registers.rax as i64
}

#[cfg(target_arch = "aarch64")]
fn result_in(registers: &Registers) -> i64 {
    registers.regs[0] as i64
}

/// What newer machines do by other calls.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: [libc::c_long; 3] = [libc::SYS_fork, libc::SYS_vfork, libc::SYS_open];
#[cfg(target_arch = "aarch64")]
const OLD_CALLS: [libc::c_long; 0] = [];
