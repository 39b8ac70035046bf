//! LLVM IR in, native functions out, and never compiled twice: safe types over libmgenjit's C ABI.
//!
//! ```
//! use mgenjit::Executor;
//!
//! # fn main() -> mgenjit::Result<()> {
//! let executor = Executor::new()?;
//! let module = executor.compile(
//!     "define i64 @add(i64 %a, i64 %b) {
//!        %sum = add i64 %a, %b
//!        ret i64 %sum
//!      }",
//!     "add.ll",
//! )?;
//! // SAFETY: the IR does what it says.
//! let add = unsafe { module.function::<extern "C" fn(i64, i64) -> i64>("add")? };
//! assert_eq!(add(10, 20), 30);
//! # Ok(())
//! # }
//! ```
//!
//! An error is a [`std::error::Error`], with the place in the IR that it is about:
//!
//! ```
//! let executor = mgenjit::Executor::new().unwrap();
//! let error = executor.compile("define i64 @f() {\n  ret i64 %x\n}", "f.ll").unwrap_err();
//! assert_eq!(error.line(), Some(2));
//! assert!(error.to_string().starts_with("f.ll:2:"), "{error}");
//! ```
//!
//! Modules call functions of the program that are [defined](Executor::define) for them.
//!
//! A type that a program names for a function is compared with the IR. What the function does, nobody can check: so it is
//! `unsafe` to look one up, and it is said there once that the IR can be trusted.

mod config;
mod error;
mod signature;
pub mod sys;

pub use config::{Allow, CacheMode, Config, Event, OptLevel};
pub use error::{Error, Result};
pub use signature::{Signature, Type, Value};

use error::{c_string, check};
use std::ffi::{c_char, c_int, c_void, CStr};
use std::fmt;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

/// Copies a string of the library.
///
/// # Safety
///
/// It is NULL or a string that lives during the call.
unsafe fn string(text: *const c_char) -> String {
    match text.is_null() {
        true => String::new(),
        // SAFETY: as the caller says.
        false => unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned(),
    }
}

/// The version of the library.
pub fn version() -> String {
    // SAFETY: the string is static.
    unsafe { string(sys::mgenjit_version_string()) }
}

/// The version of LLVM that compiles.
pub fn llvm_version() -> String {
    // SAFETY: the string is static.
    unsafe { string(sys::mgenjit_llvm_version()) }
}

/// A set of modules that link to each other, and what they may use of this program.
///
/// Its modules and functions may outlive it: the code stays as long as one of them does.
#[derive(Debug)]
pub struct Executor(NonNull<sys::mgenjit_executor>);

// SAFETY: the header lets many threads use an executor at once, and any thread free it.
unsafe impl Send for Executor {}
// SAFETY: as above.
unsafe impl Sync for Executor {}

impl Executor {
    /// Makes an executor with the default options.
    pub fn new() -> Result<Executor> {
        Executor::make(std::ptr::null())
    }

    /// Makes an executor with these options.
    pub fn with(config: &Config) -> Result<Executor> {
        Executor::make(config.pointer())
    }

    fn make(config: *const sys::mgenjit_config) -> Result<Executor> {
        let mut executor = std::ptr::null_mut();
        // SAFETY: `config` is NULL or lives during the call, in which it is copied.
        check(|error| unsafe { sys::mgenjit_executor_new(config, &mut executor, error) })?;
        Ok(Executor(NonNull::new(executor).expect("an executor")))
    }

    /// Compiles IR text or bitcode, or finds it in the cache. `name` is what messages call it.
    pub fn compile(&self, ir: impl AsRef<[u8]>, name: &str) -> Result<Module> {
        let (ir, name) = (ir.as_ref(), c_string(name, "the module's name")?);
        // SAFETY: all pointers live during the call.
        Module::made(|module, error| unsafe {
            let executor = self.0.as_ptr();
            let bytes = ir.as_ptr().cast();
            sys::mgenjit_executor_compile(executor, name.as_ptr(), bytes, ir.len(), module, error)
        })
    }

