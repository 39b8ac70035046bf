//! The floating-point state.

use std::arch::asm;

/// Clears the exception flags of this thread. The modes, which are in another register, stay.
pub fn clear_exceptions() {
    /// Five of IEEE 754, and that of denormal inputs.
    const FLAGS: u64 = 0x9f;
    // SAFETY: the register is this thread's.
    unsafe {
        let mut state: u64;
        asm!("mrs {}, fpsr", out(reg) state, options(nomem, nostack));
        state &= !FLAGS;
        asm!("msr fpsr, {}", in(reg) state, options(nomem, nostack));
    }
}
