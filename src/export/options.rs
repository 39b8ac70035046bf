//! What is exported, and how.

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
    /// Linker arguments after the objects, in this order.
    pub arguments: Vec<Argument>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A path, or a name as after `-l`.
    Library(String),
    Flag(String),
}
