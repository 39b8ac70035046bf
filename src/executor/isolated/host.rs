//! Functions of the host's that code in a process of its calls may call.

use crate::error::{Error, Status};
use crate::executor::value::Value;
use crate::signature::Type;
use std::fmt::Write;
use std::sync::Arc;

/// What runs in the host.
pub type Run = Arc<dyn Fn(&[Value]) -> Value + Send + Sync>;

/// A function of the host's, with its type.
#[derive(Clone)]
pub struct HostFunction {
    pub name: String,
    pub parameters: Vec<Type>,
    pub result: Type,
    pub run: Run,
}

impl HostFunction {
    /// Runs it with what a process asks for, which may be anything. `None`: that is no call of it.
    pub fn call(&self, arguments: &[Value]) -> Option<Result<Value, Error>> {
        let all_fit = arguments.len() == self.parameters.len()
            && (arguments.iter().zip(&self.parameters)).all(|(value, ty)| fits(value, ty));
        if !all_fit {
            return None;
        }
        let value = (self.run)(arguments);
        Some(match passes(&value, &self.result) {
            true => Ok(value),
            false => Err(Error::new(
                Status::Type,
                format!(
                    "the host's function {self} returned {}, which is none",
                    match value {
                        Value::Unknown(number) => format!("a value of the unknown type {number}"),
                        value => format!("a {} that it cannot be", value.type_name()),
                    }
                ),
            )),
        })
    }
}

/// As IR writes it.
impl std::fmt::Display for HostFunction {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} @{}(", self.result, self.name)?;
        for (place, ty) in self.parameters.iter().enumerate() {
            if place > 0 {
                out.write_str(", ")?;
            }
            write!(out, "{ty}")?;
        }
        out.write_char(')')
    }
}

/// Whether a value that came from elsewhere is one of this type.
pub fn fits(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (Value::I1(integer), Type::I1) => matches!(integer, 0 | 1),
        (Value::I8(integer), Type::I8) => i8::try_from(*integer).is_ok(),
        (Value::I16(integer), Type::I16) => i16::try_from(*integer).is_ok(),
        (Value::I32(integer), Type::I32) => i32::try_from(*integer).is_ok(),
        (Value::Void, Type::Void)
        | (Value::I64(_), Type::I64)
        | (Value::Float(_), Type::Float)
        | (Value::Double(_), Type::Double)
        | (Value::Pointer(_), Type::Pointer) => true,
        _ => false,
    }
}

/// Whether the host may return a value as one of this type: integers may be unsigned, too.
fn passes(value: &Value, ty: &Type) -> bool {
    let is_unsigned = |integer: i64, bits: u32| (0..1 << bits).contains(&integer);
    match (value, ty) {
        (Value::I8(integer), Type::I8) if is_unsigned(*integer, 8) => true,
        (Value::I16(integer), Type::I16) if is_unsigned(*integer, 16) => true,
        (Value::I32(integer), Type::I32) if is_unsigned(*integer, 32) => true,
        _ => fits(value, ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_of_the_type_fit() {
        let check = |value: Value, ty: Type, expect: (bool, bool)| {
            assert_eq!(
                (fits(&value, &ty), passes(&value, &ty)),
                expect,
                "{value:?}"
            );
        };
        check(Value::I1(1), Type::I1, (true, true));
        check(Value::I1(2), Type::I1, (false, false));
        check(Value::I8(-128), Type::I8, (true, true));
        check(Value::I8(255), Type::I8, (false, true));
        check(Value::I8(256), Type::I8, (false, false));
        check(Value::I16(1 << 15), Type::I16, (false, true));
        check(Value::I32(-1), Type::I32, (true, true));
        check(Value::I32(i64::from(u32::MAX)), Type::I32, (false, true));
        check(Value::I32(1 << 32), Type::I32, (false, false));
        check(Value::I64(0), Type::I32, (false, false));
        check(Value::Void, Type::Void, (true, true));
        check(Value::Unknown(0), Type::Void, (false, false));
        check(Value::Pointer(1), Type::Pointer, (true, true));
        check(Value::Float(0.0), Type::Double, (false, false));
    }
}
