//! What the process inherits from its host, made to be what a server needs.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

/// The numbers of descriptors that the command line names.
#[derive(Clone, Copy, Default)]
pub struct Descriptors {
    /// A pidfd: the server ends when this process ends.
    pub client: Option<RawFd>,
    pub log: Option<RawFd>,
}

/// What a host hands to a server.
pub struct Inherited {
    pub socket: UnixStream,
    pub client: Option<OwnedFd>,
    pub log: Option<OwnedFd>,
    /// What another process of this program needs to start if LLVM is a shared library.
    pub library_path: Option<OsString>,
}

/// Takes the socket on standard input, the client's pidfd and the log, and drops everything else that was inherited.
/// No other thread may run yet.
pub fn set_up(descriptors: &Descriptors) -> Result<Inherited, String> {
    let Descriptors { client, log } = *descriptors;
    let inherited = Inherited {
        socket: take_socket()?,
        client: client.map(|fd| take(fd, "--watch")).transpose()?,
        log: log.map(|fd| take(fd, "--log")).transpose()?,
        library_path: mgenjit::environment::variable(c"LD_LIBRARY_PATH"),
    };
    reset_signals();
    forbid_core_dumps();
    let mut kept: Vec<RawFd> = client.into_iter().chain(log).collect();
    kept.sort_unstable();
    close_inherited(&kept);
    // LLVM and libwild both look for variables of their own, and libwild for make's job server, whose
    // descriptors the host may have given numbers that mean something else here.
    // SAFETY: no other thread runs yet, so nothing reads the environment at the same time.
    unsafe { libc::clearenv() };
    Ok(inherited)
}

/// Ends the process without the destructors of LLVM's globals, which take time and free what the kernel
/// frees anyway.
pub fn exit(status: i32) -> ! {
    // SAFETY: `_exit` has no precondition.
    unsafe { libc::_exit(status) }
}

/// Empties standard error if it is a memfd, so that what is found there after a crash belongs to the request
/// that crashed, and so that it does not grow for ever. Any other file is left alone: it is somebody's log.
pub fn forget_last_words() {
    // SAFETY: standard error is open for the whole life of the process (Rust's start-up makes sure).
    let stderr = unsafe { BorrowedFd::borrow_raw(2) };
    if let Ok(stat) = rustix::fs::fstat(stderr)
        && stat.st_nlink == 0
        && rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()
        && rustix::fs::ftruncate(stderr, 0).is_ok()
    {
        let _ = rustix::fs::seek(stderr, rustix::fs::SeekFrom::Start(0));
    }
}

/// Makes one heap do for all threads, and grow by more than a page at a time. Only one thread allocates much,
/// and glibc gives a thread that is not the first a heap that grows by a system call for each page.
pub fn set_up_heap() {
    // SAFETY: nothing is allocated at the same time, as no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, HEAP_STEP);
        // Setting one of these stops glibc from adapting the others.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGE_BLOCK);
    }
}

const HEAP_STEP: i32 = 4 << 20;
const LARGE_BLOCK: i32 = 32 << 20;

/// What this process has of the memory that `RLIMIT_DATA` counts. A heap that served large requests may not become small
/// again, so it is asked anew for each request that has a limit.
pub struct DataSize {
    /// /proc/self/statm, opened before files were forbidden.
    statm: Option<File>,
    /// Where there is no /proc: what is usual for a server that has just started.
    usual: u64,
}

impl DataSize {
    /// Call it before files are forbidden. `stacks`: of the threads that are to be started.
    pub fn new(stacks: u64) -> DataSize {
        DataSize {
            statm: File::open("/proc/self/statm").ok(),
            usual: USUAL_DATA + stacks,
        }
    }

    pub fn now(&self) -> u64 {
        let mut text = [0; 256];
        let len = (self.statm.as_ref())
            .and_then(|statm| statm.read_at(&mut text, 0).ok())
            .unwrap_or(0);
        std::str::from_utf8(&text[..len])
            .ok()
            .and_then(|text| text.split(' ').nth(5)?.parse().ok())
            .map_or(self.usual, |pages: u64| {
                pages * rustix::param::page_size() as u64
            })
    }
}

/// Of a server that has just started, without the stacks of its threads.
const USUAL_DATA: u64 = 16 << 20;

