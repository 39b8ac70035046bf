//! Running a process to its end or to a deadline.

use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

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

    let deadline = Instant::now() + timeout;
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait for the process") {
            break Some(status);
        }
        if Instant::now() > deadline {
            // Ignored: the group is gone if it ended just now.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            child.wait().expect("wait for the killed process");
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let output = std::fs::read(&log).expect("the output");
    Outcome {
        status,
        output: String::from_utf8_lossy(&output).into_owned(),
    }
}
