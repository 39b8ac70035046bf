//! Ahead-of-time output: what was compiled leaves as files.
//!
//! Objects, archives, libraries and executables are made of the cached objects: no code is generated again.

use crate::error::{Error, Status};
use crate::executor::Module;
use std::path::Path;

/// What a module is exported as. The numbers are the C API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object = 1,
    Archive = 2,
    SharedLibrary = 3,
    Executable = 4,
    Bitcode = 5,
    Ir = 6,
    Assembly = 7,
    Header = 8,
}

#[derive(Clone, Debug, Default)]
pub struct Options {
    pub soname: Option<String>,
    /// Link an executable statically.
    pub is_static: bool,
    /// What the linker gets behind the objects, in this order.
    pub arguments: Vec<Argument>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A path, or a name as after `-l`.
    Library(String),
    Flag(String),
}

/// Exports modules, which must be of one target, to bytes.
pub fn to_bytes(modules: &[&Module], kind: Kind, options: &Options) -> Result<Vec<u8>, Error> {
    let _ = (modules, options);
    Err(Error::new(
        Status::Unsupported,
        format!("{kind:?} is not exported yet"),
    ))
}

/// Exports modules to a file, which appears, or is replaced, only whole.
pub fn to_file(
    modules: &[&Module],
    kind: Kind,
    options: &Options,
    path: &Path,
) -> Result<(), Error> {
    let bytes = to_bytes(modules, kind, options)?;
    std::fs::write(path, bytes).map_err(|error| Error::new(Status::Io, error.to_string()))
}
