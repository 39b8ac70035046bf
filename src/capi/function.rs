//! `mgenjit_function`: a function with its signature, and checked calls.

use super::error::mgenjit_error;
use super::ffi::{self, Out, Owned};
use super::status::{MGENJIT_STATUS_OK, mgenjit_status};
use super::value::{self, mgenjit_value, type_number};
use crate::executor::{Call, Function};
use std::ffi::{CString, c_char, c_void};
use std::ptr;

/// A function of a module, with its signature as the IR states it. It keeps its module mapped.
#[allow(non_camel_case_types)]
pub struct mgenjit_function {
    function: Function,
    name: CString,
    signature: CString,
}

impl Owned for mgenjit_function {}

impl mgenjit_function {
    pub(super) fn new(function: Function) -> mgenjit_function {
        mgenjit_function {
            name: ffi::c_string(function.signature().name.as_str()),
            signature: ffi::c_string(function.signature().to_string()),
            function,
        }
    }
}

/// Frees a function's handle. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_free(function: *mut mgenjit_function) {
    // SAFETY: the caller passes NULL or a handle that it owns and will not use again.
    unsafe { mgenjit_function::free(function) };
}

/// The function's name. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_name(function: *const mgenjit_function) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { function.as_ref() }.map_or(ptr::null(), |function| function.name.as_ptr())
}

/// The function's signature as IR writes it, such as "i64 @add(i64, i64)". NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_signature(
    function: *const mgenjit_function,
) -> *const c_char {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { function.as_ref() }.map_or(ptr::null(), |function| function.signature.as_ptr())
}

/// The type of its result, one of MGENJIT_TYPE_…. MGENJIT_TYPE_OTHER for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_result_type(function: *const mgenjit_function) -> i32 {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { function.as_ref() }.map_or(value::MGENJIT_TYPE_OTHER, |function| {
        type_number(&function.function.signature().result)
    })
}

/// How many parameters it has, without those after "...". 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_parameter_count(
    function: *const mgenjit_function,
) -> usize {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { function.as_ref() }
        .map_or(0, |function| function.function.signature().parameters.len())
}

/// The type of the parameter at `index`, one of MGENJIT_TYPE_…. MGENJIT_TYPE_OTHER for NULL and past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_parameter_type(
    function: *const mgenjit_function,
    index: usize,
) -> i32 {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { function.as_ref() }
        .and_then(|function| function.function.signature().parameters.get(index))
        .map_or(value::MGENJIT_TYPE_OTHER, |parameter| {
            type_number(&parameter.ty)
        })
}

/// 1 if it takes more arguments than its parameters ("..."), else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_is_variadic(function: *const mgenjit_function) -> i32 {
    // SAFETY: the caller passes NULL or a live handle.
    unsafe { function.as_ref() }.map_or(0, |function| {
        i32::from(function.function.signature().variadic)
    })
}

/// The function's address, to be called as what it is. Links first what is not linked yet.
///
/// Thread-safe. Errors: those of mgenjit_executor_link.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_address(
    function: *mut mgenjit_function,
    address: *mut *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let function = ffi::borrow(function, "function")?;
            let out = Out::new(address, "address")?;
            out.write(function.function.address()? as *mut c_void);
            Ok(())
        })
    }
}

/// Calls the function with `count` arguments, each checked against its parameter: the types must be the same,
/// and an integer must fit its type, signed or unsigned. Arguments for "..." may be i1 to i64, float, double
/// and pointer, and are widened as C does (i1, i8 and i16 to i32, float to double). Links first what is not
/// linked yet. `result`, which may be NULL, receives the result with its type; for void only the type.
///
/// Thread-safe, as far as the function is. An exception that the function throws passes through.
///
/// Errors: MGENJIT_STATUS_TYPE, also for a function with a type (a struct, a vector, i128) or a calling
/// convention that cannot be called this way: use its address. Those of mgenjit_executor_link.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mgenjit_function_call(
    function: *mut mgenjit_function,
    arguments: *const mgenjit_value,
    count: usize,
    result: *mut mgenjit_value,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let mut call = Call::new();
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    let status = unsafe {
        ffi::guard(error, || {
            let function = ffi::borrow(function, "function")?;
            let arguments = ffi::slice(arguments, count, "arguments")?;
            function
                .function
                .prepare(&mut call, arguments.iter().map(value::read))
        })
    };
    if status == MGENJIT_STATUS_OK {
        // Outside the guard, so that an exception may pass to a host frame that can catch it.
        let value = value::write(call.run());
        if !result.is_null() {
            // SAFETY: a non-null `result` may be written, as the header asks.
            unsafe { result.write(value) };
        }
    }
    status
}

/// Calls the function unchecked. `arguments` has a pointer to each argument, of exactly its parameter's type;
/// NULL if there are none. `result` points to room for the result, of exactly its type (an i1 is one byte);
/// NULL for void, or if it is not wanted. Functions with "..." are called with their fixed parameters alone.
///
/// Thread-safe, as far as the function is. An exception that the function throws passes through.
///
/// Errors: as mgenjit_function_call.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mgenjit_function_call_raw(
    function: *mut mgenjit_function,
    arguments: *const *const c_void,
    result: *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let mut call = Call::new();
    // SAFETY: the caller passes NULL or live pointers, as the header asks, and vouches for the arguments.
    let status = unsafe {
        ffi::guard(error, || {
            let function = ffi::borrow(function, "function")?;
            let count = function.function.signature().parameters.len();
            let arguments = ffi::slice(arguments, count, "arguments")?;
            function.function.prepare_raw(&mut call, arguments)
        })
    };
    if status == MGENJIT_STATUS_OK {
        // SAFETY: the caller vouches for room for the result.
        unsafe { call.run_raw(result) };
    }
    status
}
