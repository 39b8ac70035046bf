//! A jitdump file: what each function is called, where it lies, and its bytes. `perf inject --jit` makes an ELF file of each
//! function. Linux describes the format in `tools/perf/Documentation/jitdump-specification.txt`.
//!
//! ```text
//! header, 40 bytes:   magic "JiTD", version 1, length of the header, ELF machine, 0, process, time, flags 0
//! a record:           kind 0, length, time, process, thread, address twice, length of the code, number, name, NUL, code
//! before it, lines:   kind 2, length, time, address, count; of each: address, line, 0, file, NUL
//! ```
//!
//! Times are those of the clock CLOCK_MONOTONIC, hence `perf record -k 1`.

use super::functions::Function;
use crate::arch::image::MACHINE;
use crate::environment::variable;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use std::ffi::c_void;
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

const MAGIC: u32 = 0x4a69_5444;
const HEADER_LEN: u32 = 40;
const CODE_LOAD: u32 = 0;
const RECORD_LEN: usize = 56;
const DEBUG_INFO: u32 = 2;
const LINES_LEN: usize = 32;
const LINE_LEN: usize = 16;

pub struct Jitdump {
    pub process: u32,
    file: File,
    /// How many functions were written.
    count: u64,
    /// A page of the file, mapped to be run: `perf` records its name, and so finds the file. It stays until the process ends.
    _marker: *mut c_void,
}

// SAFETY: the page belongs to this value, and nobody reads or writes it.
unsafe impl Send for Jitdump {}

impl Jitdump {
    pub fn create(process: u32) -> io::Result<Jitdump> {
        let file = create(process)?;
        let mut header = Vec::with_capacity(HEADER_LEN as usize);
        for word in [MAGIC, 1, HEADER_LEN, u32::from(MACHINE.0), 0, process] {
            header.extend(word.to_le_bytes());
        }
        header.extend(now().to_le_bytes());
        header.extend(0_u64.to_le_bytes());
        (&file).write_all(&header)?;
        // SAFETY: the kernel chooses where; nothing that exists is touched.
        let marker = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                crate::page::page_size(),
                ProtFlags::READ | ProtFlags::EXEC,
                MapFlags::PRIVATE,
                &file,
                0,
            )?
        };
        Ok(Jitdump {
            process,
            file,
            count: 0,
            _marker: marker,
        })
    }

    pub fn write(&mut self, functions: &[Function<'_>]) -> io::Result<()> {
        let mut records = Vec::new();
        let thread = rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .cast_unsigned();
        for function in functions {
            put_lines(&mut records, function)?;
            let len = RECORD_LEN + function.name.len() + 1 + function.code.len();
            let len = u32::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
            for word in [CODE_LOAD, len] {
                records.extend(word.to_le_bytes());
            }
            records.extend(now().to_le_bytes());
            for word in [self.process, thread] {
                records.extend(word.to_le_bytes());
            }
            let address = function.address as u64;
            for long in [address, address, function.code.len() as u64, self.count] {
                records.extend(long.to_le_bytes());
            }
            self.count += 1;
            records.extend(function.name.as_bytes());
            records.push(0);
            records.extend(function.code);
        }
        self.file.write_all(&records)
    }
}

/// Puts the record of a function's lines, if it has any. It comes before that of its code.
fn put_lines(records: &mut Vec<u8>, function: &Function<'_>) -> io::Result<()> {
    if function.lines.is_empty() {
        return Ok(());
    }
    let lens = function
        .lines
        .iter()
        .map(|line| LINE_LEN + line.file.len() + 1);
    let len = LINES_LEN + lens.sum::<usize>();
    let len = u32::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    for word in [DEBUG_INFO, len] {
        records.extend(word.to_le_bytes());
    }
    for long in [now(), function.address as u64, function.lines.len() as u64] {
        records.extend(long.to_le_bytes());
    }
    for line in &function.lines {
        records.extend((line.address as u64).to_le_bytes());
        // And no discriminator.
        for word in [line.line, 0] {
            records.extend(word.to_le_bytes());
        }
        records.extend(line.file.as_bytes());
        records.push(0);
    }
    Ok(())
}

/// A new file in a new folder where `perf`'s other tools have theirs: below `.debug/jit` in `$JITDUMPDIR`, in the home
/// directory, or here.
fn create(process: u32) -> io::Result<File> {
    let parent = variable(c"JITDUMPDIR").or_else(|| variable(c"HOME"));
    let parent = parent.map_or_else(|| PathBuf::from("."), PathBuf::from);
    let parent = std::path::absolute(parent)?.join(".debug/jit");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&parent)?;
    let seconds = now();
    for number in 0_u32.. {
        let folder = parent.join(format!("mgenjit-{seconds:x}-{process}-{number}"));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        }
        let path = folder.join(format!("jit-{process}.dump"));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?;
        return Ok(File::from(file));
    }
    Err(Errno::EXIST.into())
}

/// Nanoseconds of the clock that the records of `perf record -k 1` have.
fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
