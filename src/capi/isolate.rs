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

use super::blob::mgenjit_blob;
use super::call::call;
use super::error::mgenjit_error;
use super::executor::mgenjit_executor;
use super::ffi::{Owned, User, free, invalid};
use super::isolated::mgenjit_isolation;
use super::status::mgenjit_status;
use super::task::MGENJIT_FOREVER;
use super::value::{self, MGENJIT_TYPE_VOID, mgenjit_value};
use crate::executor::Value;
use crate::executor::isolated::host::HostFunction;
use crate::executor::isolated::isolate::Isolate;
use crate::executor::isolated::options::Options;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
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
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_MEMORY.
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
/// address: pass pointers to them. They stay, with what is in them, when the process is started again, until
/// mgenjit_isolate_free_memory or mgenjit_isolate_free. The functions can write there at any time, also what you have just checked:
/// copy what you rely on.
///
/// Thread-safe. Errors: MGENJIT_STATUS_MEMORY if so much is not left in one piece; MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_alloc(
    isolate: *mut mgenjit_isolate,
    size: usize,
    memory: *mut *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle isolate, out memory => memory.write(isolate.0.alloc(size)? as *mut c_void))
}

/// Frees memory of mgenjit_isolate_alloc, so that it can be given out again. NULL does nothing.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also if this isolate did not give it out or it was freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_free_memory(
    isolate: *mut mgenjit_isolate,
    memory: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle isolate => match memory.is_null() {
        true => Ok(()),
        false => isolate.0.free_memory(memory.addr()),
    })
}

/// A function of this process that code in an isolate may call. It gets what mgenjit_isolate_define was given as `user`, and `count`
/// arguments. `result` has the type that was given, and 0 as its value: set the value. An integer may be signed or unsigned: it
/// reaches the caller as it is. NULL for no function.
#[allow(non_camel_case_types)]
pub type mgenjit_isolate_function = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        arguments: *const mgenjit_value,
        count: usize,
        result: *mut mgenjit_value,
    ),
>;

/// Lets code in the isolate's process call `function` of this process as `name`, which modules declare. Modules that are linked
/// later find it. Nothing else of this process is there.
///
/// `parameters` are `count` types, MGENJIT_TYPE_I1 to MGENJIT_TYPE_POINTER, and `result` is such a type or MGENJIT_TYPE_VOID. The
/// arguments always are values of these types. What they say may be anything: check them as input from a stranger, above all
/// pointers. The function runs on the thread that makes the call (mgenjit_isolate_call), whose time goes on, while the code waits. It
/// must return, and must not call its own isolate, except for mgenjit_isolate_alloc, _free_memory, _output and _cancel. A thread of
/// the code that calls it between two calls waits for the next call.
///
/// `user_free`, if not NULL, is called with `user` when the isolate is freed.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; then `user_free` is not called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_define(
    isolate: *mut mgenjit_isolate,
    name: *const c_char,
    function: mgenjit_isolate_function,
    result: i32,
    parameters: *const i32,
    count: usize,
    user: *mut c_void,
    user_free: Option<unsafe extern "C" fn(user: *mut c_void)>,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle isolate, string name, slice parameters[count] => {
        let function = function.ok_or_else(|| invalid("`function` is NULL"))?;
        let of_number = |number: i32| {
            value::of_number(number).ok_or_else(|| {
                invalid(format!("`parameters` and `result` must be of MGENJIT_TYPE_*, and {number} is not"))
            })
        };
        let types = parameters.iter().map(|number| match *number {
            MGENJIT_TYPE_VOID => Err(invalid("a parameter cannot be MGENJIT_TYPE_VOID")),
            number => of_number(number),
        });
        let parameters = types.collect::<Result<_, _>>()?;
        let (kind, result) = (result, of_number(result)?);
        isolate.0.check()?;
        let user = User::new(user, user_free);
        let run = move |arguments: &[Value]| {
            let arguments: Vec<_> = arguments.iter().map(|argument| value::write(*argument)).collect();
            let mut result = value::zero(kind);
            // SAFETY: the header tells what it gets.
            unsafe { function(user.pointer(), arguments.as_ptr(), arguments.len(), &raw mut result) };
            value::read(&result)
        };
        isolate.0.define(HostFunction {
            name: name.to_owned(),
            parameters,
            result,
            run: Arc::new(run),
        });
        Ok(())
    })
}

/// Creates a blob of what functions have written to standard output (1) or standard error (2) since this was asked last, at most 16
/// MB; it is empty if that is all. Free it with mgenjit_blob_free. The isolation must capture the stream
/// (mgenjit_isolation_capture). Its limit of output is one of each process and each stream. What was not read when the next process is
/// started is lost.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_isolate_output(
    isolate: *mut mgenjit_isolate,
    stream: c_int,
    output: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle isolate, out output => {
        let stream = match stream {
            1 | 2 => stream as usize - 1,
            _ => return Err(invalid(format!("`stream` is {stream}: it must be 1 or 2"))),
        };
        output.give(mgenjit_blob(isolate.0.output(stream)?))
    })
}

/// Calls the function `name` of the executor's modules in the isolate's process with `count` arguments. They are checked
/// and passed as mgenjit_function_call does. Pointers mean something there only if they are to memory of mgenjit_isolate_alloc. If
/// the call takes more than `timeout_ms`, the process is ended; MGENJIT_FOREVER: it may take as long as it wants. `result` may be
/// NULL.
///
/// The process has the executor's modules, linked to each other, to its libraries, to what mgenjit_isolate_define gave and to the C
/// library. Modules that were added or removed since the last call are added and removed there, and variables keep their values. They
/// begin anew when the process is started again: after it has ended, after a module was replaced (mgenjit_module_replace), or a
/// library loaded. A module that cannot be linked fails the calls that need it alone. When a call has returned, what it wrote to the C
/// library's stdout has been written.
///
/// Thread-safe: calls of one isolate wait for each other; use several for several at once. In a forked child, an isolate of its
/// parent's is MGENJIT_STATUS_INVALID_ARGUMENT.
///
/// Errors: MGENJIT_STATUS_ENDED if the function crashed, exited or met a limit, with how and where in the message and in
/// mgenjit_error_outcome, where MGENJIT_LIMIT_TIME is `timeout_ms`; MGENJIT_STATUS_CANCELLED; MGENJIT_STATUS_TYPE or _NOT_FOUND as for
/// a call in this process; MGENJIT_STATUS_UNRESOLVED, also for what only this process defines; and those of
/// mgenjit_executor_run_isolated for a process that cannot be started.
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
        let value = isolate.0.call(name, arguments, timeout)?;
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
    call!(error, handle isolate => isolate.0.cancel())
}
