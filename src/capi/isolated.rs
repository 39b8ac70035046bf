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
use super::error::{mgenjit_error, mgenjit_outcome};
use super::executor::mgenjit_executor;
use super::ffi::{CBool, Owned, free, invalid};
use super::status::mgenjit_status;
use crate::error::Error;
use crate::executor::isolated::options::{Options, Stream};
use crate::executor::isolated::spares::Spares;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a program in a process of its own gets, and what it may do. One thread at a time may change it, and nobody while it is used.
#[allow(non_camel_case_types)]
pub struct mgenjit_isolation(pub(super) Options, Spares);

impl Owned for mgenjit_isolation {}

/// How many processes may be kept ready.
const MOST_SPARES: usize = 256;

/// A path may be read: a file, or all that a folder has.
pub const MGENJIT_ACCESS_READ: i32 = 0;
/// A path may be read and written. Files may be made and removed in a folder.
pub const MGENJIT_ACCESS_WRITE: i32 = 1;

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
    call!(error, out isolation => isolation.give(mgenjit_isolation(Options::default(), Spares::default())))
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

/// Sets how many processes the program may be at a time, the first one included; each thread counts as one. 0 or 1, the default: one
/// process, with any number of threads: a hostile program may make all that the system has, so limit them by 2 or more. Then
/// `fork` works, and fails with EAGAIN beyond that many. When the first one ends or is killed, so are all others, whatever they did to
/// outlive it. They can send signals to each other, and cannot start programs (`exec`).
///
/// Such a program has a namespace of users and one of process ids, where this user may make them; else the run is
/// MGENJIT_STATUS_UNSUPPORTED, required or not. In a program of root, `getuid` and `access` see another user than `geteuid`, by which
/// files are opened. Each process may have an equal share of the memory, `bytes / count`. The limit of processor time is one of each
/// process, in whole seconds: set a timeout, too. An isolate has one process: with more, its calls are
/// MGENJIT_STATUS_INVALID_ARGUMENT.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_processes(
    isolation: *mut mgenjit_isolation,
    count: u64,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut isolation => isolation.0.processes = count)
}

/// Lets the program use the file or folder at `path`, which must exist when the program starts: `access` is MGENJIT_ACCESS_READ or
/// _WRITE. A relative path is one from this process's folder.
///
/// Once any path is allowed, the program can ask whether other files exist; it still cannot open them. The kernel cannot restrict by
/// path who changes modes, owners, times and attributes of files or watches them, so the program cannot do that at all.
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

/// Keeps `size` processes ready ahead of need, at most 256: each has its modules mapped, is restricted, and runs once. They serve
/// mgenjit_executor_run_isolated with this isolation, as long as the executor's modules and the isolation stay the same, from the
/// second run on; and each isolate that is made with it, whose first call finds one ready, and which goes on at once after its process
/// has ended. 0, the default: none.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolation_set_pool(
    isolation: *mut mgenjit_isolation,
    size: usize,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut isolation => {
        if size > MOST_SPARES {
            return Err(invalid(format!("`size` is {size}: it must be at most {MOST_SPARES}")));
        }
        isolation.0.pool = size;
        Ok(())
    })
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
/// that run then. No child of this process is made, and no signal comes. The program may have threads, and
/// other processes by mgenjit_isolation_set_processes.
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
        let default = mgenjit_isolation(Options::default(), Spares::default());
        let mgenjit_isolation(options, spares) = isolation.unwrap_or(&default);
        outcome.give(mgenjit_outcome(Arc::new(executor.0.run_isolated(options, spares)?)))
    })
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
