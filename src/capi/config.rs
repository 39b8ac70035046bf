//! Configurations
//!
//! A mgenjit_config says how executors compile and where they cache. It is copied when it is used: changing or freeing it
//! later changes nothing that was made from it.
//!
//! ```c
//! mgenjit_config *config;
//! mgenjit_config_new(&config, NULL);
//! mgenjit_config_set_opt_level(config, MGENJIT_OPT_O3, NULL);
//! mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, NULL);
//! mgenjit_executor *fast;
//! assert(mgenjit_executor_new(config, &fast, NULL) == MGENJIT_STATUS_OK);
//! mgenjit_config_free(config);
//! mgenjit_executor_free(fast);
//! ```

use super::call::{call, set};
use super::error::mgenjit_error;
use super::event::{mgenjit_event_hook, rust_hook};
use super::ffi::{CBool, Owned, free, invalid};
use super::status::mgenjit_status;
use crate::cache::options::{CacheMode, Limits};
use crate::cache::trust::Trust;
use crate::client;
use crate::config::{Config, Perf, PerfKind};
use crate::cpu::Level;
use crate::error::Error;
use crate::types::{OptLevel, Partition, TargetSpec};
use std::ffi::{c_char, c_void};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The configuration of executors. It belongs to one thread at a time.
#[allow(non_camel_case_types)]
pub struct mgenjit_config(pub(super) Config);

impl Owned for mgenjit_config {}

/// A copy of a configuration, or the defaults, with what the environment says.
pub(super) fn resolved(config: Option<&mgenjit_config>) -> Result<Config, Error> {
    copy(config).resolve()
}

/// A copy of a configuration, or the defaults.
pub(super) fn copy(config: Option<&mgenjit_config>) -> Config {
    config.map_or_else(Config::default, |config| config.0.clone())
}

/// perf is told nothing.
pub const MGENJIT_PERF_OFF: i32 = 0;
/// Functions are listed in the file /tmp/perf-PID.map.
pub const MGENJIT_PERF_MAP: i32 = 1;
/// Functions and their code are written to a file jit-PID.dump.
pub const MGENJIT_PERF_JITDUMP: i32 = 2;
/// With one of the others, by |: also what is mapped from a file.
pub const MGENJIT_PERF_ALL: i32 = 4;

/// No optimisation.
pub const MGENJIT_OPT_O0: i32 = 0;
/// LLVM's standard pipeline O1.
pub const MGENJIT_OPT_O1: i32 = 1;
/// LLVM's standard pipeline O2, the default.
pub const MGENJIT_OPT_O2: i32 = 2;
/// LLVM's standard pipeline O3.
pub const MGENJIT_OPT_O3: i32 = 3;
/// LLVM's standard pipeline Os: like O2, but smaller code.
pub const MGENJIT_OPT_OS: i32 = 4;
/// LLVM's standard pipeline Oz: as small as possible.
pub const MGENJIT_OPT_OZ: i32 = 5;

/// Large modules are compiled in pieces, the default.
pub const MGENJIT_PARTITION_AUTOMATIC: i32 = 0;
/// Every module is compiled as one.
pub const MGENJIT_PARTITION_OFF: i32 = -1;

/// Read the cache and store in it, the default.
pub const MGENJIT_CACHE_READ_WRITE: i32 = 0;
/// Read the cache, store nothing.
pub const MGENJIT_CACHE_READ_ONLY: i32 = 1;
/// No cache: always compile.
pub const MGENJIT_CACHE_OFF: i32 = 2;

/// Creates a configuration with the defaults. Free it with mgenjit_config_free.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_new(
    config: *mut *mut mgenjit_config,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, out config => config.give(mgenjit_config(Config::default())))
}

/// Frees a configuration. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_free(config: *mut mgenjit_config) {
    free!(config);
}

/// Sets the optimisation level: one of MGENJIT_OPT_…. Default: MGENJIT_OPT_O2.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_opt_level(
    config: *mut mgenjit_config,
    level: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.set_level(opt_level(level)?))
}

