//! LLVM's part: IR is read, made canonical, verified, prepared, optimised, and becomes an object.

pub mod calls;
pub mod canonical;
pub mod codegen;
pub mod debug_ir;
pub mod diagnostics;
pub mod entry_point;
pub mod globals;
pub mod internalise;
pub mod layout;
pub mod names;
pub mod other_targets;
pub mod parse;
#[allow(dead_code, reason = "nothing asks for pieces yet")]
pub mod pieces;
pub mod prepare;
pub mod probe;
pub mod profile;
pub mod rebind;
pub mod signatures;
pub mod switchable;
pub mod target;
pub mod values;
pub mod verify;
