//! Which of LLVM's CPUs this one is, as `sys::getHostCPUName` finds it.

/// LLVM's names, the first of which is no CPU's. A request has the index of one, so that a server need not trust names.
pub const NAMES: [&str; 1] = ["generic"];
