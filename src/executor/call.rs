//! Calls of functions whose signature the IR has stated.

use super::core::Executor;
use super::info::ModuleInfo;
use super::lookup::removed;
use super::registers::Registers;
use super::state;
use super::value::Value;
use crate::error::{Error, Status};
use crate::fork;
use crate::signature::{self, Extension, Parameter, Type};
use once_cell::sync::OnceCell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

/// A function of a module, which it keeps mapped.
pub struct Function {
    module: Pin,
    info: Arc<ModuleInfo>,
    signature: Signature,
    callee: OnceCell<Callee>,
}

/// A function's signature.
pub enum Signature {
    /// By its index among the module's functions, which are decoded.
    Stated(usize),
    /// The usual signature, where none is stated.
    Assumed(Box<signature::Function>),
}

/// What a call needs, found once.
#[derive(Clone)]
struct Callee {
    address: usize,
    parameters: Box<[Scalar]>,
    result: Option<Scalar>,
    variadic: bool,
}

/// A type that can be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    /// `sign`: widened with its one bit as the sign, else with zeros.
    I1 {
        sign: bool,
    },
    /// `zero`: widened with zeros, else with the sign.
    I8 {
        zero: bool,
    },
    I16 {
        zero: bool,
    },
    I32 {
        zero: bool,
    },
    I64,
    Float,
    Double,
    Pointer,
    /// The address of a result in memory, where it is no argument like others.
    ResultPointer,
}

/// A call: its arguments and, after it ran, its result.
pub struct Call {
    registers: Registers,
    address: usize,
    result: Option<Scalar>,
}

impl Function {
    pub fn new(module: Pin, info: Arc<ModuleInfo>, signature: Signature) -> Function {
        Function {
            module,
            info,
            signature,
            callee: OnceCell::new(),
        }
    }

    pub fn signature(&self) -> &signature::Function {
        match &self.signature {
            Signature::Stated(index) => &self.info.decoded_functions()[*index],
            Signature::Assumed(signature) => signature,
        }
    }

    pub fn address(&self) -> Result<usize, Error> {
        if let Some(callee) = self.callee.get() {
            return Ok(callee.address);
        }
        let Pin { executor, module } = &self.module;
        match module {
            Some(module) => executor.module_symbol(*module, &self.signature().name),
            None => Err(executor.foreign(self.info.name())),
        }
    }

    /// Checks the arguments of a call and puts them in their places.
    pub fn prepare(
        &self,
        call: &mut Call,
        values: impl ExactSizeIterator<Item = Value>,
    ) -> Result<(), Error> {
        let callee = self.callee()?;
        let count = values.len();
        let fixed = callee.parameters.len();
        if count != fixed && (count < fixed || !callee.variadic) {
            return Err(self.wrong_count(count));
        }
        for (place, value) in values.enumerate() {
            let pushed = match callee.parameters.get(place) {
                Some(parameter) => call.push(*parameter, value),
                None => call.push_variadic(value),
            };
            if !pushed {
                return Err(self.wrong_argument(place, value));
            }
        }
        call.address = callee.address;
        call.result = callee.result;
        Ok(())
    }

    /// Prepares a call with pointers to arguments, which are not checked.
    ///
    /// # Safety
    /// There is a pointer to an argument of the right type for each parameter.
    pub unsafe fn prepare_raw(
        &self,
        call: &mut Call,
        arguments: &[*const c_void],
    ) -> Result<(), Error> {
        let callee = self.callee()?;
        for (scalar, argument) in callee.parameters.iter().zip(arguments) {
            // SAFETY: the caller vouches for an argument of this type, which need not be aligned.
            unsafe { call.push_from(*scalar, *argument) };
        }
        call.address = callee.address;
        call.result = callee.result;
        Ok(())
    }

    fn callee(&self) -> Result<&Callee, Error> {
        match self.callee.get() {
            Some(callee) => Ok(callee),
            None => self.find_callee(),
        }
    }

    #[cold]
    fn find_callee(&self) -> Result<&Callee, Error> {
        let signature = self.signature();
        if !signature.convention.is_empty() {
            return Err(uncallable(signature, &signature.convention));
        }
        let scalar = |parameter: &Parameter| {
            scalar(&parameter.ty, parameter.extension).map_err(|ty| uncallable(signature, ty))
        };
        // The signature first: what cannot be called need not link.
        let callee = Callee {
            parameters: signature
                .parameters
                .iter()
                .map(scalar)
                .collect::<Result<_, _>>()?,
            result: match &signature.result {
                Type::Void => None,
                ty => Some(
                    self::scalar(ty, Extension::None).map_err(|ty| uncallable(signature, ty))?,
                ),
            },
            variadic: signature.variadic,
            address: self.address()?,
        };
        // Two threads may come here at once and find the same. None waits for the other, which may be one that a
        // forked child does not have.
        Ok(fork::guard(|| self.callee.get_or_init(|| callee)).into_inner())
    }