/// Sets whether large modules are compiled in pieces: MGENJIT_PARTITION_AUTOMATIC, MGENJIT_PARTITION_OFF, or the size of
/// a piece in IR instructions, from 1 on. A size cuts small modules too. Default: $MGENJIT_PIECES,
/// "auto", "off" or a size; if it is not set, MGENJIT_PARTITION_AUTOMATIC.
///
/// A module with 8,000 IR instructions or more is large. Its pieces are compiled at the same time, by as many servers as
/// mgenjit_config_set_max_servers allows. Each is an entry in the cache, so after an edit only the pieces that contain or
/// inline what changed are compiled again. The image and the object are the same whatever the cache had. Compiled as one:
/// replaceable modules, modules whose assembly names what only they can see, and code for other targets than ELF systems
/// on x86-64, AArch64 and RISC-V.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_partition(
    config: *mut mgenjit_config,
    size: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.partition = Some(partition(size)?))
}

/// Sets whether functions can be replaced while code runs: see "Replacement". Default: false.
///
/// Then each function that others can see has a stable address, and calls of it go through a stub. It is neither inlined
/// into other functions nor analysed for their sake. Functions that only their module sees are optimised as ever: make
/// functions internal (`static` in C), or keep only some (mgenjit_source_keep). Modules are not compiled in pieces.
///
/// What was inlined before the IR came here cannot be replaced: give IR that is not optimised yet, or that clang compiled
/// with -fPIC -fsemantic-interposition. What the IR states of a function, such as `memory(none)` or `nounwind`, must be true of
/// all its versions. In objects, those calls are redirected that neither the compiler nor the assembler has bound: compile
/// them with -fPIC and default visibility. A function that the process has already as the same inline function of C++ is the
/// process's. Code that is exported is what runs here, for ordinary linkers and loaders: its functions can be interposed,
/// and nothing replaces them. The setting is part of the key.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_replaceable(
    config: *mut mgenjit_config,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.replaceable = on.get())
}

/// Makes the IR itself the source that debuggers show, for functions that have no debug information. Debuggers then step
/// through the IR text, break at its lines, and show arguments and values by name: `%x` as `x`, `%3` as `_3`, and an
/// `alloca` as its content. Most values are visible at MGENJIT_OPT_O0. Default: false.
///
/// If a text file was compiled, debuggers show that file. For IR in memory and for bitcode, the library writes the text to a
/// file that is named after the module, "x.ll". It is in the cache directory, below v4/ir, and is removed after its entry.
/// Without a writable cache, it is in a temporary folder that is removed with the executor. The code contains the path of
/// the text: another file, module name or cache directory means another compile.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_debug_ir(
    config: *mut mgenjit_config,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.debug_ir = on.get())
}

/// Sets how the profiler perf learns of code that is not mapped from a file: MGENJIT_PERF_OFF, MGENJIT_PERF_MAP or
/// MGENJIT_PERF_JITDUMP. Cached code needs neither, because perf reads its file; `| MGENJIT_PERF_ALL` adds it anyway.
/// Default: $MGENJIT_PERF, which is "map" or "jitdump", with ",all" for MGENJIT_PERF_ALL; else MGENJIT_PERF_OFF.
///
/// A jitdump also has source lines. Use it with `perf record -k 1` and `perf inject --jit`. It is in a new folder below
/// .debug/jit, in $JITDUMPDIR, else $HOME, else the current directory. The library never deletes a map or a jitdump, and
/// the removal of a module removes nothing from them.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. If a file cannot be written, the event hook gets MGENJIT_EVENT_WARNING.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_perf(
    config: *mut mgenjit_config,
    kind: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.perf = Some(perf(kind)?))
}

fn perf(kind: i32) -> Result<Perf, Error> {
    let all = kind & MGENJIT_PERF_ALL != 0;
    let known = match kind & !MGENJIT_PERF_ALL {
        MGENJIT_PERF_OFF => PerfKind::Off,
        MGENJIT_PERF_MAP => PerfKind::Map,
        MGENJIT_PERF_JITDUMP => PerfKind::Jitdump,
        _ => {
            return Err(invalid(format!(
                "{kind} is nothing that perf can be told: use MGENJIT_PERF_OFF (0), _MAP (1) or _JITDUMP (2)"
            )));
        }
    };
    Ok(Perf { kind: known, all })
}

