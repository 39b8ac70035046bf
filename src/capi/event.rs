//! `mgenjit_event`: what the hook is told.

use super::ffi;
use crate::cache::key::Key;
use crate::event::{Event, EventKind, Hook, Times};
use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

/// A cache hit. `bytes`: its entry's length.
pub const MGENJIT_EVENT_HIT: i32 = 1;
/// A cache miss. `message`: why the cache was not used, if it was not.
pub const MGENJIT_EVENT_MISS: i32 = 2;
/// A compile server starts to compile. `bytes`: the IR's length.
pub const MGENJIT_EVENT_COMPILE_STARTED: i32 = 3;
/// It has compiled. `bytes`: the image's length.
pub const MGENJIT_EVENT_COMPILED: i32 = 4;
/// The code was stored in the cache. `bytes`: its entry's length.
pub const MGENJIT_EVENT_STORED: i32 = 5;
/// The code is mapped. It links when something is first looked up. `bytes`: of address space.
pub const MGENJIT_EVENT_LOADED: i32 = 6;
/// Something is wrong with the cache, and time is lost, but nothing else: `message` says what and where.
pub const MGENJIT_EVENT_CACHE_TROUBLE: i32 = 7;
/// What was compiled again is not what the cache has: see mgenjit_config_set_cache_verify. `bytes`: the image's
/// length in the cache.
pub const MGENJIT_EVENT_DIFFERENT: i32 = 8;
/// The compile server could not be isolated as it should be: `message` says what this system lacks. Told once by each
/// executor. IR that is not trusted might then read files, or worse if it finds a bug in LLVM.
pub const MGENJIT_EVENT_NOT_ISOLATED: i32 = 9;

/// The shared compile server could not be used, and time is lost, but nothing else: a private one does it. Or the log of
/// a server that is started cannot be written. `message` says which, and why.
pub const MGENJIT_EVENT_SERVER_TROUBLE: i32 = 10;
/// A compile goes on. Told some ten times a second while it does, if it takes longer than that. `message`: what is
/// being done, one of "queue" (another client's compile is waited for), "parse", "optimise", "codegen" and "link".
/// `done` and `total`: how many functions of the module are done, or how many compiles are before this one in the queue.
pub const MGENJIT_EVENT_PROGRESS: i32 = 11;
/// The module is compiled, but something about its inputs is odd: `message` says what. Today: an input calls a function in
/// a way that its definition in another one cannot follow. Told when it is compiled, not when the cache has it.
pub const MGENJIT_EVENT_WARNING: i32 = 12;

/// Microseconds that the steps of a compile took; 0 for one that did not happen.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[allow(non_camel_case_types)]
pub struct mgenjit_times {
    /// The size of this struct in the version of the library that wrote it.
    pub size: usize,
    /// Hash the IR: the key.
    pub hash: u64,
    /// Look for the entry and verify its digest.
    pub find: u64,
    /// Wait for another thread or process that compiles the same code.
    pub wait: u64,
    /// Start a compile server.
    pub start: u64,
    /// In the server: parse and verify the IR, and make it canonical.
    pub parse: u64,
    /// In the server: optimise.
    pub optimise: u64,
    /// In the server: generate the object.
    pub codegen: u64,
    /// In the server: link the object into an image.
    pub link: u64,
    /// From the request to the server's reply, the four before included.
    pub compile: u64,
    /// Store the entry in the cache.
    pub store: u64,
    /// Map the image.
    pub map: u64,
    /// Resolve its symbols, relocate, and run constructors; at the first look-up.
    pub bind: u64,
    /// All of these together: parse, optimise, codegen and link are part of compile.
    pub total: u64,
}

/// What happened. It and all it points to live until the hook returns.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct mgenjit_event {
    /// The size of this struct in the version of the library that wrote it: a field at a larger offset is
    /// not there.
    pub size: usize,
    /// One of MGENJIT_EVENT_….
    pub kind: i32,
    /// The module's key, 64 hexadecimal digits.
    pub key: *const c_char,
    /// The module's name.
    pub name: *const c_char,
    /// More about it, or "".
    pub message: *const c_char,
    /// A number of bytes; each kind says of what.
    pub bytes: u64,
    /// What the module's steps took so far.
    pub times: *const mgenjit_times,
    /// How much is done, of `total`; each kind says of what. Both are 0 if that is not known.
    pub done: u64,
    pub total: u64,
}

/// A function that is told of events: see mgenjit_config_set_event_hook.
#[allow(non_camel_case_types)]
pub type mgenjit_event_hook =
    Option<unsafe extern "C" fn(event: *const mgenjit_event, user: *mut c_void)>;

// SAFETY: it is `repr(C)`, and `size` comes first.
unsafe impl ffi::SizedStruct for mgenjit_times {}

/// The C struct of `times`.
pub(super) fn c_times(times: &Times) -> mgenjit_times {
    let Times {
        hash,
        find,
        wait,
        start,
        server,
        compile,
        store,
        map,
        bind,
    } = *times;
    mgenjit_times {
        size: size_of::<mgenjit_times>(),
        hash,
        find,
        wait,
        start,
        parse: server.parse,
        optimise: server.optimise,
        codegen: server.codegen,
        link: server.link,
        compile,
        store,
        map,
        bind,
        total: hash + find + wait + start + compile + store + map + bind,
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
        EventKind::CacheWarning => MGENJIT_EVENT_CACHE_TROUBLE,
        EventKind::Different => MGENJIT_EVENT_DIFFERENT,
        EventKind::NotIsolated => MGENJIT_EVENT_NOT_ISOLATED,
        EventKind::ServerWarning => MGENJIT_EVENT_SERVER_TROUBLE,
        EventKind::Progress => MGENJIT_EVENT_PROGRESS,
        EventKind::Warning => MGENJIT_EVENT_WARNING,
    }
}