    #[cold]
    fn wrong_count(&self, count: usize) -> Error {
        let signature = self.signature();
        let least = if signature.variadic { "at least " } else { "" };
        let arguments = match signature.parameters.len() {
            1 => "1 argument".to_owned(),
            count => format!("{count} arguments"),
        };
        type_error(format!("{signature} takes {least}{arguments}, not {count}"))
    }

    #[cold]
    fn wrong_argument(&self, place: usize, value: Value) -> Error {
        let signature = self.signature();
        let parameter = signature.parameters.get(place);
        let why = match (value, parameter) {
            (Value::Unknown(number), _) => format!(
                "has the unknown type {number}: use MGENJIT_TYPE_I1 to MGENJIT_TYPE_POINTER"
            ),
            (Value::Void, None) => "is no value".to_owned(),
            (
                Value::I1(integer) | Value::I8(integer) | Value::I16(integer) | Value::I32(integer),
                _,
            ) if parameter.is_none_or(|one| one.ty.to_string() == value.type_name()) => {
                format!("is {integer}, which does not fit an {}", value.type_name())
            }
            (_, Some(parameter)) => {
                format!("is a {}; a {} was passed", parameter.ty, value.type_name())
            }
            (_, None) => format!("is a {}, which cannot be passed", value.type_name()),
        };
        type_error(format!("argument {} of {signature} {why}", place + 1))
    }
}

/// Keeps a module mapped, although it may be removed from its executor.
pub struct Pin {
    executor: Arc<Executor>,
    /// `None`: the module is for another system.
    module: Option<u64>,
}

impl Pin {
    pub fn new(executor: Arc<Executor>, module: Option<u64>) -> Result<Pin, Error> {
        if let Some(module) = module {
            executor.lock().pin(module).ok_or_else(removed)?;
        }
        Ok(Pin { executor, module })
    }

    /// Takes over from one who has pinned the module.
    pub fn taken(executor: Arc<Executor>, module: u64) -> Pin {
        let module = Some(module);
        Pin { executor, module }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if let Some(module) = self.module {
            let unused = self.executor.lock().unpin(module);
            state::unload(unused);
        }
    }
}

impl Call {
    pub fn new() -> Call {
        Call {
            registers: Registers::new(),
            address: 0,
            result: None,
        }
    }

    /// Makes the call that was prepared.
    pub fn run(&mut self) -> Value {
        self.call();
        let word = self.registers.integer_result();
        let vector = self.registers.vector_result();
        // What lies above a narrow result may be anything.
        match self.result {
            None => Value::Void,
            Some(Scalar::I1 { .. }) => Value::I1((word & 1) as i64),
            Some(Scalar::I8 { .. }) => Value::I8(i64::from(word as i8)),
            Some(Scalar::I16 { .. }) => Value::I16(i64::from(word as i16)),
            Some(Scalar::I32 { .. }) => Value::I32(i64::from(word as i32)),
            Some(Scalar::I64) => Value::I64(word as i64),
            Some(Scalar::Float) => Value::Float(f32::from_bits(vector as u32)),
            Some(Scalar::Double) => Value::Double(f64::from_bits(vector)),
            Some(Scalar::Pointer | Scalar::ResultPointer) => Value::Pointer(word as usize),
        }
    }

    /// Makes the call that was prepared, and writes its result to `result`, if that is not NULL.
    ///
    /// # Safety
    /// `result` is NULL or has room for the result.
    pub unsafe fn run_raw(&mut self, result: *mut c_void) {
        self.call();
        let word = self.registers.integer_result();
        let vector = self.registers.vector_result();
        let (bits, len) = match self.result {
            None => return,
            Some(Scalar::I1 { .. }) => (word & 1, 1),
            Some(Scalar::I8 { .. }) => (word, 1),
            Some(Scalar::I16 { .. }) => (word, 2),
            Some(Scalar::I32 { .. }) => (word, 4),
            Some(Scalar::I64 | Scalar::Pointer | Scalar::ResultPointer) => (word, 8),
            Some(Scalar::Float) => (vector, 4),
            Some(Scalar::Double) => (vector, 8),
        };
        if !result.is_null() {
            // SAFETY: the caller vouches for room for a result of this type.
            unsafe { ptr::copy_nonoverlapping(bits.to_le_bytes().as_ptr(), result.cast(), len) };
        }
    }

    fn call(&mut self) {
        // SAFETY: the address is that of a function with the signature that the IR it was compiled from states;
        // the arguments were checked against it, or the caller of a raw call vouches for them.
        unsafe { self.registers.call(self.address) };
    }