fn partition(size: i32) -> Result<Partition, Error> {
    match (size, u32::try_from(size).ok().and_then(NonZeroU32::new)) {
        (MGENJIT_PARTITION_AUTOMATIC, _) => Ok(Partition::Automatic),
        (MGENJIT_PARTITION_OFF, _) => Ok(Partition::Off),
        (_, Some(size)) => Ok(Partition::Size(size)),
        (_, None) => Err(invalid(format!(
            "{size} is not a size of pieces: use a number of instructions, MGENJIT_PARTITION_AUTOMATIC (0) or \
             MGENJIT_PARTITION_OFF (-1)"
        ))),
    }
}

pub(super) fn opt_level(level: i32) -> Result<OptLevel, Error> {
    Ok(match level {
        MGENJIT_OPT_O0 => OptLevel::O0,
        MGENJIT_OPT_O1 => OptLevel::O1,
        MGENJIT_OPT_O2 => OptLevel::O2,
        MGENJIT_OPT_O3 => OptLevel::O3,
        MGENJIT_OPT_OS => OptLevel::Os,
        MGENJIT_OPT_OZ => OptLevel::Oz,
        _ => {
            return Err(invalid(format!(
                "{level} is not an optimisation level: use MGENJIT_OPT_O0 (0) to MGENJIT_OPT_OZ (5)"
            )));
        }
    })
}

/// Sets the CPU that code is generated for. "native", the default, also if NULL: this machine, with all its features. Or a
/// name for all machines that have certain features, so that different machines can share a cache. On x86-64 it is a level of
/// the psABI, "x86-64", "x86-64-v2", "x86-64-v3" or "x86-64-v4". On AArch64 it is "generic", a level of the architecture,
/// "armv8-a", "armv8.1-a" to "armv8.9-a" or "armv9-a" to "armv9.5-a", or a CPU by LLVM's name, such as "neoverse-n1" or
/// "apple-m1". Functions with a "target-cpu" attribute are compiled for that CPU.
///
/// On a machine that lacks features of the level or the CPU, every compile fails with MGENJIT_STATUS_CPU, cached or not.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cpu(
    config: *mut mgenjit_config,
    cpu: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, optional_string cpu => config.0.level = level(cpu)?)
}

fn level(cpu: Option<&str>) -> Result<Option<Level>, Error> {
    let Some(name) = cpu.filter(|name| *name != "native") else {
        return Ok(None);
    };
    let level = Level::ALL.into_iter().find(|level| level.name() == name);
    if level.is_none() {
        let names = Level::ALL.map(|level| format!("\"{}\"", level.name()));
        return Err(invalid(format!(
            "\"{name}\" is no CPU that code can be generated for: use one of \"native\", {}",
            names.join(", ")
        )));
    }
    Ok(level)
}

/// Sets a target other than this machine, for code that is exported and not run.
///
/// `triple` is LLVM's, such as "aarch64-linux-gnu", "riscv64-linux-gnu", "x86_64-linux-gnu" or "wasm32-unknown-unknown".
/// NULL resets the target to this machine: see mgenjit_config_set_cpu. `cpu` is LLVM's name, such as "cortex-a72" or
/// "x86-64-v3"; NULL: the triple's generic CPU. `features` are added to those of the CPU, such as "+sve,-crc"; NULL: none.
///
/// Modules for another target are compiled, cached and exported like all others. Functions that would run their code, such
/// as mgenjit_module_lookup, fail with MGENJIT_STATUS_TARGET. A name that LLVM does not know is an error of the compile.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_target(
    config: *mut mgenjit_config,
    triple: *const c_char,
    cpu: *const c_char,
    features: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(
        error,
        handle_mut config, optional_string cpu, optional_string features, optional_string triple
            => config.0.target = target(triple, cpu.unwrap_or(""), features.unwrap_or(""))?
    )
}

fn target(triple: Option<&str>, cpu: &str, features: &str) -> Result<Option<TargetSpec>, Error> {
    match triple {
        None if cpu.is_empty() && features.is_empty() => Ok(None),
        None => Err(invalid(
            "a CPU or features were given without a triple: for this machine's system, use mgenjit_config_set_cpu",
        )),
        Some("") => Err(invalid("the triple is empty")),
        Some(triple) => Ok(Some(TargetSpec {
            triple: triple.to_owned(),
            cpu: cpu.to_owned(),
            features: features.to_owned(),
        })),
    }
}

