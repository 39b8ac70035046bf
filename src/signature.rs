//! Function signatures as the IR states them: what a checked call is checked against.

use crate::arch::call::HAS_RESULT_POINTER;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A type of the IR, as far as a checked call can pass or return it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Type {
    Void,
    I1,
    I8,
    I16,
    I32,
    I64,
    Float,
    Double,
    Pointer,
    /// Anything else, as LLVM prints it: `i128`, `<4 x float>`, `ptr byval(%struct.s)`. On AArch64, also `ptr sret(%struct.s)`.
    Other(String),
}

impl Type {
    /// Whether it is the address of a result in memory, for which the machine has a register of its own.
    pub fn is_result_pointer(&self) -> bool {
        matches!(self, Type::Other(text) if HAS_RESULT_POINTER && text.starts_with("ptr sret("))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Type::Void => "void",
            Type::I1 => "i1",
            Type::I8 => "i8",
            Type::I16 => "i16",
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::Float => "float",
            Type::Double => "double",
            Type::Pointer => "ptr",
            Type::Other(text) => text,
        })
    }
}

/// How a narrow integer argument is widened to a register, which the ABI leaves to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extension {
    /// The IR says nothing: the upper bits do not matter.
    None,
    /// `zeroext`
    Zero,
    /// `signext`
    Sign,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub ty: Type,
    pub extension: Extension,
}

/// A function that a module defines and other modules and the host can see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    pub result: Type,
    pub parameters: Vec<Parameter>,
    pub variadic: bool,
    /// The calling convention as LLVM spells it (`fastcc`), or empty for the C convention.
    pub convention: String,
}

/// As IR writes it: `i64 @add(i64, i64)`.
impl fmt::Display for Function {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.convention.is_empty() {
            write!(out, "{} ", self.convention)?;
        }
        write!(out, "{} @{}(", self.result, Name(&self.name))?;
        for (index, parameter) in self.parameters.iter().enumerate() {
            if index > 0 {
                out.write_str(", ")?;
            }
            write!(out, "{}", parameter.ty)?;
        }
        if self.variadic {
            out.write_str(if self.parameters.is_empty() {
                "..."
            } else {
                ", ..."
            })?;
        }
        out.write_str(")")
    }
}

/// A name as IR writes it: in quotes if it has characters that a bare one must not have.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-$._".contains(&byte);
        let bytes = self.0.as_bytes();
        if bytes.first().is_some_and(|first| !first.is_ascii_digit())
            && bytes.iter().all(|byte| bare(*byte))
        {
            return out.write_str(self.0);
        }
        out.write_str("\"")?;
        for byte in bytes {
            match byte {
                b'"' | b'\\' | 0..0x20 | 0x7f.. => write!(out, "\\{byte:02X}")?,
                byte => write!(out, "{}", char::from(*byte))?,
            }
        }
        out.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_as_in_ir() {
        fn check(name: &str, expect: &str) {
            assert_eq!(Name(name).to_string(), expect);
        }
        check("add", "add");
        check("_ZN1aE", "_ZN1aE");
        check("a.b$c-d", "a.b$c-d");
        check("", "\"\"");
        check("1st", "\"1st\"");
        check("two words", "\"two words\"");
        check("a\"b\\c\n", "\"a\\22b\\5Cc\\0A\"");
        check("é", "\"\\C3\\A9\"");
    }

    #[test]
    fn functions_print_as_in_ir() {
        fn check(parameters: &[Type], variadic: bool, convention: &str, expect: &str) {
            let function = Function {
                name: "f".to_owned(),
                result: Type::I32,
                parameters: parameters
                    .iter()
                    .map(|ty| Parameter {
                        ty: ty.clone(),
                        extension: Extension::None,
                    })
                    .collect(),
                variadic,
                convention: convention.to_owned(),
            };
            assert_eq!(function.to_string(), expect);
        }
        check(&[], false, "", "i32 @f()");
        check(&[Type::I64, Type::Double], false, "", "i32 @f(i64, double)");
        check(&[Type::Pointer], true, "", "i32 @f(ptr, ...)");
        check(&[], true, "", "i32 @f(...)");
        check(
            &[Type::Other("<4 x float>".to_owned())],
            false,
            "fastcc",
            "fastcc i32 @f(<4 x float>)",
        );
    }
}
