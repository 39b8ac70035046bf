//! The floating-point state.

use std::arch::asm;

/// Clears the exception flags of this thread. The modes stay.
pub fn clear_exceptions() {
    const FLAGS: u32 = 0x3f;
    let mut state = 0_u32;
    // SAFETY: all of it is this thread's; the modes, which are not changed, stay in the upper bits.
    unsafe {
        asm!("stmxcsr [{}]", in(reg) &raw mut state, options(nostack));
        state &= !FLAGS;
        asm!("ldmxcsr [{}]", "fnclex", in(reg) &raw const state, options(nostack));
    }
}
