//! How an executor compiles and where it caches.

use crate::compile::protocol::{Cpu, OptLevel};
use crate::event::Hook;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone)]
pub struct Config {
    pub opt_level: OptLevel,
    pub cpu: Cpu,
    /// `None`: the default directory, see [`default_cache_dir`].
    pub cache_dir: Option<PathBuf>,
    pub cache_mode: CacheMode,
    /// `None`: look for it, see `compile::locate`.
    pub server_path: Option<PathBuf>,
    /// 0: as many as there are cores.
    pub max_servers: usize,
    /// How long a miss waits for somebody else who compiles the same code.
    pub lock_timeout: Duration,
    pub hook: Option<Hook>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheMode {
    ReadWrite,
    ReadOnly,
    Off,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            opt_level: OptLevel::O2,
            cpu: Cpu::Native,
            cache_dir: None,
            cache_mode: CacheMode::ReadWrite,
            server_path: None,
            max_servers: 0,
            lock_timeout: Duration::from_secs(60),
            hook: None,
        }
    }
}

/// `$MGENJIT_CACHE_DIR`, else `$XDG_CACHE_HOME/mgenjit`, else `$HOME/.cache/mgenjit`.
///
/// A relative `$XDG_CACHE_HOME` is ignored, as the XDG Base Directory Specification asks.
pub fn default_cache_dir() -> Option<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("MGENJIT_CACHE_DIR")
        .or_else(|| {
            variable("XDG_CACHE_HOME")
                .filter(|path| path.is_absolute())
                .map(|path| path.join("mgenjit"))
        })
        .or_else(|| variable("HOME").map(|path| path.join(".cache/mgenjit")))
}
