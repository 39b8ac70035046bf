//! Outcomes
//!
//! How a process ended that ran a program, or functions that were called in it.
//!
//! ```c
//! mgenjit_outcome *outcome;
//! if (mgenjit_executor_run_isolated(executor, NULL, &outcome, NULL) == MGENJIT_STATUS_OK) {
//!     if (mgenjit_outcome_signal(outcome) != 0)
//!         printf("signal %d\n", mgenjit_outcome_signal(outcome));
//!     mgenjit_outcome_free(outcome);
//! }
//! ```

use super::call::call;
use super::error::{mgenjit_error, mgenjit_outcome};
use super::ffi::{self, SizedStruct, free, get, invalid};
use super::status::mgenjit_status;
use crate::error::Error;
use crate::outcome::{End, Limit};
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

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

/// Frees an outcome of mgenjit_executor_run_isolated. NULL does nothing.
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
