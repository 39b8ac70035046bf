//! Starts a compile server without the host noticing.
//!
//! The server is a grandchild. Its parent, an intermediate process, ends at once, so no `wait` of the host ever sees the
//! server, and nobody has to reap it. The intermediate process has no exit signal. So the host's `wait` does not see it
//! either (`clone(2)`: only `__WCLONE` waits for such children), and no `SIGCHLD` is sent. The server has a session of its
//! own, so Ctrl-C at the host's terminal does not reach it.
//!
//! Both processes share the host's memory until the server's `execve` (`CLONE_VM | CLONE_VFORK`, as in `posix_spawn`). So
//! the cost does not grow with the host, and no `pthread_atfork` handler runs. They make system calls by number and call no
//! function of libc: a sanitizer or an interposing library may replace such a function, and would then record in the
//! host's memory what these processes do.

use crate::protocol::last_words;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::PidfdFlags;
use std::ffi::{CString, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr;
use std::time::Duration;

/// A server's end of the line.
#[derive(Debug)]
pub struct Server {
    pub socket: UnixStream,
    /// The server's standard error: its last words, or LLVM's.
    pub last_words: File,
}

/// What the library calls its server in errors.
pub const COMPILE_SERVER: &str = "compile server";

/// How long a new process may take to send its greeting. On an idle machine it takes some 10 ms.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The same where it has the lowest priority: on a busy machine that may get 0.3 % of a processor.
pub const BACKGROUND_HANDSHAKE_TIMEOUT: Duration = Duration::from_mins(10);

/// How a program is started.
pub struct Launch<'a> {
    /// What errors call it.
    pub what: &'static str,
    /// None: a compile server for this process.
    pub arguments: &'a [CString],
    /// Whether it outlives this process.
    pub outlives: bool,
    /// Where it writes what it does.
    pub log: Option<BorrowedFd<'a>>,
    /// `NAME=value` each, besides what it needs to start.
    pub environment: &'a [CString],
    /// How long it may take to send its greeting, where one is waited for.
    pub handshake_timeout: Duration,
}

