//! What went wrong with a cache, in words.

/// Something is wrong with the cache. It costs time, never a result.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Warning(pub String);