    /// Compiles the file at a path, or finds it in the cache.
    pub fn compile_file(&self, path: impl AsRef<Path>) -> Result<Module> {
        let path = c_string(path.as_ref().as_os_str().as_bytes(), "the path")?;
        // SAFETY: all pointers live during the call.
        Module::made(|module, error| unsafe {
            sys::mgenjit_executor_compile_file(self.0.as_ptr(), path.as_ptr(), module, error)
        })
    }

    /// Defines a function for the modules that link from now on.
    ///
    /// ```
    /// # fn main() -> mgenjit::Result<()> {
    /// extern "C" fn twice(x: i64) -> i64 {
    ///     2 * x
    /// }
    ///
    /// let executor = mgenjit::Executor::new()?;
    /// executor.define("twice", twice as extern "C" fn(i64) -> i64)?;
    /// let module = executor.compile(
    ///     "declare i64 @twice(i64)
    ///      define i64 @f(i64 %x) {
    ///        %y = call i64 @twice(i64 %x)
    ///        ret i64 %y
    ///      }",
    ///     "f.ll",
    /// )?;
    /// // SAFETY: the IR declares `twice` as it is.
    /// let f = unsafe { module.function::<extern "C" fn(i64) -> i64>("f")? };
    /// assert_eq!(f(21), 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn define<F: Signature>(&self, name: &str, function: F) -> Result<()> {
        self.define_address(name, function.address())
    }

    /// Defines a symbol, such as a variable, for the modules that link from now on. It must live as long as they use it.
    pub fn define_address<T>(&self, name: &str, address: *const T) -> Result<()> {
        let name = c_string(name, "the symbol's name")?;
        // SAFETY: the handle and the name live. What is at the address matters to who calls a function that uses it.
        check(|error| unsafe {
            let address = address.cast();
            sys::mgenjit_executor_define(self.0.as_ptr(), name.as_ptr(), address, error)
        })
    }

    /// Loads a shared library for the modules, as `dlopen` does.
    ///
    /// # Safety
    ///
    /// Its constructors run.
    pub unsafe fn load_library(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_string(path.as_ref().as_os_str().as_bytes(), "the path")?;
        // SAFETY: the handle and the path live, and the caller answers for the library.
        check(|error| unsafe {
            sys::mgenjit_executor_load_library(self.0.as_ptr(), path.as_ptr(), error)
        })
    }

    /// The address of a function or variable, of the modules, the libraries, or the process.
    ///
    /// # Safety
    ///
    /// The modules are linked, and their constructors run.
    pub unsafe fn lookup(&self, name: &str) -> Result<*mut c_void> {
        let name = c_string(name, "the symbol's name")?;
        let mut address = std::ptr::null_mut();
        // SAFETY: the pointers live, and the caller answers for the modules.
        check(|error| unsafe {
            sys::mgenjit_executor_lookup(self.0.as_ptr(), name.as_ptr(), &mut address, error)
        })?;
        Ok(address)
    }

    /// Calls the `main` of the modules, and returns its result. The first argument is the program's name.
    ///
    /// # Safety
    ///
    /// It does what the IR says.
    pub unsafe fn run_main(&self, arguments: &[&str]) -> Result<i32> {
        let strings = arguments
            .iter()
            .map(|argument| c_string(*argument, "an argument"))
            .collect::<Result<Vec<_>>>()?;
        let mut pointers: Vec<_> = strings.iter().map(|text| text.as_ptr()).collect();
        let count = c_int::try_from(pointers.len())
            .map_err(|_| Error::new(Error::INVALID_ARGUMENT, "too many arguments".to_owned()))?;
        pointers.push(std::ptr::null());
        let mut result = 0;
        // SAFETY: the pointers live, and the caller answers for the program.
        check(|error| unsafe {
            let arguments = pointers.as_ptr();
            sys::mgenjit_executor_run_main(self.0.as_ptr(), count, arguments, &mut result, error)
        })?;
        Ok(result)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own.
        unsafe { sys::mgenjit_executor_free(self.0.as_ptr()) };
    }
}

/// A module of an executor. It stays there when this is dropped.
#[derive(Debug)]
pub struct Module(NonNull<sys::mgenjit_module>);

