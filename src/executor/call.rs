//! Calls of functions whose signature the IR has stated.

use super::Executor;
use super::module::{ModuleInfo, removed};
use super::state;
use super::value::Value;
use crate::error::{Error, Status};
use crate::fork;
use crate::signature::{self, Extension, Parameter, Type};
use libffi::raw::{
    ffi_abi_FFI_DEFAULT_ABI, ffi_cif, ffi_prep_cif, ffi_prep_cif_var, ffi_status_FFI_OK, ffi_type,
};
use once_cell::sync::OnceCell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

/// Calls with at most this many arguments allocate nothing.
const INLINE: usize = 8;

unsafe extern "C-unwind" {
    // Declared here, because exceptions pass through it: libffi's own declaration says that none do.
    #[link_name = "ffi_call"]
    fn ffi_call_unwind(
        cif: *mut ffi_cif,
        function: *mut c_void,
        result: *mut c_void,
        arguments: *mut *mut c_void,
    );
}

/// A function of a module, which it keeps mapped.
pub struct Function {
    executor: Arc<Executor>,
    module: u64,
    info: Arc<ModuleInfo>,
    index: usize,
    callee: OnceCell<Callee>,
}

/// What a call needs, found once.
struct Callee {
    address: usize,
    interface: Interface,
}

/// How libffi calls a function: the types of its arguments and of its result.
struct Interface {
    cif: Box<ffi_cif>,
    // The array that `cif` points to.
    _types: Box<[*mut ffi_type]>,
}

// SAFETY: an interface is not changed once it is made; what it points to is its own, or static.
unsafe impl Send for Interface {}
// SAFETY: as above.
unsafe impl Sync for Interface {}

/// A call whose arguments were checked.
pub struct PreparedCall<'a> {
    function: &'a Function,
    address: usize,
    interface: CallInterface<'a>,
    arguments: Arguments,
}

enum CallInterface<'a> {
    /// The function's own.
    Fixed(&'a Interface),
    /// Made for the arguments of one call of a variadic function.
    Variadic(Interface),
}

enum Arguments {
    Inline([u64; INLINE], usize),
    Many(Vec<u64>),
    /// The caller's pointers to the arguments of a raw call.
    Raw(*mut *mut c_void),
}

impl Function {
    /// Pins the module, so that it stays mapped as long as this value lives.
    pub fn new(
        executor: Arc<Executor>,
        module: u64,
        info: Arc<ModuleInfo>,
        index: usize,
    ) -> Result<Function, Error> {
        {
            let mut state = executor.lock();
            let loaded = state
                .module_mut(module)
                .filter(|loaded| !loaded.removed)
                .ok_or_else(removed)?;
            loaded.pins += 1;
        }
        Ok(Function {
            executor,
            module,
            info,
            index,
            callee: OnceCell::new(),
        })
    }

    pub fn signature(&self) -> &signature::Function {
        // `new` was given an index into the decoded list.
        &self.info.decoded_functions()[self.index]
    }

    pub fn address(&self) -> Result<usize, Error> {
        if let Some(callee) = self.callee.get() {
            return Ok(callee.address);
        }
        self.executor
            .module_symbol(self.module, &self.signature().name)
    }

    /// Checks the arguments of a call.
    pub fn prepare_call(
        &self,
        values: impl ExactSizeIterator<Item = Value>,
    ) -> Result<PreparedCall<'_>, Error> {
        let callee = self.callee()?;
        let signature = self.signature();
        let count = values.len();
        let parameters = &signature.parameters;
        if count < parameters.len() || (count > parameters.len() && !signature.variadic) {
            return Err(type_error(format!(
                "{signature} takes {}{}, not {count}",
                if signature.variadic { "at least " } else { "" },
                arguments(parameters.len()),
            )));
        }
        let mut call = PreparedCall {
            function: self,
            address: callee.address,
            interface: CallInterface::Fixed(&callee.interface),
            arguments: if count <= INLINE {
                Arguments::Inline([0; INLINE], count)
            } else {
                Arguments::Many(vec![0; count])
            },
        };
        let slots = call.arguments.slots();
        let mut types = Vec::new();
        for (place, value) in values.enumerate() {
            let wrong =
                |why: String| type_error(format!("argument {} of {signature} {why}", place + 1));
            slots[place] = match parameters.get(place) {
                Some(parameter) => word(&parameter.ty, value).map_err(wrong)?,
                None => {
                    let (ty, word) = variadic_word(value).map_err(wrong)?;
                    types.push(ty);
                    word
                }
            };
        }
        if count > parameters.len() {
            call.interface = CallInterface::Variadic(Interface::new(signature, &types)?);
        }
        Ok(call)
    }

    /// Prepares a call with pointers to arguments, which are not checked, and which live until it is made.
    pub fn prepare_raw_call(&self, arguments: &[*const c_void]) -> Result<PreparedCall<'_>, Error> {
        let callee = self.callee()?;
        Ok(PreparedCall {
            function: self,
            address: callee.address,
            interface: CallInterface::Fixed(&callee.interface),
            // libffi reads them only.
            arguments: Arguments::Raw(arguments.as_ptr().cast::<*mut c_void>().cast_mut()),
        })
    }

    fn callee(&self) -> Result<&Callee, Error> {
        if let Some(callee) = self.callee.get() {
            return Ok(callee);
        }
        let callee = Callee {
            // The signature first: what cannot be called need not link.
            interface: Interface::new(self.signature(), &[])?,
            address: self.address()?,
        };
        // Two threads may come here at once and find the same. None waits for the other, which may be one that a
        // forked child does not have.
        Ok(fork::guard(|| self.callee.get_or_init(|| callee)).into_inner())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let unused = self.executor.lock().unpin(self.module);
        state::unload(unused);
    }
}

