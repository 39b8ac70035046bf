//! Runs a program and does something to it at one of its system calls.
//!
//! The program and all its threads are traced; the processes that it starts are not: only clones that are threads
//! are followed (`PTRACE_O_TRACECLONE` passes over `vfork`, `CLONE_VFORK` and clones that send `SIGCHLD`). A
//! tracer is a thread, not a process: what is here starts the program, traces it and waits for it in the thread
//! that calls [`trace`], and `__WNOTHREAD` keeps it from the children of other threads.
//!
//! Calls are counted between two marks: writes of `<act>` and `</act>` to a descriptor that cannot be, -1.

use super::calls::{Call, Operand, errno_name, operands};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// What is done at the call of number `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The program is killed before the call has done anything.
    KillBefore {
        at: usize,
    },
    /// The program is killed when the call has been done, before it returns.
    KillAfter {
        at: usize,
    },
    /// The call does nothing and fails.
    Fail {
        at: usize,
        errno: i32,
    },
    /// From this call on, every call on a file of the cache fails that can fail so: a disk that stays full.
    FailFrom {
        at: usize,
        errno: i32,
    },
    /// From this call on, the process has no more room for descriptors, nor have those that it starts.
    NoDescriptors {
        at: usize,
    },
    /// The call writes half of what it should; the rest can be written afterwards.
    Short {
        at: usize,
    },
    /// The call writes half of what it should; after it there is no more room on the cache's disk.
    Full {
        at: usize,
    },
}

/// How a traced program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    /// By this signal, which is none of ours.
    Signalled(i32),
    /// By the fault.
    Killed,
    /// By us, at its deadline; where its threads were.
    Hung(String),
}

#[derive(Debug)]
pub struct Traced {
    pub end: End,
    /// All calls between the marks.
    pub calls: Vec<Call>,
    /// The numbers of the calls to which something was done.
    pub faults: Vec<usize>,
}

/// Runs `command`, whose cache is at `cache`, and has `fault` happen to it. Panics if this cannot be done here.
pub fn trace(command: Command, cache: &Path, fault: Fault, timeout: Duration) -> Traced {
    let leader = start(command);
    // A descriptor: the id may be another process's by the time the deadline passes.
    let pid = Pid::from_raw(leader).expect("a process id");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd");
    let hung = AtomicBool::new(false);
    let (done, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (process, hung) = (&process, &hung);
        scope.spawn(move || {
            if ended.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
                hung.store(true, Ordering::SeqCst);
                // Ignored: it may end just now.
                let _ = pidfd_send_signal(process, Signal::KILL);
            }
        });
        let mut tracer = Tracer {
            leader,
            cache,
            fault,
            threads: HashMap::new(),
            between_marks: false,
            calls: Vec::new(),
            faults: Vec::new(),
            killed: false,
            full: false,
            limit: None,
        };
        let status = tracer.run();
        drop(done);
        let end = if hung.load(Ordering::SeqCst) {
            End::Hung(tracer.whereabouts())
        } else if libc::WIFEXITED(status) {
            End::Exited(libc::WEXITSTATUS(status))
        } else if tracer.killed {
            End::Killed
        } else {
            End::Signalled(libc::WTERMSIG(status))
        };
        Traced {
            end,
            calls: tracer.calls,
            faults: tracer.faults,
        }
    })
}

/// Starts a program that waits for its tracer, this thread, before its first instruction.
#[expect(
    clippy::zombie_processes,
    reason = "the tracer waits for it, by its id"
)]
fn start(mut command: Command) -> libc::pid_t {
    command.process_group(0);
    // SAFETY: after the fork the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let program = command.get_program().to_owned();
    let child = command.spawn().unwrap_or_else(|error| {
        panic!(
            "{} cannot be started under ptrace: {error}. These tests need to trace their own children: in a \
             container allow it with --cap-add=SYS_PTRACE or a seccomp profile that permits ptrace; outside, \
             /proc/sys/kernel/yama/ptrace_scope must not be 3; and they cannot run under strace or a debugger",
            program.display()
        )
    });
    child.id() as libc::pid_t
}

