//! The system calls that a program may make, as a filter of the kernel.
//!
//! It lists what is forbidden, because a program may be anything. Calls with higher numbers than those known here do not exist for it,
//! so what newer kernels can do is not forgotten. What starts processes, reaches others, or changes the system is forbidden to all.

use super::calls::{
    CHANGES, FCNTL, FCNTL_ALWAYS, FILES, IOCTL, IOCTL_ALWAYS, NAMESPACES, NETWORK, NEVER, SESSIONS,
    SYS_MAP_SHADOW_STACK, USERS,
};
use libc::{c_long, sock_filter, sock_fprog};
use mgenjit::arch::kernel;
use std::io;

/// What is forbidden besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forbidden {
    /// To open files and to ask for them by path.
    pub files: bool,
    /// To change what no kernel restricts by path.
    pub changes: bool,
    /// To cut files: where Landlock does not restrict that yet.
    pub cuts: bool,
    pub network: bool,
    /// Memory that no limit of a process counts.
    pub uncounted_memory: bool,
    /// Any beside this one. Without this, they are in namespaces of their own.
    pub processes: bool,
}

/// The last system call that this list was made with: `file_setattr`.
const LAST_KNOWN: u32 = 469;

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
        libc::SYS_get_robust_list,
    ];
    set(&own_or_zero, Rule::Only(0, 0, process));
    // Of a process, for there are also those of a user.
    let own = |kind: u32| Rule::OnlyOwn(kind, process);
    set(&[libc::SYS_setpriority], own(libc::PRIO_PROCESS));
    set(&[libc::SYS_ioprio_set], own(IOPRIO_WHO_PROCESS));
    let (fcntl, ioctl) = match forbidden.changes {
        true => (FCNTL, IOCTL),
        false => (&FCNTL[..FCNTL_ALWAYS], &IOCTL[..IOCTL_ALWAYS]),
    };
    set(&[libc::SYS_fcntl], Rule::Except(1, fcntl));
    set(&[libc::SYS_ioctl], Rule::Except(1, ioctl));
    if forbidden.changes {
        set(CHANGES, Rule::Fail(libc::EPERM));
        set(kernel::CHANGES, Rule::Fail(libc::EPERM));
    }
    if forbidden.cuts {
        set(&[libc::SYS_truncate], Rule::Fail(libc::EACCES));
        set(kernel::OPENS, Rule::CutsIfWrites(1));
        set(&[libc::SYS_openat], Rule::CutsIfWrites(2));
        // Its flags lie in memory.
        set(&[libc::SYS_openat2], Rule::Fail(libc::ENOSYS));
    }
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
    /// Only if the first argument is this, and the second is this or 0.
    OnlyOwn(u32, u32),
    /// This argument is how a file is opened. It may be cut only if it is opened to be written.
    CutsIfWrites(u32),
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
            Rule::OnlyOwn(kind, own) => filter.extend([
                argument(0),
                jump(BPF_EQUAL, kind, 0, 3),
                argument(1),
                jump(BPF_EQUAL, own, 2, 0),
                jump(BPF_EQUAL, 0, 1, 0),
                refuse,
                allow,
            ]),
            Rule::CutsIfWrites(index) => filter.extend([
                argument(index),
                jump(BPF_ANY_BIT, libc::O_TRUNC as u32, 0, 4),
                // To write, or to write and to read; both together is neither.
                jump(BPF_ANY_BIT, libc::O_WRONLY as u32, 0, 1),
                jump(BPF_ANY_BIT, libc::O_RDWR as u32, 1, 2),
                jump(BPF_ANY_BIT, libc::O_RDWR as u32, 1, 0),
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

const IOPRIO_WHO_PROCESS: u32 = 1;

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
            changes: true,
            cuts: false,
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
        check(libc::SYS_setpriority, &[0, 0], [allow; 2]);
        check(libc::SYS_setpriority, &[0, 76], [errno(libc::EPERM); 2]);
        check(libc::SYS_setpriority, &[2, 0], [errno(libc::EPERM); 2]);
        check(libc::SYS_ioprio_set, &[1, 0], [allow; 2]);
        check(libc::SYS_ioprio_set, &[3, 0], [errno(libc::EPERM); 2]);
        for (call, values, always) in [
            (libc::SYS_fcntl, FCNTL, FCNTL_ALWAYS),
            (libc::SYS_ioctl, IOCTL, IOCTL_ALWAYS),
        ] {
            for (place, value) in values.iter().enumerate() {
                let refused = errno(libc::EPERM);
                let second = if place < always { refused } else { allow };
                check(call, &[1, *value], [refused, second]);
            }
        }
        check(libc::SYS_fcntl, &[1, libc::F_GETFD as u32], [allow; 2]);
        check(libc::SYS_newfstatat, &[], [errno(libc::EPERM), allow]);
        let empty = [0, 0, 0, libc::AT_EMPTY_PATH as u32];
        check(libc::SYS_newfstatat, &empty, [allow; 2]);
        let paths = Forbidden {
            changes: true,
            cuts: true,
            ..alone
        };
        let paths = program(paths, 77);
        let check = |call: c_long, arguments: &[u32], expect: u32| {
            let now = run(&paths, kernel::AUDIT, call as u32, arguments);
            assert_eq!(now, expect, "{call} {arguments:?}");
        };
        for call in CHANGES.iter().chain(kernel::CHANGES) {
            check(*call, &[], errno(libc::EPERM));
        }
        check(libc::SYS_truncate, &[], errno(libc::EACCES));
        let opens = kernel::OPENS.iter().map(|call| (*call, 1));
        for (call, place) in opens.chain([(libc::SYS_openat, 2)]) {
            for (flags, expect) in [
                (libc::O_RDONLY, allow),
                (libc::O_WRONLY | libc::O_TRUNC, allow),
                (libc::O_RDWR | libc::O_TRUNC, allow),
                (libc::O_RDONLY | libc::O_TRUNC, errno(libc::EPERM)),
                (3 | libc::O_TRUNC, errno(libc::EPERM)),
            ] {
                let mut arguments = [0; 3];
                arguments[place] = flags as u32;
                check(call, &arguments, expect);
            }
        }
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