impl Arguments {
    fn slots(&mut self) -> &mut [u64] {
        match self {
            Arguments::Inline(slots, count) => &mut slots[..*count],
            Arguments::Many(slots) => slots,
            Arguments::Raw(_) => &mut [],
        }
    }
}

impl PreparedCall<'_> {
    /// Calls the function.
    pub fn run(self) -> Value {
        let ty = &self.function.signature().result;
        let word = self.call();
        match ty {
            Type::Void | Type::Other(_) => Value::Void,
            Type::I1 => Value::I1((word & 1) as i64),
            Type::I8 => Value::I8(i64::from(word as i8)),
            Type::I16 => Value::I16(i64::from(word as i16)),
            Type::I32 => Value::I32(i64::from(word as i32)),
            Type::I64 => Value::I64(word as i64),
            Type::Float => Value::Float(f32::from_bits(word as u32)),
            Type::Double => Value::Double(f64::from_bits(word)),
            Type::Pointer => Value::Pointer(word as usize),
        }
    }

    /// Calls the function and writes its result to `result`, if that is not NULL.
    ///
    /// # Safety
    /// `result` is NULL or has room for the result; the pointers of a raw call point to arguments.
    pub unsafe fn run_raw(self, result: *mut c_void) {
        let ty = &self.function.signature().result;
        let len = match ty {
            Type::Void | Type::Other(_) => 0,
            Type::I1 | Type::I8 => 1,
            Type::I16 => 2,
            Type::I32 | Type::Float => 4,
            Type::I64 | Type::Double | Type::Pointer => 8,
        };
        let mask = if *ty == Type::I1 { 1 } else { u64::MAX };
        let word = (self.call() & mask).to_le_bytes();
        if !result.is_null() {
            // SAFETY: the caller vouches for room for a result of this type.
            unsafe { ptr::copy_nonoverlapping(word.as_ptr(), result.cast::<u8>(), len) };
        }
    }

    /// Returns the register that holds the result; what lies above a narrow one does not matter.
    fn call(mut self) -> u64 {
        let mut result = 0u64;
        let mut inline = [ptr::null_mut(); INLINE];
        let mut many = Vec::new();
        let pointers: *mut *mut c_void = match &mut self.arguments {
            Arguments::Raw(pointers) => *pointers,
            Arguments::Inline(slots, count) => {
                for (pointer, slot) in inline.iter_mut().zip(&mut slots[..*count]) {
                    *pointer = ptr::from_mut(slot).cast();
                }
                inline.as_mut_ptr()
            }
            Arguments::Many(slots) => {
                many.extend(slots.iter_mut().map(|slot| ptr::from_mut(slot).cast()));
                many.as_mut_ptr()
            }
        };
        let interface = match &self.interface {
            CallInterface::Fixed(interface) => *interface,
            CallInterface::Variadic(interface) => interface,
        };
        // SAFETY: the address is that of a function with this signature, as the IR that it was compiled from
        // states; the arguments were checked against it, or the caller of a raw call vouches for them. A result
        // is at most 8 bytes. libffi only reads the interface.
        unsafe {
            ffi_call_unwind(
                ptr::from_ref(&*interface.cif).cast_mut(),
                self.address as *mut c_void,
                (&raw mut result).cast(),
                pointers,
            );
        }
        result
    }
}

impl Interface {
    /// For a call with `variadic` more arguments than parameters.
    fn new(
        signature: &signature::Function,
        variadic: &[*mut ffi_type],
    ) -> Result<Interface, Error> {
        if !signature.convention.is_empty() {
            return Err(uncallable(signature, &signature.convention));
        }
        let mut types = Vec::with_capacity(signature.parameters.len() + variadic.len());
        for parameter in &signature.parameters {
            types.push(parameter_type(parameter).map_err(|ty| uncallable(signature, ty))?);
        }
        let result = ffi_type_of(&signature.result, Extension::None)
            .map_err(|ty| uncallable(signature, ty))?;
        types.extend_from_slice(variadic);
        let mut types = types.into_boxed_slice();
        let mut cif = Box::<ffi_cif>::default();
        let count = u32::try_from(types.len())
            .map_err(|_| type_error(format!("{signature} takes too many arguments")))?;
        // SAFETY: the pointers are to a new interface, to its array of types, which lives as long, and to
        // libffi's own types.
        let status = unsafe {
            if signature.variadic {
                ffi_prep_cif_var(
                    &raw mut *cif,
                    ffi_abi_FFI_DEFAULT_ABI,
                    signature.parameters.len() as u32,
                    count,
                    result,
                    types.as_mut_ptr(),
                )
            } else {
                ffi_prep_cif(
                    &raw mut *cif,
                    ffi_abi_FFI_DEFAULT_ABI,
                    count,
                    result,
                    types.as_mut_ptr(),
                )
            }
        };
        if status != ffi_status_FFI_OK {
            return Err(type_error(format!(
                "{signature} cannot be called by libffi"
            )));
        }
        Ok(Interface { cif, _types: types })
    }
}

