//! `mgenjit_value`: an argument or result together with its type.

use crate::signature::Type;
use std::ffi::c_void;

/// No value.
pub const MGENJIT_TYPE_VOID: i32 = 0;
/// i1, a truth value: 0 or 1.
pub const MGENJIT_TYPE_I1: i32 = 1;
/// i8
pub const MGENJIT_TYPE_I8: i32 = 2;
/// i16
pub const MGENJIT_TYPE_I16: i32 = 3;
/// i32
pub const MGENJIT_TYPE_I32: i32 = 4;
/// i64
pub const MGENJIT_TYPE_I64: i32 = 5;
/// float, 32 bits
pub const MGENJIT_TYPE_FLOAT: i32 = 6;
/// double, 64 bits
pub const MGENJIT_TYPE_DOUBLE: i32 = 7;
/// A pointer
pub const MGENJIT_TYPE_POINTER: i32 = 8;
/// Any other type: a function that has it can be called by its address only.
pub const MGENJIT_TYPE_OTHER: i32 = 9;

/// A value of one of the types that a checked call can pass. The functions at the end of this file, such as
/// mgenjit_i64, make one.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_value {
    /// One of MGENJIT_TYPE_…: which field of `as` holds the value.
    pub r#type: i32,
    /// The value.
    pub r#as: mgenjit_value_as,
}

/// The value of a mgenjit_value.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub union mgenjit_value_as {
    /// For MGENJIT_TYPE_I1 to MGENJIT_TYPE_I64. A result is sign-extended from its type, an i1 is 0 or 1.
    pub integer: i64,
    /// For MGENJIT_TYPE_FLOAT.
    pub single_precision: f32,
    /// For MGENJIT_TYPE_DOUBLE.
    pub double_precision: f64,
    /// For MGENJIT_TYPE_POINTER.
    pub pointer: *mut c_void,
}

/// The C API's number of a type.
pub(super) fn type_number(ty: &Type) -> i32 {
    match ty {
        Type::Void => MGENJIT_TYPE_VOID,
        Type::I1 => MGENJIT_TYPE_I1,
        Type::I8 => MGENJIT_TYPE_I8,
        Type::I16 => MGENJIT_TYPE_I16,
        Type::I32 => MGENJIT_TYPE_I32,
        Type::I64 => MGENJIT_TYPE_I64,
        Type::Float => MGENJIT_TYPE_FLOAT,
        Type::Double => MGENJIT_TYPE_DOUBLE,
        Type::Pointer => MGENJIT_TYPE_POINTER,
        Type::Other(_) => MGENJIT_TYPE_OTHER,
    }
}
