//! Functions that are made at run time, each of which calls a handler with its number and what it was called with.

use super::trampoline::Frame;
use std::arch::global_asm;
use std::ffi::c_void;

/// What a closure calls: it reads the frame's arguments, and writes the result. The arguments on the stack are as many as there are.
pub type Handler = unsafe extern "C" fn(frame: *mut Frame, number: u32);

pub const CODE_LEN: usize = 36;

/// `endbr64; mov r11d, number; movabs r10, handler; movabs rax, mgenjit_call_handler; jmp rax`.
pub fn code(number: u32, handler: Handler) -> [u8; CODE_LEN] {
    let mut code = [0xcc; CODE_LEN];
    code[..4].copy_from_slice(&[0xf3, 0x0f, 0x1e, 0xfa]);
    code[4..6].copy_from_slice(&[0x41, 0xbb]);
    code[6..10].copy_from_slice(&number.to_le_bytes());
    code[10..12].copy_from_slice(&[0x49, 0xba]);
    code[12..20].copy_from_slice(&(handler as *const () as u64).to_le_bytes());
    code[20..22].copy_from_slice(&[0x48, 0xb8]);
    let common = mgenjit_call_handler as *const () as u64;
    code[22..30].copy_from_slice(&common.to_le_bytes());
    code[30..32].copy_from_slice(&[0xff, 0xe0]);
    code
}

unsafe extern "C" {
    fn mgenjit_call_handler(_: *mut c_void);
}

global_asm!(
    ".pushsection .text.mgenjit_call_handler, \"ax\", @progbits",
    ".p2align 4",
    ".globl mgenjit_call_handler",
    ".hidden mgenjit_call_handler",
    ".type mgenjit_call_handler, @function",
    "mgenjit_call_handler:",
    ".cfi_startproc",
    "endbr64",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "sub rsp, {size}",
    "mov [rsp + {integers}], rdi",
    "mov [rsp + {integers} + 8], rsi",
    "mov [rsp + {integers} + 16], rdx",
    "mov [rsp + {integers} + 24], rcx",
    "mov [rsp + {integers} + 32], r8",
    "mov [rsp + {integers} + 40], r9",
    "movsd [rsp + {vectors}], xmm0",
    "movsd [rsp + {vectors} + 8], xmm1",
    "movsd [rsp + {vectors} + 16], xmm2",
    "movsd [rsp + {vectors} + 24], xmm3",
    "movsd [rsp + {vectors} + 32], xmm4",
    "movsd [rsp + {vectors} + 40], xmm5",
    "movsd [rsp + {vectors} + 48], xmm6",
    "movsd [rsp + {vectors} + 56], xmm7",
    "lea rax, [rbp + 16]",
    "mov [rsp + {stack}], rax",
    "mov rdi, rsp",
    "mov esi, r11d",
    "call r10",
    "mov rax, [rsp + {integer_result}]",
    "movsd xmm0, [rsp + {vector_result}]",
    "leave",
    ".cfi_def_cfa rsp, 8",
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
