//! What a program that the library starts inherits from its host, made to be what it needs.
//!
//! The server and the helper share this file.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// A descriptor that an option of the command line may name by its number.
pub struct Named {
    pub option: &'static str,
    pub number: Option<RawFd>,
}

/// The number of a descriptor, which is the value of an option.
pub fn descriptor(option: &str, value: &OsStr) -> Result<RawFd, String> {
    value
        .to_str()
        .and_then(|value| value.parse().ok())
        .filter(|fd| *fd > 2)
        .ok_or_else(|| format!("{option} needs the number of a descriptor above 2"))
}

/// Takes the socket on standard input and the descriptors that are named, and drops everything else that was
/// inherited: other descriptors, handlers of signals, the environment. No other thread may run yet.
pub fn set_up<const N: usize>(
    named: [Named; N],
) -> Result<(UnixStream, [Option<OwnedFd>; N]), String> {
    let socket = take_socket()?;
    let mut kept: Vec<RawFd> = named.iter().filter_map(|named| named.number).collect();
    let mut taken = [const { None }; N];
    for (taken, Named { option, number }) in taken.iter_mut().zip(named) {
        *taken = number.map(|fd| take(fd, option)).transpose()?;
    }
    reset_signals();
    forbid_core_dumps();
    kept.sort_unstable();
    close_inherited(&kept);
    // LLVM and libwild both look for variables of their own, and libwild for make's job server, whose
    // descriptors the host may have given numbers that mean something else here.
    // SAFETY: no other thread runs yet, so nothing reads the environment at the same time.
    unsafe { libc::clearenv() };
    Ok((socket, taken))
}

/// Ends the process without the destructors of LLVM's globals, which take time and free what the kernel
/// frees anyway.
pub fn exit(status: i32) -> ! {
    // SAFETY: `_exit` has no precondition.
    unsafe { libc::_exit(status) }
}

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
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
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
