//! The assembly of `arch::call`.

use crate::arch::frame;
use std::arch::global_asm;

/// The System V ABI for x86-64: six integers and pointers, and eight floating-point numbers.
pub type Frame = frame::Frame<6>;

/// Whether the address of a result in memory has a register of its own, and is no argument like others.
pub const HAS_RESULT_POINTER: bool = false;

// The call-frame directives let exceptions and stack traces pass. AL is an upper bound of the vector registers that
// are used, for variadic functions.
global_asm!(
    ".pushsection .text.mgenjit_call_with_registers, \"ax\", @progbits",
    ".p2align 4",
    ".globl mgenjit_call_with_registers",
    ".hidden mgenjit_call_with_registers",
    ".type mgenjit_call_with_registers, @function",
    "mgenjit_call_with_registers:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    ".cfi_offset rbx, -24",
    "sub rsp, 8",
    "mov rbx, rdi",
    "mov r11, rsi",
    // The arguments on the stack, the first one lowest, the stack aligned to 16 bytes.
    "mov rcx, [rbx + {stack_len}]",
    "test rcx, rcx",
    "jz 2f",
    "lea rax, [rcx * 8 + 15]",
    "and rax, -16",
    "sub rsp, rax",
    "mov rsi, [rbx + {stack}]",
    "mov rdi, rsp",
    "rep movsq",
    "2:",
    "movsd xmm0, [rbx + {vectors}]",
    "movsd xmm1, [rbx + {vectors} + 8]",
    "movsd xmm2, [rbx + {vectors} + 16]",
    "movsd xmm3, [rbx + {vectors} + 24]",
    "movsd xmm4, [rbx + {vectors} + 32]",
    "movsd xmm5, [rbx + {vectors} + 40]",
    "movsd xmm6, [rbx + {vectors} + 48]",
    "movsd xmm7, [rbx + {vectors} + 56]",
    "mov rdi, [rbx + {integers}]",
    "mov rsi, [rbx + {integers} + 8]",
    "mov rdx, [rbx + {integers} + 16]",
    "mov rcx, [rbx + {integers} + 24]",
    "mov r8, [rbx + {integers} + 32]",
    "mov r9, [rbx + {integers} + 40]",
    "mov eax, 8",
    "call r11",
    "mov [rbx + {integer_result}], rax",
    "movsd [rbx + {vector_result}], xmm0",
    "mov rbx, [rbp - 8]",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    ".cfi_restore rbx",
    ".cfi_restore rbp",
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
    ".pushsection .text.mgenjit_run_bottom, \"ax\", @progbits",
    ".globl mgenjit_run_bottom",
    ".hidden mgenjit_run_bottom",
    ".type mgenjit_run_bottom, @function",
    "mgenjit_run_bottom:",
    ".cfi_startproc",
    ".cfi_undefined rip",
    "xor ebp, ebp",
    "sub rsp, 8",
    "mov rax, rdi",
    "mov rdi, rsi",
    "call rax",
    "ud2",
    ".cfi_endproc",
    ".size mgenjit_run_bottom, . - mgenjit_run_bottom",
    ".popsection",
);
