//! A process as the monitor sees it.

use rustix::process::{Pid, PidfdFlags, Signal};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A child that was not waited for.
pub struct Process {
    pub pid: Pid,
    pub pidfd: OwnedFd,
}

impl Process {
    /// Forks. `None`: this is the child. No other thread may run.
    pub fn fork() -> io::Result<Option<Process>> {
        // SAFETY: this process has one thread, so its child can do whatever it could.
        let pid = unsafe { libc::fork() };
        let pid = match pid {
            0 => return Ok(None),
            pid => Pid::from_raw(pid.max(0)).ok_or_else(io::Error::last_os_error)?,
        };
        Process::of_child(pid).map(Some)
    }

    /// A child of this process. If it cannot be watched, it is ended.
    pub fn of_child(pid: Pid) -> io::Result<Process> {
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Process { pid, pidfd }),
            Err(error) => {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                // SAFETY: a child of this process that nobody else waits for.
                unsafe { libc::waitpid(pid.as_raw_pid(), std::ptr::null_mut(), 0) };
                Err(error.into())
            }
        }
    }

    pub fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// The processor time that it has used.
    pub fn used(&self) -> Option<Duration> {
        let mut clock = 0;
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: both are written before they are read, if the calls succeed.
        unsafe {
            if libc::clock_getcpuclockid(self.pid.as_raw_pid(), &raw mut clock) != 0
                || libc::clock_gettime(clock, time.as_mut_ptr()) != 0
            {
                return None;
            }
            let time = time.assume_init();
            Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
        }
    }

    /// Takes its end, which has come: what `wait` tells, and what it used.
    pub fn reap(&self) -> (i32, libc::rusage) {
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        loop {
            // SAFETY: a child of this process that was not waited for yet; both places can be written.
            let waited = unsafe {
                libc::wait4(
                    self.pid.as_raw_pid(),
                    &raw mut status,
                    0,
                    usage.as_mut_ptr(),
                )
            };
            if waited >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                break;
            }
        }
        // SAFETY: all zeros, or what the kernel wrote.
        (status, unsafe { usage.assume_init() })
    }
}
