//! Events
//!
//! An event hook is told what an executor does: see mgenjit_config_set_event_hook.
//!
//! ```c
//! mgenjit_times times = {.size = sizeof times};
//! mgenjit_module_times(module, &times, NULL);
//! printf("%llu us in all, %llu us of them in the compile server\n", (unsigned long long)times.total_us,
//!        (unsigned long long)times.compile_us);
//! ```

use super::ffi;
use crate::cache::key::Key;
use crate::event::{Event, EventKind, Hook, Times};
use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

/// A cache hit. `bytes`: the size of the entry.
pub const MGENJIT_EVENT_HIT: i32 = 1;
/// A cache miss. `message`: why the cache was not used, if it was not.
pub const MGENJIT_EVENT_MISS: i32 = 2;
/// A compile server starts to compile. `bytes`: the size of the IR.
pub const MGENJIT_EVENT_COMPILE_STARTED: i32 = 3;
/// The module was compiled. `bytes`: the size of the image. `message`: the number of its pieces, and how many of these the cache
/// had, if it was compiled in pieces.
pub const MGENJIT_EVENT_COMPILED: i32 = 4;
/// The code was stored in the cache. `bytes`: the size of the entry.
pub const MGENJIT_EVENT_STORED: i32 = 5;
/// The code is mapped. It is linked at the first look-up. `bytes`: of address space.
pub const MGENJIT_EVENT_LOADED: i32 = 6;
/// Something is wrong with the cache. This costs only time. `message`: what is wrong, and where.
pub const MGENJIT_EVENT_CACHE_WARNING: i32 = 7;
/// Compiling again gave another result than the cache has: see mgenjit_config_set_cache_verify. `bytes`: the size of the
/// cached image.
pub const MGENJIT_EVENT_DIFFERENT: i32 = 8;
/// The compile server could not be fully isolated: untrusted IR might read files, or do worse if it finds a bug in LLVM.
/// `message`: what this system lacks. Sent once for each executor.
pub const MGENJIT_EVENT_NOT_ISOLATED: i32 = 9;
/// The shared compile server could not be used and a private one does the work, which costs only time; or the log of a new
/// server cannot be written. `message`: which, and why.
pub const MGENJIT_EVENT_SERVER_WARNING: i32 = 10;
/// Progress of a compile, about ten times a second. `message`: the current step: "queue" (waiting for compiles of other
/// clients), "parse", "optimise", "codegen", "link" or "pieces" (of a module that is compiled in pieces). `done` and `total`:
/// functions of the module, or its pieces; for "queue", `total` is how many compiles are ahead.
pub const MGENJIT_EVENT_PROGRESS: i32 = 11;
/// The module was compiled, but its inputs look wrong: one calls a function in a way that does not match its definition in
/// another. `message`: which. Sent when a module is compiled, not on a cache hit. Or perf cannot be told of the code: see
/// mgenjit_config_set_perf.
pub const MGENJIT_EVENT_WARNING: i32 = 12;
/// The entry was fetched from a remote, and is in the cache now. `message`: which remote. `bytes`: the entry's file. It is
/// sent instead of MGENJIT_EVENT_HIT, after MGENJIT_EVENT_MISS.
pub const MGENJIT_EVENT_REMOTE_HIT: i32 = 13;
/// A remote cannot be used, or has something that must not be: see mgenjit_config_set_remote. `message`: what is wrong.
pub const MGENJIT_EVENT_REMOTE_WARNING: i32 = 14;
/// The module's functions are now code of the second tier: see mgenjit_config_set_tiers. `key`: of that code. `message`: its
/// level. `bytes`: of address space. It is sent on a thread of the library's, or on one that looks something up.
pub const MGENJIT_EVENT_SWITCHED: i32 = 15;

/// What the steps of a compile took, in microseconds. 0 for a step that did not happen.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[allow(non_camel_case_types)]
pub struct mgenjit_times {
    /// sizeof(mgenjit_times), in the version of the library that filled it in.
    pub size: usize,
    /// Hash the IR, for the key.
    pub hash_us: u64,
    /// Find the entry and verify its digest.
    pub find_us: u64,
    /// Wait for another thread or process that compiles the same code.
    pub wait_us: u64,
    /// Start a compile server.
    pub start_us: u64,
    /// In the server: parse and verify the IR, and make it canonical.
    pub parse_us: u64,
    /// In the server: optimise.
    pub optimise_us: u64,
    /// In the server: generate the object.
    pub codegen_us: u64,
    /// In the server: link the object into an image.
    pub link_us: u64,
    /// From the request to the server's answer. Includes the four steps above.
    pub compile_us: u64,
    /// Store the entry in the cache.
    pub store_us: u64,
    /// Map the image.
    pub map_us: u64,
    /// At the first look-up: resolve symbols, relocate, and run constructors.
    pub bind_us: u64,
    /// The sum. parse, optimise, codegen and link are part of compile.
    pub total_us: u64,
    /// Ask remotes, until something was found or the compile started. Part of the sum.
    pub remote_us: u64,
}

