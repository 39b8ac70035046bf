//! Terminals for the command-line tools, and what they show.

use super::tools::Ran;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};

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
