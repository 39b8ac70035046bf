//! Calls in processes of their own
//!
//! A mgenjit_isolate calls functions of an executor's modules in another process. If one crashes, exits or takes too long, the call
//! is an error that says what happened, and the next call gets a new process. What the functions may do there is what a
//! mgenjit_isolation says.
//!
//! ```c
//! mgenjit_isolate *isolate;
//! mgenjit_isolate_new(executor, NULL, 1 << 20, &isolate, NULL);
//! mgenjit_value arguments[] = {mgenjit_integer(MGENJIT_TYPE_I64, 40), mgenjit_integer(MGENJIT_TYPE_I64, 2)}, sum;
//! if (mgenjit_isolate_call(isolate, "add", arguments, 2, 1000, &sum, NULL) == MGENJIT_STATUS_OK)
//!     assert(sum.of.integer == 42);
//! mgenjit_isolate_free(isolate);
//! ```

use super::call::{call, set};
use super::error::mgenjit_error;
use super::executor::mgenjit_executor;
use super::ffi::{Owned, free};
use super::isolated::mgenjit_isolation;
use super::status::mgenjit_status;
use super::task::MGENJIT_FOREVER;
use super::value::{self, mgenjit_value};
use crate::executor::isolated::isolate::Isolate;
use crate::executor::isolated::options::Options;
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// A process in which functions are called.
#[allow(non_camel_case_types)]
pub struct mgenjit_isolate(Isolate);

impl Owned for mgenjit_isolate {}

/// Creates an isolate for an executor's modules. Free it with mgenjit_isolate_free. The process is started by the first call.
///
/// `isolation` may be NULL for the defaults; it is copied. Its time limit does not count here, as each call has one; its processor
/// time is that of all calls of one process. `shared` is how many bytes mgenjit_isolate_alloc may give out.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also if the isolation captures output; MGENJIT_STATUS_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_new(
    executor: *mut mgenjit_executor,
    isolation: *const mgenjit_isolation,
    shared: usize,
    isolate: *mut *mut mgenjit_isolate,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, optional_handle isolation, out isolate => {
        let options = isolation.map_or_else(Options::default, |isolation| isolation.0.clone());
        isolate.give(mgenjit_isolate(Isolate::new(executor.0.clone(), options, shared as u64)?))
    })
}

/// Ends an isolate's process, and unmaps its memory. No call may be running. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_free(isolate: *mut mgenjit_isolate) {
    free!(isolate);
}

/// Writes to `memory` the address of `size` bytes, of zeros and aligned to 64, that this process and the isolate's both see at that
/// address: pass pointers to them. They stay, with what is in them, when the process is started again, and are freed with the
/// isolate. The functions can write there at any time, also what you have just checked: copy what you rely on.
///
/// Thread-safe. Errors: MGENJIT_STATUS_MEMORY if so much is not left; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_alloc(
    isolate: *mut mgenjit_isolate,
    size: usize,
    memory: *mut *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle isolate, out memory => memory.write(isolate.0.alloc(size)? as *mut c_void))
}

/// Calls the function `name` of the executor's modules in the isolate's process with `count` arguments, at most 64. They are checked
/// and passed as mgenjit_function_call does. Pointers mean something there only if they are to memory of mgenjit_isolate_alloc. If
/// the call takes more than `timeout_ms`, the process is ended; MGENJIT_FOREVER: it may take as long as it wants. `result` may be
/// NULL.
///
/// The process has the modules that the executor had when it was started, linked to each other, to the executor's libraries and to
/// the C library; if modules were added or removed since, it is started again, and so it is after it has ended. Their variables
/// begin anew then.
///
/// Thread-safe: calls of one isolate wait for each other; use several for several at once. A forked child must not use an isolate
/// that another thread of its parent was using.
///
/// Errors: MGENJIT_STATUS_SERVER_CRASHED if the function crashed or exited, with how and where in the message;
/// MGENJIT_STATUS_TIMEOUT if its time was up; MGENJIT_STATUS_MEMORY if it crashed when its memory was used up;
/// MGENJIT_STATUS_CANCELLED; MGENJIT_STATUS_TYPE or _NOT_FOUND as for a call in this process; MGENJIT_STATUS_UNRESOLVED, also for
/// what only this process defines; and those of mgenjit_executor_run_isolated for a process that cannot be started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_call(
    isolate: *mut mgenjit_isolate,
    name: *const c_char,
    arguments: *const mgenjit_value,
    count: usize,
    timeout_ms: u64,
    result: *mut mgenjit_value,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle isolate, string name, slice arguments[count], optional_out result => {
        let arguments: Vec<_> = arguments.iter().map(value::read).collect();
        let timeout = (timeout_ms != MGENJIT_FOREVER).then(|| Duration::from_millis(timeout_ms));
        let value = isolate.0.call(name, &arguments, timeout)?;
        result.map_or(Ok(()), |place| place.write(value::write(value)))
    })
}

/// Ends the call that another thread is making, if any: it becomes MGENJIT_STATUS_CANCELLED, and the next call gets a new process.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_cancel(
    isolate: *mut mgenjit_isolate,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle isolate => isolate.0.cancel())
}
