//! What is known of system calls: their names, the files that they name, how they can fail.

use Operand::{At, Fd, Path as Name};
use std::fmt;
use std::path::{Path, PathBuf};

/// A system call of a traced program.
#[derive(Clone, Debug)]
pub struct Call {
    /// Counted from 1, between the marks, over all threads.
    pub number: usize,
    pub nr: i64,
    pub args: [u64; 6],
    /// The files that it names, by a path or by a descriptor.
    pub files: Vec<PathBuf>,
    /// `None` if it did not return.
    pub result: Option<i64>,
}

/// The arguments that name a file.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// A path.
    Path(usize),
    /// A folder's descriptor, and a path in the next argument.
    At(usize),
    /// A descriptor.
    Fd(usize),
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Opens a file, and may make it.
    Open,
    /// Reads from a descriptor, or asks about it.
    Read,
    /// Asks about a path.
    Look,
    Write,
    /// Makes or moves a name.
    Link,
    /// Removes a name, or changes an attribute.
    Change,
    Sync,
    Lock,
    Fcntl,
    Mmap,
    /// Makes a descriptor that is no file's.
    Make,
    /// Does something that others see, and is not made to fail.
    Seen,
    /// Is not made to fail, and nobody else sees it.
    Own,
}

struct Row(i64, &'static str, Kind, &'static [Operand]);

macro_rules! rows {
    ($($kind:ident { $($name:ident $($operand:expr),*;)* })*) => {
        &[$($(Row(libc::$name, stringify!($name), Kind::$kind, &[$($operand),*]),)*)*]
    };
}

