//! The file `/tmp/perf-PID.map`: a line for each function, its address, its length and its name.

use super::functions::Function;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

pub struct Map {
    process: u32,
    file: File,
    /// All that was written: what a forked child begins with.
    text: String,
}

impl Map {
    pub fn open(process: u32) -> io::Result<Map> {
        Ok(Map {
            process,
            file: open(&format!("/tmp/perf-{process}.map"))?,
            text: String::new(),
        })
    }

    /// This file, or that of a forked child.
    pub fn of_process(self, process: u32) -> io::Result<Map> {
        if self.process == process {
            return Ok(self);
        }
        let mut child = Map::open(process)?;
        child.file.write_all(self.text.as_bytes())?;
        child.text = self.text;
        Ok(child)
    }

    pub fn write(&mut self, functions: &[Function<'_>]) -> io::Result<()> {
        let before = self.text.len();
        for function in functions {
            let (address, len) = (function.address, function.code.len());
            // A name goes to the end of its line.
            let name = function.name.replace(['\n', '\r'], " ");
            // To a string, which cannot fail.
            let _ = writeln!(self.text, "{address:x} {len:x} {name}");
        }
        // At once, because other code generators of the process may append to the file.
        self.file.write_all(&self.text.as_bytes()[before..])
    }
}

/// Opens the file to append to it. Others of this process may have it too. One that is older than the process is of another
/// one, which had its number.
fn open(path: &str) -> io::Result<File> {
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    for _ in 0..3 {
        let file = match rustix::fs::open(path, flags | OFlags::CREATE, mode) {
            Ok(file) => file,
            // Some systems let nobody create a file that is there in a folder such as /tmp.
            Err(Errno::ACCESS) => rustix::fs::open(path, flags, mode)?,
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&file)?;
        let is_own = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_uid == rustix::process::geteuid().as_raw()
            && stat.st_nlink <= 1;
        if !is_own {
            return Err(io::Error::other(
                "it is no file, or not this user's alone: remove it",
            ));
        }
        let changed = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
        let is_stale = started().is_some_and(|started| {
            SystemTime::UNIX_EPOCH + changed + Duration::from_secs(1) < started
        });
        if !is_stale {
            return Ok(File::from(file));
        }
        rustix::fs::unlink(path)?;
    }
    Err(Errno::EXIST.into())
}

/// When this process started, as the kernel tells it.
fn started() -> Option<SystemTime> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let ticks: u64 = fields.split(' ').nth(19)?.parse().ok()?;
    let since_boot = Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second());
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = Duration::new(
        u64::try_from(now.tv_sec).ok()?,
        u32::try_from(now.tv_nsec).ok()?,
    );
    SystemTime::now().checked_sub(now.checked_sub(since_boot)?)
}
