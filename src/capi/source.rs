//! `mgenjit_source`: several inputs that become one module.

use super::error::mgenjit_error;
use super::ffi::{self, Out, Owned};
use super::status::mgenjit_status;
use crate::error::{Error, Status};
use crate::executor::source::{Content, Source};
use std::borrow::Cow;
use std::ffi::{c_char, c_void};
use std::path::PathBuf;

/// What is compiled into one module: IR text, bitcode, relocatable objects and static archives. All IR is linked into
/// one module before it is optimised, so that functions of one input are inlined into those of another. Objects are
/// linked into the same image, and of an archive the members that something refers to. All inputs have one key and
/// one entry in the cache.
#[allow(non_camel_case_types)]
pub struct mgenjit_source(pub(super) Source<'static>);

impl Owned for mgenjit_source {}

/// Makes a source without inputs, to be freed with mgenjit_source_free. `name` is what messages call the module; it is
/// no part of the key.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_new(
    name: *const c_char,
    source: *mut *mut mgenjit_source,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let name = ffi::string(name, "name")?;
            let out = Out::new(source, "source")?;
            out.write(mgenjit_source(Source::new(name.to_owned())).into_raw());
            Ok(())
        })
    }
}

/// Frees a source. Modules that were compiled from it stay. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_free(source: *mut mgenjit_source) {
    // SAFETY: the caller passes NULL or a source that it owns and will not use again.
    unsafe { mgenjit_source::free(source) };
}

/// Adds an input of `length` bytes at `bytes`, which are copied. What it is, its first bytes tell: IR text, bitcode, an
/// ELF relocatable object, or a static archive of such. `name` is what messages call it.
///
/// The order counts for archives, as for a linker: of several that define a symbol, the first is used. If all inputs
/// are archives and no symbol is to be kept, nothing refers to their members, and all of them are linked.
///
/// The functions of objects have no signatures: they are looked up by their addresses.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. What is wrong with the bytes is an error of the compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_add(
    source: *mut mgenjit_source,
    name: *const c_char,
    bytes: *const c_void,
    length: usize,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let source = ffi::borrow_mut(source, "source")?;
            let name = ffi::string(name, "name")?.to_owned();
            let bytes = ffi::slice(bytes.cast::<u8>(), length, "bytes")?.to_vec();
            source.0.add(name, Content::Memory(Cow::Owned(bytes)));
            Ok(())
        })
    }
}

/// As mgenjit_source_add, of a file, which is read whenever the source is compiled: whole only if the cache has not
/// got the code.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. A file that cannot be read is an error of the compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_add_file(
    source: *mut mgenjit_source,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let source = ffi::borrow_mut(source, "source")?;
            let path = ffi::string(path, "path")?.to_owned();
            let content = Content::File(Cow::Owned(PathBuf::from(&path)));
            source.0.add(path, content);
            Ok(())
        })
    }
}

/// Keeps a symbol, a function or variable. Once one is kept, all others that the inputs define become internal to the
/// module: the optimiser may inline, change and drop them, and nobody else sees them. Without a call, all that are
/// external stay so.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. A symbol that no input defines is an error of the compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_keep(
    source: *mut mgenjit_source,
    symbol: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    // SAFETY: the caller passes NULL or live pointers, as the header asks.
    unsafe {
        ffi::guard(error, || {
            let source = ffi::borrow_mut(source, "source")?;
            let symbol = ffi::string(symbol, "symbol")?;
            if symbol.is_empty() {
                return Err(Error::new(
                    Status::InvalidArgument,
                    "a symbol to keep needs a name",
                ));
            }
            source.0.keep(symbol);
            Ok(())
        })
    }
}