/// Lets the process have so many bytes of data, or, if that is 0, as many as there are. Allocations beyond it fail.
pub fn limit_data(bytes: u64) {
    let resource = rustix::process::Resource::Data;
    let now = rustix::process::getrlimit(resource);
    let wanted = Some(bytes).filter(|bytes| *bytes > 0);
    // The host may have a limit of its own.
    let current = match (wanted, now.maximum) {
        (Some(wanted), Some(maximum)) => Some(wanted.min(maximum)),
        (wanted, maximum) => wanted.or(maximum),
    };
    if current != now.current {
        let _ = rustix::process::setrlimit(resource, rustix::process::Rlimit { current, ..now });
    }
}

/// Whether this process has used half of the processor's time that the host's limit, if it has one, leaves it. What is
/// over it is killed, and that would be in the middle of a request that needs little.
pub fn is_running_out_of_time() -> bool {
    let Some(limit) = rustix::process::getrlimit(rustix::process::Resource::Cpu).current else {
        return false;
    };
    // SAFETY: the time is written before it is read; all zeros is valid.
    let used = unsafe {
        let mut used: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used);
        used
    };
    used.tv_sec.unsigned_abs().saturating_mul(2) >= limit
}

/// Returns to the system what a large module needed: the server may wait for long until the next.
pub fn give_back_memory() {
    // SAFETY: both are safe to call at any time.
    unsafe {
        if libc::mallinfo2().fordblks > WORTH_GIVING_BACK {
            libc::malloc_trim(0);
        }
    }
}

/// Free memory that a server keeps for its next request. A small module needs less.
const WORTH_GIVING_BACK: usize = 16 << 20;

fn take_socket() -> Result<UnixStream, String> {
    // SAFETY: standard input is open for the whole life of the process (Rust's start-up makes sure).
    let stdin = unsafe { BorrowedFd::borrow_raw(0) };
    let is_ours = rustix::net::sockopt::socket_domain(stdin)
        .is_ok_and(|domain| domain == rustix::net::AddressFamily::UNIX)
        && rustix::net::sockopt::socket_type(stdin)
            .is_ok_and(|kind| kind == rustix::net::SocketType::STREAM)
        && rustix::net::getpeername(stdin).is_ok();
    if !is_ours {
        return Err(
            "standard input is not a connected UNIX stream socket: libmgenjit starts this program by \
             itself, there is no need to run it"
                .to_owned(),
        );
    }
    // SAFETY: standard input is an open socket, and nothing else in this process reads from it or closes it.
    let socket = unsafe { UnixStream::from_raw_fd(0) };
    socket
        .set_nonblocking(false)
        .map_err(|error| format!("standard input cannot be made blocking: {error}"))?;
    Ok(socket)
}

fn take(fd: RawFd, option: &str) -> Result<OwnedFd, String> {
    // SAFETY: the descriptor is only asked about, and an error is the answer if it is not open.
    let open = unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0;
    if !open {
        return Err(format!("{option} {fd}: no such descriptor is open"));
    }
    // SAFETY: it is open, above standard error, and named to this process for this purpose only.
    let taken = unsafe { OwnedFd::from_raw_fd(fd) };
    let _ = rustix::io::fcntl_setfd(taken.as_fd(), rustix::io::FdFlags::CLOEXEC);
    Ok(taken)
}

/// A host may have ignored or blocked anything, and both are inherited.
fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the default disposition runs no code of ours. Signals that cannot be changed are an error
        // that changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // A limit on the size of files counts for a memfd too, and the log may be a pipe that nobody reads any more: then
    // writing must fail, not kill.
    for signal in [libc::SIGXFSZ, libc::SIGPIPE] {
        // SAFETY: as above.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: the set is initialised by `sigemptyset` before it is used.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// A crash is an ordinary answer here. It must not fill the user's disk with images of LLVM's heap.
fn forbid_core_dumps() {
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

/// A descriptor that the host forgot to mark close-on-exec would stay open for as long as the server lives:
/// a pipe whose reader never sees the end, a lock that is never released.
fn close_inherited(kept: &[RawFd]) {
    let close = |first: libc::c_uint, last: libc::c_uint| {
        if first <= last {
            // SAFETY: nothing in this process has opened a descriptor yet but those that are kept.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    };
    let mut first = 3;
    for fd in kept {
        close(first, fd.cast_unsigned() - 1);
        first = fd.cast_unsigned() + 1;
    }
    close(first, libc::c_uint::MAX);
}
