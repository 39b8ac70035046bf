//! Processes by the program that they run.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

/// The processes that run this file.
pub fn running(program: &Path) -> Vec<Pid> {
    std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|process| {
            std::fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|path| path == program)
        })
        .collect()
}

/// Kills the processes that run this file. Those that have just ended count for killed.
pub fn kill_all(program: &Path) {
    for process in running(program) {
        let _ = kill_process(process, Signal::KILL);
    }
}
