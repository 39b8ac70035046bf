//! Takes from the process what it does not need before it reads what others wrote: IR can make LLVM open files
//! (`.incbin` in assembly), and a bug in LLVM may let it do anything.
//!
//! Architecture Invariant: when the first byte of a request is read, the process can open no file and no socket, run no
//! program, start no process and no thread, signal no other and make no memory executable, as far as the kernel can see
//! to it.

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use libc::c_long;
use mgenjit::arch::kernel;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::error::Error;

/// Forbids the calling thread, and those that it starts, all files, all of the network, and signals to others. An
/// error tells what the kernel cannot do.
pub fn forbid_files() -> Result<(), String> {
    // What newer kernels can forbid is left to the other filter.
    let abi = ABI::V6;
    let restrict = || -> Result<RulesetStatus, RulesetError> {
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?;
        Ok(ruleset.restrict_self()?.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::FullyEnforced) => Ok(()),
        Ok(RulesetStatus::PartiallyEnforced) => {
            Err("the kernel's Landlock is older than Linux 6.12".to_owned())
        }
        Ok(RulesetStatus::NotEnforced) => Err("the kernel has no Landlock".to_owned()),
        Err(error) => Err(format!("Landlock cannot be used: {error}")),
    }
}

/// Leaves all threads of the process the system calls that compiling takes. All others fail with EPERM, which LLVM
/// reports as it reports a file that is not there.
pub fn forbid_calls() -> Result<(), String> {
    let apply = || -> Result<(), Box<dyn Error>> {
        let rules = rules(std::process::id())?;
        let filter = SeccompFilter::new(
            rules.into_iter().collect(),
            SeccompAction::Errno(libc::EPERM as u32),
            SeccompAction::Allow,
            TargetArch::try_from(std::env::consts::ARCH)?,
        )?;
        seccompiler::apply_filter_all_threads(&BpfProgram::try_from(filter)?)?;
        Ok(())
    };
    apply().map_err(|error| format!("system calls cannot be filtered: {error}"))
}

/// The calls that are allowed whatever their arguments: on descriptors that are open, on memory, and on the process
/// itself.
const ALLOWED: [c_long; 47] = [
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    // With an empty path they are what glibc makes of `fstat`. A path tells whether a file is there.
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    // A thread that was started before may have come no further than this.
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_write,
];

type Rules = Vec<(c_long, Vec<SeccompRule>)>;

fn rules(process: u32) -> Result<Rules, seccompiler::BackendError> {
    let allowed = ALLOWED.iter().chain(kernel::FOR_COMPILING);
    let mut rules: Rules = allowed.map(|call| (*call, Vec::new())).collect();
    let only = |index, operator, value| {
        let condition = SeccompCondition::new(index, Len::Dword, operator, value)?;
        SeccompRule::new(vec![condition])
    };
    let not_executable = Op::MaskedEq(libc::PROT_EXEC as u64);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.push((call, vec![only(2, not_executable.clone(), 0)?]));
    }
    // To this process, of which signals end it and limits are its own.
    let own = u64::from(process);
    rules.push((libc::SYS_tgkill, vec![only(0, Op::Eq, own)?]));
    let myself = vec![only(0, Op::Eq, 0)?, only(0, Op::Eq, own)?];
    rules.push((libc::SYS_prlimit64, myself));
    Ok(rules)
}