impl Default for Launch<'_> {
    fn default() -> Self {
        Launch {
            what: COMPILE_SERVER,
            arguments: &[],
            outlives: false,
            log: None,
            environment: &[],
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

/// With the page below it that cannot be written, which is at most half of it.
const STACK_LEN: usize = 128 << 10;

const MAX_DESCRIPTORS: usize = 5;

/// What the two processes need. Prepared in advance, because they must not allocate.
struct Plan {
    path: *const libc::c_char,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    /// What becomes descriptors 0, 1, 2 and, if there are a pidfd and a log, those after them.
    descriptors: [RawFd; MAX_DESCRIPTORS],
    count: usize,
    /// The same descriptors in ascending order.
    kept: [RawFd; MAX_DESCRIPTORS],
    server_stack: *mut c_void,
    /// Written by the grandchild if it cannot become the server.
    errno: c_int,
}

/// Starts the server at `path`.
pub fn start(path: &Path, how: &Launch<'_>) -> io::Result<Server> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let last_words = last_words::file()?;
    // So that the server ends with this process even if a child of it keeps the socket. Old kernels have none.
    let watch = match how.outlives {
        true => None,
        false => rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).ok(),
    };
    // Standard output takes last words as well: there may be no /dev/null.
    let mut descriptors = vec![theirs.as_fd(), last_words.as_fd(), last_words.as_fd()];
    let mut arguments = how.arguments.to_vec();
    for (name, descriptor) in [
        (c"--watch", watch.as_ref().map(AsFd::as_fd)),
        (c"--log", how.log),
    ] {
        if let Some(descriptor) = descriptor {
            arguments.push(name.to_owned());
            arguments.push(CString::new(descriptors.len().to_string())?);
            descriptors.push(descriptor);
        }
    }
    launch(path, &arguments, how.environment, &descriptors)?;
    Ok(Server {
        socket: UnixStream::from(ours),
        last_words,
    })
}

fn launch(
    path: &Path,
    arguments: &[CString],
    environment: &[CString],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut argv = vec![path.as_ptr()];
    argv.extend(arguments.iter().map(|argument| argument.as_ptr()));
    argv.push(ptr::null());
    // The output must not depend on the environment. A server with a dynamic LLVM may need this to start.
    let library_path = crate::environment::variable(c"LD_LIBRARY_PATH")
        .and_then(|value| CString::new([b"LD_LIBRARY_PATH=", value.as_bytes()].concat()).ok());
    let mut envp: Vec<*const libc::c_char> = Vec::new();
    envp.extend(library_path.iter().map(|variable| variable.as_ptr()));
    envp.extend(environment.iter().map(|variable| variable.as_ptr()));
    envp.push(ptr::null());

    let mut numbers = [-1; MAX_DESCRIPTORS];
    for (number, descriptor) in numbers.iter_mut().zip(descriptors) {
        *number = descriptor.as_raw_fd();
    }
    let mut kept = numbers;
    kept[..descriptors.len()].sort_unstable();
    let stacks = Stacks::new()?;
    let mut plan = Plan {
        path: path.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        descriptors: numbers,
        count: descriptors.len(),
        kept,
        server_stack: stacks.top(1),
        errno: 0,
    };

    // No handler of the host may run in a process that shares its memory.
    let signals = BlockedSignals::new();
    let mut clone = |exit_signal| {
        // SAFETY: the stack is the child's alone; with CLONE_VFORK this thread waits until the child has ended, so
        // that the plan and the stacks outlive it. `intermediate` calls nothing but system calls.
        unsafe {
            __clone(
                intermediate,
                stacks.top(0),
                libc::CLONE_VM | libc::CLONE_VFORK | exit_signal,
                (&raw mut plan).cast(),
            )
        }
    };
    let mut pid = clone(0);
    // The emulator qemu-user supports no children without an exit signal.
    if pid < 0 && errno() == libc::EINVAL {
        pid = clone(libc::SIGCHLD);
    }
    let failed = (pid < 0).then(io::Error::last_os_error);
    drop(signals);
    if let Some(error) = failed {
        return Err(error);
    }
    loop {
        // SAFETY: waits for the child that was just made and for no other.
        let waited = unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WALL) };
        if waited >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    // SAFETY: the grandchild, which may have written it, has ended or become the server.
    match unsafe { (&raw const plan.errno).read_volatile() } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// The child: starts the grandchild and ends.
extern "C" fn intermediate(plan: *mut c_void) -> c_int {
    // SAFETY: `launch` passes a plan that outlives this process.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    // SAFETY: as in `launch`: the grandchild has a stack of its own, and this process waits until it has left it.
    let pid = unsafe {
        __clone(
            become_server,
            plan.server_stack,
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            ptr::from_mut(plan).cast(),
        )
    };
    if pid < 0 {
        plan.errno = errno();
    }
    end()
}

/// The grandchild: becomes the server, or says why it cannot.
extern "C" fn become_server(plan: *mut c_void) -> c_int {
    // SAFETY: `launch` passes a plan that outlives this process's time in shared memory.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    // SAFETY: system calls on this process alone: its signal table, session, limits and descriptors are not shared.
    // What they read and write lies in the plan or on this stack.
    unsafe {
        let by_default = [0_usize; 4];
        for signal in 1..=SIGNALS {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                by_default.as_ptr(),
                NOWHERE,
                SIGNAL_SET_LEN,
            );
        }
        libc::syscall(libc::SYS_setsid);
        for resource in RAISED {
            raise(resource);
        }
        // Close what the host has open, so that the server does not inherit it even if it is not close-on-exec.
        let mut first = 0;
        for descriptor in &plan.kept[..plan.count] {
            if first < *descriptor {
                libc::syscall(libc::SYS_close_range, first, *descriptor - 1, 0);
            }
            first = *descriptor + 1;
        }
        libc::syscall(libc::SYS_close_range, first, c_int::MAX, 0);
        // First out of the way of the new numbers, then to them: `dup3` clears the close-on-exec flag.
        for descriptor in &mut plan.descriptors[..plan.count] {
            let moved = libc::syscall(
                libc::SYS_fcntl,
                *descriptor,
                libc::F_DUPFD_CLOEXEC,
                MAX_DESCRIPTORS,
            );
            if moved < 0 {
                plan.errno = errno();
                return end();
            }
            *descriptor = moved as RawFd;
        }
        for (number, descriptor) in plan.descriptors[..plan.count].iter().enumerate() {
            if libc::syscall(libc::SYS_dup3, *descriptor, number, 0) < 0 {
                plan.errno = errno();
                return end();
            }
        }
        if libc::syscall(libc::SYS_chdir, c"/".as_ptr()) < 0 {
            plan.errno = errno();
            return end();
        }
        let none = 0_u64;
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            NOWHERE,
            SIGNAL_SET_LEN,
        );
        libc::syscall(libc::SYS_execve, plan.path, plan.argv, plan.envp);
    }
    plan.errno = errno();
    end()
}