// SAFETY: the header lets many threads use a module at once, and any thread free its handle.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    fn made(
        make: impl FnOnce(*mut *mut sys::mgenjit_module, *mut *mut sys::mgenjit_error) -> i32,
    ) -> Result<Module> {
        let mut module = std::ptr::null_mut();
        check(|error| make(&mut module, error))?;
        Ok(Module(NonNull::new(module).expect("a module")))
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        // SAFETY: the handle lives, and the string as long.
        unsafe { string(sys::mgenjit_module_name(self.0.as_ptr())) }
    }

    /// Its key in the cache.
    pub fn key(&self) -> String {
        // SAFETY: the handle lives, and the string as long.
        unsafe { string(sys::mgenjit_module_key(self.0.as_ptr())) }
    }

    /// Whether it was in the cache.
    pub fn is_hit(&self) -> bool {
        // SAFETY: the handle lives.
        unsafe { sys::mgenjit_module_origin(self.0.as_ptr()) == sys::MGENJIT_ORIGIN_CACHE }
    }

    /// What its steps took.
    pub fn times(&self) -> Result<sys::mgenjit_times> {
        let mut times = sys::mgenjit_times {
            size: std::mem::size_of::<sys::mgenjit_times>(),
            ..Default::default()
        };
        // SAFETY: the pointers live during the call, and `size` is set.
        check(|error| unsafe { sys::mgenjit_module_times(self.0.as_ptr(), &mut times, error) })?;
        Ok(times)
    }

    /// The signatures of its functions, such as `i64 @add(i64, i64)`.
    pub fn signatures(&self) -> Result<Vec<String>> {
        self.handles()?
            .iter()
            .map(|handle| Ok(handle.signature()))
            .collect()
    }

    /// Looks up a function. Its type must be that of the IR: `i64 @add(i64, i64)` is
    /// `extern "C" fn(i64, i64) -> i64`.
    ///
    /// ```
    /// # fn main() -> mgenjit::Result<()> {
    /// # let executor = mgenjit::Executor::new()?;
    /// let module = executor.compile("define i32 @one() {\n  ret i32 1\n}", "one.ll")?;
    /// // SAFETY: it returns 1.
    /// let error = unsafe { module.function::<extern "C" fn() -> i64>("one") }.unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "one: the IR has i32 @one(), the program asks for i64 @one()"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Safety
    ///
    /// The modules are linked, and their constructors run. The function does what the IR says: that must be safe with
    /// whatever it is called with, unless `F` is an `unsafe` function. A function pointer that is copied out of the
    /// result must not be called when the result, the module and the executor are dropped, or the module is removed.
    pub unsafe fn function<F: Signature>(&self, name: &str) -> Result<Function<F>> {
        let handle = self
            .handles()?
            .into_iter()
            .find(|handle| handle.name() == name)
            .ok_or_else(|| {
                Error::new(
                    Error::NOT_FOUND,
                    format!("{}: it defines no function {name}", self.name()),
                )
            })?;
        handle.check::<F>()?;
        let mut address = std::ptr::null_mut();
        // SAFETY: the pointers live, and the caller answers for the constructors.
        check(|error| unsafe {
            sys::mgenjit_function_address(handle.0.as_ptr(), &mut address, error)
        })?;
        // SAFETY: the IR says that a function of these types is there.
        let function = unsafe { F::from_address(address) };
        Ok(Function { function, handle })
    }

    /// Removes the module from its executor.
    ///
    /// # Safety
    ///
    /// No thread runs its code any more, once the functions that were looked up are dropped.
    pub unsafe fn remove(self) -> Result<()> {
        // SAFETY: the handle lives, and the caller answers for the code.
        check(|error| unsafe { sys::mgenjit_module_remove(self.0.as_ptr(), error) })
    }

    /// Compiles a new version of the module, which its functions' callers then call, and returns it. The executor must be
    /// [replaceable](Config::replaceable). `name` is what messages call it.
    ///
    /// # Safety
    ///
    /// The constructors of the new version run. Functions do what the IR says; if they may change their types, callers that
    /// were compiled for the old types must not call them.
    pub unsafe fn replace(&self, ir: impl AsRef<[u8]>, name: &str, allow: Allow) -> Result<Module> {
        let (ir, name) = (ir.as_ref(), c_string(name, "the module's name")?);
        let mut source = std::ptr::null_mut();
        // SAFETY: the pointers live during the call.
        check(|error| unsafe { sys::mgenjit_source_new(name.as_ptr(), &mut source, error) })?;
        // SAFETY: all pointers live during the call, and the bytes are copied.
        let added = check(|error| unsafe {
            let bytes = ir.as_ptr().cast();
            sys::mgenjit_source_add(source, name.as_ptr(), bytes, ir.len(), error)
        });
        let module = added.and_then(|()| {
            // SAFETY: the handles live, and the caller answers for the code.
            Module::made(|module, error| unsafe {
                sys::mgenjit_module_replace(self.0.as_ptr(), source, allow as i32, module, error)
            })
        });
        // SAFETY: the handle is this function's own.
        unsafe { sys::mgenjit_source_free(source) };
        module
    }

    /// Says that nothing runs in the module any more, after it was replaced. Tells whether its code is unmapped now.
    ///
    /// # Safety
    ///
    /// No thread runs its code, and none will.
    pub unsafe fn retire(self) -> Result<bool> {
        let mut unmapped = false;
        // SAFETY: the handle lives, and the caller answers for the code.
        check(|error| unsafe {
            sys::mgenjit_module_retire(self.0.as_ptr(), &mut unmapped, error)
        })?;
        Ok(unmapped)
    }

    fn handles(&self) -> Result<Vec<Handle>> {
        // SAFETY: the handle lives.
        let count = unsafe { sys::mgenjit_module_function_count(self.0.as_ptr()) };
        let handle = |index| {
            let mut function = std::ptr::null_mut();
            // SAFETY: the pointers live during the call.
            check(|error| unsafe {
                sys::mgenjit_module_function(self.0.as_ptr(), index, &mut function, error)
            })?;
            Ok(Handle(NonNull::new(function).expect("a function")))
        };
        (0..count).map(handle).collect()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own.
        unsafe { sys::mgenjit_module_free(self.0.as_ptr()) };
    }
}

