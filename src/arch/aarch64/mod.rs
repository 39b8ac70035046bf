//! AArch64.

pub mod closure;
pub mod code;
pub mod cpu;
pub mod float;
pub mod image;
pub mod kernel;
pub mod memory;
pub mod system;
pub mod tls;
pub mod trampoline;

#[cfg(test)]
pub mod assembly;

/// The address of a function, or 0 if the process has none of that name. It is one of the library's own undefined
/// symbols, and weak, so that it costs nothing where it is missing.
#[doc(hidden)]
#[macro_export]
macro_rules! weak_address {
    ($name:literal) => {{
        let address: usize;
        // SAFETY: reads what the linker, or the dynamic linker, wrote into the global offset table.
        unsafe {
            std::arch::asm!(
                concat!(".weak ", $name),
                concat!("adrp {0}, :got:", $name),
                concat!("ldr {0}, [{0}, :got_lo12:", $name, "]"),
                out(reg) address,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        address
    }};
}
pub use weak_address;
