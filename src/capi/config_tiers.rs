//! Configurations: tiers
//!
//! Tiers give a first result soon: what the cache lacks is compiled twice, first at a low level, which is what the caller
//! gets, and then at a high one, which nobody waits for. The second is stored in the cache under its own key, so every later
//! process finds it, whether it has tiers or not.
//!
//! ```c
//! mgenjit_config *soon;
//! mgenjit_config_new(&soon, NULL);
//! mgenjit_config_set_tiers(soon, MGENJIT_OPT_O0, MGENJIT_OPT_O2, NULL);
//! mgenjit_executor *host;
//! assert(mgenjit_executor_new(soon, &host, NULL) == MGENJIT_STATUS_OK);
//! mgenjit_config_free(soon);
//!
//! const char *twice = "define i32 @twice(i32 %x) {\n"
//!                     "  %y = add i32 %x, %x\n"
//!                     "  ret i32 %y\n"
//!                     "}\n";
//! mgenjit_module *compiled;
//! mgenjit_executor_compile(host, "twice.ll", twice, strlen(twice), &compiled, NULL);
//! int32_t (*call)(int32_t);
//! mgenjit_executor_lookup(host, "twice", (void **)&call, NULL);
//! printf("%d, by code of the level %d\n", call(21), mgenjit_module_opt_level(compiled));
//! mgenjit_module_free(compiled);
//! mgenjit_executor_free(host);
//! ```

use super::call::set;
use super::config::{mgenjit_config, opt_level};
use super::error::mgenjit_error;
use super::ffi::get;
use super::module::mgenjit_module;
use super::status::mgenjit_status;

/// Sets two optimisation levels, each one of MGENJIT_OPT_…. A compile looks in the cache for code of the level `second`, and
/// then of the level `first`. If it has neither, the module is compiled at `first`, stored and handed over. Whenever code of
/// the level `first` is handed over, the module is compiled at `second` in the background, and stored. Equal levels: no tiers,
/// as mgenjit_config_set_opt_level does. Default: $MGENJIT_TIERS, as in "O0,O2", if neither function was called; if it is not
/// set, no tiers.
///
/// The background compile is done by a process of the library's, mgenjit-helper, one for all programs of the user. It takes
/// the caches, limits and keys of this configuration, and goes on after this process has ended. It and its compile servers,
/// which it does not share, have the lowest priority. Without a cache that is read and written, nothing is compiled in the
/// background, and nothing is switched.
///
/// This process uses the code of the level `second` too, as soon as it is stored, where nobody can tell that there are two codes:
/// if the module defines no variables but constants, no constructors, thread-locals, aliases and weak or inline functions, takes
/// no address of its own functions (unless they are unnamed_addr), compares none of its constants, and has no assembly. Such a
/// module's functions are called through an address that stays, also by each other, and are switched while they run: a call goes
/// on in the code in which it began, and what it calls is new. MGENJIT_EVENT_SWITCHED tells of it. Both codes stay mapped until
/// the module is removed. All other modules go on as they are, and a later process has their optimised code.
///
/// Not for modules with mgenjit_config_set_debug_ir, mgenjit_config_set_target or a profile, which are compiled at `second`. What is
/// exported of a module is what it runs: to export, use mgenjit_config_set_opt_level.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_tiers(
    config: *mut mgenjit_config,
    first: i32,
    second: i32,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => config.0.set_tiers(opt_level(first)?, opt_level(second)?))
}

/// The optimisation level of the code that calls of the module's functions arrive in now: one of MGENJIT_OPT_…. -1 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_opt_level(module: *const mgenjit_module) -> i32 {
    get!(module else -1 => module.module.level() as i32)
}
