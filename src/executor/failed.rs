//! Compiles that a server did not survive. They would not be survived the next time either, so this process does not
//! try them again.

use crate::cache::key::Key;
use crate::compile::limits::Limits;
use crate::error::Error;
use crate::fork;
use once_cell::sync::Lazy;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A host that makes modules without end must not fill memory with those that failed.
const MOST: usize = 1000;

static FAILED: Lazy<Mutex<HashMap<(Key, Limits), Error>>> = Lazy::new(Mutex::default);

/// The error of an earlier try with these limits.
pub fn find(key: &Key, limits: &Limits) -> Option<Error> {
    let error = lock().get(&(*key, *limits)).cloned()?;
    Some(Error {
        message: format!("{} (not tried again in this process)", error.message),
        ..error
    })
}

pub fn remember(key: Key, limits: Limits, error: &Error) {
    let mut failed = lock();
    if failed.len() >= MOST {
        failed.clear();
    }
    failed.insert((key, limits), error.clone());
}

fn lock() -> fork::Guarded<MutexGuard<'static, HashMap<(Key, Limits), Error>>> {
    fork::guard(|| FAILED.lock().unwrap_or_else(PoisonError::into_inner))
}