fn parameter_type(parameter: &Parameter) -> Result<*mut ffi_type, &str> {
    ffi_type_of(&parameter.ty, parameter.extension)
}

/// libffi's name of a type, or the type that it has none for.
fn ffi_type_of(ty: &Type, extension: Extension) -> Result<*mut ffi_type, &str> {
    use libffi::raw;
    let zero = extension == Extension::Zero;
    Ok(match ty {
        Type::Void => &raw mut raw::ffi_type_void,
        // Always widened with zeros: a set i1 is 1.
        Type::I1 => &raw mut raw::ffi_type_uint8,
        Type::I8 if zero => &raw mut raw::ffi_type_uint8,
        Type::I8 => &raw mut raw::ffi_type_sint8,
        Type::I16 if zero => &raw mut raw::ffi_type_uint16,
        Type::I16 => &raw mut raw::ffi_type_sint16,
        Type::I32 if zero => &raw mut raw::ffi_type_uint32,
        Type::I32 => &raw mut raw::ffi_type_sint32,
        Type::I64 => &raw mut raw::ffi_type_sint64,
        Type::Float => &raw mut raw::ffi_type_float,
        Type::Double => &raw mut raw::ffi_type_double,
        Type::Pointer => &raw mut raw::ffi_type_pointer,
        Type::Other(text) => return Err(text),
    })
}

/// The bits of an argument for a parameter of type `ty`, or what is wrong with it.
fn word(ty: &Type, value: Value) -> Result<u64, String> {
    let bits = match (ty, value) {
        (Type::I1, Value::I1(integer)) => return fit(integer, 0, 1, "i1"),
        (Type::I8, Value::I8(integer)) => {
            return fit(integer, i8::MIN.into(), u8::MAX.into(), "i8");
        }
        (Type::I16, Value::I16(integer)) => {
            return fit(integer, i16::MIN.into(), u16::MAX.into(), "i16");
        }
        (Type::I32, Value::I32(integer)) => {
            return fit(integer, i32::MIN.into(), u32::MAX.into(), "i32");
        }
        (Type::I64, Value::I64(integer)) => integer as u64,
        (Type::Float, Value::Float(number)) => number.to_bits().into(),
        (Type::Double, Value::Double(number)) => number.to_bits(),
        (Type::Pointer, Value::Pointer(address)) => address as u64,
        (_, Value::Unknown(number)) => return Err(unknown_type(number)),
        (ty, value) => return Err(format!("is a {ty}; a {} was passed", value.type_name())),
    };
    Ok(bits)
}

/// An argument after the parameters, widened as C does.
fn variadic_word(value: Value) -> Result<(*mut ffi_type, u64), String> {
    let (ty, word) = match value {
        Value::I1(integer) => (Type::I32, fit(integer, 0, 1, "i1")?),
        Value::I8(integer) => {
            fit(integer, i8::MIN.into(), u8::MAX.into(), "i8")?;
            (Type::I32, integer as u64)
        }
        Value::I16(integer) => {
            fit(integer, i16::MIN.into(), u16::MAX.into(), "i16")?;
            (Type::I32, integer as u64)
        }
        Value::I32(_) => (Type::I32, word(&Type::I32, value)?),
        Value::I64(_) => (Type::I64, word(&Type::I64, value)?),
        Value::Float(number) => (Type::Double, f64::from(number).to_bits()),
        Value::Double(_) => (Type::Double, word(&Type::Double, value)?),
        Value::Pointer(_) => (Type::Pointer, word(&Type::Pointer, value)?),
        Value::Void => return Err("is no value".to_owned()),
        Value::Unknown(number) => return Err(unknown_type(number)),
    };
    let ty = ffi_type_of(&ty, Extension::None).map_err(str::to_owned)?;
    Ok((ty, word))
}

fn fit(integer: i64, min: i64, max: i64, ty: &str) -> Result<u64, String> {
    if (min..=max).contains(&integer) {
        Ok(integer as u64)
    } else {
        Err(format!("is {integer}, which does not fit an {ty}"))
    }
}

fn unknown_type(number: i32) -> String {
    format!("has the type {number}, which is none: use MGENJIT_TYPE_I1 to MGENJIT_TYPE_POINTER")
}

fn arguments(count: usize) -> String {
    match count {
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

fn uncallable(signature: &signature::Function, what: &str) -> Error {
    type_error(format!(
        "{signature} cannot be called this way, because of `{what}`: take its address and call that from code \
         that knows its type"
    ))
}

fn type_error(message: String) -> Error {
    Error::new(Status::Type, message)
}