    /// Adds an argument for a parameter, unless it does not fit it.
    fn push(&mut self, parameter: Scalar, value: Value) -> bool {
        let word = match (parameter, value) {
            (Scalar::I64, Value::I64(integer)) => integer as u64,
            (Scalar::Pointer, Value::Pointer(address)) => address as u64,
            (Scalar::ResultPointer, Value::Pointer(address)) => {
                self.registers.set_result_pointer(address as u64);
                return true;
            }
            (Scalar::Double, Value::Double(number)) => {
                self.registers.push_vector(number.to_bits());
                return true;
            }
            (Scalar::Float, Value::Float(number)) => {
                self.registers.push_vector(number.to_bits().into());
                return true;
            }
            (Scalar::I32 { zero }, Value::I32(integer)) if fits(integer, 32) => {
                widen(integer, 32, zero)
            }
            (Scalar::I16 { zero }, Value::I16(integer)) if fits(integer, 16) => {
                widen(integer, 16, zero)
            }
            (Scalar::I8 { zero }, Value::I8(integer)) if fits(integer, 8) => {
                widen(integer, 8, zero)
            }
            (Scalar::I1 { sign }, Value::I1(integer @ (0 | 1))) => widen(integer, 1, !sign),
            _ => return false,
        };
        self.registers.push_integer(word);
        true
    }

    /// Adds an argument behind the parameters, widened as C does.
    fn push_variadic(&mut self, value: Value) -> bool {
        match value {
            Value::I1(integer) => self.push(Scalar::I1 { sign: false }, Value::I1(integer)),
            Value::I8(_) => self.push(Scalar::I8 { zero: false }, value),
            Value::I16(_) => self.push(Scalar::I16 { zero: false }, value),
            Value::I32(_) => self.push(Scalar::I32 { zero: false }, value),
            Value::I64(_) => self.push(Scalar::I64, value),
            Value::Float(number) => self.push(Scalar::Double, Value::Double(number.into())),
            Value::Double(_) => self.push(Scalar::Double, value),
            Value::Pointer(_) => self.push(Scalar::Pointer, value),
            Value::Void | Value::Unknown(_) => false,
        }
    }

    /// Adds the argument at a pointer.
    ///
    /// # Safety
    /// A value of this type is there.
    unsafe fn push_from(&mut self, scalar: Scalar, argument: *const c_void) {
        // SAFETY: the caller vouches for a value of this type.
        unsafe {
            match scalar {
                Scalar::Float => {
                    let bits = argument.cast::<u32>().read_unaligned();
                    self.registers.push_vector(bits.into());
                }
                Scalar::Double => {
                    let bits = argument.cast::<u64>().read_unaligned();
                    self.registers.push_vector(bits);
                }
                Scalar::I1 { sign } => {
                    let byte = argument.cast::<u8>().read();
                    self.registers
                        .push_integer(widen((byte & 1).into(), 1, !sign));
                }
                Scalar::I8 { zero } => {
                    let integer = argument.cast::<i8>().read();
                    self.registers.push_integer(widen(integer.into(), 8, zero));
                }
                Scalar::I16 { zero } => {
                    let integer = argument.cast::<i16>().read_unaligned();
                    self.registers.push_integer(widen(integer.into(), 16, zero));
                }
                Scalar::I32 { zero } => {
                    let integer = argument.cast::<i32>().read_unaligned();
                    self.registers.push_integer(widen(integer.into(), 32, zero));
                }
                Scalar::ResultPointer => {
                    let word = argument.cast::<u64>().read_unaligned();
                    self.registers.set_result_pointer(word);
                }
                Scalar::I64 | Scalar::Pointer => {
                    let word = argument.cast::<u64>().read_unaligned();
                    self.registers.push_integer(word);
                }
            }
        }
    }
}

/// How a type is passed; its text if it cannot be.
fn scalar(ty: &Type, extension: Extension) -> Result<Scalar, &str> {
    let zero = extension == Extension::Zero;
    Ok(match ty {
        Type::I1 => Scalar::I1 {
            sign: extension == Extension::Sign,
        },
        Type::I8 => Scalar::I8 { zero },
        Type::I16 => Scalar::I16 { zero },
        Type::I32 => Scalar::I32 { zero },
        Type::I64 => Scalar::I64,
        Type::Float => Scalar::Float,
        Type::Double => Scalar::Double,
        Type::Pointer => Scalar::Pointer,
        Type::Void => return Err("void"),
        Type::Other(_) if ty.is_result_pointer() => Scalar::ResultPointer,
        Type::Other(text) => return Err(text),
    })
}

/// Whether an integer fits so many bits, signed or unsigned.
fn fits(integer: i64, bits: u32) -> bool {
    (-(1 << (bits - 1))..1 << bits).contains(&integer)
}

/// The lowest bits of an integer, widened to a register.
fn widen(integer: i64, bits: u32, zero: bool) -> u64 {
    let up = 64 - bits;
    if zero {
        (integer as u64) << up >> up
    } else {
        (integer << up >> up) as u64
    }
}

fn uncallable(signature: &signature::Function, what: &str) -> Error {
    type_error(format!(
        "{signature} cannot be called with checked arguments because of `{what}`: look up its address and call it from code \
         that knows its type"
    ))
}

fn type_error(message: String) -> Error {
    Error::new(Status::Type, message)
}
