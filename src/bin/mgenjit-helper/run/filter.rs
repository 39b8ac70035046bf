//! The system calls that a program may make, as a filter of the kernel.
//!
//! It lists what is forbidden, because a program may be anything. Calls with higher numbers than those known here do not exist for it,
//! so what newer kernels can do is not forgotten. What starts processes, reaches others, or changes the system is forbidden to all.

use libc::{c_long, sock_filter, sock_fprog};
use mgenjit::arch::kernel;
use std::io;

/// What is forbidden besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forbidden {
    /// To open files and to ask for them by path.
    pub files: bool,
    pub network: bool,
    /// Memory that no limit of a process counts.
    pub uncounted_memory: bool,
    /// Any beside this one. Without this, they are in namespaces of their own.
    pub processes: bool,
}

/// The last system call that this list was made with: `file_setattr`.
const LAST_KNOWN: u32 = 469;

/// Not in libc's list.
const SYS_MAP_SHADOW_STACK: c_long = 453;

const NEVER: &[c_long] = &[
    // Programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
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
];

const SESSIONS: &[c_long] = &[libc::SYS_setsid, libc::SYS_setpgid];

const USERS: &[c_long] = &[libc::SYS_setuid, libc::SYS_setreuid, libc::SYS_setresuid];

const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// By path.
const FILES: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_statfs,
    libc::SYS_truncate,
    libc::SYS_chdir,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
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
    // Since Linux 6.6, 6.8, 6.13 and 6.17.
    452,
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
    let mut rules = [Rule::Allow; LAST_KNOWN as usize + 1];
    let mut set = |calls: &[c_long], rule: Rule| {
        for call in calls {
            rules[*call as usize] = rule;
        }
    };
    // The C library falls back to `clone`, whose flags a filter can read.
    set(
        &[libc::SYS_clone3, SYS_MAP_SHADOW_STACK],
        Rule::Fail(libc::ENOSYS),
    );
    // To itself alone.
    let own = [
        libc::SYS_kill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
    ];
    if forbidden.processes {
        // Threads alone.
        let threads = Rule::OnlyWith(0, libc::CLONE_THREAD as u32);
        set(&[libc::SYS_clone], threads);
        set(kernel::FORKS, Rule::Fail(libc::EPERM));
        set(SESSIONS, Rule::Fail(libc::EPERM));
        set(&own, Rule::Only(0, process, process));
    } else {
        set(&[libc::SYS_clone], Rule::Without(0, NAMESPACES));
        // The kernel counts them by the user.
        set(USERS, Rule::Fail(libc::EPERM));
    }
    let own_or_zero = [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ];
    set(&own_or_zero, Rule::Only(0, 0, process));
    set(
        &[libc::SYS_setpriority, libc::SYS_ioprio_set],
        Rule::Only(1, 0, process),
    );
    // Signals that a descriptor sends may go to anybody; input that a terminal is given is a shell's.
    set(&[libc::SYS_fcntl], Rule::Except(1, FCNTL));
    set(&[libc::SYS_ioctl], Rule::Except(1, IOCTL));
    if forbidden.files {
        set(FILES, Rule::Fail(libc::EACCES));
        set(kernel::FILES, Rule::Fail(libc::EACCES));
        // Of an open descriptor: what the C library makes of `fstat`.
        let with_empty_path = |argument| Rule::OnlyWith(argument, libc::AT_EMPTY_PATH as u32);
        set(&[libc::SYS_newfstatat], with_empty_path(3));
        set(&[libc::SYS_statx], with_empty_path(2));
    }
    if forbidden.network {
        set(NETWORK, Rule::Fail(libc::EACCES));
    }
    if forbidden.uncounted_memory {
        set(&[libc::SYS_memfd_create], Rule::Fail(libc::EPERM));
    }
    set(NEVER, Rule::Fail(libc::EPERM));
    set(kernel::NEVER, Rule::Fail(libc::EPERM));

    let mut filter = vec![
        // Another architecture's calls have other numbers.
        load(4),
        jump(BPF_EQUAL, kernel::AUDIT, 1, 0),
        give(libc::SECCOMP_RET_KILL_PROCESS),
        load(0),
        jump(BPF_GREATER, LAST_KNOWN, 0, 1),
        fail(libc::ENOSYS),
    ];
    // The first call of each run of calls with one rule.
    let mut runs: Vec<(u32, Rule)> = Vec::with_capacity(rules.len());
    for (call, rule) in (0..).zip(rules) {
        if runs.last().is_none_or(|(_, last)| *last != rule) {
            runs.push((call, rule));
        }
    }
    search(&runs, &mut filter);
    filter
}

