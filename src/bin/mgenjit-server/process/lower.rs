//! Gives this process the lowest priority, which it cannot give up again.
//!
//! The server and the helper share this file.

use std::io::Write;

/// The lowest priority by nice values.
const NICEST: i32 = 19;

/// What a process does that nobody waits for. Whatever of this the system does not allow is left out.
pub fn lower() {
    // Where the kernel groups processes by sessions (`sched(7)`, autogroups), priorities count within a group, and the group has
    // one of its own. So this process needs a session, unless it has one.
    let _ = rustix::process::setsid();
    let group = std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/autogroup");
    if let Ok(mut group) = group {
        let _ = group.write_all(NICEST.to_string().as_bytes());
    }
    // SAFETY: both calls change this process's priority alone; the parameter is read by the call.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICEST);
        let none: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none);
    }
}
