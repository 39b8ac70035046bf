use crate::error::{c_string, check, Result};
use crate::{string, sys};
use std::ffi::{c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

/// How far code is optimised. The default is `O2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum OptLevel {
    O0 = 0,
    O1 = 1,
    O2 = 2,
    O3 = 3,
    Os = 4,
    Oz = 5,
}

/// How the cache is used. The default is `ReadWrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum CacheMode {
    ReadWrite = 0,
    ReadOnly = 1,
    Off = 2,
}

/// What a new version of a module need not keep: see [`Module::replace`](crate::Module::replace).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Allow {
    Nothing = sys::MGENJIT_ALLOW_NOTHING,
    /// Functions may be gone.
    Vanished = sys::MGENJIT_ALLOW_VANISHED,
    /// Functions may have other types.
    Changed = sys::MGENJIT_ALLOW_CHANGED,
    /// Both.
    VanishedAndChanged = sys::MGENJIT_ALLOW_VANISHED | sys::MGENJIT_ALLOW_CHANGED,
}

/// What an executor does. The hook of [`Config::on_event`] is told of it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The number of a `MGENJIT_EVENT_…`.
    pub kind: i32,
    /// The module's key.
    pub key: String,
    /// The module's name.
    pub name: String,
    /// Details, or nothing.
    pub message: String,
    /// A number of bytes; each kind says of what.
    pub bytes: u64,
    /// How much is done of [`total`](Event::total), if it is [`PROGRESS`](Event::PROGRESS).
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
}

/// The kinds of events, which `mgenjit.h` explains.
impl Event {
    pub const HIT: i32 = sys::MGENJIT_EVENT_HIT;
    pub const MISS: i32 = sys::MGENJIT_EVENT_MISS;
    pub const COMPILE_STARTED: i32 = sys::MGENJIT_EVENT_COMPILE_STARTED;
    pub const COMPILED: i32 = sys::MGENJIT_EVENT_COMPILED;
    pub const STORED: i32 = sys::MGENJIT_EVENT_STORED;
    pub const LOADED: i32 = sys::MGENJIT_EVENT_LOADED;
    pub const CACHE_WARNING: i32 = sys::MGENJIT_EVENT_CACHE_WARNING;
    pub const DIFFERENT: i32 = sys::MGENJIT_EVENT_DIFFERENT;
    pub const NOT_ISOLATED: i32 = sys::MGENJIT_EVENT_NOT_ISOLATED;
    pub const SERVER_WARNING: i32 = sys::MGENJIT_EVENT_SERVER_WARNING;
    pub const PROGRESS: i32 = sys::MGENJIT_EVENT_PROGRESS;
    pub const WARNING: i32 = sys::MGENJIT_EVENT_WARNING;
    pub const REMOTE_HIT: i32 = sys::MGENJIT_EVENT_REMOTE_HIT;
    pub const REMOTE_WARNING: i32 = sys::MGENJIT_EVENT_REMOTE_WARNING;
    pub const SWITCHED: i32 = sys::MGENJIT_EVENT_SWITCHED;
}

/// The options of an executor.
///
/// ```
/// use mgenjit::{Config, Executor, OptLevel};
///
/// # fn main() -> mgenjit::Result<()> {
/// let mut config = Config::new()?;
/// config.opt_level(OptLevel::O3)?.cpu("native")?;
/// // Or: a first result soon.
/// config.tiers(OptLevel::O0, OptLevel::O2)?;
/// let executor = Executor::with(&config)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Config(NonNull<sys::mgenjit_config>);

// SAFETY: the header lets a configuration move between threads; this type is not `Sync`, so that one uses it at a time.
unsafe impl Send for Config {}

impl Config {
    /// The defaults.
    pub fn new() -> Result<Config> {
        let mut config = std::ptr::null_mut();
        // SAFETY: the pointers live during the call.
        check(|error| unsafe { sys::mgenjit_config_new(&mut config, error) })?;
        Ok(Config(NonNull::new(config).expect("a configuration")))
    }

    pub(crate) fn pointer(&self) -> *const sys::mgenjit_config {
        self.0.as_ptr()
    }

    /// Sets how far code is optimised.
    pub fn opt_level(&mut self, level: OptLevel) -> Result<&mut Config> {
        // SAFETY: the handle is this value's own.
        check(|error| unsafe {
            sys::mgenjit_config_set_opt_level(self.0.as_ptr(), level as i32, error)
        })?;
        Ok(self)
    }

