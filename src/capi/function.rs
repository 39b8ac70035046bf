//! Functions
//!
//! A mgenjit_function knows its signature, as the IR states it, and can be called with arguments that are checked against it.
//!
//! ```c
//! mgenjit_function *add;
//! mgenjit_executor_lookup_function(executor, "add", &add, NULL);
//! printf("%s\n", mgenjit_function_signature(add)); // i64 @add(i64, i64)
//! mgenjit_value arguments[] = {mgenjit_i64(40), mgenjit_i64(2)}, sum;
//! mgenjit_function_call(add, arguments, 2, &sum, NULL);
//! assert(sum.of.integer == 42);
//! mgenjit_function_free(add);
//! ```

use super::call::call;
use super::error::mgenjit_error;
use super::ffi::{self, Owned, free, get, invalid};
use super::status::{MGENJIT_STATUS_OK, mgenjit_status};
use super::value::{self, MGENJIT_TYPE_OTHER, mgenjit_value, type_number};
use crate::error::{Error, Status};
use crate::executor::{Call, Function};
use crate::signature::{Function as Signature, Type};
use std::ffi::{CString, c_char, c_void};
use std::ptr;

/// A function of a module, with its signature. It keeps its module mapped.
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

    fn parameters(&self) -> &[crate::signature::Parameter] {
        &self.function.signature().parameters
    }
}

/// Frees a function's handle. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_free(function: *mut mgenjit_function) {
    free!(function);
}

/// The function's name. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_name(function: *const mgenjit_function) -> *const c_char {
    get!(function else ptr::null() => function.name.as_ptr())
}

/// The signature as IR text, such as "i64 @add(i64, i64)". NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_signature(
    function: *const mgenjit_function,
) -> *const c_char {
    get!(function else ptr::null() => function.signature.as_ptr())
}

/// The type of the result: one of MGENJIT_TYPE_…. MGENJIT_TYPE_OTHER for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_result_type(function: *const mgenjit_function) -> i32 {
    get!(function else MGENJIT_TYPE_OTHER => type_number(&function.function.signature().result))
}

/// How many parameters the function has, without "...". 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_parameter_count(
    function: *const mgenjit_function,
) -> usize {
    get!(function else 0 => function.parameters().len())
}

/// The type of the parameter at `index`: one of MGENJIT_TYPE_…. MGENJIT_TYPE_OTHER for NULL and past the last. On AArch64, the
/// address of a result in memory (`sret`) is MGENJIT_TYPE_OTHER: it has a register of its own, so a pointer to a function with
/// that parameter would pass it wrongly. Calls take a value of MGENJIT_TYPE_POINTER for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_parameter_type(
    function: *const mgenjit_function,
    index: usize,
) -> i32 {
    get!(function else MGENJIT_TYPE_OTHER => {
        let parameter = function.parameters().get(index);
        parameter.map_or(MGENJIT_TYPE_OTHER, |parameter| type_number(&parameter.ty))
    })
}

/// Whether the function takes more arguments than its parameters ("..."). false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_is_variadic(function: *const mgenjit_function) -> bool {
    get!(function else false => function.function.signature().variadic)
}

/// Writes the function's address. Links what is not linked yet.
///
/// Thread-safe. Errors: those of mgenjit_executor_link.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_function_address(
    function: *mut mgenjit_function,
    address: *mut *mut c_void,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle function, out address => {
        address.write(function.function.address()? as *mut c_void)
    })
}

/// Calls the function with `count` arguments. Each is checked against its parameter: the types must be the same, and an
/// integer must fit its type, signed or unsigned. Arguments for "..." may be i1 to i64, float, double and pointer; they are
/// promoted as in C (i1, i8 and i16 to i32, float to double). `result`, which may be NULL, receives the result with its type;
/// for void only the type. Links what is not linked yet.
///
/// Thread-safe if the function is. An exception that the function throws passes through.
///
/// Errors: MGENJIT_STATUS_TYPE, also for a function with a type (a struct, a vector, i128) or calling convention that cannot
/// be called this way: use its address. Those of mgenjit_executor_link.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mgenjit_function_call(
    function: *mut mgenjit_function,
    arguments: *const mgenjit_value,
    count: usize,
    result: *mut mgenjit_value,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let mut call = Call::new();
    let status = call!(error, handle function, slice arguments[count] => {
        let arguments = arguments.iter().map(value::read);
        function.function.prepare(&mut call, arguments)
    });
    if status == MGENJIT_STATUS_OK {
        // Outside the frame, so that an exception can pass to a host that catches it.
        let value = value::write(call.run());
        if !result.is_null() {
            // SAFETY: the header asks for NULL or a place for the result.
            unsafe { result.write(value) };
        }
    }
    status
}

/// Calls the function without checking types. `arguments` has `count` pointers, one to each argument, which has exactly its
/// parameter's type; NULL if there are none. `result` has `result_bytes` bytes, enough for a result of exactly its type (an i1
/// is one byte); NULL and 0 for void, or if the result is not wanted. Functions with "..." get their fixed parameters only.
///
/// Thread-safe if the function is. An exception that the function throws passes through.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT if `result` is too small; MGENJIT_STATUS_TYPE, also for another number of
/// arguments; and those of mgenjit_function_call.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mgenjit_function_call_raw(
    function: *mut mgenjit_function,
    arguments: *const *const c_void,
    count: usize,
    result: *mut c_void,
    result_bytes: usize,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    let mut call = Call::new();
    let status = call!(error, handle function, slice arguments[count] => {
        let room = if result.is_null() { usize::MAX } else { result_bytes };
        check_raw(function.function.signature(), arguments.len(), room)?;
        // SAFETY: the header asks for pointers to arguments of the parameters' types, of which there are as many.
        unsafe { function.function.prepare_raw(&mut call, arguments) }
    });
    if status == MGENJIT_STATUS_OK {
        // SAFETY: there is room for the result.
        unsafe { call.run_raw(result) };
    }
    status
}

/// Checks what can be checked of a raw call: the number of arguments, and that the result has room.
fn check_raw(signature: &Signature, count: usize, room: usize) -> Result<(), Error> {
    let expected = signature.parameters.len();
    if count != expected {
        return Err(Error::new(
            Status::Type,
            format!("{signature} takes {expected} arguments here, not {count}"),
        ));
    }
    let needed = match signature.result {
        // A call of a function with another type fails before it has a result.
        Type::Void | Type::Other(_) => 0,
        Type::I1 | Type::I8 => 1,
        Type::I16 => 2,
        Type::I32 | Type::Float => 4,
        Type::I64 | Type::Double | Type::Pointer => 8,
    };
    if room < needed {
        return Err(invalid(format!(
            "`result_bytes` is {room}, but the result of {signature} has {needed} bytes"
        )));
    }
    Ok(())
}
