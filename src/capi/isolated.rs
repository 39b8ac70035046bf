//! Programs in processes of their own
//!
//! Runs the `main` of an executor's modules in another process, which may crash, loop for ever or be hostile without harm to this
//! one. What the program may do is what a mgenjit_isolation says: by default no files, no network, no other processes.
//!
//! ```c
//! mgenjit_isolation *isolation;
//! mgenjit_isolation_new(&isolation, NULL);
//! mgenjit_isolation_set_timeout(isolation, 5000, NULL);
//! mgenjit_isolation_set_memory(isolation, 256 << 20, NULL);
//! mgenjit_isolation_capture(isolation, 1, NULL);
//! mgenjit_outcome *outcome;
//! if (mgenjit_executor_run_isolated(executor, isolation, &outcome, NULL) == MGENJIT_STATUS_OK) {
//!     size_t size;
//!     const void *output = mgenjit_outcome_output(outcome, 1, &size);
//!     fwrite(output, 1, size, stdout);
//!     printf("exit status %d\n", mgenjit_outcome_exit_status(outcome));
//!     mgenjit_outcome_free(outcome);
//! }
//! mgenjit_isolation_free(isolation);
//! ```

use super::call::{call, set};
use super::error::mgenjit_error;
use super::executor::mgenjit_executor;
use super::ffi::{self, CBool, Owned, SizedStruct, free, get, invalid};
use super::status::mgenjit_status;
use crate::error::Error;
use crate::executor::isolated::options::{End, Limit, Options, Outcome, Stream};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// What a program in a process of its own gets, and what it may do. One thread at a time may change it, and nobody while it is used.
#[allow(non_camel_case_types)]
pub struct mgenjit_isolation(pub(super) Options);

impl Owned for mgenjit_isolation {}

/// How a program in a process of its own ended. It does not change.
#[allow(non_camel_case_types)]
pub struct mgenjit_outcome(Outcome);

impl Owned for mgenjit_outcome {}

/// A path may be read: a file, or all that a folder has.
pub const MGENJIT_ACCESS_READ: i32 = 0;
/// A path may be read and written. Files may be made and removed in a folder.
pub const MGENJIT_ACCESS_WRITE: i32 = 1;

/// No limit ended the program.
pub const MGENJIT_LIMIT_NONE: i32 = 0;
/// Its time was up: mgenjit_isolation_set_timeout.
pub const MGENJIT_LIMIT_TIME: i32 = 1;
/// It had used its processor time: mgenjit_isolation_set_cpu_time.
pub const MGENJIT_LIMIT_CPU_TIME: i32 = 2;
/// It crashed when it had used its memory: mgenjit_isolation_set_memory.
pub const MGENJIT_LIMIT_MEMORY: i32 = 3;
/// It wrote too much: mgenjit_isolation_set_output.
pub const MGENJIT_LIMIT_OUTPUT: i32 = 4;

/// The kernel cannot keep paths apart (Landlock, Linux 5.13): the program could reach other files, too.
pub const MGENJIT_MISSING_FILES: i32 = 1;
/// The kernel cannot filter system calls (seccomp): the program could start processes and use the network.
pub const MGENJIT_MISSING_CALLS: i32 = 2;

/// What a program used.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_usage {
    /// Set it to sizeof(mgenjit_usage); the library writes how many bytes it filled in.
    pub size: usize,
    /// Microseconds from its start to its end.
    pub wall_us: u64,
    /// Microseconds of processor time in the program.
    pub user_us: u64,
    /// Microseconds of processor time in the kernel.
    pub system_us: u64,
    /// The most bytes that were in memory, with those of the runner's own code.
    pub memory: u64,
}

// SAFETY: it is `repr(C)`, starts with its size, and has numbers alone.
unsafe impl SizedStruct for mgenjit_usage {}

/// Where a program crashed. Texts end with a NUL; what is longer than its field is cut. The address is the program's own word,
/// which a hostile program may choose.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_fault {
    /// Set it to sizeof(mgenjit_fault); the library writes how many bytes it filled in.
    pub size: usize,
    /// The address that the code tried to use, in that process.
    pub address: u64,
    /// Where the instruction is in the module's image.
    pub module_offset: u64,
    /// Where it is from the start of the function.
    pub function_offset: u64,
    /// The module's name. Empty: it is in a library.
    pub module: [c_char; 255],
    /// The function's name, as in the IR. Empty: no symbol covers the address.
    pub function: [c_char; 1024],
}