    /// Sets two levels: what the cache lacks is compiled at `first` and handed over, and compiled at `then` in the background,
    /// for later processes.
    pub fn tiers(&mut self, first: OptLevel, then: OptLevel) -> Result<&mut Config> {
        // SAFETY: the handle is this value's own.
        check(|error| unsafe {
            sys::mgenjit_config_set_tiers(self.0.as_ptr(), first as i32, then as i32, error)
        })?;
        Ok(self)
    }

    /// Sets what code is generated for: `"native"`, or a level such as `"x86-64-v3"`.
    pub fn cpu(&mut self, cpu: &str) -> Result<&mut Config> {
        self.set_string(cpu, "the CPU", sys::mgenjit_config_set_cpu)
    }

    /// Sets the cache's folder.
    pub fn cache_dir(&mut self, path: impl AsRef<Path>) -> Result<&mut Config> {
        let path = path.as_ref().as_os_str().as_bytes();
        self.set_string(path, "the cache's path", sys::mgenjit_config_set_cache_dir)
    }

    /// Sets how the cache is used.
    pub fn cache_mode(&mut self, mode: CacheMode) -> Result<&mut Config> {
        // SAFETY: the handle is this value's own.
        check(|error| unsafe {
            sys::mgenjit_config_set_cache_mode(self.0.as_ptr(), mode as i32, error)
        })?;
        Ok(self)
    }

    /// Sets whether functions can be replaced while code runs: see [`Module::replace`](crate::Module::replace).
    pub fn replaceable(&mut self, on: bool) -> Result<&mut Config> {
        // SAFETY: the handle is this value's own.
        check(|error| unsafe { sys::mgenjit_config_set_replaceable(self.0.as_ptr(), on, error) })?;
        Ok(self)
    }

    /// Sets the compile server's program.
    pub fn server_path(&mut self, path: impl AsRef<Path>) -> Result<&mut Config> {
        let path = path.as_ref().as_os_str().as_bytes();
        self.set_string(
            path,
            "the server's path",
            sys::mgenjit_config_set_server_path,
        )
    }

    /// Sets a function that is told what executors of this configuration do, on the thread that does it. If it panics,
    /// the process ends.
    pub fn on_event(
        &mut self,
        hook: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Result<&mut Config> {
        unsafe extern "C" fn told<F: Fn(&Event)>(
            event: *const sys::mgenjit_event,
            user: *mut c_void,
        ) {
            // SAFETY: the library passes an event that lives until this returns, and the pointer that it was given, which
            // lives until `freed` gets it.
            let (event, hook) = unsafe { (&*event, &*user.cast::<F>()) };
            // SAFETY: the strings live as long as the event.
            let text = |text: *const c_char| unsafe { string(text) };
            hook(&Event {
                kind: event.kind,
                key: text(event.key),
                name: text(event.name),
                message: text(event.message),
                bytes: event.bytes,
                done: event.done,
                total: event.total,
            });
        }
        unsafe extern "C" fn freed<F>(user: *mut c_void) {
            // SAFETY: it is the pointer of the box below, which nothing uses any more.
            drop(unsafe { Box::from_raw(user.cast::<F>()) });
        }
        fn set<F: Fn(&Event)>(config: *mut sys::mgenjit_config, hook: Box<F>) -> Result<()> {
            let user = Box::into_raw(hook).cast::<c_void>();
            // SAFETY: the handle lives, and `user` until `freed` gets it. `F` may be called by and moved to any thread.
            check(|error| unsafe {
                sys::mgenjit_config_set_event_hook(
                    config,
                    Some(told::<F>),
                    user,
                    Some(freed::<F>),
                    error,
                )
            })
            .inspect_err(|_| {
                // SAFETY: a call that fails does not take it.
                drop(unsafe { Box::from_raw(user.cast::<F>()) });
            })
        }
        set(self.0.as_ptr(), Box::new(hook))?;
        Ok(self)
    }

    fn set_string(
        &mut self,
        text: impl Into<Vec<u8>>,
        what: &str,
        set: unsafe extern "C" fn(
            *mut sys::mgenjit_config,
            *const c_char,
            *mut *mut sys::mgenjit_error,
        ) -> sys::mgenjit_status,
    ) -> Result<&mut Config> {
        let text = c_string(text, what)?;
        // SAFETY: the handle is this value's own, and the text lives during the call.
        check(|error| unsafe { set(self.0.as_ptr(), text.as_ptr(), error) })?;
        Ok(self)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own.
        unsafe { sys::mgenjit_config_free(self.0.as_ptr()) };
    }
}
