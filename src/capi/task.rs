//! `mgenjit_task`: compiles in the background.

use super::error::mgenjit_error;
use super::executor::mgenjit_executor;
use super::ffi::{self, Out, Owned};
use super::module::mgenjit_module;
use super::source::mgenjit_source;
use super::status::mgenjit_status;
use crate::executor::{Callback, Task};
use std::ffi::{c_int, c_void};
use std::time::Duration;

/// A compile in the background.
#[allow(non_camel_case_types)]
pub struct mgenjit_task(Task);

impl Owned for mgenjit_task {}

/// Called once when a task is done, on a thread of this library, on which all signals are blocked. It may use the
/// executor and its modules, and must not wait for other tasks: they may need the thread.
#[allow(non_camel_case_types)]
pub type mgenjit_task_callback = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// As long as it takes.
pub const MGENJIT_FOREVER: u64 = u64::MAX;

/// Begins to compile a source, as mgenjit_executor_compile_source does, and returns. `task` receives a handle, to be
/// freed with mgenjit_task_free. The source is copied; files are read when the compile begins.
///
/// An executor compiles as many at once as it may have servers (mgenjit_config_set_max_servers); the others wait their
/// turn. Its threads start when there is something to do and end when there is nothing. It lives until its tasks are
/// done: if its handles are freed before, its destructors run on one of these threads.
///
/// `callback` may be NULL. `user` is handed to it; `user_free`, if not NULL, is called with `user` when the task is done,
/// also if this call fails. A forked child does not do what its parent has begun.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO if there can be no thread. Those of the
/// compile are the task's.
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
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let user = ffi::User::new(user, user_free);
            let executor = ffi::borrow(executor, "executor")?;
            let source = ffi::borrow(source, "source")?;
            let out = Out::new(task, "task")?;
            let callback: Callback = Box::new(move || {
                if let Some(callback) = callback {
                    callback(user.pointer());
                }
            });
            let begun = executor
                .0
                .compile_async(source.0.copied(), Some(callback))?;
            out.write(mgenjit_task(begun).into_raw());
            Ok(())
        })
    }
}

/// Begins to compile a source for the cache alone: a later compile of it finds it there, or waits until it is. Whatever
/// goes wrong, that compile tells. Nothing is done if there is no cache that is written.
///
/// It is no use of what the cache has already: that is left as it is, counts as no hit, and is no event.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT; MGENJIT_STATUS_IO if there can be no thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_prefetch(
    executor: *mut mgenjit_executor,
    source: *const mgenjit_source,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let executor = ffi::borrow(executor, "executor")?;
            let source = ffi::borrow(source, "source")?;
            executor.0.prefetch(source.0.copied())
        })
    }
}

/// Frees a task's handle. The compile goes on, and its module is added. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_task_free(task: *mut mgenjit_task) {
    // SAFETY: the caller passes NULL or a handle that it owns and will not use again.
    unsafe { mgenjit_task::free(task) };
}

/// Waits at most `milliseconds` for a task, 0 not at all, MGENJIT_FOREVER as long as it takes, and writes to `is_done` 1
/// if it is done and else 0.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT, also in a child that was forked since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_task_wait(
    task: *const mgenjit_task,
    milliseconds: u64,
    is_done: *mut c_int,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let task = ffi::borrow(task, "task")?;
            let out = Out::new(is_done, "is_done")?;
            let timeout = match milliseconds {
                MGENJIT_FOREVER => Duration::MAX,
                milliseconds => Duration::from_millis(milliseconds),
            };
            out.write(c_int::from(task.0.wait(timeout)?));
            Ok(())
        })
    }
}

/// Takes a task's result, once: waits until it is done, and returns what mgenjit_executor_compile_source would have.
/// `module` receives a handle, to be freed with mgenjit_module_free; it may be NULL if none is wanted: the module stays.
///
/// Thread-safe. Errors: those of mgenjit_executor_compile_source; MGENJIT_STATUS_CANCELLED;
/// MGENJIT_STATUS_INVALID_ARGUMENT if the result was taken before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_task_result(
    task: *mut mgenjit_task,
    module: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let compiled = ffi::borrow(task, "task")?.0.take()?;
            if !module.is_null() {
                module.write(mgenjit_module::new(compiled).into_raw());
            }
            Ok(())
        })
    }
}

/// Cancels a task: if it is not done, its result is MGENJIT_STATUS_CANCELLED from now on, and its compile server is given
/// up. Its callback is called soon after.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_task_cancel(
    task: *mut mgenjit_task,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            ffi::borrow(task, "task")?.0.cancel();
            Ok(())
        })
    }
}