/// What a thread has to do when its call returns.
#[derive(Clone, Copy, Debug)]
enum AtReturn {
    Nothing,
    /// The call was not made: it returns this.
    Fail(i32),
    /// The call was told to write less: its argument is as it was.
    Restore {
        length: u64,
    },
    Kill,
}

/// A thread of the traced program.
#[derive(Debug)]
struct Thread {
    /// The call it is in, an index.
    inside: Option<usize>,
    at_return: AtReturn,
}

struct Tracer<'a> {
    leader: libc::pid_t,
    cache: &'a Path,
    fault: Fault,
    threads: HashMap<libc::pid_t, Thread>,
    between_marks: bool,
    calls: Vec<Call>,
    faults: Vec<usize>,
    killed: bool,
    /// The disk is full from now on.
    full: bool,
    /// How many descriptors the program may have, while it may have none.
    limit: Option<u64>,
}

impl Tracer<'_> {
    /// Traces until the program has ended. Returns its status as `waitpid` does.
    fn run(&mut self) -> libc::c_int {
        loop {
            let mut status = 0;
            // SAFETY: a system call that writes one integer.
            let tid =
                unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
            if tid < 0 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                panic!("the traced program is lost: {error}");
            }
            if !libc::WIFSTOPPED(status) {
                if tid == self.leader {
                    return status;
                }
                self.threads.remove(&tid);
                continue;
            }
            if self.killed {
                // Its end is on the way.
                continue;
            }
            let signal = self.stopped(tid, status);
            if !self.killed {
                request(libc::PTRACE_SYSCALL, tid, 0, signal as usize);
            }
        }
    }

    /// Looks at a thread that stopped. Returns the signal with which it goes on, or 0.
    fn stopped(&mut self, tid: libc::pid_t, status: libc::c_int) -> libc::c_int {
        const AT_CALL: libc::c_int = libc::SIGTRAP | 0x80;
        let signal = libc::WSTOPSIG(status);
        let first = !self.threads.contains_key(&tid);
        if first {
            self.threads.insert(
                tid,
                Thread {
                    inside: None,
                    at_return: AtReturn::Nothing,
                },
            );
            // The program stops with SIGTRAP when it was executed, each new thread with SIGSTOP.
            if tid == self.leader {
                let options = libc::PTRACE_O_EXITKILL
                    | libc::PTRACE_O_TRACESYSGOOD
                    | libc::PTRACE_O_TRACECLONE
                    | libc::PTRACE_O_TRACEEXEC;
                request(libc::PTRACE_SETOPTIONS, tid, 0, options as usize);
            }
            return 0;
        }
        if signal == AT_CALL {
            self.at_call(tid);
            return 0;
        }
        // An event, such as that a thread was made.
        if status >> 16 != 0 {
            return 0;
        }
        signal
    }

    fn at_call(&mut self, tid: libc::pid_t) {
        // SAFETY: integers and a union of integers, for which zeros are valid.
        let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
        let size = size_of_val(&info);
        let at = (&raw mut info).addr();
        if request(libc::PTRACE_GET_SYSCALL_INFO, tid, size, at) <= 0 {
            return;
        }
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => {
                // SAFETY: the kernel wrote this member, as `op` says.
                let entry = unsafe { info.u.entry };
                self.enter(tid, entry.nr as i64, entry.args);
            }
            libc::PTRACE_SYSCALL_INFO_EXIT => {
                // SAFETY: as above.
                let result = unsafe { info.u.exit.sval };
                self.leave(tid, result);
            }
            _ => {}
        }
    }

    fn enter(&mut self, tid: libc::pid_t, nr: i64, args: [u64; 6]) {
        if nr == libc::SYS_write && args[0] as u32 == u32::MAX {
            match &*read_memory(tid, args[1], args[2].min(16) as usize) {
                b"<act>" => self.between_marks = true,
                b"</act>" => {
                    self.between_marks = false;
                    if let Some(limit) = self.limit.take() {
                        limit_descriptors(self.leader, limit);
                    }
                }
                _ => {}
            }
            return;
        }
        if !self.between_marks {
            return;
        }
        let mut call = Call {
            number: self.calls.len() + 1,
            nr,
            args,
            files: Vec::new(),
            result: None,
        };
        call.files = operands(nr, &args)
            .iter()
            .filter_map(|operand| file(tid, *operand, &args))
            .collect();
        let at_return = self.act(tid, &call);
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.inside = Some(self.calls.len());
            thread.at_return = at_return;
        }
        self.calls.push(call);
    }

    /// Does the fault, if this is its call.
    fn act(&mut self, tid: libc::pid_t, call: &Call) -> AtReturn {
        let number = call.number;
        let fails = |errno: i32| call.failures().contains(&errno);
        let fails_ever_since = |errno: i32| fails(errno) && call.is_in(self.cache);
        let failure = match self.fault {
            Fault::Fail { at, errno } if at == number && fails(errno) => Some(errno),
            Fault::FailFrom { at, errno } if at <= number && fails_ever_since(errno) => Some(errno),
            Fault::Full { .. } if self.full && fails_ever_since(libc::ENOSPC) => Some(libc::ENOSPC),
            _ => None,
        };
        if let Some(errno) = failure {
            self.faults.push(number);
            // No call at all.
            change_registers(tid, |registers| registers.orig_rax = u64::MAX);
            return AtReturn::Fail(errno);
        }
        match self.fault {
            Fault::KillBefore { at } if at == number => {
                self.faults.push(number);
                change_registers(tid, |registers| registers.orig_rax = u64::MAX);
                self.kill();
                AtReturn::Nothing
            }
            Fault::KillAfter { at } if at == number => {
                self.faults.push(number);
                AtReturn::Kill
            }
            Fault::NoDescriptors { at } if at == number => {
                self.faults.push(number);
                self.limit = Some(limit_descriptors(self.leader, 0));
                AtReturn::Nothing
            }
            Fault::Short { at } | Fault::Full { at } if at == number => {
                if call.length_argument().is_none() {
                    return AtReturn::Nothing;
                }
                self.faults.push(number);
                self.full = true;
                let length = call.args[2];
                change_registers(tid, |registers| registers.rdx = length / 2);
                AtReturn::Restore { length }
            }
            _ => AtReturn::Nothing,
        }
    }

    fn leave(&mut self, tid: libc::pid_t, mut result: i64) {
        let Some(thread) = self.threads.get_mut(&tid) else {
            return;
        };
        let Some(index) = thread.inside.take() else {
            return;
        };
        match std::mem::replace(&mut thread.at_return, AtReturn::Nothing) {
            AtReturn::Nothing => {}
            AtReturn::Fail(errno) => {
                result = -i64::from(errno);
                change_registers(tid, |registers| registers.rax = result as u64);
            }
            AtReturn::Restore { length } => {
                change_registers(tid, |registers| registers.rdx = length);
            }
            AtReturn::Kill => self.kill(),
        }
        self.calls[index].result = Some(result);
    }

    fn kill(&mut self) {
        self.killed = true;
        // SAFETY: the process was not waited for yet, so that its id is its own.
        unsafe { libc::kill(self.leader, libc::SIGKILL) };
    }

    /// For a program that hangs: what its threads were doing.
    fn whereabouts(&self) -> String {
        let inside: Vec<String> = self
            .threads
            .iter()
            .filter_map(|(tid, thread)| {
                let call = &self.calls[thread.inside?];
                Some(format!("thread {tid} in {call}"))
            })
            .collect();
        match (&inside[..], self.calls.last()) {
            ([], Some(call)) => format!("in no call between the marks; the last one was {call}"),
            ([], None) => "before the first mark".to_owned(),
            _ => inside.join("; "),
        }
    }
}