// SAFETY: it is `repr(C)`, starts with its size, and has numbers and texts alone.
unsafe impl SizedStruct for mgenjit_fault {}

/// Creates an isolation. Free it with mgenjit_isolation_free. The program gets no arguments and no environment, its streams are
/// /dev/null, and it runs in the folder `/`. It may open no file and no socket, and start no process. Times, memory and output are
/// not limited.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_new(
    isolation: *mut *mut mgenjit_isolation,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, out isolation => isolation.give(mgenjit_isolation(Options::default())))
}

/// Frees an isolation. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_free(isolation: *mut mgenjit_isolation) {
    free!(isolation);
}

/// Sets the arguments of `main`: `argc` strings at `argv`, where argv[0] is the program's name.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_arguments(
    isolation: *mut mgenjit_isolation,
    argc: c_int,
    argv: *const *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation, arguments argv[argc] => {
        isolation.0.arguments = owned(&argv.unwrap_or_default());
    })
}

/// Sets the environment: `count` strings at `variables`, each as "NAME=value". By default it is empty, because the host's may have
/// secrets.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_environment(
    isolation: *mut mgenjit_isolation,
    count: c_int,
    variables: *const *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut isolation, arguments variables[count] => {
        let variables = owned(&variables.unwrap_or_default());
        if let Some(bad) = variables.iter().find(|variable| !variable.contains(&b'=')) {
            let bad = bad.escape_ascii();
            return Err(invalid(format!("the variable \"{bad}\" is not of the form NAME=value")));
        }
        isolation.0.environment = variables;
        Ok(())
    })
}

/// Sets the folder in which the program runs. A relative path is one from this process's folder. To open files there, the program
/// also needs mgenjit_isolation_allow_path.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_directory(
    isolation: *mut mgenjit_isolation,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut isolation, path path => {
        isolation.0.directory = absolute(path)?;
        Ok(())
    })
}

/// Makes `descriptor` of this process the program's standard input (0), output (1) or error (2). It is duplicated. -1: /dev/null.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also if it is not open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_stream(
    isolation: *mut mgenjit_isolation,
    stream: c_int,
    descriptor: c_int,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut isolation => {
        let place = place(&mut isolation.0, stream, 0)?;
        *place = match descriptor {
            -1 => Stream::None,
            ..-1 => return Err(invalid(format!("{descriptor} is no descriptor"))),
            // SAFETY: it is only duplicated, and an error is the answer if it is not open.
            _ => unsafe { BorrowedFd::borrow_raw(descriptor) }
                .try_clone_to_owned()
                .map(|descriptor| Stream::Descriptor(Arc::new(descriptor)))
                .map_err(|error| invalid(format!("the descriptor {descriptor} cannot be used: {error}")))?,
        };
        Ok(())
    })
}

/// Makes `size` bytes at `data` the program's standard input. They are copied.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_input(
    isolation: *mut mgenjit_isolation,
    data: *const c_void,
    size: usize,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation, bytes data[size] => {
        isolation.0.streams[0] = Stream::Memory(data.to_vec());
    })
}

/// Keeps what the program writes to standard output (1) or standard error (2) for mgenjit_outcome_output.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_capture(
    isolation: *mut mgenjit_isolation,
    stream: c_int,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut isolation => {
        *place(&mut isolation.0, stream, 1)? = Stream::Memory(Vec::new());
        Ok(())
    })
}

/// Sets after how many milliseconds the program is killed. 0: never.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_timeout(
    isolation: *mut mgenjit_isolation,
    milliseconds: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.wall = Duration::from_millis(milliseconds))
}

/// Sets how many milliseconds of processor time all threads of the program may use together. 0: as many as they want.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_cpu_time(
    isolation: *mut mgenjit_isolation,
    milliseconds: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.cpu = Duration::from_millis(milliseconds))
}

/// Sets how many bytes of memory the program may have: its address space, used or not, beyond what its process starts with.
/// Allocations beyond it fail. With a limit, the program cannot make memory that the kernel does not count for it (memfd_create).
/// 0: no limit.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_memory(
    isolation: *mut mgenjit_isolation,
    bytes: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.memory = bytes)
}

