//! Symbols outside of an executor's modules.

use super::builtins;
use super::library::{self, Library};
use crate::protocol::messages::VERSION_MARK;
use std::ffi::{CStr, CString};
use std::sync::Arc;

/// A symbol of the libraries or the process, else one of the fallbacks in [`builtins`].
pub fn find_outside(libraries: &[Arc<Library>], name: &[u8]) -> Option<usize> {
    if let Some(at) = name.iter().position(|byte| *byte == VERSION_MARK) {
        let version = CString::new(&name[at + 1..]).ok()?;
        let name = CString::new(&name[..at]).ok()?;
        return libraries
            .iter()
            .find_map(|library| library.find_version(&name, &version))
            .or_else(|| library::find_version_in_process(&name, &version));
    }
    let name = CString::new(name).ok()?;
    find_loaded(libraries, &name).or_else(|| builtins::fallback(&name))
}

/// A symbol of the libraries or of the process.
pub fn find_loaded(libraries: &[Arc<Library>], name: &CStr) -> Option<usize> {
    libraries
        .iter()
        .find_map(|library| library.find(name))
        .or_else(|| library::find_in_process(name))
}