/// Sets the program that links executables, and shared libraries with libraries or flags of their own: a C compiler driver
/// such as "gcc", "clang-22" or "aarch64-linux-gnu-gcc", or a linker such as "wasm-ld". A name without a slash is looked up
/// on $PATH when it is used. Default, also if NULL: $MGENJIT_CC, else "cc".
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_linker(
    config: *mut mgenjit_config,
    program: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut config, optional_string program => {
        if program == Some("") {
            return Err(invalid("the linker's name is empty"));
        }
        config.0.linker = program.map(PathBuf::from);
        Ok(())
    })
}

/// Sets the time after which a linker is stopped. 0: never. Default: 300,000 ms, five minutes.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_linker_timeout(
    config: *mut mgenjit_config,
    timeout_ms: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.linker_timeout = Duration::from_millis(timeout_ms))
}

/// Limits what one compile may take. 0, the default of each: no limit.
///
/// `time_ms` is from the request to the answer. Waiting for a busy server counts, starting one does not. `memory_bytes` is
/// beyond what an idle compile server and the inputs take. `input_bytes` is for all inputs together.
///
/// A compile that exceeds a limit fails with MGENJIT_STATUS_TIMEOUT, MGENJIT_STATUS_MEMORY or MGENJIT_STATUS_TOO_LARGE. Its
/// server is abandoned; another is started when needed.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_compile_limits(
    config: *mut mgenjit_config,
    time_ms: u64,
    memory_bytes: u64,
    input_bytes: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.limits = client::limits::Limits {
        time: Duration::from_millis(time_ms),
        memory: memory_bytes,
        input: input_bytes,
    })
}

/// Sets a folder for reproducers of compiles that crash the compile server or exceed a limit. It is created when needed.
/// Each reproducer is a folder in it: the inputs, the options, the versions, and a script that repeats the compile with
/// LLVM's own tools. The error's message names it. Default, NULL: none.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_reproducer_dir(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, optional_path path => config.0.reproducers = path.map(Path::to_owned))
}

/// Sets the cache's directory. It is created, with mode 0700, when something is first stored. A directory that belongs to
/// another user, or that others may write, is not used: code in a cache is run.
///
/// An entry is verified each time it is used, and then mapped from its file. The library never changes an entry's file, and
/// its mode is 0444. But anybody who may write to the directory can change it, and with it the code that runs from it; if
/// the file is cut short, processes that run its code get a SIGBUS. Trusted keys prevent both: see
/// mgenjit_config_add_cache_trusted_key.
///
/// Default, also if NULL: $MGENJIT_CACHE_DIR, else $XDG_CACHE_HOME/mgenjit, else $HOME/.cache/mgenjit. If none of these
/// variables is set, nothing is cached.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_dir(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, optional_path path => config.0.cache_dir = path.map(Path::to_owned))
}

/// Sets how the cache is used: one of MGENJIT_CACHE_…. Default: MGENJIT_CACHE_READ_WRITE.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_mode(
    config: *mut mgenjit_config,
    mode: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.cache_mode = cache_mode(mode)?)
}

fn cache_mode(mode: i32) -> Result<CacheMode, Error> {
    match mode {
        MGENJIT_CACHE_READ_WRITE => Ok(CacheMode::ReadWrite),
        MGENJIT_CACHE_READ_ONLY => Ok(CacheMode::ReadOnly),
        MGENJIT_CACHE_OFF => Ok(CacheMode::Off),
        _ => Err(invalid(format!(
            "{mode} is not a cache mode: use MGENJIT_CACHE_READ_WRITE (0), MGENJIT_CACHE_READ_ONLY (1) or \
             MGENJIT_CACHE_OFF (2)"
        ))),
    }
}

/// Adds a read-only cache below the cache: a directory, or a bundle (mgenjit_cache_export). On a cache miss, the layers are
/// searched in the order in which they were added, and their entries used in place. A layer must belong to the user or to root,
/// and others must not be able to write it; otherwise it is ignored and the event hook is told. A layer that does not exist is
/// empty. Replace a bundle by renaming another one over it.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_add_cache_layer(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, path path => config.0.cache_layers.push(path.to_owned()))
}

/// Limits the cache: its bytes, its entries, and how long ago an entry was last used. 0: no limit. Defaults: 5 GiB, no
/// limit, no limit.
///
/// When something is stored and a limit is exceeded, entries are evicted: first those that saved the least compile time for
/// each byte and have not been used for a long time. Pinned ones stay. Eviction does a little at a time, so a limit may be
/// exceeded for a moment.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_limits(
    config: *mut mgenjit_config,
    max_bytes: u64,
    max_entries: u64,
    max_age_ms: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.cache_limits = Limits {
        max_bytes,
        max_entries,
        max_age: Duration::from_millis(max_age_ms),
    })
}