/// Ends the process. Returning would end it with `exit`. For that, the emulator qemu-user takes a lock, which another thread
/// of the host may have held when the process was made.
fn end() -> c_int {
    // SAFETY: nothing of this process is needed any more.
    unsafe { libc::syscall(libc::SYS_exit_group, 0) };
    0
}

/// How many signals the kernel has. A set of signals has a bit for each.
const SIGNALS: c_int = 64;
const SIGNAL_SET_LEN: usize = SIGNALS as usize / 8;

/// A place for results of system calls that nobody needs.
const NOWHERE: *mut c_void = ptr::null_mut();

/// Soft limits of the host, which are for its own work: the server has limits of its own. It shares the hard limits, which
/// nobody can raise.
const RAISED: [libc::__rlimit_resource_t; 6] = [
    libc::RLIMIT_AS,
    libc::RLIMIT_CPU,
    libc::RLIMIT_DATA,
    libc::RLIMIT_FSIZE,
    libc::RLIMIT_NOFILE,
    libc::RLIMIT_NPROC,
];

/// Raises a soft limit to the hard one, if possible.
fn raise(resource: libc::__rlimit_resource_t) {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let (this, unchanged) = (0, ptr::null::<libc::rlimit64>());
    // SAFETY: the limit outlives the calls, and it is this process's alone.
    unsafe {
        if libc::syscall(
            libc::SYS_prlimit64,
            this,
            resource,
            unchanged,
            &raw mut limit,
        ) == 0
        {
            limit.rlim_cur = limit.rlim_max;
            libc::syscall(
                libc::SYS_prlimit64,
                this,
                resource,
                &raw const limit,
                NOWHERE,
            );
        }
    }
}

unsafe extern "C" {
    /// glibc's other name of `clone`. The usual one is intercepted by clang's ThreadSanitizer, which then takes the
    /// child for one that has memory of its own and ends the host.
    fn __clone(
        run: extern "C" fn(*mut c_void) -> c_int,
        stack: *mut c_void,
        flags: c_int,
        argument: *mut c_void,
        ...
    ) -> c_int;
}

fn errno() -> c_int {
    // SAFETY: the address of this thread's `errno`, which the processes share with the host's waiting thread.
    unsafe { *libc::__errno_location() }
}

/// Two stacks with a guard page below each.
struct Stacks(*mut c_void);

impl Stacks {
    fn new() -> io::Result<Stacks> {
        use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
        // SAFETY: new memory, at an address that the kernel chooses.
        let memory = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                2 * STACK_LEN,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        let stacks = Stacks(memory);
        for index in 0..2 {
            // SAFETY: the page lies in the memory above, and nothing uses it.
            unsafe {
                rustix::mm::mprotect(
                    memory.byte_add(index * STACK_LEN),
                    crate::page::page_size(),
                    MprotectFlags::empty(),
                )?;
            }
        }
        Ok(stacks)
    }

    /// The top of a stack, from which it grows down.
    fn top(&self, index: usize) -> *mut c_void {
        self.0.wrapping_byte_add((index + 1) * STACK_LEN)
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        // SAFETY: the memory is this value's own, and the processes that ran on it have left it.
        let _ = unsafe { rustix::mm::munmap(self.0, 2 * STACK_LEN) };
    }
}

/// All signals of this thread, blocked until dropped.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn new() -> BlockedSignals {
        // SAFETY: both sets are written before they are read; the call changes this thread's mask alone.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            BlockedSignals(before)
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: restores the mask that `new` found.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}
