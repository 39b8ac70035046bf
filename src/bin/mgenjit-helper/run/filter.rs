//! The system calls that a program may make, as a filter of the kernel.
//!
//! It lists what is forbidden, because a program may be anything. Calls with higher numbers than those known here do not exist for it,
//! so what newer kernels can do is not forgotten. What starts processes, reaches others, or changes the system is forbidden to all.

use libc::{c_long, sock_filter, sock_fprog};
use std::io;

/// What is forbidden besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forbidden {
    /// To open files and to ask for them by path.
    pub files: bool,
    pub network: bool,
    /// Memory that no limit of a process counts.
    pub uncounted_memory: bool,
}

/// The last system call that this list was made with: `file_setattr`.
const LAST_KNOWN: u32 = 469;

/// Not in libc's list.
const SYS_MAP_SHADOW_STACK: c_long = 453;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

const NEVER: &[c_long] = &[
    // Programs and processes.
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Others' memory, and signals to them.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_set_mempolicy_home_node,
    // What lives on, or needs more than a filter of calls.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_userfaultfd,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    libc::SYS_modify_ldt,
    libc::SYS_memfd_secret,
    // The system.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_nfsservctl,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_lookup_dcookie,
    libc::SYS_uselib,
    libc::SYS__sysctl,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];

/// By path.
const FILES: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_statfs,
    libc::SYS_truncate,
    libc::SYS_chdir,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rmdir,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_utimensat,
    libc::SYS_futimesat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_inotify_add_watch,
    libc::SYS_flock,
    libc::SYS_fchdir,
    libc::SYS_sync,
    libc::SYS_syncfs,
    // Since Linux 6.8, 6.13 and 6.17.
    457,
    458,
    463,
    464,
    465,
    466,
    468,
    469,
];

const NETWORK: &[c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_setsockopt,
];

/// Puts the filter before all system calls of this thread, which is the only one.
pub fn apply(forbidden: Forbidden, process: u32) -> io::Result<()> {
    let program = program(forbidden, process);
    let program = sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the program outlives the call, which reads it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn program(forbidden: Forbidden, process: u32) -> Vec<sock_filter> {
    let mut filter = Filter(Vec::with_capacity(512));
    // Another architecture's calls have other numbers.
    filter.load(4);
    filter.jump(BPF_EQUAL, AUDIT_ARCH_X86_64, 1, 0);
    filter.give(libc::SECCOMP_RET_KILL_PROCESS);
    filter.load(0);
    filter.jump(BPF_GREATER, LAST_KNOWN, 0, 1);
    filter.fail(libc::ENOSYS);
    // The C library falls back to `clone`, whose flags a filter can read.
    filter.forbid(libc::SYS_clone3, libc::ENOSYS);
    filter.forbid(SYS_MAP_SHADOW_STACK, libc::ENOSYS);
    for call in NEVER {
        filter.forbid(*call, libc::EPERM);
    }
    if forbidden.files {
        for call in FILES {
            filter.forbid(*call, libc::EACCES);
        }
        // Of an open descriptor: what the C library makes of `fstat`.
        filter.only_with(libc::SYS_newfstatat, 3, libc::AT_EMPTY_PATH as u32);
        filter.only_with(libc::SYS_statx, 2, libc::AT_EMPTY_PATH as u32);
    }
    if forbidden.network {
        for call in NETWORK {
            filter.forbid(*call, libc::EACCES);
        }
    }
    if forbidden.uncounted_memory {
        filter.forbid(libc::SYS_memfd_create, libc::EPERM);
    }
    // Threads, and no processes.
    filter.only_with(libc::SYS_clone, 0, libc::CLONE_THREAD as u32);
    // To itself alone.
    for call in [
        libc::SYS_kill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
    ] {
        filter.only_values(call, 0, &[process]);
    }
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        filter.only_values(call, 0, &[0, process]);
    }
    for call in [libc::SYS_setpriority, libc::SYS_ioprio_set] {
        filter.only_values(call, 1, &[0, process]);
    }
    // Signals that a descriptor sends may go to anybody; input that a terminal is given is a shell's.
    filter.except_values(
        libc::SYS_fcntl,
        1,
        &[
            libc::F_SETOWN as u32,
            F_SETOWN_EX,
            F_SETSIG,
            libc::F_NOTIFY as u32,
        ],
    );
    filter.except_values(
        libc::SYS_ioctl,
        1,
        &[
            libc::TIOCSTI as u32,
            libc::TIOCLINUX as u32,
            libc::TIOCSCTTY as u32,
            FIOSETOWN,
            SIOCSPGRP,
            libc::FIOASYNC as u32,
        ],
    );
    filter.give(libc::SECCOMP_RET_ALLOW);
    filter.0
}

const F_SETSIG: u32 = 10;
const F_SETOWN_EX: u32 = 15;
const FIOSETOWN: u32 = 0x8901;
const SIOCSPGRP: u32 = 0x8902;

const BPF_LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const BPF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const BPF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const BPF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const BPF_GIVE: u32 = libc::BPF_RET | libc::BPF_K;

/// A program. Between its rules the call's number is loaded.
struct Filter(Vec<sock_filter>);

impl Filter {
    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) {
        self.0.push(sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        });
    }

    /// Loads the four bytes at this place of `seccomp_data`.
    fn load(&mut self, at: u32) {
        self.push(BPF_LOAD, at, 0, 0);
    }

    fn jump(&mut self, code: u32, k: u32, jt: u8, jf: u8) {
        self.push(code, k, jt, jf);
    }

    fn give(&mut self, what: u32) {
        self.push(BPF_GIVE, what, 0, 0);
    }

    fn fail(&mut self, errno: i32) {
        self.give(libc::SECCOMP_RET_ERRNO | errno as u32);
    }

    fn forbid(&mut self, call: c_long, errno: i32) {
        self.jump(BPF_EQUAL, call as u32, 0, 1);
        self.fail(errno);
    }

    /// Loads the lower half of an argument, if it is this call; else goes on behind `len` more instructions.
    fn argument(&mut self, call: c_long, index: u32, len: usize) {
        self.jump(BPF_EQUAL, call as u32, 0, len as u8 + 1);
        self.load(16 + 8 * index);
    }

    /// Only with one of these bits.
    fn only_with(&mut self, call: c_long, index: u32, bits: u32) {
        self.argument(call, index, 3);
        self.jump(BPF_ANY_BIT, bits, 1, 0);
        self.fail(libc::EPERM);
        self.give(libc::SECCOMP_RET_ALLOW);
    }

    /// Only with one of these values, as a number of 32 bits.
    fn only_values(&mut self, call: c_long, index: u32, values: &[u32]) {
        self.argument(call, index, values.len() + 2);
        for (at, value) in values.iter().enumerate() {
            self.jump(BPF_EQUAL, *value, (values.len() - at) as u8, 0);
        }
        self.fail(libc::EPERM);
        self.give(libc::SECCOMP_RET_ALLOW);
    }

    /// With none of these values.
    fn except_values(&mut self, call: c_long, index: u32, values: &[u32]) {
        self.argument(call, index, values.len() + 2);
        for (at, value) in values.iter().enumerate() {
            self.jump(BPF_EQUAL, *value, (values.len() - at) as u8, 0);
        }
        self.give(libc::SECCOMP_RET_ALLOW);
        self.fail(libc::EPERM);
    }
}
