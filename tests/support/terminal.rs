//! Terminals for the command-line tools, and what they show.

use super::tools::Ran;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A terminal: what the user types into, and what the program has as stdin, stdout or stderr.
pub fn terminal() -> (File, File) {
    // SAFETY: these calls take no pointers but the buffer, which is as long as it is said to be.
    unsafe {
        let ours = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert!(ours >= 0, "no terminal");
        let ours = OwnedFd::from_raw_fd(ours);
        assert_eq!(libc::grantpt(ours.as_raw_fd()), 0);
        assert_eq!(libc::unlockpt(ours.as_raw_fd()), 0);
        let mut name = [0; 128];
        assert_eq!(
            libc::ptsname_r(ours.as_raw_fd(), name.as_mut_ptr(), name.len()),
            0
        );
        let name = std::ffi::CStr::from_ptr(name.as_ptr());
        let theirs = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().expect("UTF-8"))
            .expect("the terminal");
        (File::from(ours), theirs)
    }
}

/// Somebody at a terminal of their own, with a program in it.
pub struct Typist {
    terminal: File,
    child: Child,
    /// What was shown and is not looked at yet.
    shown: String,
}

impl Typist {
    /// Starts a program with a terminal that sends it signals: as stdin, stdout and stderr.
    pub fn start(mut command: Command) -> Typist {
        let (terminal, theirs) = terminal();
        let input = theirs.try_clone().expect("a descriptor");
        let output = theirs.try_clone().expect("a descriptor");
        command.env("TERM", "xterm").stdin(input).stdout(output);
        command.stderr(theirs);
        // SAFETY: both may be called between fork and exec, and take no pointers.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the program");
        drop(command);
        let shown = String::new();
        Typist {
            terminal,
            child,
            shown,
        }
    }

    pub fn type_in(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).expect("typed");
    }

    /// Waits until a text is shown. Returns what was shown before it since the last one.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.shown.find(text) {
                let before = self.shown[..at].replace('\r', "");
                self.shown.drain(..at + text.len());
                return before;
            }
            let mut ready = libc::pollfd {
                fd: self.terminal.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: there is one structure.
            let count = unsafe { libc::poll(&raw mut ready, 1, 120_000) };
            let mut chunk = [0; 4096];
            let length = if count > 0 {
                self.terminal.read(&mut chunk).unwrap_or(0)
            } else {
                0
            };
            assert!(length > 0, "{text:?} does not come, but: {:?}", self.shown);
            self.shown
                .push_str(&String::from_utf8_lossy(&chunk[..length]));
        }
    }

    /// Waits for the end. Returns the exit code, and what was shown since the last text that was waited for.
    pub fn end(mut self) -> (i32, String) {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = self.terminal.read(&mut chunk) {
            self.shown
                .push_str(&String::from_utf8_lossy(&chunk[..length]));
        }
        let status = self.child.wait().expect("the end");
        (
            status.code().expect("an exit code"),
            self.shown.replace('\r', ""),
        )
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that a terminal was sent, once nobody has it open any more.
pub fn shown(mut ours: File) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    // The end is an error, EIO.
    while let Ok(length @ 1..) = ours.read(&mut chunk) {
        text.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(text).expect("UTF-8")
}

/// Runs a tool with a terminal of that kind as stderr: `err` is all that it was sent.
pub fn run_on_terminal(mut command: Command, kind: &str) -> Ran {
    let (ours, theirs) = terminal();
    command
        .env("TERM", kind)
        .stdout(Stdio::piped())
        .stderr(theirs);
    let child = command.spawn().expect("the tool");
    // It has the terminal open as well.
    drop(command);
    let sent = std::thread::spawn(|| shown(ours));
    let mut ran = Ran::from(child.wait_with_output().expect("the tool's end"));
    ran.err = sent.join().expect("what was sent");
    ran
}

/// What a terminal has on its screen in the end, of a tool that moves in the line alone.
pub fn screen(sent: &str) -> String {
    let mut lines = vec![Vec::new()];
    let mut column = 0;
    let mut rest = sent.chars();
    while let Some(one) = rest.next() {
        let line = lines.last_mut().expect("a line");
        match one {
            '\r' => column = 0,
            '\n' => lines.push(Vec::new()),
            '\x1b' => {
                let is_end = |next: char| next.is_ascii_alphabetic();
                let (sequence, after) = rest.as_str().split_at(
                    rest.as_str()
                        .find(is_end)
                        .map_or(rest.as_str().len(), |end| end + 1),
                );
                rest = after.chars();
                match sequence {
                    "[K" => line.truncate(column),
                    // Whether a line that is too long goes on in the next.
                    "[?7l" | "[?7h" => {}
                    _ => panic!("ESC {sequence} in {sent:?}"),
                }
            }
            _ => {
                line.resize(line.len().max(column + 1), ' ');
                line[column] = one;
                column += 1;
            }
        }
    }
    let lines: Vec<String> = lines.into_iter().map(String::from_iter).collect();
    lines.join("\n")
}

/// Checks that a tool drew a line of progress, with the functions that are done, and that none of it is left.
#[track_caller]
pub fn check_progress(tool: &str, sent: &str, functions: usize) {
    let drawn: Vec<&str> = sent
        .split('\r')
        .filter_map(|part| {
            part.strip_prefix("\x1b[?7l")?
                .strip_suffix("\x1b[K\x1b[?7h")
        })
        .collect();
    assert!(!drawn.is_empty(), "{sent:?}");
    let mut last = None;
    for line in &drawn {
        let line = line.strip_prefix(tool).expect(line);
        let line = line.strip_prefix(": ").expect(line);
        let (what, seconds) = line.split_once(", ").expect(line);
        let seconds = seconds.strip_suffix(" s").expect(line);
        assert!(
            seconds.parse::<f64>().is_ok_and(|seconds| seconds > 0.0),
            "{line}"
        );
        let Some(counted) = what.strip_prefix("codegen: ") else {
            assert!(["parse", "optimise", "link"].contains(&what), "{line}");
            continue;
        };
        let done = counted.strip_suffix(&format!(" of {functions} functions"));
        let done: usize = done.and_then(|done| done.parse().ok()).expect(line);
        assert!(done <= functions && last <= Some(done), "{drawn:?}");
        last = Some(done);
    }
    assert!(last.is_some(), "{drawn:?}");
    let screen = screen(sent);
    assert!(!screen.contains(&format!("of {functions}")), "{screen}");
}
