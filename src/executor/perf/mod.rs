//! Tells `perf` of code that it cannot find by itself: code that is mapped from no file. Code from the cache needs none of
//! this, because an entry is an ELF file that `perf` reads.
//!
//! `map` writes a list of functions, `jitdump` also their bytes. Each process has one file of each kind, because `perf`
//! looks for one that has the process's number in its name. A forked child has files of its own.

mod functions;
mod jitdump;
mod map;

use crate::config::{Perf, PerfKind};
use crate::environment::variable;
use crate::fork;
use crate::image::Image;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the environment asks for: `MGENJIT_PERF`.
pub fn of_environment() -> Perf {
    let value = variable(c"MGENJIT_PERF").unwrap_or_default();
    let value = value.to_string_lossy();
    let (kind, all) = match value.split_once(',') {
        Some((kind, "all")) => (kind, true),
        _ => (&*value, false),
    };
    let kind = match kind {
        "map" => PerfKind::Map,
        "jitdump" => PerfKind::Jitdump,
        _ => PerfKind::Off,
    };
    Perf { kind, all }
}

/// The files of this process.
struct Files {
    map: Option<map::Map>,
    jitdump: Option<jitdump::Jitdump>,
}

static FILES: Mutex<Files> = Mutex::new(Files {
    map: None,
    jitdump: None,
});

fn files() -> fork::Guarded<MutexGuard<'static, Files>> {
    fork::guard(|| FILES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether it is to be told of an image.
pub fn wants(perf: Perf, image: &Image) -> bool {
    perf.kind != PerfKind::Off && (perf.all || !image.has_file())
}

/// Tells of an image's functions. `bytes`: the file that it was mapped or copied from.
pub fn tell(kind: PerfKind, image: &Image, bytes: &[u8]) -> io::Result<()> {
    let base = image.range().start;
    let mut functions = functions::functions(base, bytes);
    if kind == PerfKind::Jitdump {
        functions::add_lines(&mut functions, base, bytes);
    }
    if functions.is_empty() {
        return Ok(());
    }
    let mut files = files();
    let process = std::process::id();
    match kind {
        PerfKind::Off => Ok(()),
        PerfKind::Map => {
            let map = match files.map.take() {
                Some(map) => map.of_process(process)?,
                None => map::Map::open(process)?,
            };
            files.map.insert(map).write(&functions)
        }
        PerfKind::Jitdump => {
            let jitdump = match files.jitdump.take().filter(|file| file.process == process) {
                Some(jitdump) => jitdump,
                None => jitdump::Jitdump::create(process)?,
            };
            files.jitdump.insert(jitdump).write(&functions)
        }
    }
}
