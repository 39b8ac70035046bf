//! Calls with arguments that are known only at run time, and the bottom of a stack.

use crate::arch::frame;
use std::arch::global_asm;
use std::ffi::c_void;

/// AAPCS64 as Linux uses it: eight integers and pointers, and eight floating-point numbers. What is on the stack takes eight
/// bytes each, and variadic functions are called like all others.
pub type Frame = frame::Frame<8>;

unsafe extern "C-unwind" {
    fn mgenjit_call_with_registers(frame: *mut c_void, function: usize);
    fn mgenjit_run_bottom(
        run: unsafe extern "C-unwind" fn(*mut c_void) -> !,
        argument: *mut c_void,
    ) -> !;
}

/// Calls a function, and writes its result into the frame. An exception that it throws passes through.
///
/// # Safety
/// At `function` is one that takes the frame's arguments and returns at most one word.
pub unsafe fn call(frame: &mut Frame, function: usize) {
    // SAFETY: the caller vouches for the function, and the layout is what the assembly expects.
    unsafe { mgenjit_call_with_registers(std::ptr::from_mut(frame).cast(), function) };
}

/// Calls a function that does not return, with no frame below it.
///
/// # Safety
/// `run` may be called with `argument`.
pub unsafe fn run_at_bottom(
    run: unsafe extern "C-unwind" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> ! {
    // SAFETY: it calls `run` alone, which the caller vouches for.
    unsafe { mgenjit_run_bottom(run, argument) }
}

// The call-frame directives let exceptions and stack traces pass. `hint 34` is `bti c`.
global_asm!(
    ".pushsection .text.mgenjit_call_with_registers, \"ax\", %progbits",
    ".p2align 4",
    ".globl mgenjit_call_with_registers",
    ".hidden mgenjit_call_with_registers",
    ".type mgenjit_call_with_registers, %function",
    "mgenjit_call_with_registers:",
    ".cfi_startproc",
    "hint 34",
    "stp x29, x30, [sp, #-32]!",
    ".cfi_def_cfa_offset 32",
    ".cfi_offset x29, -32",
    ".cfi_offset x30, -24",
    "str x19, [sp, #16]",
    ".cfi_offset x19, -16",
    "mov x29, sp",
    ".cfi_def_cfa_register x29",
    "mov x19, x0",
    "mov x16, x1",
    // The arguments on the stack, the first one lowest, the stack aligned to 16 bytes.
    "ldr x9, [x19, #{stack_len}]",
    "cbz x9, 3f",
    "ldr x10, [x19, #{stack}]",
    "lsl x11, x9, #3",
    "add x11, x11, #15",
    "and x11, x11, #-16",
    "sub sp, sp, x11",
    "mov x12, sp",
    "2:",
    "ldr x13, [x10], #8",
    "str x13, [x12], #8",
    "sub x9, x9, #1",
    "cbnz x9, 2b",
    "3:",
    "ldp d0, d1, [x19, #{vectors}]",
    "ldp d2, d3, [x19, #{vectors} + 16]",
    "ldp d4, d5, [x19, #{vectors} + 32]",
    "ldp d6, d7, [x19, #{vectors} + 48]",
    "ldp x0, x1, [x19, #{integers}]",
    "ldp x2, x3, [x19, #{integers} + 16]",
    "ldp x4, x5, [x19, #{integers} + 32]",
    "ldp x6, x7, [x19, #{integers} + 48]",
    "blr x16",
    "str x0, [x19, #{integer_result}]",
    "str d0, [x19, #{vector_result}]",
    "ldr x19, [x29, #16]",
    "mov sp, x29",
    ".cfi_def_cfa_register sp",
    "ldp x29, x30, [sp], #32",
    ".cfi_def_cfa_offset 0",
    ".cfi_restore x19",
    ".cfi_restore x29",
    ".cfi_restore x30",
    "ret",
    ".cfi_endproc",
    ".size mgenjit_call_with_registers, . - mgenjit_call_with_registers",
    ".popsection",
    integers = const std::mem::offset_of!(Frame, integers),
    vectors = const std::mem::offset_of!(Frame, vectors),
    stack = const std::mem::offset_of!(Frame, stack),
    stack_len = const std::mem::offset_of!(Frame, stack_len),
    integer_result = const std::mem::offset_of!(Frame, integer_result),
    vector_result = const std::mem::offset_of!(Frame, vector_result),
);

global_asm!(
    ".pushsection .text.mgenjit_run_bottom, \"ax\", %progbits",
    ".p2align 2",
    ".globl mgenjit_run_bottom",
    ".hidden mgenjit_run_bottom",
    ".type mgenjit_run_bottom, %function",
    "mgenjit_run_bottom:",
    ".cfi_startproc",
    ".cfi_undefined x30",
    "hint 34",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x9, x0",
    "mov x0, x1",
    "blr x9",
    "udf #0",
    ".cfi_endproc",
    ".size mgenjit_run_bottom, . - mgenjit_run_bottom",
    ".popsection",
);
