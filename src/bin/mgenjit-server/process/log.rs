//! The server's log: one JSON object per line, with the time, the process, the event and its details.
//!
//! Architecture Invariant: a server neither ends nor waits because of its log. A line that cannot be written at once
//! is lost; the next line counts the lost ones.

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::SendFlags;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nothing is written if there is no file. The file was opened to append, so that servers can share it.
pub struct Log {
    file: Option<File>,
    /// A socket is told with each line that it must not wait; a file is opened so.
    is_socket: bool,
    /// Lines since the last one that was written.
    lost: AtomicU64,
    /// Whether a part of a line was written last.
    torn: AtomicBool,
}

impl Log {
    pub fn new(file: Option<OwnedFd>) -> Log {
        let kind = |file| FileType::from_raw_mode(rustix::fs::fstat(file).map_or(0, |s| s.st_mode));
        Log {
            is_socket: file.as_ref().map(kind) == Some(FileType::Socket),
            file: file.map(File::from),
            lost: AtomicU64::new(0),
            torn: AtomicBool::new(false),
        }
    }

    /// Whether lines go anywhere. What is costly to tell need not be told otherwise.
    pub fn is_on(&self) -> bool {
        self.file.is_some()
    }

    /// Writes a line, in one piece.
    pub fn write(&self, event: &str, details: &[(&str, Value)]) {
        let Some(file) = &self.file else {
            return;
        };
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut line = String::new();
        let torn = self.torn.swap(false, Ordering::Relaxed);
        // What lies before it is the beginning of another.
        if torn {
            line.push('\n');
        }
        line.push_str(&format(event, details, lost, SystemTime::now()));
        let written = loop {
            let written = match self.is_socket {
                true => rustix::net::send(
                    file,
                    line.as_bytes(),
                    SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
                ),
                false => rustix::io::write(file, line.as_bytes()),
            };
            if written != Err(Errno::INTR) {
                break written.unwrap_or(0);
            }
        };
        if written < line.len() {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
            self.torn.store(torn || written > 0, Ordering::Relaxed);
        }
    }
}

impl Log {
    /// Makes ready the line that [`write_death`] writes if the process dies now.
    pub fn prepare_death(&self, details: &[(&str, Value)]) {
        let Some(file) = &self.file else {
            return;
        };
        let line = format("died", details, 0, UNIX_EPOCH);
        let line = line.trim_end_matches("}\n").as_bytes();
        // Half a line would be worse than none.
        DEATH_LEN.store(0, Ordering::Relaxed);
        if line.len() <= DEATH.len() {
            for (to, from) in DEATH.iter().zip(line) {
                to.store(*from, Ordering::Relaxed);
            }
            DEATH_IN.store(file.as_raw_fd(), Ordering::Relaxed);
            DEATH_LEN.store(line.len(), Ordering::Relaxed);
        }
    }
}

// The line without its end, and the file that it is for. Signal handlers may only touch atomics.
static DEATH: [AtomicU8; 4096] = [const { AtomicU8::new(0) }; 4096];
static DEATH_LEN: AtomicUsize = AtomicUsize::new(0);
static DEATH_IN: AtomicI32 = AtomicI32::new(-1);

/// Says that the process dies, of `signal` if that is not 0, and in the middle of what. Async-signal-safe.
pub fn write_death(signal: i32, doing: &str) {
    let len = DEATH_LEN.load(Ordering::Relaxed);
    if len == 0 {
        return;
    }
    let mut line = [0; DEATH.len() + 100];
    for (to, from) in line[..len].iter_mut().zip(&DEATH) {
        *to = from.load(Ordering::Relaxed);
    }
    let time = stamp(SystemTime::now());
    line[TIME_AT..][..time.len()].copy_from_slice(&time);
    let mut end = &mut line[len..];
    // To memory, and there is room.
    let _ = writeln!(end, r#","signal":{signal},"phase":"{doing}"}}"#);
    let rest = end.len();
    let len = line.len() - rest;
    let file = DEATH_IN.load(Ordering::Relaxed);
    // SAFETY: the pointer and the length belong together. Where the log is a socket, it is told not to wait.
    unsafe {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        if libc::send(file, line.as_ptr().cast(), len, flags) < 0 {
            libc::write(file, line.as_ptr().cast(), len);
        }
    }
}

/// Where a line has its time.
const TIME_AT: usize = r#"{"time":""#.len();

/// Longer texts are cut, so that a line is one that a pipe takes in one piece.
const MAX_TEXT: usize = 1000;

fn format(event: &str, details: &[(&str, Value)], lost: u64, now: SystemTime) -> String {
    let mut line = Map::new();
    line.insert("time".to_owned(), timestamp(now).into());
    line.insert("pid".to_owned(), std::process::id().into());
    line.insert("event".to_owned(), event.into());
    for (name, value) in details {
        let value = match value {
            Value::String(text) if text.len() > MAX_TEXT => {
                let end = text.floor_char_boundary(MAX_TEXT);
                format!("{}…", &text[..end]).into()
            }
            value => value.clone(),
        };
        line.insert((*name).to_owned(), value);
    }
    if lost > 0 {
        line.insert("lost".to_owned(), lost.into());
    }
    let mut line = Value::Object(line).to_string();
    line.push('\n');
    line
}

fn timestamp(time: SystemTime) -> String {
    String::from_utf8_lossy(&stamp(time)).into_owned()
}

/// As in RFC 3339, in UTC and to the microsecond. Allocates nothing.
fn stamp(time: SystemTime) -> [u8; STAMP_LEN] {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let mut text = [b' '; STAMP_LEN];
    // To memory, and there is room until the year 10000.
    let _ = write!(
        &mut text[..],
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:06}Z",
        second % 60,
        since.subsec_micros()
    );
    text
}

