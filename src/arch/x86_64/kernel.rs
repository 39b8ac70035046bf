//! What the kernel gives by numbers: system calls, of which this machine has old ones beside the new, and registers.

use libc::c_long;

/// How a filter of system calls knows this machine's.
pub const AUDIT: u32 = 0xc000_003e;

/// What takes the place of newer calls here, and does what they do.
pub const FOR_COMPILING: &[c_long] = &[libc::SYS_alarm, libc::SYS_dup2, libc::SYS_poll];

/// What starts processes.
pub const FORKS: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork];

/// What changes the system.
pub const NEVER: &[c_long] = &[
    libc::SYS_modify_ldt,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_uselib,
    libc::SYS__sysctl,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];

/// What names files by path.
pub const FILES: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_unlink,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];

/// What changes of a file what is not its bytes, and watches for changes.
pub const CHANGES: &[c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_inotify_init,
];

/// What opens a file, with its flags as the second argument.
pub const OPENS: &[c_long] = &[libc::SYS_open];

/// Where a thread was that a signal has interrupted.
pub fn instruction(context: &libc::ucontext_t) -> u64 {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] as u64
}