/// Sets how many bytes the program may write to all captured streams together, and how long each file may become that it writes.
/// Beyond it, the program is killed. 0: no limit.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_output(
    isolation: *mut mgenjit_isolation,
    bytes: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.output = bytes)
}

/// Sets how many descriptors the program may have open. 0: as many as this process may.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_open_files(
    isolation: *mut mgenjit_isolation,
    count: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.files = count)
}

/// Lets the program use the file or folder at `path`, which must exist when the program starts: `access` is MGENJIT_ACCESS_READ or
/// _WRITE. A relative path is one from this process's folder.
///
/// Once any path is allowed, the program can ask whether other files exist; it still cannot open them.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_allow_path(
    isolation: *mut mgenjit_isolation,
    path: *const c_char,
    access: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut isolation, path path => {
        let paths = match access {
            MGENJIT_ACCESS_READ => &mut isolation.0.access.read,
            MGENJIT_ACCESS_WRITE => &mut isolation.0.access.write,
            _ => return Err(invalid(format!("`access` is {access}, which is not one of MGENJIT_ACCESS_*"))),
        };
        paths.push(absolute(path)?);
        Ok(())
    })
}

/// Lets the program open all files that this process may open, or not.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_allow_all_files(
    isolation: *mut mgenjit_isolation,
    allowed: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.access.all_files = allowed.get())
}

/// Lets the program use the network, and the sockets of other programs, as this process may, or not.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_allow_network(
    isolation: *mut mgenjit_isolation,
    allowed: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.access.network = allowed.get())
}

/// Makes it an error if the kernel cannot forbid what is to be forbidden; by default the program runs, and
/// mgenjit_outcome_missing tells what was missing.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_require(
    isolation: *mut mgenjit_isolation,
    required: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.require = required.get())
}

/// Runs `main` of the executor's modules in a process of its own, and waits for its end. The modules are linked there, and their
/// constructors and destructors run there; nothing of them runs here. They find each other, the libraries of
/// mgenjit_executor_load_library, which are loaded there before anything is forbidden, and the C library. What
/// mgenjit_executor_define defined, and functions of this program, are not there.
///
/// `isolation` may be NULL for the defaults. `outcome` receives how the program ended, whatever that was. Free it with
/// mgenjit_outcome_free.
///
/// The process is made by a helper program that stays for the next run and ends with this process, together with all programs
/// that run then. No child of this process is made, and no signal comes. The program may have threads and no other processes.
///
/// Thread-safe: many programs may run at once. Errors: MGENJIT_STATUS_NOT_FOUND if there is no `main`, or the cache has lost a
/// module; MGENJIT_STATUS_UNRESOLVED; MGENJIT_STATUS_LOAD or _LIBRARY; MGENJIT_STATUS_TYPE if it is not a main;
/// MGENJIT_STATUS_UNSUPPORTED if the kernel lacks something that is required; MGENJIT_STATUS_IO if a path that is allowed is not
/// there, or no process can be started; MGENJIT_STATUS_SERVER_UNAVAILABLE, _SERVER_MISMATCH or _SERVER_CRASHED if the helper
/// cannot be used; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_run_isolated(
    executor: *mut mgenjit_executor,
    isolation: *const mgenjit_isolation,
    outcome: *mut *mut mgenjit_outcome,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, optional_handle isolation, out outcome => {
        let default = Options::default();
        let options = isolation.map_or(&default, |isolation| &isolation.0);
        outcome.give(mgenjit_outcome(executor.0.run_isolated(options)?))
    })
}

/// Frees an outcome. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_outcome_free(outcome: *mut mgenjit_outcome) {
    free!(outcome);
}

/// The program's exit status, 0 to 255. -1: a signal ended it, or `outcome` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_outcome_exit_status(outcome: *const mgenjit_outcome) -> c_int {
    get!(outcome else -1 => match outcome.0.end {
        End::Exit(status) => status,
        End::Signal(_) => -1,
    })
}

/// The signal that ended the program. 0: it exited by itself, or `outcome` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_outcome_signal(outcome: *const mgenjit_outcome) -> c_int {
    get!(outcome else 0 => match outcome.0.end {
        End::Exit(_) => 0,
        End::Signal(signal) => signal,
    })
}

