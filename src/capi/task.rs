//! Tasks
//!
//! A mgenjit_task is a compile in the background.
//!
//! ```c
//! mgenjit_source *source;
//! mgenjit_source_new("add.ll", &source, NULL);
//! mgenjit_source_add(source, "add.ll", ir, strlen(ir), NULL);
//! mgenjit_task *task;
//! mgenjit_executor_compile_async(executor, source, NULL, NULL, NULL, &task, NULL);
//! mgenjit_source_free(source);
//! mgenjit_module *compiled; // … do something else, then:
//! assert(mgenjit_task_result(task, &compiled, NULL) == MGENJIT_STATUS_OK);
//! mgenjit_module_free(compiled);
//! mgenjit_task_free(task);
//! ```

use super::call::{call, set};
use super::error::mgenjit_error;
use super::executor::mgenjit_executor;
use super::ffi::{Owned, User, free};
use super::module::{give_module, mgenjit_module};
use super::source::mgenjit_source;
use super::status::mgenjit_status;
use crate::executor::{Callback, Task};
use std::ffi::c_void;
use std::time::Duration;

/// A compile in the background.
#[allow(non_camel_case_types)]
pub struct mgenjit_task(Task);

impl Owned for mgenjit_task {}

/// Called once when a task is done, on a thread of this library. All signals are blocked there but those of faults (SIGSEGV,
/// SIGBUS, SIGILL, SIGFPE, SIGTRAP and SIGSYS). It may use the executor and its modules. It must not wait for other tasks:
/// they may need the thread.
#[allow(non_camel_case_types)]
pub type mgenjit_task_callback = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// As long as it takes. The value is 18446744073709551615, all bits set.
pub const MGENJIT_FOREVER: u64 = u64::MAX;

/// Starts to compile a source, as mgenjit_executor_compile_source does, and returns. `task` receives a handle, which
/// mgenjit_task_free frees. The source is copied; files are read when the compile starts.
///
/// An executor runs as many compiles at once as it may have servers (mgenjit_config_set_max_servers); the others wait their
/// turn. Its threads start when there is work and end when there is none. The executor lives until its tasks are done: if its
/// handles are freed before, its destructors run on one of these threads.
///
/// `callback` may be NULL. `user` is passed to it. `user_free`, if not NULL, is called with `user` when the task is done, and
/// also if this call fails. A forked child does not continue its parent's tasks.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO if no thread can be started. Errors of the compile
/// are the task's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_compile_async(
    executor: *mut mgenjit_executor,
    source: *const mgenjit_source,
    callback: mgenjit_task_callback,
    user: *mut c_void,
    user_free: Option<unsafe extern "C" fn(*mut c_void)>,
    task: *mut *mut mgenjit_task,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let user = User::new(user, user_free);
    call!(error, handle executor, handle source, out task => {
        let callback: Callback = Box::new(move || {
            if let Some(callback) = callback {
                // SAFETY: the caller gave it to be called with `user` on any thread.
                unsafe { callback(user.pointer()) };
            }
        });
        let source = source.0.copied();
        task.give(mgenjit_task(executor.0.compile_async(source, Some(callback))?))
    })
}

/// Starts to compile a source for the cache only. A later compile of it finds it there, or waits for it. Errors surface in
/// that later compile. Does nothing if the executor does not store in a cache.
///
/// If the cache already has the code, nothing happens: it does not count as a hit, and there is no event.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO if no thread can be started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_prefetch(
    executor: *mut mgenjit_executor,
    source: *const mgenjit_source,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, handle source => executor.0.prefetch(source.0.copied()))
}

/// Frees a task's handle. The compile continues, and its module is added. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_task_free(task: *mut mgenjit_task) {
    free!(task);
}

/// Waits for a task for at most `timeout_ms`: 0 does not wait, MGENJIT_FOREVER waits as long as it takes. Writes to `is_done`
/// whether it is done.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also in a child that was forked since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_task_wait(
    task: *const mgenjit_task,
    timeout_ms: u64,
    is_done: *mut bool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let timeout = match timeout_ms {
        MGENJIT_FOREVER => Duration::MAX,
        timeout_ms => Duration::from_millis(timeout_ms),
    };
    call!(error, handle task, out is_done => is_done.write(task.0.wait(timeout)?))
}

/// Waits until a task is done, and takes its result, which can be taken once: what mgenjit_executor_compile_source would have
/// returned. `module` receives a handle, which mgenjit_module_free frees. If `module` is NULL, the module stays in the
/// executor without a handle.
///
/// Thread-safe. Errors: those of mgenjit_executor_compile_source; MGENJIT_STATUS_CANCELLED; MGENJIT_STATUS_INVALID_ARGUMENT
/// if the result was taken before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_task_result(
    task: *mut mgenjit_task,
    module: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle task, optional_out module => give_module(module, task.0.take()?))
}

/// Cancels a task. If it is not done, its result is MGENJIT_STATUS_CANCELLED from now on, its compile server is abandoned, and
/// its callback is called soon.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_task_cancel(
    task: *mut mgenjit_task,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle task => task.0.cancel())
}
