//! Replacement
//!
//! In an executor that was made for it (mgenjit_config_set_replaceable), functions can be replaced while other threads call them.
//! Each function that others can see has one address for as long as the executor lives: a stub, which jumps to the
//! definition that counts. What look-ups give, what other modules call and what code itself takes as a function's address is
//! the stub, so a new definition reaches all callers, and pointers to functions stay valid.
//!
//! There are two ways. A module that is compiled and defines a function again takes it over: all callers call the new
//! definition once the module is linked. mgenjit_module_replace replaces a whole module by a new version of it.
//!
//! ```c
//! mgenjit_config *live;
//! mgenjit_config_new(&live, NULL);
//! mgenjit_config_set_replaceable(live, true, NULL);
//! mgenjit_executor *host;
//! mgenjit_executor_new(live, &host, NULL);
//!
//! const char *one = "@calls = global i64 0\n"
//!                   "@version = global i64 1\n"
//!                   "define i64 @run() {\n"
//!                   "  %calls = load i64, ptr @calls\n"
//!                   "  %more = add i64 %calls, 1\n"
//!                   "  store i64 %more, ptr @calls\n"
//!                   "  %version = load i64, ptr @version\n"
//!                   "  ret i64 %version\n"
//!                   "}\n";
//! mgenjit_module *first;
//! mgenjit_executor_compile(host, "one.ll", one, strlen(one), &first, NULL);
//! int64_t (*run)(void), *calls;
//! mgenjit_executor_lookup(host, "run", (void **)&run, NULL);
//! mgenjit_executor_lookup(host, "calls", (void **)&calls, NULL);
//! assert(run() == 1 && *calls == 1);
//!
//! // A new version: it keeps @calls, which it declares, and begins @version anew, which it defines.
//! const char *two = "@calls = external global i64\n"
//!                   "@version = global i64 2\n"
//!                   "define i64 @run() {\n"
//!                   "  %calls = load i64, ptr @calls\n"
//!                   "  %more = add i64 %calls, 10\n"
//!                   "  store i64 %more, ptr @calls\n"
//!                   "  %version = load i64, ptr @version\n"
//!                   "  ret i64 %version\n"
//!                   "}\n";
//! mgenjit_source *edited;
//! mgenjit_source_new("two.ll", &edited, NULL);
//! mgenjit_source_add(edited, "two.ll", two, strlen(two), NULL);
//! mgenjit_module *second;
//! assert(mgenjit_module_replace(first, edited, MGENJIT_ALLOW_NOTHING, &second, NULL) == MGENJIT_STATUS_OK);
//! assert(run() == 2 && *calls == 11); // the same pointers
//!
//! // No thread is in the old code any more. It stays mapped, because @calls is its own.
//! bool unmapped;
//! mgenjit_module_retire(first, &unmapped, NULL);
//! assert(!unmapped);
//! mgenjit_module_free(first);
//! mgenjit_module_free(second);
//! mgenjit_source_free(edited);
//! mgenjit_executor_free(host);
//! mgenjit_config_free(live);
//! ```

use super::call::call;
use super::error::mgenjit_error;
use super::executor::mgenjit_executor;
use super::ffi::{self, invalid};
use super::module::{give_module, mgenjit_module};
use super::source::mgenjit_source;
use super::status::mgenjit_status;
use crate::error::Error;
use crate::executor::{Allow, OldCode};

/// A new version defines all functions of the old one, with the same types.
pub const MGENJIT_ALLOW_NOTHING: i32 = 0;
/// It need not define all. Callers of one that it lacks call the old one, which keeps the old version mapped.
pub const MGENJIT_ALLOW_VANISHED: i32 = 1;
/// Functions may change their types. Callers that were compiled for the old type must not call them.
pub const MGENJIT_ALLOW_CHANGED: i32 = 2;

/// Code that is still mapped although it was replaced or removed: see mgenjit_executor_old_code.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_old_code {
    /// sizeof(mgenjit_old_code), set by the caller; then the bytes that were written.
    pub size: usize,
    /// Modules that were replaced and wait for mgenjit_module_retire.
    pub waiting: u64,
    pub waiting_bytes: u64,
    /// Modules that were retired or removed and that something needs: their variables, functions that nothing defines
    /// anew, or function handles.
    pub kept: u64,
    pub kept_bytes: u64,
}

// SAFETY: it starts with `size`, and any bytes are values of its other fields.
unsafe impl ffi::SizedStruct for mgenjit_old_code {}

