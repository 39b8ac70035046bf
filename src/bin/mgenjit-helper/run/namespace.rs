//! A program of several processes: they have a namespace of process ids, which ends with its first process, and one of users, where
//! the kernel counts them (RLIMIT_NPROC, since Linux 5.14).
//!
//! The first process runs no code of the program. It starts the program, takes the ends of orphans, and tells the monitor how the
//! program ended.

use super::access;
use super::process::Process;
use mgenjit::protocol::isolated::{Failure, Reply};
use mgenjit::protocol::transport;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// The process id of the first process, as the others see it.
pub const FIRST: u32 = 1;

/// Starts the first process. `None`: this is the program's. No other thread may run. Otherwise, where its end is told.
pub fn fork(socket: &UnixStream) -> io::Result<Option<(Process, OwnedFd)>> {
    let ids = Ids::of_this_process()?;
    let own = rustix::process::getpid();
    let monitor = rustix::process::pidfd_open(own, PidfdFlags::empty())?;
    let (status, tells) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let (waits, mapped) = pipe_with(PipeFlags::CLOEXEC)?;
    let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::SIGCHLD;
    // SAFETY: a fork of a process that has one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid == 0 {
        drop((status, mapped));
        if let Err(failure) = begin(&ids, &monitor, waits, &tells) {
            let _ = transport::send(socket, &Reply::Failed(failure), None);
            exit(1);
        }
        return Ok(None);
    }
    let pid = Pid::from_raw(pid.max(0) as i32).ok_or_else(io::Error::last_os_error)?;
    let process = Process::of_child(pid)?;
    let set = || -> io::Result<()> {
        if ids.others.is_some() {
            ids.map(&pid.as_raw_pid().to_string())?;
        }
        fs::File::from(mapped).write_all(&[1])
    };
    if let Err(error) = set() {
        process.kill();
        process.reap();
        return Err(error);
    }
    Ok(Some((process, status)))
}

/// Why there is no such process.
pub fn refused(error: &io::Error) -> Failure {
    Failure::unsupported(format!(
        "a program of several processes needs namespaces of users and process ids, and this system gives none: {error}. \
         Allow them to this user (the sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone and \
         kernel.apparmor_restrict_unprivileged_userns; the seccomp profile of a container), or let the program have one process"
    ))
}

/// What the users and groups of this process become in the namespace: the same.
struct Ids {
    users: String,
    groups: String,
    /// A user that this process is not; only the administrator has one.
    others: Option<u32>,
}

impl Ids {
    fn of_this_process() -> io::Result<Ids> {
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        if !user.is_root() {
            return Ok(Ids {
                users: format!("{user} {user} 1", user = user.as_raw()),
                groups: format!("{group} {group} 1", group = group.as_raw()),
                others: None,
            });
        }
        let (users, last) = same(&fs::read_to_string("/proc/self/uid_map")?);
        let (groups, _) = same(&fs::read_to_string("/proc/self/gid_map")?);
        let none =
            || io::Error::other("there is no user but the administrator (/proc/self/uid_map)");
        let others = Some(last.filter(|last| *last != 0).ok_or_else(none)?);
        Ok(Ids {
            users,
            groups,
            others,
        })
    }

    fn map(&self, process: &str) -> io::Result<()> {
        if self.others.is_none() {
            fs::write(format!("/proc/{process}/setgroups"), "deny")?;
        }
        fs::write(format!("/proc/{process}/uid_map"), &self.users)?;
        fs::write(format!("/proc/{process}/gid_map"), &self.groups)
    }
}

/// A map of each id of this one to itself, and the last of them.
fn same(map: &str) -> (String, Option<u32>) {
    let mut last = None;
    let mut lines = String::new();
    for line in map.lines() {
        let mut words = line.split_whitespace();
        if let (Some(first), Some(count)) = (words.next(), words.nth(1)) {
            lines += &format!("{first} {first} {count}\n");
            let number = |word: &str| word.parse::<u32>().unwrap_or(0);
            last = Some(
                number(first)
                    .saturating_add(number(count))
                    .saturating_sub(1),
            );
        }
    }
    (lines, last)
}

/// What the first process does. The program's process returns.
fn begin(ids: &Ids, monitor: &OwnedFd, waits: OwnedFd, tells: &OwnedFd) -> Result<(), Failure> {
    let failed = |error: io::Error| refused(&error);
    if ids.others.is_none() {
        // Only so the files belong to this user.
        set_dumpable(true);
        let mapped = ids.map("self");
        set_dumpable(false);
        mapped.map_err(failed)?;
    }
    if fs::File::from(waits).read_exact(&mut [0]).is_err() {
        exit(1);
    }
    // SAFETY: this process has one thread.
    let program = unsafe { libc::fork() };
    match program {
        0 => {
            if let Some(other) = ids.others {
                // The kernel counts no processes of the administrator. Files are opened as before.
                // SAFETY: it has no precondition.
                if unsafe { libc::setresuid(other, u32::MAX, u32::MAX) } != 0 {
                    return Err(failed(io::Error::last_os_error()));
                }
            }
            Ok(())
        }
        -1 => Err(failed(io::Error::last_os_error())),
        program => watch(program, monitor, tells),
    }
}

/// Takes the end of whoever ends, until the program has. Then this process ends, and so do all others of the namespace.
fn watch(program: i32, monitor: &OwnedFd, tells: &OwnedFd) -> ! {
    access::give_up_privileges();
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let mut polled = [PollFd::new(monitor, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if !matches!(rustix::event::poll(&mut polled, Some(&now)), Ok(0)) {
        exit(1);
    }
    let kept = tells.as_raw_fd().cast_unsigned();
    for (first, last) in [(3, kept - 1), (kept + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: nothing in this process uses those descriptors any more.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
    loop {
        let mut status = 0;
        // SAFETY: the place can be written.
        let ended = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if ended == program {
            let _ = rustix::io::write(tells, &status.to_ne_bytes());
            exit(0);
        }
        if ended < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            exit(1);
        }
    }
}

/// How the program ended, if the first process has told.
pub fn status(told: &OwnedFd) -> Option<i32> {
    let mut status = [0; 4];
    match rustix::io::read(told, &mut status) {
        Ok(4) => Some(i32::from_ne_bytes(status)),
        _ => None,
    }
}

/// Limits how many processes and threads this process and those that it starts may be, and sees that the kernel does it.
pub fn limit(most: u64) -> Result<(), Failure> {
    let set = |current: u64, maximum: Option<u64>| {
        let both = Rlimit {
            current: Some(current),
            maximum,
        };
        rustix::process::setrlimit(Resource::Nproc, both)
    };
    let before = rustix::process::getrlimit(Resource::Nproc).maximum;
    // The first process counts where it is of the same user.
    let others = u64::from(!rustix::process::geteuid().is_root());
    let most = before.map_or(most.saturating_add(others), |before| {
        before.min(most.saturating_add(others))
    });
    let failed = |error: rustix::io::Errno| refused(&error.into());
    set(1.min(most), before).map_err(failed)?;
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        -1 => set(most, Some(most)).map_err(failed),
        0 => exit(0),
        child => {
            // SAFETY: a child of this process.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            Err(Failure::unsupported(
                "this kernel does not count the processes of a program (Linux does since 5.14, unless a user is mapped to the \
                 administrator): let the program have one process"
                    .to_owned(),
            ))
        }
    }
}

fn set_dumpable(is: bool) {
    // SAFETY: it is about this process alone.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_int::from(is), 0, 0, 0) };
}

fn exit(status: i32) -> ! {
    // SAFETY: it has no precondition.
    unsafe { libc::_exit(status) }
}
