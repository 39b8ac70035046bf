//! Runs a program: its function `main`, in any of the forms that it usually has.

use super::call::Function;
use super::value::Value;
use super::{Call, Executor};
use crate::error::{Error, Status};
use crate::signature::{self, Type};
use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::Arc;

unsafe extern "C" {
    static environ: *const *const c_char;
    static stdout: *mut libc::FILE;
    static stderr: *mut libc::FILE;
}

/// A `main` that was found, with its arguments.
pub struct MainCall {
    function: Function,
    /// What `argv` points to.
    _strings: Vec<Box<[u8]>>,
    argv: Vec<*mut c_char>,
}

impl Executor {
    pub fn prepare_main(self: &Arc<Self>, arguments: &[&CStr]) -> Result<MainCall, Error> {
        let function = self.lookup_function("main")?;
        check_main(function.signature())?;
        // Copies, which the program may change.
        let mut strings: Vec<Box<[u8]>> = arguments
            .iter()
            .map(|text| text.to_bytes_with_nul().into())
            .collect();
        let mut argv: Vec<*mut c_char> = strings
            .iter_mut()
            .map(|text| text.as_mut_ptr().cast())
            .collect();
        argv.push(ptr::null_mut());
        let main = MainCall {
            function,
            _strings: strings,
            argv,
        };
        // Links, and so finds out what is missing, before anything runs.
        main.prepare(&mut Call::new())?;
        Ok(main)
    }
}

/// Whether it is a form of `main` that can be run.
pub fn check_main(signature: &signature::Function) -> Result<(), Error> {
    let integer = |ty: &Type| matches!(ty, Type::I8 | Type::I16 | Type::I32 | Type::I64);
    let parameters: Vec<&Type> = signature.parameters.iter().map(|one| &one.ty).collect();
    let takes = match parameters.as_slice() {
        [] => true,
        [argc] => integer(argc),
        [argc, Type::Pointer] => integer(argc),
        [argc, Type::Pointer, Type::Pointer] => integer(argc),
        _ => false,
    };
    let returns = signature.result == Type::Void || integer(&signature.result);
    if !takes || !returns {
        return Err(Error::new(
            Status::Type,
            format!(
                "{signature} is no form of main that can be run: it takes (), (argc), (argc, argv) or (argc, argv, \
                 envp) and returns an integer or void"
            ),
        ));
    }
    Ok(())
}

impl MainCall {
    /// Runs it and flushes what it wrote. An exception passes through.
    pub fn run(&self) -> c_int {
        let mut call = Call::new();
        if self.prepare(&mut call).is_err() {
            // `prepare_main` has done the same before.
            return 0;
        }
        let result = match call.run() {
            Value::I8(result) | Value::I16(result) | Value::I32(result) | Value::I64(result) => {
                result as c_int
            }
            _ => 0,
        };
        // SAFETY: the streams are the C library's.
        unsafe {
            libc::fflush(stdout);
            libc::fflush(stderr);
        }
        result
    }

    fn prepare(&self, call: &mut Call) -> Result<(), Error> {
        let argc = (self.argv.len() - 1) as i64;
        let parameters = &self.function.signature().parameters;
        let count = parameters.len();
        let argc = match parameters.first().map(|first| &first.ty) {
            Some(Type::I8) => Value::I8(argc),
            Some(Type::I16) => Value::I16(argc),
            Some(Type::I64) => Value::I64(argc),
            _ => Value::I32(argc),
        };
        // SAFETY: the C library's variable, read at one moment, as `main`'s caller does.
        let envp = unsafe { environ };
        let values = [
            argc,
            Value::Pointer(self.argv.as_ptr().addr()),
            Value::Pointer(envp.addr()),
        ];
        self.function.prepare(call, values.into_iter().take(count))
    }
}
