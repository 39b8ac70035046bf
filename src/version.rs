//! The versions that the library and the server must agree on.

/// This package's version, as both the library and the server were built with.
pub const PACKAGE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version of LLVM that the server was built with, `22.1.8`.
pub const LLVM_VERSION: &str = env!("MGENJIT_LLVM_VERSION");

/// A digest of the server's sources and of the dependencies' versions: two servers with equal build ids
/// produce equal code.
pub const BUILD_ID: &str = env!("MGENJIT_BUILD_ID");