/// A function of a module. It is called as the function pointer that it is, and keeps its code mapped.
pub struct Function<F> {
    function: F,
    handle: Handle,
}

impl<F> Function<F> {
    /// As IR writes it, such as `i64 @add(i64, i64)`.
    pub fn signature(&self) -> String {
        self.handle.signature()
    }
}

impl<F> Deref for Function<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.function
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Function({})", self.signature())
    }
}

struct Handle(NonNull<sys::mgenjit_function>);

// SAFETY: the header lets many threads use a function at once, and any thread free its handle.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    fn name(&self) -> String {
        // SAFETY: the handle lives, and the string as long.
        unsafe { string(sys::mgenjit_function_name(self.0.as_ptr())) }
    }

    fn signature(&self) -> String {
        // SAFETY: the handle lives, and the string as long.
        unsafe { string(sys::mgenjit_function_signature(self.0.as_ptr())) }
    }

    /// Compares the function's types with those that the program names. The text of the signature has its calling
    /// convention too, and "..." if it is variadic.
    fn check<F: Signature>(&self) -> Result<()> {
        // SAFETY: the handle lives.
        let (result, count) = unsafe {
            (
                Type(sys::mgenjit_function_result_type(self.0.as_ptr())),
                sys::mgenjit_function_parameter_count(self.0.as_ptr()),
            )
        };
        let parameters = (0..count)
            // SAFETY: the handle lives.
            .map(|index| {
                Type(unsafe { sys::mgenjit_function_parameter_type(self.0.as_ptr(), index) })
            });
        let signature = self.signature();
        let is_plain =
            signature.starts_with(&format!("{} @", result.name())) && !signature.ends_with("...)");
        if is_plain && result == F::RESULT && parameters.eq(F::PARAMETERS.iter().copied()) {
            return Ok(());
        }
        let asked: Vec<_> = F::PARAMETERS.iter().map(|ty| ty.name()).collect();
        let (name, asked) = (self.name(), asked.join(", "));
        let message = format!(
            "{name}: the IR has {signature}, the program asks for {} @{name}({asked})",
            F::RESULT.name()
        );
        Err(Error::new(Error::TYPE, message))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own.
        unsafe { sys::mgenjit_function_free(self.0.as_ptr()) };
    }
}
