//! Running a process to its end or to a deadline.

use super::wait;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// What a process left.
#[derive(Debug)]
pub struct Outcome {
    /// `None` if it was killed at its deadline.
    pub status: Option<ExitStatus>,
    pub output: String,
}

impl Outcome {
    /// Panics with all that the process wrote unless it ended with status 0.
    pub fn expect_success(&self, what: &str) {
        match self.status {
            Some(status) if status.success() => {}
            Some(status) => panic!("{what}: {status}\n{}", self.output),
            None => panic!("{what}: killed at its deadline\n{}", self.output),
        }
    }
}

/// Runs `command` in a process group of its own, which is killed at the deadline. Its output goes to a file in
/// `folder`, not to a pipe: a server that outlives it would keep a pipe open.
pub fn run(mut command: Command, folder: &Path, timeout: Duration) -> Outcome {
    let log = folder.join("output");
    let file = File::create(&log).expect("a file for the output");
    command
        .stdout(file.try_clone().expect("a descriptor"))
        .stderr(file)
        .process_group(0);
    let program = command.get_program().to_owned();
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));

    let pid = Pid::from_child(&child);
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd");
    let status = if wait::has_ended(process.as_fd(), timeout) {
        Some(child.wait().expect("wait for the process"))
    } else {
        // Ignored: the group is gone if it ended just now.
        let _ = kill_process_group(pid, Signal::KILL);
        child.wait().expect("wait for the killed process");
        None
    };
    let output = std::fs::read(&log).expect("the output");
    Outcome {
        status,
        output: String::from_utf8_lossy(&output).into_owned(),
    }
}
