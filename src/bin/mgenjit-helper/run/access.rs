//! What a program's process may reach of the system.

use super::filter::{self, Forbidden};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope,
};
use mgenjit::protocol::isolated::{Access, Failure, Missing};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What newer kernels can forbid is left to the filter of system calls.
const KNOWN: ABI = ABI::V6;

/// Since then the kernel can forbid to cut files.
const CUTS: ABI = ABI::V3;

/// Gives up everything but this. `several`: it may start processes. `limited`: the process's memory has a limit. `process`: this process.
pub fn restrict(
    access: &Access,
    limited: bool,
    process: u32,
    several: bool,
) -> Result<Missing, Failure> {
    give_up_privileges();
    let known = landlock(access)?;
    let mut missing = Missing {
        files: known == ABI::Unsupported,
        calls: false,
    };
    let forbidden = Forbidden {
        files: has_no_files(access),
        changes: !access.all_files,
        cuts: !access.all_files && known < CUTS,
        network: !access.network,
        uncounted_memory: limited,
        processes: !several,
    };
    missing.calls = filter::apply(forbidden, process).is_err();
    // Without files, the filter does the same.
    if !missing.calls && (forbidden.files || access.all_files) {
        missing.files = false;
    }
    Ok(missing)
}

fn has_no_files(access: &Access) -> bool {
    !access.all_files && access.read.is_empty() && access.write.is_empty()
}

/// Returns what the kernel knows of it.
fn landlock(access: &Access) -> Result<ABI, Failure> {
    let all = AccessFs::from_all(KNOWN);
    let mut rules = Vec::new();
    let mut add = |path: &Path, rights: BitFlags<AccessFs>| -> Result<(), Failure> {
        let opened = PathFd::new(path).map_err(|error| {
            let path = path.display();
            Failure::io(format!("the program cannot be given {path}: {error}"))
        })?;
        let rights = match path.is_dir() {
            true => rights,
            false => rights & AccessFs::from_file(KNOWN),
        };
        rules.push(PathBeneath::new(opened, rights));
        Ok(())
    };
    if access.all_files {
        add(Path::new("/"), all)?;
    }
    for path in &access.read {
        add(
            Path::new(OsStr::from_bytes(path)),
            AccessFs::ReadFile | AccessFs::ReadDir,
        )?;
    }
    for path in &access.write {
        add(
            Path::new(OsStr::from_bytes(path)),
            all & !BitFlags::from(AccessFs::Execute),
        )?;
    }
    let restrict = || -> Result<RestrictionStatus, RulesetError> {
        let mut ruleset = Ruleset::default()
            .handle_access(all)?
            .scope(Scope::Signal)?;
        if !access.network {
            ruleset = ruleset
                .handle_access(AccessNet::from_all(KNOWN))?
                .scope(Scope::AbstractUnixSocket)?;
        }
        let mut created = ruleset.create()?;
        for rule in rules {
            created = created.add_rule(rule)?;
        }
        created.restrict_self()
    };
    // What a kernel knows of it is done. The network and signals are the filter's too.
    Ok(match restrict() {
        Ok(RestrictionStatus {
            ruleset: RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            landlock: LandlockStatus::Available { effective_abi, .. },
            ..
        }) => effective_abi,
        _ => ABI::Unsupported,
    })
}

/// A program of the system's administrator has no more rights than any other.
pub fn give_up_privileges() {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let none = [0_u32; 6];
    // SAFETY: all of it is about this process alone, and what is read outlives the calls.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        );
        libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr());
    }
}
