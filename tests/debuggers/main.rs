//! gdb and lldb see compiled code as they see code from disk: they are started, as their users start them, on programs that
//! compile or load code.

mod attached;
mod gdb;
mod lldb;
mod programs;
mod start;
#[path = "../support/mod.rs"]
mod support;
