//! Sources
//!
//! A mgenjit_source is several inputs that are compiled into one module: IR text, bitcode, relocatable objects and static
//! archives. All IR is linked before it is optimised, so that functions of one input are inlined into another. Objects are
//! linked into the same image, and so are the archive members that something refers to. The inputs together have one key
//! and one entry in the cache.
//!
//! ```c
//! const char *caller = "declare i64 @add(i64, i64)\n"
//!                      "define i64 @twice(i64 %x) {\n"
//!                      "  %sum = call i64 @add(i64 %x, i64 %x)\n"
//!                      "  ret i64 %sum\n"
//!                      "}\n";
//! mgenjit_source *source;
//! mgenjit_source_new("program", &source, NULL);
//! mgenjit_source_add(source, "add.ll", ir, strlen(ir), NULL);
//! mgenjit_source_add(source, "twice.ll", caller, strlen(caller), NULL);
//! mgenjit_source_keep(source, "twice", NULL); // and inline add
//! mgenjit_module *program;
//! assert(mgenjit_executor_compile_source(executor, source, &program, NULL) == MGENJIT_STATUS_OK);
//! mgenjit_module_free(program);
//! mgenjit_source_free(source);
//! ```

use super::call::{call, set};
use super::error::mgenjit_error;
use super::ffi::{Owned, free, invalid};
use super::status::mgenjit_status;
use crate::executor::source::{Content, Source};
use std::borrow::Cow;
use std::ffi::{c_char, c_void};
use std::path::PathBuf;

/// The inputs of one module. It belongs to one thread at a time while it is changed.
#[allow(non_camel_case_types)]
pub struct mgenjit_source(pub(super) Source<'static>);

impl Owned for mgenjit_source {}

/// Creates a source without inputs. Free it with mgenjit_source_free. `name` is the module's name in messages; it is not part
/// of the key.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_new(
    name: *const c_char,
    source: *mut *mut mgenjit_source,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, string name, out source => source.give(mgenjit_source(Source::new(name.to_owned()))))
}

/// Frees a source. Modules compiled from it stay. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_free(source: *mut mgenjit_source) {
    free!(source);
}

/// Adds an input: `length` bytes at `bytes`, which are copied. The format is detected from the first bytes: IR text, bitcode,
/// an ELF relocatable object, or a static archive of these. `name` is the input's name in messages.
///
/// The order of archives matters, as for a linker: if several define a symbol, the first is used. If all inputs are archives
/// and no symbol is kept, nothing refers to their members, and all are linked.
///
/// Functions of objects have no signatures. Look them up by address.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. Bad contents are an error of the compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_add(
    source: *mut mgenjit_source,
    name: *const c_char,
    bytes: *const c_void,
    length: usize,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut source, string name, bytes bytes[length] => {
        let content = Content::Memory(Cow::Owned(bytes.to_vec()));
        source.0.add(name.to_owned(), content);
    })
}

/// Adds a file as an input: see mgenjit_source_add. It is read each time the source is compiled, and in full only on a cache
/// miss.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. A file that cannot be read is an error of the compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_add_file(
    source: *mut mgenjit_source,
    path: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut source, string path => {
        let content = Content::File(Cow::Owned(PathBuf::from(path)));
        source.0.add(path.to_owned(), content);
    })
}

/// Keeps a symbol, which is a function or variable. Once a symbol is kept, all others that the inputs define become internal
/// to the module: the optimiser may inline, change and drop them, and nothing outside sees them. If none is kept, all
/// external symbols stay external.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT. A symbol that no input defines is an error of the compile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_source_keep(
    source: *mut mgenjit_source,
    symbol: *const c_char,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle_mut source, string symbol => {
        if symbol.is_empty() {
            return Err(invalid("a symbol to keep needs a name"));
        }
        source.0.keep(symbol);
        Ok(())
    })
}
