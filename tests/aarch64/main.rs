//! AArch64 beside the machine that the tests run on: what `make test-aarch64` built is run by qemu. Where it has not been run,
//! or not since the sources changed, all of this is skipped.

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod check;
mod emulated;
mod generated;
mod program;
mod smoke;