/// Sets whether an entry is written to disk (fsync) before it appears, so that a power cut cannot lose it. Default: false.
/// Then an entry torn by a power cut is noticed by its digest, and compiled again.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_sync(
    config: *mut mgenjit_config,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.cache_sync = on.get())
}

/// Sets whether an entry keeps the IR that it was compiled from, compressed. Default: true. mgenjit_cache_verify can compile
/// it again.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_keep_ir(
    config: *mut mgenjit_config,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.cache_keep_input = on.get())
}

/// Sets whether the cache has a journal and an index. Default: true. Without them there are no statistics, and only
/// mgenjit_cache_trim evicts, by the age of the files. On network file systems, where locks and appends are not reliable,
/// there are none in any case.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_index(
    config: *mut mgenjit_config,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.cache_index = on.get())
}

/// Sets whether every hit is also compiled and compared with the cache. Default: false. If they differ, the compile fails
/// with MGENJIT_STATUS_DIFFERENT, and the event hook gets MGENJIT_EVENT_DIFFERENT.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_verify(
    config: *mut mgenjit_config,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.cache_verify = on.get())
}

/// Sets whether code is announced to gdb and lldb. true: always, also for debuggers that attach later and for core files.
/// Each module then takes as much more memory as its file has bytes, and the time to copy it. false: never. Use it if a
/// program has thousands of modules: each takes a debugger longer than the one before. Default: $MGENJIT_DEBUG, where 0 means
/// never and any other value always; if it is not set, code is announced if a debugger is present.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_debug(
    config: *mut mgenjit_config,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.debug = Some(on.get()))
}

/// Sets the file of the key that signs what is stored. Default, NULL: nothing is signed. The file has an Ed25519 private key,
/// as `openssl genpkey -algorithm ed25519` writes it, or a BLAKE3 secret, 64 hexadecimal digits, as `openssl rand -hex 32`
/// does. It is read at once. Nobody else may be able to read it.
///
/// Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_cache_signing_key(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, optional_path path => config.0.set_signing_key(path)?)
}

/// Adds a trusted key. Once there is one, an entry that no trusted key signed is a miss, and the event hook is told; and
/// nothing is stored unless mgenjit_config_set_cache_signing_key sets a trusted key.
///
/// The file has an Ed25519 public key, as `openssl pkey -pubout` writes it, or the BLAKE3 secret. It is read at once. It must
/// belong to this user or to root, and nobody else may be able to write it. Users with different keys replace each other's
/// entries in a common directory: give each a directory.
///
/// With trusted keys, an entry's code is copied into memory, verified there, and run from there: later changes of the file
/// do not reach the code that runs. Processes then do not share that memory. Debuggers and profilers still find the file's
/// name.
///
/// Errors: MGENJIT_STATUS_IO, MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_add_cache_trusted_key(
    config: *mut mgenjit_config,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, path path => {
        let mut keys = config.0.trusted_keys.clone();
        keys.push(path.to_owned());
        config.0.trust = Some(Arc::new(Trust::read(&keys)?));
        config.0.trusted_keys = keys;
    })
}

/// Sets how long a miss waits for another thread or process that already compiles the same code, before it compiles for
/// itself. Default: 60,000 ms.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_lock_timeout(
    config: *mut mgenjit_config,
    timeout_ms: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.lock_timeout = Duration::from_millis(timeout_ms))
}

/// Sets a function that is told what executors do: see mgenjit_event. It runs on the thread that made the call, before that
/// call returns, and perhaps on several threads at once. It may call this library. It must not throw. NULL removes the hook.
///
/// `user` is passed to each call of `hook`. `user_free`, if not NULL, is called with it when nothing uses it any more: when
/// the configuration and everything made from it are freed, or the hook was replaced.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. Then `user_free` is not called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_event_hook(
    config: *mut mgenjit_config,
    hook: mgenjit_event_hook,
    user: *mut c_void,
    user_free: Option<unsafe extern "C" fn(user: *mut c_void)>,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.hook = rust_hook(hook, user, user_free))
}
