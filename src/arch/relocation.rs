//! What relocations mean, whatever their numbers on a machine are.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    None,
    /// An address in the image.
    Relative,
    /// A symbol's address.
    Symbol {
        has_addend: bool,
    },
    /// What an indirect function's resolver returns, which lies in the image.
    Indirect,
    /// The number of a thread-local variable's module.
    TlsModule,
    /// Its offset in the module's block.
    TlsOffset,
    /// Two words: a function, and what it finds the variable by.
    TlsDescriptor,
}

impl Kind {
    /// Whether its symbol is a thread-local variable, whatever the linker says of one that it does not know.
    pub fn is_thread_local(self) -> bool {
        matches!(
            self,
            Kind::TlsModule | Kind::TlsOffset | Kind::TlsDescriptor
        )
    }
}
