//! Options of a cache: its limits, its layers, and whom it trusts.

use super::trust::{Signer, Trust};
use crate::environment;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a cache is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// Read-only caches below the writable one.
    pub layers: Vec<PathBuf>,
    pub limits: Limits,
    /// Whether an entry survives a power cut from the moment it is stored. Without it, a torn entry is detected and
    /// compiled again.
    pub sync: bool,
    /// Whether the IR is kept in its entry.
    pub keep_input: bool,
    /// Whether there is a journal and an index: statistics, recency, and automatic trimming.
    pub index: bool,
    pub writable: bool,
    pub signer: Option<Arc<Signer>>,
    pub trust: Option<Arc<Trust>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheMode {
    ReadWrite,
    ReadOnly,
    Off,
}

/// How much a cache may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of all entries together; 0 for no limit.
    pub max_bytes: u64,
    /// 0 for no limit.
    pub max_entries: u64,
    /// Since an entry was last used; zero for no limit.
    pub max_age: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_bytes: 5 << 30,
            max_entries: 0,
            max_age: Duration::ZERO,
        }
    }
}

impl Limits {
    pub fn are_exceeded(&self, bytes: u64, entries: u64) -> bool {
        (self.max_bytes > 0 && bytes > self.max_bytes)
            || (self.max_entries > 0 && entries > self.max_entries)
    }

    /// The limits for automatic trimming: lower, so that it is not due again at once.
    pub(super) fn with_room(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes - self.max_bytes / 16,
            max_entries: self.max_entries - self.max_entries / 16,
            max_age: self.max_age,
        }
    }
}

/// `$MGENJIT_CACHE_DIR`, else `$XDG_CACHE_HOME/mgenjit`, else `$HOME/.cache/mgenjit`.
///
/// A relative `$XDG_CACHE_HOME` is ignored, as the XDG Base Directory Specification asks.
pub fn default_cache_dir() -> Option<PathBuf> {
    let variable = |name| environment::variable(name).map(PathBuf::from);
    variable(c"MGENJIT_CACHE_DIR")
        .or_else(|| {
            variable(c"XDG_CACHE_HOME")
                .filter(|path| path.is_absolute())
                .map(|path| path.join("mgenjit"))
        })
        .or_else(|| variable(c"HOME").map(|path| path.join(".cache/mgenjit")))
}

/// Why there is no [`default_cache_dir`], and what to do.
pub fn no_default_cache_dir() -> &'static str {
    if environment::is_trusted() {
        "there is no cache directory: set MGENJIT_CACHE_DIR, XDG_CACHE_HOME or HOME"
    } else {
        "there is no cache directory: this is a set-user-ID program, whose environment is not read; name one with \
         mgenjit_config_set_cache_dir"
    }
}

#[cfg(test)]
impl Options {
    /// The options that a configuration has if nothing is set, for tests.
    pub fn example() -> Options {
        Options {
            layers: Vec::new(),
            limits: Limits::default(),
            sync: false,
            keep_input: true,
            index: true,
            writable: true,
            signer: None,
            trust: None,
        }
    }
}
