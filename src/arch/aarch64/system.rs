//! How the system and LLVM call this machine.

/// The system of images, in keys.
pub const SYSTEM: &str = "aarch64-linux-gnu";

/// What LLVM is told to generate code for.
pub const TRIPLE: &str = "aarch64-unknown-linux-gnu";

/// What LLVM's triples of this machine begin with.
pub const TRIPLE_START: &str = "aarch64-";

/// The dynamic linker's name.
pub const DYNAMIC_LINKER: &std::ffi::CStr = c"ld-linux-aarch64.so.1";
