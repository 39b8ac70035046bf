//! Writes files atomically.

use crate::error::{Error, Status, reason};
use crate::process_limits::check_file_size;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where output goes.
pub struct Output<'a> {
    /// As the caller named it.
    path: &'a Path,
    place: Place,
}

enum Place {
    /// A file that exists or not, after following all links.
    File(PathBuf),
    /// Something that cannot be replaced: a pipe, a device, a descriptor's name.
    Stream,
}

impl<'a> Output<'a> {
    /// Checks early whether `path` can be written.
    pub fn new(path: &'a Path) -> Result<Output<'a>, Error> {
        let place = place(path).map_err(|error| unwritable(path, &error))?;
        Ok(Output { path, place })
    }

    /// Writes everything, or leaves a file untouched.
    pub fn write(&self, bytes: &[u8], executable: bool) -> Result<(), Error> {
        match &self.place {
            Place::File(path) => replace(path, bytes, executable),
            Place::Stream => write_to_stream(self.path, bytes),
        }
        .map_err(|error| unwritable(self.path, &error))
    }
}

fn place(path: &Path) -> io::Result<Place> {
    if path.as_os_str().is_empty() {
        return Err(Errno::NOENT.into());
    }
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => return Ok(Place::Stream),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // It names a folder, and only a folder.
            if path.as_os_str().as_bytes().ends_with(b"/") {
                return Err(error);
            }
        }
        Err(error) => return Err(error),
    }
    let file = follow(path)?;
    let folder = folder_of(&file);
    // `/dev/stdout` and the like: the file that is open there is meant, and not its name.
    if folder.starts_with("/proc") {
        return Ok(Place::Stream);
    }
    if !std::fs::metadata(folder)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    // To replace it takes no right to write it; but whoever took that right away did not want it to change.
    if exists(&file)? {
        access(&file, rustix::fs::Access::WRITE_OK)?;
    }
    access(
        folder,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )?;
    Ok(Place::File(file))
}

/// Follows links to a path that may not exist.
fn follow(path: &Path) -> io::Result<PathBuf> {
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        // A link among the folders is followed by the system; here only one to `/proc` matters.
        if let Ok(folder) = folder_of(&path).canonicalize()
            && let Some(name) = path.file_name()
        {
            path = folder.join(name);
        }
        if path.starts_with("/proc") {
            return Ok(path);
        }
        match std::fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            // It is no link, or it does not exist.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(Errno::LOOP.into())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn exists(path: &Path) -> io::Result<bool> {
    let found: io::Result<Metadata> = std::fs::symlink_metadata(path);
    match found {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn access(path: &Path, rights: rustix::fs::Access) -> io::Result<()> {
    let result = rustix::fs::accessat(rustix::fs::CWD, path, rights, AtFlags::EACCESS);
    match result {
        // An old kernel cannot tell: the attempt will.
        Err(Errno::NOSYS | Errno::INVAL) => Ok(()),
        result => Ok(result?),
    }
}

fn replace(path: &Path, bytes: &[u8], executable: bool) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    check_file_size(&[bytes])?;
    let folder = folder_of(path);
    // The umask takes from this what it takes from a compiler's output.
    let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let (temporary, file) = loop {
        let name = format!(
            ".mgenjit-export-{}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let temporary = folder.join(name);
        match rustix::fs::open(&temporary, flags, mode) {
            Ok(file) => break (temporary, File::from(file)),
            // Process ids repeat.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let written = (&file)
        .write_all(bytes)
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_to_stream(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let c_path = CString::new(path.as_os_str().as_bytes())?;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(c_path, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        check_file_size(&[bytes])?;
    }
    // A reader that is gone must be an error here, not a signal that ends the host.
    let _quiet = NoPipeSignal::new();
    file.write_all(bytes)
}

/// Blocks `SIGPIPE` for this thread until dropped.
struct NoPipeSignal {
    before: libc::sigset_t,
    /// Whether one was pending before: that one stays pending.
    was_pending: bool,
}

impl NoPipeSignal {
    fn new() -> NoPipeSignal {
        let set = pipe_signal();
        let mut before = MaybeUninit::uninit();
        // SAFETY: the set is initialised; the call writes the other, and changes this thread's mask alone.
        let before = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, before.as_mut_ptr());
            before.assume_init()
        };
        NoPipeSignal {
            before,
            was_pending: is_pending(),
        }
    }
}

impl Drop for NoPipeSignal {
    fn drop(&mut self) {
        let set = pipe_signal();
        let no_time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the sets are initialised. The signal of a failed write is pending for this thread, and taken here.
        unsafe {
            if !self.was_pending && is_pending() {
                libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const no_time);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut());
        }
    }
}

fn pipe_signal() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        set.assume_init()
    }
}

fn is_pending() -> bool {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigpending` initialises the set.
    unsafe {
        libc::sigpending(set.as_mut_ptr());
        libc::sigismember(set.as_ptr(), libc::SIGPIPE) == 1
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let why = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::FBIG) => {
            "it would be larger than this process's limit on the size of files".to_owned()
        }
        _ => reason(error),
    };
    Error::new(
        Status::Io,
        format!("{} cannot be written: {why}", path.display()),
    )
}
