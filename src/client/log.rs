//! The servers' log file.

use super::options::ServerLog;
use crate::environment;
use crate::error::{Error, Status, reason};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// APPEND, because others may write to it. NONBLOCK, because a server must not hang if nobody reads from a pipe; on an
/// ordinary file it has no effect.
const FLAGS: OFlags = OFlags::WRONLY
    .union(OFlags::APPEND)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);

/// Opens the configured log, or else the one that `$MGENJIT_SERVER_LOG` names; `None`: no log. A relative path is relative
/// to this process's folder, not the server's.
pub fn open(configured: Option<&ServerLog>) -> Result<Option<OwnedFd>, Error> {
    match selected(configured) {
        None => Ok(None),
        Some(ServerLog::File(path)) => file(&path).map(Some),
        Some(ServerLog::Stderr) => {
            // SAFETY: the descriptor is only asked about and copied; an error is the answer if it is not open.
            let stderr = unsafe { BorrowedFd::borrow_raw(2) };
            copy(stderr, Path::new("/proc/self/fd/2"))
                .map(Some)
                .map_err(|error| {
                    let why = reason(&error.into());
                    failed(format!("cannot be this process's standard error: {why}"))
                })
        }
    }
}

/// The configured log, or the one that `$MGENJIT_SERVER_LOG` names.
pub fn selected(configured: Option<&ServerLog>) -> Option<ServerLog> {
    configured
        .cloned()
        .or_else(|| named(environment::variable(c"MGENJIT_SERVER_LOG")))
}

/// The log that the variable selects.
fn named(variable: Option<OsString>) -> Option<ServerLog> {
    match variable?.into_vec() {
        value if value.is_empty() => None,
        value if value == b"-" => Some(ServerLog::Stderr),
        value => Some(ServerLog::File(PathBuf::from(OsString::from_vec(value)))),
    }
}

fn file(path: &Path) -> Result<OwnedFd, Error> {
    let refused = |why: String| failed(format!("{} cannot be written: {why}", path.display()));
    let file = create(path).map_err(|error| {
        refused(match error {
            // The error of `open` for a FIFO without a reader.
            Errno::NXIO => "nobody reads from it, or it is a socket".to_owned(),
            error => reason(&io::Error::from(error)),
        })
    })?;
    let stat = rustix::fs::fstat(&file).map_err(|error| refused(reason(&error.into())))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && !is_ours(&stat) {
        return Err(refused(format!("it belongs to user {}", stat.st_uid)));
    }
    Ok(file)
}

/// Follows a link that this user or root made, such as `/dev/stderr`. Another user's could lead anywhere.
fn create(path: &Path) -> Result<OwnedFd, Errno> {
    let private = Mode::RUSR | Mode::WUSR;
    let flags = FLAGS | OFlags::CREATE;
    match rustix::fs::open(path, flags | OFlags::NOFOLLOW, private) {
        Err(Errno::LOOP) if is_ours(&rustix::fs::lstat(path)?) => {
            rustix::fs::open(path, flags, private)
        }
        opened => opened,
    }
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

/// A descriptor of the same file. A pipe or a terminal is opened again, by `name`, because the server's must not block,
/// while this process's own may.
fn copy(descriptor: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, Errno> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(descriptor)?.st_mode);
    if matches!(kind, FileType::Fifo | FileType::CharacterDevice)
        && let Ok(opened) = rustix::fs::open(name, FLAGS, Mode::empty())
    {
        return Ok(opened);
    }
    // Not opened again: two descriptions of a file would write at two positions.
    rustix::io::fcntl_dupfd_cloexec(descriptor.as_fd(), 3)
}

fn failed(what: String) -> Error {
    Error::new(Status::Io, format!("the compile servers' log {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, Permissions};
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;

    fn opened(path: &Path) -> Result<File, String> {
        let fd = open(Some(&ServerLog::File(path.to_owned())));
        let fd = fd.map_err(|error| {
            assert_eq!(error.status, Status::Io);
            error.message
        })?;
        Ok(File::from(fd.expect("a log")))
    }

    #[test]
    fn the_variable_names_a_file_or_standard_error() {
        fn check(value: Option<&[u8]>, expect: Option<ServerLog>) {
            let value = value.map(|value| OsString::from_vec(value.to_vec()));
            assert_eq!(named(value), expect);
        }
        let file = |path: &[u8]| {
            let path = OsString::from_vec(path.to_vec());
            Some(ServerLog::File(PathBuf::from(path)))
        };
        check(None, None);
        check(Some(b""), None);
        check(Some(b"-"), Some(ServerLog::Stderr));
        check(Some(b"./-"), file(b"./-"));
        check(Some(b"/var/\xff"), file(b"/var/\xff"));
    }

    #[test]
    fn a_file_is_made_for_its_user_alone_and_grows() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        for _ in 0..2 {
            let mut file = opened(&path).expect("a file");
            file.write_all(b"line\n").expect("written");
            let flags = rustix::io::fcntl_getfd(&file).expect("flags");
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        assert_eq!(std::fs::read(&path).expect("the log"), b"line\nline\n");
        let mode = std::fs::metadata(&path).expect("the log").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
        // An existing file keeps its permissions.
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("permissions");
        opened(&path).expect("a file");
        let mode = std::fs::metadata(&path).expect("the log").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o640);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_that_names_it() {
        fn check(path: &Path, why: &str) {
            let message = opened(path).expect_err("no log");
            assert!(message.contains(why), "{message}");
            assert!(message.contains(&path.display().to_string()), "{message}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        check(folder.path(), "directory");
        check(&folder.path().join("none/log"), "No such file");
        check(Path::new(""), "No such file");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        check(&socket, "it is a socket");
    }

    #[test]
    fn a_fifo_that_nobody_reads_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .expect("a FIFO");
        let message = opened(&path).expect_err("no reader");
        assert!(message.contains("nobody reads from it"), "{message}");

        let mut options = File::options();
        let reader = options.read(true).write(true).open(&path);
        let mut reader = reader.expect("both ends");
        let mut log = opened(&path).expect("a reader");
        log.write_all(b"line\n").expect("written");
        let mut line = [0; 5];
        reader.read_exact(&mut line).expect("read");
        assert_eq!(&line, b"line\n");
        // Full, it is an error and no wait.
        let error = std::iter::repeat_with(|| log.write(&[b'x'; 4096]))
            .find_map(Result::err)
            .expect("full");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_copy_of_a_pipe_does_not_wait_and_leaves_the_pipe_as_it_is() {
        use std::os::fd::AsRawFd;
        let (_reader, writer) = std::io::pipe().expect("a pipe");
        let name = PathBuf::from(format!("/proc/self/fd/{}", writer.as_raw_fd()));
        let copied = File::from(copy(writer.as_fd(), &name).expect("a copy"));
        let error = std::iter::repeat_with(|| (&copied).write(&[b'x'; 4096]))
            .find_map(Result::err)
            .expect("full");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let flags = rustix::fs::fcntl_getfl(&writer).expect("flags");
        assert!(!flags.contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_copy_of_a_file_writes_where_the_file_is_written() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut own = file.reopen().expect("open");
        own.write_all(b"one ").expect("written");
        let mut copied = File::from(copy(own.as_fd(), file.path()).expect("a copy"));
        copied.write_all(b"two ").expect("written");
        own.write_all(b"three").expect("written");
        let text = std::fs::read(file.path()).expect("the file");
        assert_eq!(text, b"one two three");
        let flags = rustix::io::fcntl_getfd(&copied).expect("flags");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
}
