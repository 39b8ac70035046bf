//! Warnings about a cache.

/// Something is wrong with the cache. It costs time, never a result.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Warning(pub String);
