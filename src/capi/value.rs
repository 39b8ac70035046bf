//! Values
//!
//! A mgenjit_value is an argument or result of a checked call, together with its type.
//!
//! ```c
//! mgenjit_value answer = mgenjit_i64(42);
//! assert(answer.kind == MGENJIT_TYPE_I64 && answer.of.integer == 42);
//! ```

use crate::executor::Value;
use crate::signature::Type;
use std::ffi::c_void;

/// No value.
pub const MGENJIT_TYPE_VOID: i32 = 0;
/// i1: 0 or 1.
pub const MGENJIT_TYPE_I1: i32 = 1;
/// i8.
pub const MGENJIT_TYPE_I8: i32 = 2;
/// i16.
pub const MGENJIT_TYPE_I16: i32 = 3;
/// i32.
pub const MGENJIT_TYPE_I32: i32 = 4;
/// i64.
pub const MGENJIT_TYPE_I64: i32 = 5;
/// float, 32 bits.
pub const MGENJIT_TYPE_FLOAT: i32 = 6;
/// double, 64 bits.
pub const MGENJIT_TYPE_DOUBLE: i32 = 7;
/// A pointer.
pub const MGENJIT_TYPE_POINTER: i32 = 8;
/// Any other type. A function with such a type can only be called by its address.
pub const MGENJIT_TYPE_OTHER: i32 = 9;

/// A value of a type that a checked call can pass. In C and C++, the functions at the end of this file make one, such as
/// mgenjit_i64; elsewhere, set both fields.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_value {
    /// One of MGENJIT_TYPE_…: which field of `of` holds the value.
    pub kind: i32,
    /// The value.
    pub of: mgenjit_value_of,
}

/// The value of a mgenjit_value.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub union mgenjit_value_of {
    /// For MGENJIT_TYPE_I1 to MGENJIT_TYPE_I64. Results are sign-extended; an i1 is 0 or 1.
    pub integer: i64,
    /// For MGENJIT_TYPE_FLOAT.
    pub single_precision: f32,
    /// For MGENJIT_TYPE_DOUBLE.
    pub double_precision: f64,
    /// For MGENJIT_TYPE_POINTER.
    pub pointer: *mut c_void,
}

/// Reads a value that a caller passed.
pub(super) fn read(value: &mgenjit_value) -> Value {
    // SAFETY: each field of the union begins at its first byte, and any bits are a value of each.
    let (integer, single, double, pointer) = unsafe {
        let of = value.of;
        (
            of.integer,
            of.single_precision,
            of.double_precision,
            of.pointer,
        )
    };
    match value.kind {
        MGENJIT_TYPE_VOID => Value::Void,
        MGENJIT_TYPE_I1 => Value::I1(integer),
        MGENJIT_TYPE_I8 => Value::I8(integer),
        MGENJIT_TYPE_I16 => Value::I16(integer),
        MGENJIT_TYPE_I32 => Value::I32(integer),
        MGENJIT_TYPE_I64 => Value::I64(integer),
        MGENJIT_TYPE_FLOAT => Value::Float(single),
        MGENJIT_TYPE_DOUBLE => Value::Double(double),
        MGENJIT_TYPE_POINTER => Value::Pointer(pointer.addr()),
        other => Value::Unknown(other),
    }
}

/// The C struct of a value.
pub(super) fn write(value: Value) -> mgenjit_value {
    let integer = |kind, integer| mgenjit_value {
        kind,
        of: mgenjit_value_of { integer },
    };
    match value {
        Value::Void | Value::Unknown(_) => integer(MGENJIT_TYPE_VOID, 0),
        Value::I1(value) => integer(MGENJIT_TYPE_I1, value),
        Value::I8(value) => integer(MGENJIT_TYPE_I8, value),
        Value::I16(value) => integer(MGENJIT_TYPE_I16, value),
        Value::I32(value) => integer(MGENJIT_TYPE_I32, value),
        Value::I64(value) => integer(MGENJIT_TYPE_I64, value),
        Value::Float(single_precision) => mgenjit_value {
            kind: MGENJIT_TYPE_FLOAT,
            of: mgenjit_value_of { single_precision },
        },
        Value::Double(double_precision) => mgenjit_value {
            kind: MGENJIT_TYPE_DOUBLE,
            of: mgenjit_value_of { double_precision },
        },
        Value::Pointer(address) => mgenjit_value {
            kind: MGENJIT_TYPE_POINTER,
            of: mgenjit_value_of {
                pointer: address as *mut c_void,
            },
        },
    }
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

/// The type of a number; `None`: it names none that a checked call can pass.
pub(super) fn of_number(number: i32) -> Option<Type> {
    Some(match number {
        MGENJIT_TYPE_VOID => Type::Void,
        MGENJIT_TYPE_I1 => Type::I1,
        MGENJIT_TYPE_I8 => Type::I8,
        MGENJIT_TYPE_I16 => Type::I16,
        MGENJIT_TYPE_I32 => Type::I32,
        MGENJIT_TYPE_I64 => Type::I64,
        MGENJIT_TYPE_FLOAT => Type::Float,
        MGENJIT_TYPE_DOUBLE => Type::Double,
        MGENJIT_TYPE_POINTER => Type::Pointer,
        _ => return None,
    })
}

/// A value of a type, whose bits are 0.
pub(super) fn zero(kind: i32) -> mgenjit_value {
    let of = mgenjit_value_of { integer: 0 };
    mgenjit_value { kind, of }
}
