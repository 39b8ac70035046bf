//! What the kernel lets this process have: memory, processor time, files.

use rustix::process::{Resource, Rlimit};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What this process has of the memory that `RLIMIT_DATA` counts. A heap that served large requests may not become small
/// again, so it is asked anew for each request that has a limit.
pub struct DataSize {
    /// /proc/self/statm, opened before files were forbidden.
    statm: Option<File>,
    /// Where there is no /proc: what is usual for a server that has just started.
    usual: u64,
}

impl DataSize {
    /// Call it before files are forbidden. `stacks`: of the threads that are to be started.
    pub fn new(stacks: u64) -> DataSize {
        DataSize {
            statm: File::open("/proc/self/statm").ok(),
            usual: USUAL_DATA + stacks,
        }
    }

    pub fn now(&self) -> u64 {
        let mut text = [0; 256];
        let len = (self.statm.as_ref())
            .and_then(|statm| statm.read_at(&mut text, 0).ok())
            .unwrap_or(0);
        std::str::from_utf8(&text[..len])
            .ok()
            .and_then(|text| text.split(' ').nth(5)?.parse().ok())
            .map_or(self.usual, |pages: u64| {
                pages * rustix::param::page_size() as u64
            })
    }
}

/// Of a server that has just started, without the stacks of its threads.
const USUAL_DATA: u64 = 16 << 20;

/// Lets the process have so many bytes of data, or, if that is 0, as many as there are. Allocations beyond it fail.
pub fn limit_data(bytes: u64) {
    let resource = Resource::Data;
    let now = rustix::process::getrlimit(resource);
    let wanted = Some(bytes).filter(|bytes| *bytes > 0);
    // The host may have a limit of its own.
    let current = match (wanted, now.maximum) {
        (Some(wanted), Some(maximum)) => Some(wanted.min(maximum)),
        (wanted, maximum) => wanted.or(maximum),
    };
    if current != now.current {
        let _ = rustix::process::setrlimit(resource, Rlimit { current, ..now });
    }
}

/// Whether this process has used half of the processor's time that the host's limit, if it has one, leaves it. What is
/// over it is killed, and that would be in the middle of a request that needs little.
pub fn is_running_out_of_time() -> bool {
    let Some(limit) = rustix::process::getrlimit(Resource::Cpu).current else {
        return false;
    };
    // SAFETY: the time is written before it is read; all zeros is valid.
    let used = unsafe {
        let mut used: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used);
        used
    };
    used.tv_sec.unsigned_abs().saturating_mul(2) >= limit
}

/// Takes back, as far as it may, that the process that happened to start the server runs on some cores alone, or after
/// all others: its clients have not asked for that.
pub fn lift_scheduling() {
    // SAFETY: both change this process alone; the set is valid with all bits set, and the kernel takes of it the cores
    // that this process may use.
    unsafe {
        let mut all: libc::cpu_set_t = std::mem::zeroed();
        for core in 0..libc::CPU_SETSIZE as usize {
            libc::CPU_SET(core, &mut all);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const all);
        libc::setpriority(libc::PRIO_PROCESS, 0, 0);
    }
}

/// How many files may be open at once. The limits of the process that happened to start the server must not be those of
/// all its clients: what can be raised is, and what cannot is an error.
pub fn lift() -> Result<u64, String> {
    for (resource, what) in [
        (Resource::As, "the size of a process"),
        (Resource::Data, "the memory of a process"),
        (Resource::Cpu, "processor time"),
        (Resource::Fsize, "the size of files"),
    ] {
        let limit = rustix::process::getrlimit(resource);
        if limit.maximum.is_some() {
            return Err(format!(
                "this process may not exceed its limit on {what} (`ulimit`), which other clients would have too"
            ));
        }
        if limit.current.is_some() {
            raise(resource, limit);
        }
    }
    let limit = rustix::process::getrlimit(Resource::Nofile);
    raise(Resource::Nofile, limit);
    let files = rustix::process::getrlimit(Resource::Nofile)
        .current
        .unwrap_or(u64::MAX);
    if files < FEWEST_FILES {
        return Err(format!(
            "this process may have no more than {files} open files (`ulimit -Hn`), which is too few for a server of many \
             clients"
        ));
    }
    Ok(files)
}

const FEWEST_FILES: u64 = 64;

fn raise(resource: Resource, limit: Rlimit) {
    let _ = rustix::process::setrlimit(
        resource,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}
