//! The limits that this process runs under: which one a failed allocation has met, and how long its files may become.

use rustix::process::{Resource, getrlimit};
use std::fs::File;
use std::io::{self, Read};

/// A process that has so many mappings less than it may have is at that limit: what failed may have needed several, and
/// has given back some.
const NEAR: u64 = 16;

/// The limit that an allocation has met, and what to do, as far as that can be known.
pub fn of_memory() -> Option<String> {
    let most = number("/proc/sys/vm/max_map_count");
    let mappings = count_mappings();
    if let (Some(most), Some(mappings)) = (most, mappings)
        && mappings + NEAR >= most
    {
        return Some(format!(
            "this process has {mappings} mappings of memory, and vm.max_map_count allows {most}: free modules that are \
             not needed, compile several sources into one module, or raise the limit, as with sysctl -w \
             vm.max_map_count={}",
            most.saturating_mul(4)
        ));
    }
    let limited = [
        (Resource::As, "of address space (RLIMIT_AS, ulimit -v)"),
        (Resource::Data, "of data (RLIMIT_DATA, ulimit -d)"),
    ];
    let mut limits = limited.iter().filter_map(|(resource, what)| {
        let bytes = getrlimit(*resource).current?;
        Some(format!("{bytes} bytes {what}"))
    });
    let first = limits.next()?;
    let limits = limits.fold(first, |all, limit| format!("{all} and {limit}"));
    Some(format!(
        "this process may have {limits}: free what is not needed, or raise the limit"
    ))
}

fn number(path: &str) -> Option<u64> {
    let mut text = [0; 32];
    let len = File::open(path).ok()?.read(&mut text).ok()?;
    std::str::from_utf8(&text[..len]).ok()?.trim().parse().ok()
}

/// Reads piece by piece: there may be no memory for more.
fn count_mappings() -> Option<u64> {
    let mut file = File::open("/proc/self/maps").ok()?;
    let mut piece = [0; 4096];
    let mut lines = 0;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Some(lines),
            Ok(len) => {
                lines += piece[..len]
                    .iter()
                    .map(|byte| u64::from(*byte == b'\n'))
                    .sum::<u64>();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// How long files of this process may become. A write beyond it is a signal (`SIGXFSZ`) that by default ends the host.
/// It applies to memfds too.
pub fn file_size() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Whether there is such a limit. Then neither the journal nor the index is written.
pub fn is_file_size_limited() -> bool {
    file_size().is_some()
}

/// Fails if a file of `parts` would be longer than the process may write.
pub fn check_file_size(parts: &[&[u8]]) -> io::Result<()> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    match file_size() {
        Some(limit) if len as u64 > limit => Err(rustix::io::Errno::FBIG.into()),
        _ => Ok(()),
    }
}
