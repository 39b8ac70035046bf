//! Arguments and results of checked calls.

use serde::{Deserialize, Serialize};

/// A value with its type.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    Void,
    I1(i64),
    I8(i64),
    I16(i64),
    I32(i64),
    I64(i64),
    Float(f32),
    Double(f64),
    Pointer(usize),
    /// The caller's number names no type.
    Unknown(i32),
}

impl Value {
    /// As IR writes its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Void => "void",
            Value::I1(_) => "i1",
            Value::I8(_) => "i8",
            Value::I16(_) => "i16",
            Value::I32(_) => "i32",
            Value::I64(_) => "i64",
            Value::Float(_) => "float",
            Value::Double(_) => "double",
            Value::Pointer(_) => "ptr",
            Value::Unknown(_) => "value of no type",
        }
    }
}