const STAMP_LEN: usize = "1970-01-01T00:00:00.000000Z".len();

/// The date so many days after 1970-01-01, counted in years that begin in March, so that a leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    // From 0000-03-01 on.
    let days = days + 719_468;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let january = u64::from(month >= 10);
    let month = month + 3 - 12 * january;
    (era * 400 + year + january, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn read(mut file: impl Read) -> Vec<Value> {
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        let lines = text.lines();
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line));
        lines.map(parse).collect()
    }

    #[test]
    fn dates_and_times() {
        fn check(seconds: u64, micros: u32, expect: &str) {
            let time = UNIX_EPOCH + Duration::new(seconds, micros * 1000);
            assert_eq!(timestamp(time), expect);
        }
        check(0, 0, "1970-01-01T00:00:00.000000Z");
        check(68_169_599, 999_999, "1972-02-28T23:59:59.999999Z");
        check(68_169_600, 0, "1972-02-29T00:00:00.000000Z");
        check(68_256_000, 0, "1972-03-01T00:00:00.000000Z");
        check(951_782_400, 5, "2000-02-29T00:00:00.000005Z");
        check(1_785_542_399, 0, "2026-07-31T23:59:59.000000Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000000Z");
        check(4_107_542_399, 0, "2100-02-28T23:59:59.000000Z");
        check(253_402_300_799, 0, "9999-12-31T23:59:59.000000Z");
        // Each day is the one after the day before.
        for day in 1..200_000 {
            let (before, after) = (date(day - 1), date(day));
            assert!(
                before.2 + 1 == after.2 || after.2 == 1 && before.2 >= 28 && before < after,
                "{before:?} {after:?}"
            );
        }
    }

    #[test]
    fn a_line_is_an_object_in_one_piece() {
        let name = "m\n\"\u{1}é";
        let long = "é".repeat(2 * MAX_TEXT);
        let details = [
            ("name", Value::from(name)),
            ("key", "a5".repeat(32).into()),
            ("words", long.into()),
        ];
        let line = format("failed", &details, 0, UNIX_EPOCH);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.len() < 4096, "{}", line.len());
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["time"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(value["pid"], std::process::id());
        assert_eq!(value["event"], "failed");
        assert_eq!(value["name"], name);
        assert_eq!(value["key"], "a5".repeat(32));
        let words = value["words"].as_str().expect("words");
        assert_eq!(words.trim_matches('é'), "…");
        assert_eq!(value.get("lost"), None);
    }

    #[test]
    fn a_pipe_that_is_full_loses_lines_and_says_so() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&writer, true).expect("it does not wait");
        let log = Log::new(Some(writer.into()));
        let filler = [("words", Value::from("x".repeat(900)))];
        let lines = 200;
        for _ in 0..lines {
            log.write("request", &filler);
        }
        let mut room = vec![0; 1 << 16];
        let taken = reader.read(&mut room).expect("read");
        let kept = room[..taken].split(|byte| *byte == b'\n').count() - 1;
        assert!(kept > 10 && kept < lines, "{kept}");
        log.write("ended", &[]);
        log.write("ended", &[]);
        drop(log);
        let rest = read(reader);
        let last = &rest[rest.len() - 2..];
        assert_eq!(last[0]["lost"], lines - kept - (rest.len() - 2));
        assert_eq!(last[1].get("lost"), None);
    }

    #[test]
    fn a_socket_is_not_waited_for_and_its_end_is_no_signal() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let log = Log::new(Some(theirs.into()));
        let filler = [("words", Value::from("x".repeat(900)))];
        for _ in 0..2000 {
            log.write("request", &filler);
        }
        assert!(log.lost.load(Ordering::Relaxed) > 0);
        drop(ours);
        let lost = log.lost.load(Ordering::Relaxed);
        log.write("request", &[]);
        assert_eq!(log.lost.load(Ordering::Relaxed), lost + 1);
    }

    #[test]
    fn a_line_after_a_torn_one_is_whole() {
        let mut file = tempfile::tempfile().expect("a file");
        let log = Log::new(Some(file.try_clone().expect("a copy").into()));
        log.torn.store(true, Ordering::Relaxed);
        log.lost.store(1, Ordering::Relaxed);
        rustix::io::write(&file, b"{\"time\":\"20").expect("written");
        log.write("ended", &[]);
        log.write("ended", &[]);
        std::io::Seek::rewind(&mut file).expect("rewound");
        let lines = read(file);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "{\"time\":\"20");
        assert_eq!(lines[1]["lost"], 1);
        assert_eq!(lines[2]["event"], "ended");
    }
}