/// A `ptrace` request. It fails only if the thread is being killed, which the next wait tells.
fn request(request: libc::c_uint, tid: libc::pid_t, address: usize, data: usize) -> libc::c_long {
    // SAFETY: the callers pass what the request takes; the kernel checks that the thread is stopped and ours.
    unsafe { libc::ptrace(request, tid, address, data) }
}

fn change_registers(tid: libc::pid_t, change: impl FnOnce(&mut libc::user_regs_struct)) {
    // SAFETY: integers, for which zeros are valid.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    if request(libc::PTRACE_GETREGS, tid, 0, (&raw mut registers).addr()) < 0 {
        return;
    }
    change(&mut registers);
    request(libc::PTRACE_SETREGS, tid, 0, (&raw const registers).addr());
}

/// Sets how many descriptors a process may have. Returns how many it might.
fn limit_descriptors(process: libc::pid_t, count: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both structures live as long as the calls.
    unsafe {
        let read = libc::prlimit(process, libc::RLIMIT_NOFILE, ptr::null(), &raw mut limit);
        let before = limit.rlim_cur;
        limit.rlim_cur = count;
        let written = libc::prlimit(
            process,
            libc::RLIMIT_NOFILE,
            &raw const limit,
            ptr::null_mut(),
        );
        assert!(
            read == 0 && written == 0,
            "prlimit: {}",
            io::Error::last_os_error()
        );
        before
    }
}