const CALLS: &[Row] = rows! {
    Open {
        SYS_open Name(0);
        SYS_creat Name(0);
        SYS_openat At(0);
        SYS_openat2 At(0);
    }
    Read {
        SYS_read Fd(0);
        SYS_pread64 Fd(0);
        SYS_readv Fd(0);
        SYS_preadv Fd(0);
        SYS_fstat Fd(0);
        SYS_fstatfs Fd(0);
        SYS_getdents64 Fd(0);
        SYS_lseek Fd(0);
    }
    Look {
        SYS_stat Name(0);
        SYS_lstat Name(0);
        SYS_newfstatat At(0);
        SYS_statx At(0);
        SYS_access Name(0);
        SYS_faccessat At(0);
        SYS_faccessat2 At(0);
        SYS_readlink Name(0);
        SYS_readlinkat At(0);
        SYS_statfs Name(0);
    }
    Write {
        SYS_write Fd(0);
        SYS_pwrite64 Fd(0);
        SYS_writev Fd(0);
        SYS_pwritev Fd(0);
        SYS_fallocate Fd(0);
        SYS_copy_file_range Fd(0), Fd(2);
        SYS_sendfile Fd(0), Fd(1);
    }
    Link {
        SYS_rename Name(0), Name(1);
        SYS_renameat At(0), At(2);
        SYS_renameat2 At(0), At(2);
        SYS_link Name(0), Name(1);
        SYS_linkat At(0), At(2);
        SYS_symlink Name(1);
        SYS_symlinkat At(1);
        SYS_mkdir Name(0);
        SYS_mkdirat At(0);
    }
    Change {
        SYS_unlink Name(0);
        SYS_unlinkat At(0);
        SYS_rmdir Name(0);
        SYS_ftruncate Fd(0);
        SYS_truncate Name(0);
        SYS_utimensat At(0);
        SYS_chmod Name(0);
        SYS_fchmod Fd(0);
        SYS_fchmodat At(0);
        SYS_chown Name(0);
        SYS_fchown Fd(0);
        SYS_fchownat At(0);
    }
    Sync {
        SYS_fsync Fd(0);
        SYS_fdatasync Fd(0);
        SYS_sync_file_range Fd(0);
        SYS_syncfs Fd(0);
    }
    Lock {
        SYS_flock Fd(0);
    }
    Fcntl {
        SYS_fcntl Fd(0);
    }
    Mmap {
        SYS_mmap Fd(4);
    }
    Make {
        SYS_memfd_create;
        SYS_socket;
        SYS_socketpair;
        SYS_pidfd_open;
        SYS_pipe;
        SYS_pipe2;
        SYS_epoll_create1;
        SYS_eventfd2;
        SYS_dup Fd(0);
    }
    Seen {
        SYS_close Fd(0);
        SYS_clone;
        SYS_clone3;
        SYS_fork;
        SYS_vfork;
        SYS_execve Name(0);
        SYS_wait4;
        SYS_waitid;
        SYS_kill;
        SYS_tgkill;
        SYS_msync;
        SYS_connect Fd(0);
        SYS_accept4 Fd(0);
        SYS_sendto Fd(0);
        SYS_recvfrom Fd(0);
        SYS_sendmsg Fd(0);
        SYS_recvmsg Fd(0);
        SYS_shutdown Fd(0);
        SYS_exit;
        SYS_exit_group;
    }
    Own {
        SYS_brk;
        SYS_munmap;
        SYS_mremap;
        SYS_mprotect;
        SYS_madvise;
        SYS_membarrier;
        SYS_fadvise64 Fd(0);
        SYS_futex;
        SYS_rt_sigaction;
        SYS_rt_sigprocmask;
        SYS_rt_sigreturn;
        SYS_sigaltstack;
        SYS_ioctl Fd(0);
        SYS_dup2 Fd(0);
        SYS_dup3 Fd(0);
        SYS_pause;
        SYS_poll;
        SYS_ppoll;
        SYS_epoll_ctl Fd(0);
        SYS_epoll_wait Fd(0);
        SYS_setsockopt Fd(0);
        SYS_getsockopt Fd(0);
        SYS_getpid;
        SYS_gettid;
        SYS_getuid;
        SYS_geteuid;
        SYS_getgid;
        SYS_getegid;
        SYS_getppid;
        SYS_getcwd;
        SYS_chdir Name(0);
        SYS_umask;
        SYS_uname;
        SYS_sysinfo;
        SYS_getrlimit;
        SYS_prlimit64;
        SYS_getrandom;
        SYS_clock_gettime;
        SYS_clock_nanosleep;
        SYS_nanosleep;
        SYS_gettimeofday;
        SYS_sched_yield;
        SYS_sched_getaffinity;
        SYS_set_robust_list;
        SYS_rseq;
        SYS_prctl;
        SYS_arch_prctl;
        SYS_set_tid_address;
    }
};

fn row(nr: i64) -> Option<&'static Row> {
    CALLS.iter().find(|row| row.0 == nr)
}

/// The arguments of this call that name a file.
pub fn operands(nr: i64, args: &[u64; 6]) -> &'static [Operand] {
    match row(nr) {
        Some(row) if row.2 == Kind::Mmap && args[3] as i32 & libc::MAP_ANONYMOUS != 0 => &[],
        Some(row) => row.3,
        None => &[],
    }
}

impl Call {
    pub fn name(&self) -> String {
        match row(self.nr) {
            Some(row) => row.1.trim_start_matches("SYS_").to_owned(),
            None => format!("call_{}", self.nr),
        }
    }