/// What is done with a call. Arguments are numbers of 32 bits.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Allow,
    Fail(i32),
    /// Only if this argument has one of these bits.
    OnlyWith(u32, u32),
    /// Only if this argument has none of these bits.
    Without(u32, u32),
    /// Only if this argument is one of these.
    Only(u32, u32, u32),
    /// Unless this argument is one of these.
    Except(u32, &'static [u32]),
}

impl Rule {
    fn write(self, filter: &mut Vec<sock_filter>) {
        let argument = |index: u32| load(16 + 8 * index);
        let (allow, refuse) = (give(libc::SECCOMP_RET_ALLOW), fail(libc::EPERM));
        match self {
            Rule::Allow => filter.push(allow),
            Rule::Fail(errno) => filter.push(fail(errno)),
            Rule::OnlyWith(index, bits) => filter.extend([
                argument(index),
                jump(BPF_ANY_BIT, bits, 1, 0),
                refuse,
                allow,
            ]),
            Rule::Without(index, bits) => filter.extend([
                argument(index),
                jump(BPF_ANY_BIT, bits, 0, 1),
                refuse,
                allow,
            ]),
            Rule::Only(index, one, other) => filter.extend([
                argument(index),
                jump(BPF_EQUAL, one, 2, 0),
                jump(BPF_EQUAL, other, 1, 0),
                refuse,
                allow,
            ]),
            Rule::Except(index, values) => {
                filter.push(argument(index));
                for (at, value) in values.iter().enumerate() {
                    filter.push(jump(BPF_EQUAL, *value, (values.len() - at) as u8, 0));
                }
                filter.extend([allow, refuse]);
            }
        }
    }
}

/// A search of the call's number by halves: the kernel runs the filter once for each call there is when it is applied.
fn search(runs: &[(u32, Rule)], filter: &mut Vec<sock_filter>) {
    if let [(_, rule)] = runs {
        return rule.write(filter);
    }
    let (lower, upper) = runs.split_at(runs.len() / 2);
    let Some((first, _)) = upper.first() else {
        return;
    };
    let at = filter.len();
    filter.extend([jump(BPF_NOT_BELOW, *first, 0, 1), load(0)]);
    search(lower, filter);
    // A jump on a condition does not reach as far.
    let distance = filter.len() - (at + 2);
    filter[at + 1] = sock_filter {
        code: BPF_ALWAYS as u16,
        jt: 0,
        jf: 0,
        k: distance as u32,
    };
    search(upper, filter);
}

const FCNTL: &[u32] = &[
    libc::F_SETOWN as u32,
    F_SETOWN_EX,
    F_SETSIG,
    libc::F_NOTIFY as u32,
];

const IOCTL: &[u32] = &[
    libc::TIOCSTI as u32,
    libc::TIOCLINUX as u32,
    libc::TIOCSCTTY as u32,
    FIOSETOWN,
    SIOCSPGRP,
    libc::FIOASYNC as u32,
];

const F_SETSIG: u32 = 10;
const F_SETOWN_EX: u32 = 15;
const FIOSETOWN: u32 = 0x8901;
const SIOCSPGRP: u32 = 0x8902;

const BPF_LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const BPF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const BPF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const BPF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const BPF_GIVE: u32 = libc::BPF_RET | libc::BPF_K;

const BPF_NOT_BELOW: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const BPF_ALWAYS: u32 = libc::BPF_JMP | libc::BPF_JA;

/// Loads the four bytes at this place of `seccomp_data`.
fn load(at: u32) -> sock_filter {
    jump(BPF_LOAD, at, 0, 0)
}

/// Skips so many instructions if the condition holds, or if it does not.
fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

fn give(what: u32) -> sock_filter {
    jump(BPF_GIVE, what, 0, 0)
}