/// Compiles a new version of a module, or finds it in the cache, links it, and has all callers of the module's functions call
/// it. Its executor must be replaceable. `allow` is MGENJIT_ALLOW_NOTHING, or MGENJIT_ALLOW_VANISHED and
/// MGENJIT_ALLOW_CHANGED, combined by |. `replacement`, which may be NULL, receives a handle of the new version. The handle of
/// the old one is then good for its name and key and for mgenjit_module_retire.
///
/// Other threads may call meanwhile. Each call runs one version of its function, whole. But functions are switched one after
/// the other: a thread may call the new version of one and then the old version of another.
///
/// Variables: the new version has what it defines, with its initial values. What it only declares (`external` in IR, `extern`
/// in C) and the old version defines is the old one's, with its value: that is how state is kept. Then the type must be
/// the same, which nobody checks. A weak variable (an inline one of C++, a common one of C) is shared by all modules, and so
/// is kept. Pointers into the old version's own variables stay valid until it is unmapped.
///
/// Constructors of the new version run when its functions are in place and before this function returns: they call new
/// functions. Other threads may do so even before: so do not rely on constructors for what they need, or call an
/// initialisation function of your own. Destructors and atexit handlers of the old version run when it is unmapped; functions
/// that they call by name are the new ones. So keep objects that live as long as the program in variables that are
/// declared, not defined, by later versions.
///
/// On an error, nothing has changed: the old version goes on.
///
/// Thread-safe. Errors: MGENJIT_STATUS_TYPE if functions are gone or have other types, which mgenjit_error_symbol names;
/// MGENJIT_STATUS_UNRESOLVED and _LOAD if it cannot be linked; MGENJIT_STATUS_REMOVED if the module was removed or replaced
/// before; MGENJIT_STATUS_INVALID_ARGUMENT; and those of mgenjit_executor_compile_source.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_replace(
    module: *mut mgenjit_module,
    source: *const mgenjit_source,
    allow: i32,
    replacement: *mut *mut mgenjit_module,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module, handle source, optional_out replacement => {
        let allow = allowed(allow)?;
        give_module(replacement, module.module.replace(source.0.borrowed(), allow)?)
    })
}

/// Says that no thread runs in a module any more that was replaced, and that none will: calls that began before it was
/// replaced have returned. It is unmapped when nothing needs it. `unmapped`, which may be NULL, tells whether that is now.
/// Without this call, old code stays until the executor is freed. mgenjit_module_free does not retire a module.
///
/// What can need it: a later version or another module that uses its variables, a function that nothing defines anew and that
/// other modules call, a function handle, thread_local objects of other threads. mgenjit_executor_old_code counts what is
/// left. It goes when the last module that needs it is retired or removed.
///
/// Thread-safe. Errors: MGENJIT_STATUS_REMOVED if it was retired or removed before; MGENJIT_STATUS_INVALID_ARGUMENT, also if it
/// was not replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_retire(
    module: *mut mgenjit_module,
    unmapped: *mut bool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module, optional_out unmapped => {
        let is_unmapped = module.module.retire()?;
        unmapped.map(|place| place.write(is_unmapped));
        Ok(())
    })
}

/// Counts the code that is still mapped although it was replaced or removed. Set `old_code->size` to sizeof(mgenjit_old_code)
/// first. The library fills in the fields that both sides know, and sets `size` to their bytes.
///
/// Thread-safe. Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_executor_old_code(
    executor: *mut mgenjit_executor,
    old_code: *mut mgenjit_old_code,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle executor, sized_out old_code => old_code.write(c_old_code(executor.0.old_code())))
}

fn c_old_code(old: OldCode) -> mgenjit_old_code {
    let OldCode {
        waiting,
        waiting_bytes,
        kept,
        kept_bytes,
    } = old;
    mgenjit_old_code {
        size: size_of::<mgenjit_old_code>(),
        waiting,
        waiting_bytes,
        kept,
        kept_bytes,
    }
}

fn allowed(flags: i32) -> Result<Allow, Error> {
    const ALL: i32 = MGENJIT_ALLOW_NOTHING | MGENJIT_ALLOW_VANISHED | MGENJIT_ALLOW_CHANGED;
    if flags & !ALL != 0 {
        return Err(invalid(format!(
            "{flags} is not what a new version may do: use MGENJIT_ALLOW_NOTHING (0), or MGENJIT_ALLOW_VANISHED (1) and \
             MGENJIT_ALLOW_CHANGED (2), combined by |"
        )));
    }
    Ok(Allow {
        vanished: flags & MGENJIT_ALLOW_VANISHED != 0,
        changed: flags & MGENJIT_ALLOW_CHANGED != 0,
    })
}
