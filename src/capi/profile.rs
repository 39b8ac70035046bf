//! Profiles
//!
//! Code can be compiled again with what it did: which branches were taken, how often functions ran, and where loops end. First
//! it is compiled to count (mgenjit_config_set_profile_generate) and runs. Then its counters are read
//! (mgenjit_module_profile), also while it runs. Last it is compiled once more, with what was counted
//! (mgenjit_config_set_profile_use). The counters are LLVM's own: llvm-profdata reads and merges these profiles, and those of
//! clang's -fprofile-generate can be used. Neither the program nor its code needs a run-time library for this.
//!
//! ```c
//! mgenjit_config *counting;
//! mgenjit_config_new(&counting, NULL);
//! mgenjit_config_set_profile_generate(counting, true, NULL);
//! mgenjit_executor *counter;
//! mgenjit_executor_new(counting, &counter, NULL);
//! mgenjit_module *counted;
//! mgenjit_executor_compile(counter, "add.ll", ir, strlen(ir), &counted, NULL);
//! int64_t (*count)(int64_t, int64_t);
//! mgenjit_module_lookup(counted, "add", (void **)&count, NULL);
//! assert(count(1, 2) == 3);
//! mgenjit_blob *profile;
//! assert(mgenjit_module_profile(counted, &profile, NULL) == MGENJIT_STATUS_OK);
//! mgenjit_config_set_profile_use(counting, mgenjit_blob_data(profile), mgenjit_blob_size(profile), NULL);
//! // An executor of this configuration optimises for what was counted.
//! mgenjit_blob_free(profile);
//! mgenjit_module_free(counted);
//! mgenjit_executor_free(counter);
//! mgenjit_config_free(counting);
//! ```

use super::blob::mgenjit_blob;
use super::call::{call, set};
use super::config::{self, mgenjit_config};
use super::error::mgenjit_error;
use super::ffi::CBool;
use super::module::mgenjit_module;
use super::status::mgenjit_status;
use crate::executor;
use crate::protocol::profile::Profile;
use std::ffi::c_void;
use std::sync::Arc;

/// Sets whether code counts what it does. Default: false. Turns mgenjit_config_set_profile_use off.
///
/// The code is what clang -fprofile-generate makes: slower and larger, with a key of its own. It counts how often its
/// parts run, where indirect calls lead and how much memory functions copy; of such values, up to eight in each place. Threads
/// count without locks, so a few counts may be lost where several run the same code. Each module is compiled as one, not in
/// pieces, because its counters are found by one table. What is exported counts too: linked by clang with -fprofile-generate, it
/// writes its profile to a file, without these values; without, it counts for nobody. Of other targets than ELF systems, nothing
/// can be read.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_profile_generate(
    config: *mut mgenjit_config,
    on: CBool,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config => {
        config.0.profile = on.get().then(|| Arc::from(Profile::Generate.encode()));
    })
}

/// Has code optimised by a profile, which is copied and is part of the key. With a length of 0, there is none, the default.
/// Turns mgenjit_config_set_profile_generate off.
///
/// The profile is of mgenjit_module_profile or mgenjit_profile_merge; of a program that clang compiled with -fprofile-generate, with
/// or without llvm-profdata merge; or a sample profile that LLVM reads, for IR with debug information. Counts are found by the
/// functions' names, those of local ones with their source file's, and belong to IR as it was when they were counted: clang's to
/// what `clang -Xclang -disable-llvm-passes -emit-llvm` writes at the same optimisation level. A large module is compiled in
/// pieces (mgenjit_config_set_partition), once the profile was matched to the whole of it.
///
/// A profile that does not fit is no error: the event hook gets MGENJIT_EVENT_WARNING when a module is compiled and the profile
/// cannot be read, knows none of its functions, or has counts of other code for some, which are named. LLVM's reader does not
/// survive every damaged profile: then the compile fails with MGENJIT_STATUS_SERVER_CRASHED and names the profile.
///
/// Errors: MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_config_set_profile_use(
    config: *mut mgenjit_config,
    profile: *const c_void,
    length: usize,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    set!(error, handle_mut config, bytes profile[length] => {
        config.0.profile = (!profile.is_empty()).then(|| Arc::from(Profile::Use(profile).encode()));
    })
}

/// Creates a profile of what the module's code has counted since it was loaded. Free it with mgenjit_blob_free. Its code may be
/// running: each counter is then as it was at some time during the call; loops add what they counted when they end. A removed
/// module has no profile any more.
///
/// A compile server makes the profile of the counters: an indexed profile of LLVM's, as llvm-profdata merge writes it.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND if its executor was not created with mgenjit_config_set_profile_generate;
/// MGENJIT_STATUS_REMOVED, those of mgenjit_executor_link, and of a compile those that concern the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_profile(
    module: *const mgenjit_module,
    profile: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module, out profile => profile.give(mgenjit_blob(module.module.profile()?)))
}

/// Creates the sum of two profiles: of two modules, runs or processes. Free it with mgenjit_blob_free. Each may be anything
/// that llvm-profdata merges, and is not changed. The sum of more is made one after the other. `config` says which
/// compile server does it; NULL stands for the defaults.
///
/// Thread-safe. Errors: MGENJIT_STATUS_PARSE if one is no profile, is damaged, or is of another kind than the other;
/// MGENJIT_STATUS_INVALID_ARGUMENT, and of a compile those that concern the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_profile_merge(
    config: *const mgenjit_config,
    one: *const c_void,
    one_length: usize,
    other: *const c_void,
    other_length: usize,
    sum: *mut *mut mgenjit_blob,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, optional_handle config, bytes one[one_length], bytes other[other_length], out sum => {
        let config = config::resolved(config)?;
        let profiles = [("one", one), ("other", other)];
        sum.give(mgenjit_blob(executor::merge_profiles(&config, &profiles)?))
    })
}