/// The file that an argument names.
fn file(tid: libc::pid_t, operand: Operand, args: &[u64; 6]) -> Option<PathBuf> {
    let link = |name: &dyn fmt::Display| std::fs::read_link(format!("/proc/{tid}/{name}")).ok();
    let descriptor = |fd: u64| link(&format_args!("fd/{}", fd as i32));
    match operand {
        Operand::Fd(index) => descriptor(args[index]),
        Operand::Path(index) => Some(link(&"cwd")?.join(read_path(tid, args[index]))),
        Operand::At(index) => {
            let path = read_path(tid, args[index + 1]);
            if path.is_absolute() {
                return Some(path);
            }
            let folder = match args[index] as i32 {
                libc::AT_FDCWD => link(&"cwd")?,
                _ => descriptor(args[index])?,
            };
            // No path at all is the descriptor itself.
            Some(if path.as_os_str().is_empty() {
                folder
            } else {
                folder.join(path)
            })
        }
    }
}

fn read_path(tid: libc::pid_t, address: u64) -> PathBuf {
    let bytes = read_memory(tid, address, libc::PATH_MAX as usize);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
    PathBuf::from(OsStr::from_bytes(&bytes[..end]))
}

/// Up to `len` bytes at `address`; less where the program has less memory.
fn read_memory(tid: libc::pid_t, address: u64, len: usize) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut bytes = vec![0; len];
    // Each page by itself: what is there before one that is not is read.
    let mut remote = Vec::new();
    let mut at = address as usize;
    let end = at.saturating_add(len);
    while at < end {
        let next = (at + 1).next_multiple_of(PAGE).min(end);
        remote.push(libc::iovec {
            iov_base: ptr::without_provenance_mut(at),
            iov_len: next - at,
        });
        at = next;
    }
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: len,
    };
    // SAFETY: the local part is `bytes`; the kernel checks the remote ones.
    let read = unsafe {
        let count = remote.len() as libc::c_ulong;
        libc::process_vm_readv(tid, &raw const local, 1, remote.as_ptr(), count, 0)
    };
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    bytes
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::None => write!(f, "none"),
            Fault::KillBefore { at } => write!(f, "kill-before-{at}"),
            Fault::KillAfter { at } => write!(f, "kill-after-{at}"),
            Fault::Fail { at, errno } => write!(f, "{}-at-{at}", errno_name(*errno)),
            Fault::FailFrom { at, errno } => write!(f, "{}-from-{at}", errno_name(*errno)),
            Fault::NoDescriptors { at } => write!(f, "EMFILE-from-{at}"),
            Fault::Short { at } => write!(f, "short-{at}"),
            Fault::Full { at } => write!(f, "full-in-{at}"),
        }
    }
}
