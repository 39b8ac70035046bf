//! The version of the format of entries.

/// Entries of other versions are misses. The cache's directory has a folder for each version, see
/// [`super::directory::VERSION`].
pub const FORMAT_VERSION: u32 = 4;