/// The limit that ended the program, one of MGENJIT_LIMIT_*.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_outcome_limit(outcome: *const mgenjit_outcome) -> i32 {
    get!(outcome else MGENJIT_LIMIT_NONE => match outcome.0.limit {
        None => MGENJIT_LIMIT_NONE,
        Some(Limit::Wall) => MGENJIT_LIMIT_TIME,
        Some(Limit::Cpu) => MGENJIT_LIMIT_CPU_TIME,
        Some(Limit::Memory) => MGENJIT_LIMIT_MEMORY,
        Some(Limit::Output) => MGENJIT_LIMIT_OUTPUT,
    })
}

/// What the kernel could not do, as bits: MGENJIT_MISSING_*. 0: everything was done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_outcome_missing(outcome: *const mgenjit_outcome) -> i32 {
    get!(outcome else 0 => {
        let missing = outcome.0.missing;
        let bit = |is_missing, bit| if is_missing { bit } else { 0 };
        bit(missing.files, MGENJIT_MISSING_FILES) | bit(missing.calls, MGENJIT_MISSING_CALLS)
    })
}

/// What the program wrote to standard output (1) or standard error (2), if that was captured: the first byte, and in `size`, which
/// may be NULL, how many there are. They live as long as the outcome. NULL if `outcome` is NULL or there is no such stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_outcome_output(
    outcome: *const mgenjit_outcome,
    stream: c_int,
    size: *mut usize,
) -> *const c_void {
    let (first, len) = get!(outcome else (ptr::null(), 0) => match stream {
        1 | 2 => {
            let bytes = &outcome.0.output[stream as usize - 1];
            (bytes.as_ptr(), bytes.len())
        }
        _ => (ptr::null(), 0),
    });
    // SAFETY: the header asks for NULL or a place for a size.
    let place = unsafe { ffi::optional_out(size, "size") };
    if let Ok(Some(place)) = place {
        // Writing it cannot fail.
        let _ = place.write(len);
    }
    first.cast()
}

/// Writes what the program used.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_outcome_usage(
    outcome: *const mgenjit_outcome,
    usage: *mut mgenjit_usage,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle outcome, sized_out usage => {
        let micros = |time: Duration| time.as_micros() as u64;
        let of = &outcome.0;
        usage.write(mgenjit_usage {
            size: 0,
            wall_us: micros(of.wall),
            user_us: micros(of.user),
            system_us: micros(of.system),
            memory: of.memory,
        })
    })
}

/// Writes where the program crashed. Returns false if it did not, or if it did not say where, as when its stack ran out in a thread
/// or it handled the signal itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_outcome_fault(
    outcome: *const mgenjit_outcome,
    fault: *mut mgenjit_fault,
) -> bool {
    let written = |of: &mgenjit_outcome| -> Result<(), Error> {
        let Some(found) = &of.0.fault else {
            return Err(invalid("it did not crash"));
        };
        // SAFETY: the header asks for NULL or a struct with its size.
        let place = unsafe { ffi::sized_out(fault, "fault") }?;
        let mut told = mgenjit_fault {
            address: found.address,
            function_offset: found.offset,
            ..SizedStruct::zeros()
        };
        if let Some((module, offset)) = &found.module {
            told.module_offset = *offset;
            copy(module.as_bytes(), &mut told.module);
        }
        copy(
            found.function.as_deref().unwrap_or_default().as_bytes(),
            &mut told.function,
        );
        place.write(told)
    };
    get!(outcome else false => written(outcome).is_ok())
}

/// Copies a text into a field of zeros.
fn copy(text: &[u8], into: &mut [c_char]) {
    let room = into.len() - 1;
    for (place, byte) in into[..room].iter_mut().zip(text) {
        *place = *byte as c_char;
    }
}

fn owned(texts: &[&CStr]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_bytes().to_vec()).collect()
}

fn absolute(path: &Path) -> Result<Vec<u8>, Error> {
    std::path::absolute(path)
        .map(|path| path.as_os_str().as_bytes().to_vec())
        .map_err(|error| invalid(format!("{} is no path here: {error}", path.display())))
}

/// The stream of a number from `first` on.
fn place(options: &mut Options, stream: c_int, first: c_int) -> Result<&mut Stream, Error> {
    match (first..3).contains(&stream) {
        true => Ok(&mut options.streams[stream as usize]),
        false => Err(invalid(format!(
            "`stream` is {stream}: it must be {first} to 2"
        ))),
    }
}
