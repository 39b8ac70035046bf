//! A cached compile server for LLVM IR: IR in, native functions out, never compiled twice.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("libmgenjit runs on x86-64 Linux only");

#[doc(hidden)]
pub mod compile;
#[doc(hidden)]
pub mod signature;
