//! Processes that compile, each until it has had everything, however often it is killed.

use crate::support::wait;
use crate::support::workspace::{Run, Workspace};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub struct Clients {
    running: Arc<Running>,
    threads: Vec<JoinHandle<Totals>>,
}

/// Each client's process, until it has ended with success.
struct Running(Mutex<Vec<Option<OwnedFd>>>);

/// What clients say of themselves.
#[derive(Default)]
pub struct Totals {
    pub uses: usize,
    compiled: usize,
    /// Compiles that were lost with a worker.
    pub crashed: usize,
    cache_warnings: usize,
    server_warnings: usize,
    /// How often a client was killed and started again.
    pub killed: usize,
}

impl Clients {
    pub fn start(
        workspace: &Workspace,
        seed: u64,
        count: usize,
        modules: usize,
        kinds: usize,
    ) -> Clients {
        let processes = (0..count).map(|_| None).collect();
        let running = Arc::new(Running(Mutex::new(processes)));
        let threads = (0..count).map(|index| {
            let arguments = [seed + index as u64, modules as u64, kinds as u64];
            let mut command = command(workspace, &["work"]);
            command.args(arguments.map(|number| number.to_string()));
            let running = running.clone();
            std::thread::spawn(move || running.keep(index, command))
        });
        Clients {
            threads: threads.collect(),
            running,
        }
    }

    /// Runs the program once, which must succeed, and returns what it says.
    pub fn run_one(workspace: &Workspace, arguments: &[&str]) -> String {
        let output = command(workspace, arguments).output().expect("a client");
        said(arguments, &output)
    }

    pub fn are_done(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Kills one of those that run: the one that `choose` takes of so many. Whether there was one.
    pub fn kill(&self, choose: impl FnOnce(usize) -> usize) -> bool {
        let processes = self.running.0.lock().expect("the processes");
        let alive: Vec<&OwnedFd> = processes.iter().flatten().collect();
        !alive.is_empty() && pidfd_send_signal(alive[choose(alive.len())], Signal::KILL).is_ok()
    }

    /// Waits until all have had everything.
    pub fn wait(self) -> Totals {
        wait::until("done with all", || self.are_done());
        let totals = self.threads.into_iter().map(|thread| match thread.join() {
            Ok(totals) => totals,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        totals.fold(Totals::default(), Totals::with)
    }
}

impl Running {
    /// Runs a client until it ends by itself.
    fn keep(&self, index: usize, mut command: Command) -> Totals {
        let mut killed = 0;
        loop {
            let child = command.spawn().expect("a client");
            let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
            self.set(index, Some(process.expect("a pidfd")));
            let output = child.wait_with_output().expect("its output");
            self.set(index, None);
            if output.status.signal() == Some(libc::SIGKILL) {
                killed += 1;
                continue;
            }
            let totals = Totals::parse(&said(&["work"], &output));
            return Totals { killed, ..totals };
        }
    }

    fn set(&self, index: usize, process: Option<OwnedFd>) {
        self.0.lock().expect("the processes")[index] = process;
    }
}

impl Totals {
    fn parse(line: &str) -> Totals {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |name: &str| -> usize {
            let at = words.iter().position(|word| *word == name);
            let value = at.and_then(|at| words.get(at + 1)?.parse().ok());
            value.unwrap_or_else(|| panic!("no {name} in {line}"))
        };
        Totals {
            uses: number("compiled") + number("hit"),
            compiled: number("compiled"),
            crashed: number("crashed"),
            cache_warnings: number("cache_warnings"),
            server_warnings: number("server_warnings"),
            killed: 0,
        }
    }

    fn with(self, other: Totals) -> Totals {
        Totals {
            uses: self.uses + other.uses,
            compiled: self.compiled + other.compiled,
            crashed: self.crashed + other.crashed,
            cache_warnings: self.cache_warnings + other.cache_warnings,
            server_warnings: self.server_warnings + other.server_warnings,
            killed: self.killed + other.killed,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} uses, {} compiled, {} lost with a worker, {} clients killed, {} warnings of the cache and {} of the server",
            self.uses,
            self.compiled,
            self.crashed,
            self.killed,
            self.cache_warnings,
            self.server_warnings
        )
    }
}

fn command(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.command(Run::Cold);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn said(arguments: &[&str], output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments:?}: {}\n{errors}",
        output.status
    );
    for line in errors.lines() {
        println!("{line}");
    }
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
