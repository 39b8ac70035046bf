//! How the system and LLVM call this machine.

/// The system of images, in keys.
pub const SYSTEM: &str = "x86_64-linux-gnu";

/// What LLVM is told to generate code for.
pub const TRIPLE: &str = "x86_64-pc-linux-gnu";

/// What LLVM's triples of this machine begin with.
pub const TRIPLE_START: &str = "x86_64";

/// The dynamic linker's name.
pub const DYNAMIC_LINKER: &std::ffi::CStr = c"ld-linux-x86-64.so.2";