    /// The errors with which this call is made to fail: those that a full, broken, read-only or forbidden disk
    /// and a full table of descriptors give it. Memory, sockets, processes and `close` are not made to fail.
    pub fn failures(&self) -> &'static [i32] {
        use libc::{EACCES, EIO, EMFILE, ENODEV, ENOLCK, ENOSPC, EROFS};
        match self.kind() {
            Kind::Open if self.writes() => &[EACCES, EIO, EMFILE, ENOSPC, EROFS],
            Kind::Open => &[EACCES, EIO, EMFILE],
            Kind::Read => &[EIO],
            Kind::Look => &[EACCES, EIO],
            Kind::Write | Kind::Sync => &[EIO, ENOSPC],
            Kind::Link => &[EACCES, EIO, ENOSPC, EROFS],
            Kind::Change => &[EACCES, EIO, EROFS],
            Kind::Lock => &[EIO, ENOLCK],
            Kind::Fcntl => match self.args[1] as i32 {
                libc::F_GETFD | libc::F_SETFD | libc::F_GETFL | libc::F_SETFL => &[],
                libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => &[EMFILE],
                libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK | libc::F_OFD_SETLKW => {
                    &[EACCES, EIO, ENOLCK]
                }
                _ => &[EIO],
            },
            Kind::Mmap if !self.files.is_empty() => &[EACCES, ENODEV],
            Kind::Make => &[EMFILE],
            Kind::Mmap | Kind::Seen | Kind::Own => &[],
        }
    }

    /// Whether it can change what other processes see: files, locks, messages. A kill elsewhere leaves the same
    /// as one at the call before.
    pub fn is_seen(&self) -> bool {
        match self.kind() {
            Kind::Open => self.writes(),
            Kind::Read | Kind::Look | Kind::Make | Kind::Own => false,
            Kind::Mmap => !self.files.is_empty(),
            _ => true,
        }
    }

    /// The argument that says how much to write, if this is a call that may write less.
    pub fn length_argument(&self) -> Option<usize> {
        let writes = [libc::SYS_write, libc::SYS_pwrite64].contains(&self.nr);
        (writes && self.args[2] > 1).then_some(2)
    }

    /// Whether it names a file in `folder`, or the folder.
    pub fn is_in(&self, folder: &Path) -> bool {
        self.files.iter().any(|file| file.starts_with(folder))
    }

    /// Whether it needs descriptors that are free, in this process or in one that it starts.
    pub fn needs_descriptors(&self) -> bool {
        let others = [
            libc::SYS_recvmsg,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_fork,
            libc::SYS_vfork,
        ];
        self.failures().contains(&libc::EMFILE) || others.contains(&self.nr)
    }

    /// Whether a file is opened to be written.
    fn writes(&self) -> bool {
        let flags = match self.nr {
            libc::SYS_open => self.args[1],
            libc::SYS_openat => self.args[2],
            libc::SYS_openat2 => 0,
            _ => libc::O_WRONLY as u64,
        } as i32;
        flags & (libc::O_ACCMODE | libc::O_CREAT) != 0
    }

    fn kind(&self) -> Kind {
        row(self.nr).map_or(Kind::Own, |row| row.2)
    }
}

impl fmt::Display for Call {
    /// `37: renameat2(cache/v1/tmp/9-0, cache/v1/entries/ab/cd.so) = 0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}(", self.number, self.name())?;
        for (index, file) in self.files.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", file.display())?;
        }
        match self.result {
            Some(result @ -4095..0) => write!(f, ") = {}", errno_name(-result as i32)),
            Some(result) if result > 0xffff_ffff => write!(f, ") = {result:#x}"),
            Some(result) => write!(f, ") = {result}"),
            None => write!(f, ") did not return"),
        }
    }
}

/// `ENOSPC` for 28.
pub fn errno_name(errno: i32) -> String {
    let name = match errno {
        libc::EACCES => "EACCES",
        libc::EAGAIN => "EAGAIN",
        libc::EBADF => "EBADF",
        libc::EEXIST => "EEXIST",
        libc::EINTR => "EINTR",
        libc::EIO => "EIO",
        libc::EMFILE => "EMFILE",
        libc::EINVAL => "EINVAL",
        libc::ENODEV => "ENODEV",
        libc::ENOENT => "ENOENT",
        libc::ENOLCK => "ENOLCK",
        libc::ENOSPC => "ENOSPC",
        libc::ENOSYS => "ENOSYS",
        libc::EROFS => "EROFS",
        _ => return format!("errno {errno}"),
    };
    name.to_owned()
}
