//! Runs a program's `main`, in any of its usual forms.

use super::call::Call;
use super::call::Function;
use super::core::Executor;
use super::value::Value;
use crate::arch::float;
use crate::error::{Error, Status};
use crate::image::arguments::{Arguments, Strings};
use crate::signature::{self, Extension, Parameter, Type};
use std::ffi::{CStr, c_char, c_int};
use std::mem::ManuallyDrop;
use std::sync::Arc;

unsafe extern "C" {
    static environ: *const *const c_char;
    static stdout: *mut libc::FILE;
    static stderr: *mut libc::FILE;
}

/// A `main` that was found, with its arguments.
pub struct MainCall {
    function: Function,
    arguments: Arc<Strings>,
}

impl Executor {
    /// Sets the arguments of constructors, and of a `main` that is called without any.
    pub fn set_arguments(&self, arguments: &[&CStr]) {
        let strings = Arc::new(Strings::new(arguments));
        self.lock().set_arguments(strings);
    }

    /// `None`: the arguments that were set.
    pub fn prepare_main(self: &Arc<Self>, arguments: Option<&[&CStr]>) -> Result<MainCall, Error> {
        let function = self.find_function("main", Some(usual_main()))?;
        check_main(function.signature())?;
        if let Some(arguments) = arguments {
            self.set_arguments(arguments);
        }
        let set = self.lock().program_arguments().cloned();
        let main = MainCall {
            function,
            arguments: set.unwrap_or_else(|| Arc::new(Strings::new(&[]))),
        };
        // Links, and so finds out what is missing, before anything runs.
        main.prepare(&mut Call::new())?;
        Ok(main)
    }
}

/// Clears `errno` and the floating-point exception flags, which C says are clear when a program begins.
fn clear_state() {
    // SAFETY: it is this thread's.
    unsafe { *libc::__errno_location() = 0 };
    float::clear_exceptions();
}

/// The signature of a `main` whose own is not known: of one that takes less, what is passed besides does not matter.
pub(super) fn usual_main() -> signature::Function {
    let parameter = |ty| Parameter {
        ty,
        extension: Extension::None,
    };
    signature::Function {
        name: "main".to_owned(),
        result: Type::I32,
        parameters: [Type::I32, Type::Pointer, Type::Pointer]
            .map(parameter)
            .into(),
        variadic: false,
        convention: String::new(),
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
                "{signature} is not a main that can be run. A main takes (), (argc), (argc, argv) or (argc, argv, \
                 envp) and returns an integer or void"
            ),
        ));
    }
    Ok(())
}

impl MainCall {
    /// Runs it and flushes what it wrote. What unwinds passes through: an exception, whose type the program may have
    /// defined, or the end of the thread by `pthread_exit`, which other threads of the program outlive. So then the
    /// program is not given up.
    pub fn run(self) -> c_int {
        let main = ManuallyDrop::new(self);
        let result = main.call();
        drop(ManuallyDrop::into_inner(main));
        result
    }

    fn call(&self) -> c_int {
        let mut call = Call::new();
        if self.prepare(&mut call).is_err() {
            // `prepare_main` has done the same before.
            return 0;
        }
        clear_state();
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
        let Arguments { argc, argv } = self.arguments.arguments();
        let argc = i64::from(argc);
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
            Value::Pointer(argv.addr()),
            Value::Pointer(envp.addr()),
        ];
        self.function.prepare(call, values.into_iter().take(count))
    }
}