fn fail(errno: i32) -> sock_filter {
    give(libc::SECCOMP_RET_ERRNO | errno as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would make of a call.
    fn run(filter: &[sock_filter], arch: u32, call: u32, arguments: &[u32]) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let instruction = &filter[at];
            at += 1;
            let k = instruction.k;
            let holds = match u32::from(instruction.code) {
                BPF_LOAD => {
                    loaded = match k {
                        0 => call,
                        4 => arch,
                        at => arguments.get((at as usize - 16) / 8).copied().unwrap_or(0),
                    };
                    continue;
                }
                BPF_GIVE => return k,
                BPF_ALWAYS => {
                    at += k as usize;
                    continue;
                }
                BPF_EQUAL => loaded == k,
                BPF_GREATER => loaded > k,
                BPF_NOT_BELOW => loaded >= k,
                BPF_ANY_BIT => loaded & k != 0,
                code => panic!("the instruction {code}"),
            };
            at += usize::from(if holds {
                instruction.jt
            } else {
                instruction.jf
            });
        }
    }

    #[test]
    fn each_call_has_its_rule() {
        let all = Forbidden {
            files: true,
            network: true,
            uncounted_memory: true,
            processes: true,
        };
        let alone = Forbidden {
            processes: true,
            ..Forbidden::default()
        };
        let (strict, lenient) = (program(all, 77), program(alone, 77));
        let allow = libc::SECCOMP_RET_ALLOW;
        let errno = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
        let check = |call: c_long, arguments: &[u32], expect: [u32; 2]| {
            let now = [&strict, &lenient]
                .map(|filter| run(filter, kernel::AUDIT, call as u32, arguments));
            assert_eq!(now, expect, "{call} {arguments:?}");
        };
        for call in NEVER
            .iter()
            .chain(kernel::NEVER)
            .chain(kernel::FORKS)
            .chain(SESSIONS)
        {
            check(*call, &[], [errno(libc::EPERM); 2]);
        }
        for call in FILES.iter().chain(kernel::FILES).chain(NETWORK) {
            check(*call, &[], [errno(libc::EACCES), allow]);
        }
        check(libc::SYS_memfd_create, &[], [errno(libc::EPERM), allow]);
        check(libc::SYS_clone3, &[], [errno(libc::ENOSYS); 2]);
        check(libc::SYS_read, &[], [allow; 2]);
        check(libc::SYS_exit_group, &[], [allow; 2]);
        check(470, &[], [errno(libc::ENOSYS); 2]);
        // Calls of x32.
        check(0x4000_0000, &[], [errno(libc::ENOSYS); 2]);
        check(libc::SYS_clone, &[17], [errno(libc::EPERM); 2]);
        check(libc::SYS_clone, &[libc::CLONE_THREAD as u32], [allow; 2]);
        check(libc::SYS_kill, &[76], [errno(libc::EPERM); 2]);
        check(libc::SYS_kill, &[0], [errno(libc::EPERM); 2]);
        check(libc::SYS_kill, &[77], [allow; 2]);
        check(libc::SYS_prlimit64, &[0], [allow; 2]);
        check(libc::SYS_prlimit64, &[76], [errno(libc::EPERM); 2]);
        check(libc::SYS_setpriority, &[0, 77], [allow; 2]);
        for value in FCNTL {
            check(libc::SYS_fcntl, &[1, *value], [errno(libc::EPERM); 2]);
        }
        check(libc::SYS_fcntl, &[1, libc::F_GETFD as u32], [allow; 2]);
        check(libc::SYS_newfstatat, &[], [errno(libc::EPERM), allow]);
        let empty = [0, 0, 0, libc::AT_EMPTY_PATH as u32];
        check(libc::SYS_newfstatat, &empty, [allow; 2]);
        let several = program(Forbidden::default(), 77);
        let check = |call: c_long, arguments: &[u32], expect: u32| {
            let now = run(&several, kernel::AUDIT, call as u32, arguments);
            assert_eq!(now, expect, "{call} {arguments:?}");
        };
        for call in kernel::FORKS.iter().chain(SESSIONS) {
            check(*call, &[], allow);
        }
        for call in NEVER.iter().chain(kernel::NEVER).chain(USERS) {
            check(*call, &[], errno(libc::EPERM));
        }
        check(libc::SYS_clone, &[17], allow);
        check(
            libc::SYS_clone,
            &[libc::CLONE_NEWPID as u32],
            errno(libc::EPERM),
        );
        check(
            libc::SYS_clone,
            &[libc::CLONE_NEWUSER as u32],
            errno(libc::EPERM),
        );
        check(libc::SYS_clone3, &[], errno(libc::ENOSYS));
        check(libc::SYS_kill, &[76], allow);
        let other = run(&strict, 0x4000_0003, 0, &[]);
        assert_eq!(other, libc::SECCOMP_RET_KILL_PROCESS);
    }
}
