//! What finds thread-local variables for code with TLS descriptors.

/// Functions that TLS descriptors lead to.
#[derive(Clone, Copy, Debug)]
pub struct Resolvers {
    /// The descriptor's second word is the variable's offset from the thread pointer.
    pub fixed: usize,
    /// The variable's address is what a function returns for the second word.
    pub found: usize,
}
