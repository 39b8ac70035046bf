//! How code finds thread-local variables: by `__tls_get_addr` alone.

/// Makes a function that returns the resolvers of another: here, images have no descriptors.
#[doc(hidden)]
#[macro_export]
macro_rules! tls_resolvers {
    ($name:ident, $function:path) => {
        fn $name() -> Option<$crate::arch::resolvers::Resolvers> {
            let _: extern "C" fn(usize) -> *mut u8 = $function;
            None
        }
    };
}
pub use tls_resolvers;

/// What offsets of thread-local variables count from.
pub fn thread_pointer() -> usize {
    let pointer;
    // SAFETY: the first word that `fs` leads to is its own address.
    unsafe {
        std::arch::asm!(
            "mov {}, fs:0",
            out(reg) pointer,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    pointer
}
