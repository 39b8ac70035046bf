//! How code finds thread-local variables: by descriptors of two words. Code calls the function that the first leads to, with the
//! descriptor's address in x0; it returns the variable's offset from the thread pointer, and changes no other register but x30
//! and the flags. Of vector registers, callers count on 128 bits.

/// Makes a function that returns the resolvers of another.
#[doc(hidden)]
#[macro_export]
macro_rules! tls_resolvers {
    ($name:ident, $function:path) => {
        // `hint 34` is `bti c`.
        std::arch::global_asm!(
            ".pushsection .text.mgenjit_tls_resolvers, \"ax\", %progbits",
            ".p2align 4",
            ".globl mgenjit_tls_fixed",
            ".hidden mgenjit_tls_fixed",
            ".type mgenjit_tls_fixed, %function",
            "mgenjit_tls_fixed:",
            ".cfi_startproc",
            "hint 34",
            "ldr x0, [x0, #8]",
            "ret",
            ".cfi_endproc",
            ".size mgenjit_tls_fixed, . - mgenjit_tls_fixed",
            ".p2align 4",
            ".globl mgenjit_tls_found",
            ".hidden mgenjit_tls_found",
            ".type mgenjit_tls_found, %function",
            "mgenjit_tls_found:",
            ".cfi_startproc",
            "hint 34",
            "sub sp, sp, #672",
            ".cfi_def_cfa_offset 672",
            "stp x29, x30, [sp]",
            ".cfi_offset x29, -672",
            ".cfi_offset x30, -664",
            "mov x29, sp",
            "stp x1, x2, [sp, #16]",
            "stp x3, x4, [sp, #32]",
            "stp x5, x6, [sp, #48]",
            "stp x7, x8, [sp, #64]",
            "stp x9, x10, [sp, #80]",
            "stp x11, x12, [sp, #96]",
            "stp x13, x14, [sp, #112]",
            "stp x15, x16, [sp, #128]",
            "stp x17, x18, [sp, #144]",
            "stp q0, q1, [sp, #160]",
            "stp q2, q3, [sp, #192]",
            "stp q4, q5, [sp, #224]",
            "stp q6, q7, [sp, #256]",
            "stp q8, q9, [sp, #288]",
            "stp q10, q11, [sp, #320]",
            "stp q12, q13, [sp, #352]",
            "stp q14, q15, [sp, #384]",
            "stp q16, q17, [sp, #416]",
            "stp q18, q19, [sp, #448]",
            "stp q20, q21, [sp, #480]",
            "stp q22, q23, [sp, #512]",
            "stp q24, q25, [sp, #544]",
            "stp q26, q27, [sp, #576]",
            "stp q28, q29, [sp, #608]",
            "stp q30, q31, [sp, #640]",
            "ldr x0, [x0, #8]",
            "bl {function}",
            "mrs x1, tpidr_el0",
            "sub x0, x0, x1",
            "ldp q30, q31, [sp, #640]",
            "ldp q28, q29, [sp, #608]",
            "ldp q26, q27, [sp, #576]",
            "ldp q24, q25, [sp, #544]",
            "ldp q22, q23, [sp, #512]",
            "ldp q20, q21, [sp, #480]",
            "ldp q18, q19, [sp, #448]",
            "ldp q16, q17, [sp, #416]",
            "ldp q14, q15, [sp, #384]",
            "ldp q12, q13, [sp, #352]",
            "ldp q10, q11, [sp, #320]",
            "ldp q8, q9, [sp, #288]",
            "ldp q6, q7, [sp, #256]",
            "ldp q4, q5, [sp, #224]",
            "ldp q2, q3, [sp, #192]",
            "ldp q0, q1, [sp, #160]",
            "ldp x17, x18, [sp, #144]",
            "ldp x15, x16, [sp, #128]",
            "ldp x13, x14, [sp, #112]",
            "ldp x11, x12, [sp, #96]",
            "ldp x9, x10, [sp, #80]",
            "ldp x7, x8, [sp, #64]",
            "ldp x5, x6, [sp, #48]",
            "ldp x3, x4, [sp, #32]",
            "ldp x1, x2, [sp, #16]",
            "ldp x29, x30, [sp]",
            "add sp, sp, #672",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore x29",
            ".cfi_restore x30",
            "ret",
            ".cfi_endproc",
            ".size mgenjit_tls_found, . - mgenjit_tls_found",
            ".popsection",
            function = sym $function,
        );
        fn $name() -> Option<$crate::arch::resolvers::Resolvers> {
            unsafe extern "C" {
                fn mgenjit_tls_fixed();
                fn mgenjit_tls_found();
            }
            let _: extern "C" fn(usize) -> *mut u8 = $function;
            Some($crate::arch::resolvers::Resolvers {
                fixed: mgenjit_tls_fixed as *const () as usize,
                found: mgenjit_tls_found as *const () as usize,
            })
        }
    };
}
pub use tls_resolvers;

/// What offsets of thread-local variables count from.
pub fn thread_pointer() -> usize {
    let pointer;
    // SAFETY: the register is this thread's, and stays as it is.
    unsafe {
        std::arch::asm!(
            "mrs {}, tpidr_el0",
            out(reg) pointer,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    pointer
}
