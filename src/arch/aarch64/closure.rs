//! Functions that are made at run time, each of which calls a handler with its number and what it was called with.

use super::trampoline::Frame;
use std::arch::global_asm;
use std::ffi::c_void;

/// What a closure calls: it reads the frame's arguments, and writes the result. The arguments on the stack are as many as there are.
pub type Handler = unsafe extern "C" fn(frame: *mut Frame, number: u32);

pub const CODE_LEN: usize = 48;

/// `bti c; ldr x9, handler; ldr w10, number; ldr x16, mgenjit_call_handler; br x16`, and these three behind it.
pub fn code(number: u32, handler: Handler) -> [u8; CODE_LEN] {
    const INSTRUCTIONS: [u32; 6] = [
        0xd503_245f,
        0x5800_00a9,
        0x1800_010a,
        0x5800_00b0,
        0xd61f_0200,
        0,
    ];
    let mut code = [0; CODE_LEN];
    for (place, instruction) in code.chunks_exact_mut(4).zip(INSTRUCTIONS) {
        place.copy_from_slice(&instruction.to_le_bytes());
    }
    code[24..32].copy_from_slice(&(handler as *const () as u64).to_le_bytes());
    let common = mgenjit_call_handler as *const () as u64;
    code[32..40].copy_from_slice(&common.to_le_bytes());
    code[40..44].copy_from_slice(&number.to_le_bytes());
    code
}

unsafe extern "C" {
    fn mgenjit_call_handler(_: *mut c_void);
}

// `hint 34` is `bti c`.
global_asm!(
    ".pushsection .text.mgenjit_call_handler, \"ax\", %progbits",
    ".p2align 4",
    ".globl mgenjit_call_handler",
    ".hidden mgenjit_call_handler",
    ".type mgenjit_call_handler, %function",
    "mgenjit_call_handler:",
    ".cfi_startproc",
    "hint 34",
    "stp x29, x30, [sp, #-16]!",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset x29, -16",
    ".cfi_offset x30, -8",
    "mov x29, sp",
    ".cfi_def_cfa_register x29",
    "sub sp, sp, #{size}",
    "stp x0, x1, [sp, #{integers}]",
    "stp x2, x3, [sp, #{integers} + 16]",
    "stp x4, x5, [sp, #{integers} + 32]",
    "stp x6, x7, [sp, #{integers} + 48]",
    "stp d0, d1, [sp, #{vectors}]",
    "stp d2, d3, [sp, #{vectors} + 16]",
    "stp d4, d5, [sp, #{vectors} + 32]",
    "stp d6, d7, [sp, #{vectors} + 48]",
    "add x11, x29, #16",
    "str x11, [sp, #{stack}]",
    "mov x0, sp",
    "mov w1, w10",
    "blr x9",
    "ldr x0, [sp, #{integer_result}]",
    "ldr d0, [sp, #{vector_result}]",
    "mov sp, x29",
    ".cfi_def_cfa_register sp",
    "ldp x29, x30, [sp], #16",
    ".cfi_def_cfa_offset 0",
    ".cfi_restore x29",
    ".cfi_restore x30",
    "ret",
    ".cfi_endproc",
    ".size mgenjit_call_handler, . - mgenjit_call_handler",
    ".popsection",
    size = const size_of::<Frame>().next_multiple_of(16),
    integers = const std::mem::offset_of!(Frame, integers),
    vectors = const std::mem::offset_of!(Frame, vectors),
    stack = const std::mem::offset_of!(Frame, stack),
    integer_result = const std::mem::offset_of!(Frame, integer_result),
    vector_result = const std::mem::offset_of!(Frame, vector_result),
);
