//! Waiting: for the end of a process, which the kernel tells, and for what nothing tells, by looking again and again.
//! No test sleeps for as long as something may take.

// Every test crate that has this module uses a part of it.
#![allow(dead_code)]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fmt::Debug;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// Much longer than anything takes, on any machine: a test that waits longer would wait for ever.
pub const TIMEOUT: Duration = Duration::from_mins(20);

/// Looks until what it finds is `Ok`, and returns that. Fails with what it found last.
pub fn until_ok<T, E: Debug>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    const PAUSE: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match look() {
            Ok(found) => return found,
            Err(found) => assert!(Instant::now() < deadline, "not {what}: {found:?}"),
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_ok(what, || {
        if is_so() {
            Ok(())
        } else {
            Err("waited in vain")
        }
    });
}

/// Waits for a child to end by itself.
pub fn for_child(child: &mut Child) -> ExitStatus {
    // A pidfd is made only for one that was not waited for.
    if let Some(status) = child.try_wait().expect("the child's status") {
        return status;
    }
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("a pidfd");
    assert!(
        has_ended(process.as_fd(), TIMEOUT),
        "the process does not end"
    );
    child.wait().expect("the child's status")
}

/// Waits until a process has ended, by its pidfd. Whether it did in time.
pub fn has_ended(process: BorrowedFd, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a time");
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left)) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}