/// One event. It and everything it points to live until the hook returns.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct mgenjit_event {
    /// sizeof(mgenjit_event), in the version of the library that filled it in. Fields beyond it do not exist.
    pub size: usize,
    /// One of MGENJIT_EVENT_….
    pub kind: i32,
    /// The module's key: 64 hexadecimal digits.
    pub key: *const c_char,
    /// The module's name.
    pub name: *const c_char,
    /// Details, or "".
    pub message: *const c_char,
    /// A number of bytes: see each kind.
    pub bytes: u64,
    /// The times of the module's steps so far.
    pub times: *const mgenjit_times,
    /// Progress, `done` of `total`: see each kind. Both are 0 if it is not known.
    pub done: u64,
    pub total: u64,
}

/// Receives events: see mgenjit_config_set_event_hook.
#[allow(non_camel_case_types)]
pub type mgenjit_event_hook =
    Option<unsafe extern "C" fn(event: *const mgenjit_event, user: *mut c_void)>;

// SAFETY: it is `repr(C)`, `size` comes first, and all fields are numbers.
unsafe impl ffi::SizedStruct for mgenjit_times {}

/// The C struct of `times`.
pub(super) fn c_times(times: &Times) -> mgenjit_times {
    let Times {
        hash,
        find,
        wait,
        remote,
        start,
        server,
        compile,
        store,
        map,
        bind,
    } = *times;
    mgenjit_times {
        size: size_of::<mgenjit_times>(),
        hash_us: hash,
        find_us: find,
        wait_us: wait,
        start_us: start,
        parse_us: server.parse,
        optimise_us: server.optimise,
        codegen_us: server.codegen,
        link_us: server.link,
        compile_us: compile,
        store_us: store,
        map_us: map,
        bind_us: bind,
        total_us: hash + find + wait + remote + start + compile + store + map + bind,
        remote_us: remote,
    }
}

/// Wraps a C hook.
pub(super) fn rust_hook(
    hook: mgenjit_event_hook,
    user: *mut c_void,
    user_free: Option<unsafe extern "C" fn(*mut c_void)>,
) -> Option<Hook> {
    let user = ffi::User::new(user, user_free);
    // `user` is dropped, and so freed, at once if there is no hook.
    let hook = hook?;
    Some(Arc::new(move |event: &Event<'_>| {
        let times = c_times(event.times);
        let key = ffi::c_string(Key(event.key).to_string());
        let name = ffi::c_string(event.name);
        let message = ffi::c_string(event.message);
        let c_event = mgenjit_event {
            size: size_of::<mgenjit_event>(),
            kind: kind_number(event.kind),
            key: key.as_ptr(),
            name: name.as_ptr(),
            message: message.as_ptr(),
            bytes: event.bytes,
            times: ptr::from_ref(&times),
            done: event.progress.map_or(0, |progress| progress.done.into()),
            total: event.progress.map_or(0, |progress| progress.total.into()),
        };
        // SAFETY: the hook was given to be called with `user` from any thread; the event lives until it returns.
        unsafe { hook(ptr::from_ref(&c_event), user.pointer()) };
    }))
}

fn kind_number(kind: EventKind) -> i32 {
    match kind {
        EventKind::Hit => MGENJIT_EVENT_HIT,
        EventKind::Miss => MGENJIT_EVENT_MISS,
        EventKind::CompileStarted => MGENJIT_EVENT_COMPILE_STARTED,
        EventKind::Compiled => MGENJIT_EVENT_COMPILED,
        EventKind::Stored => MGENJIT_EVENT_STORED,
        EventKind::Loaded => MGENJIT_EVENT_LOADED,
        EventKind::CacheWarning => MGENJIT_EVENT_CACHE_WARNING,
        EventKind::Different => MGENJIT_EVENT_DIFFERENT,
        EventKind::NotIsolated => MGENJIT_EVENT_NOT_ISOLATED,
        EventKind::ServerWarning => MGENJIT_EVENT_SERVER_WARNING,
        EventKind::Progress => MGENJIT_EVENT_PROGRESS,
        EventKind::Warning => MGENJIT_EVENT_WARNING,
        EventKind::RemoteHit => MGENJIT_EVENT_REMOTE_HIT,
        EventKind::RemoteWarning => MGENJIT_EVENT_REMOTE_WARNING,
        EventKind::Switched => MGENJIT_EVENT_SWITCHED,
    }
}
