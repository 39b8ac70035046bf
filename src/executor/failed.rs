//! Compiles that a server did not survive, and would not survive the next time: this process does not try them again.
//!
//! What depends on how busy the machine is, or on what else it does, is not among them: time-outs, servers that were
//! killed, memory that the machine lacked.

use crate::cache::key::Key;
use crate::client::limits::Limits;
use crate::error::Error;
use crate::fork;
use once_cell::sync::Lazy;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A host that makes modules without end must not fill memory with those that failed.
const MOST: usize = 1000;

/// What was compiled with which limits, what it was called, and how it ended.
type Failed = HashMap<(Key, Limits), (String, Error)>;

static FAILED: Lazy<Mutex<Failed>> = Lazy::new(Mutex::default);

/// The error of an earlier try with these limits, for what is now called `name`.
pub fn find(key: &Key, limits: &Limits, name: &str) -> Option<Error> {
    let (before, error) = lock().get(&(*key, *limits)).cloned()?;
    let message = match before == name {
        true => format!("{} (not tried again in this process)", error.message),
        false => format!(
            "{name} is the module that was compiled as {before} before, and is not tried again in this process: {}",
            error.message
        ),
    };
    Some(Error { message, ..error })
}

pub fn remember(key: Key, limits: Limits, name: &str, error: &Error) {
    let mut failed = lock();
    if failed.len() >= MOST {
        failed.clear();
    }
    failed.insert((key, limits), (name.to_owned(), error.clone()));
}

fn lock() -> fork::Guarded<MutexGuard<'static, Failed>> {
    fork::guard(|| FAILED.lock().unwrap_or_else(PoisonError::into_inner))
}
