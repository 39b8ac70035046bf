//! Processes by the program that they run.

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The processes that run this file.
pub fn running(program: &Path) -> Vec<Pid> {
    std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|process| does_run(*process, program))
        .collect()
}

/// Whether a process runs this file, if by the emulator of `tests/aarch64`: its arguments are `-L`, a folder, `-0`, a name,
/// and the file.
fn does_run(process: Pid, program: &Path) -> bool {
    let Ok(path) = std::fs::read_link(format!("/proc/{process}/exe")) else {
        return false;
    };
    if !path.ends_with("qemu-aarch64") {
        return path == program;
    }
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(5) == Some(program.as_os_str().as_bytes())
}

/// Kills the processes that run this file. Those that have just ended count for killed.
pub fn kill_all(program: &Path) {
    for process in running(program) {
        let _ = kill_process(process, Signal::KILL);
    }
}

pub fn parent(process: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may have anything in it.
    let (_, rest) = stat.rsplit_once(')')?;
    Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
}

/// What its descriptors are, in order.
pub fn descriptors(process: Pid) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{process}/fd"));
    let mut targets: Vec<String> = folder
        .expect("a process's descriptors")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        .collect();
    targets.sort();
    targets
}

/// Bytes in memory.
pub fn resident(process: Pid) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).expect("a process");
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("pages");
    pages * rustix::param::page_size() as u64
}
