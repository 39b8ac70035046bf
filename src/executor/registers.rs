//! Calls a function with arguments that are known only at run time: what libffi is for, for the few types that a
//! checked call passes. It is written here because it is three quarters of a checked call's cost there: libffi
//! classifies the arguments anew on each call (some 370 instructions for two integers; this takes 40).
//!
//! The System V ABI for x86-64: the first six integers and pointers go into registers, the first eight floating-point
//! numbers into vector registers, and the rest onto the stack, in order.

use std::arch::global_asm;
use std::ffi::c_void;

const INTEGERS: usize = 6;
const VECTORS: usize = 8;

/// A call's arguments, where the ABI wants them, and its result. The assembly below knows the layout.
#[repr(C)]
pub struct Registers {
    integers: [u64; INTEGERS],
    vectors: [u64; VECTORS],
    stack: *const u64,
    stack_len: usize,
    integer_result: u64,
    vector_result: u64,
    // From here on for Rust alone.
    integer_count: usize,
    vector_count: usize,
    on_stack: Vec<u64>,
}

impl Registers {
    pub fn new() -> Registers {
        Registers {
            integers: [0; INTEGERS],
            vectors: [0; VECTORS],
            stack: std::ptr::null(),
            stack_len: 0,
            integer_result: 0,
            vector_result: 0,
            integer_count: 0,
            vector_count: 0,
            on_stack: Vec::new(),
        }
    }

    /// Adds an integer or a pointer.
    pub fn push_integer(&mut self, word: u64) {
        match self.integers.get_mut(self.integer_count) {
            Some(register) => {
                *register = word;
                self.integer_count += 1;
            }
            None => self.on_stack.push(word),
        }
    }

    /// Adds the bits of a float or a double.
    pub fn push_vector(&mut self, bits: u64) {
        match self.vectors.get_mut(self.vector_count) {
            Some(register) => {
                *register = bits;
                self.vector_count += 1;
            }
            None => self.on_stack.push(bits),
        }
    }

    /// Calls a function. An exception that it throws passes through.
    ///
    /// # Safety
    /// At `function` is one that takes what was added, in this order, and returns at most one word.
    pub unsafe fn call(&mut self, function: usize) {
        self.stack = self.on_stack.as_ptr();
        self.stack_len = self.on_stack.len();
        // SAFETY: the caller vouches for the function, and the layout is what the assembly expects.
        unsafe { mgenjit_call_with_registers(std::ptr::from_mut(self).cast(), function) };
    }

    /// The result, if it is an integer or a pointer. The bits above a narrow one may be anything.
    pub fn integer_result(&self) -> u64 {
        self.integer_result
    }

    /// The bits of the result, if it is a float or a double.
    pub fn vector_result(&self) -> u64 {
        self.vector_result
    }
}

unsafe extern "C-unwind" {
    fn mgenjit_call_with_registers(registers: *mut c_void, function: usize);
}

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
    integers = const std::mem::offset_of!(Registers, integers),
    vectors = const std::mem::offset_of!(Registers, vectors),
    stack = const std::mem::offset_of!(Registers, stack),
    stack_len = const std::mem::offset_of!(Registers, stack_len),
    integer_result = const std::mem::offset_of!(Registers, integer_result),
    vector_result = const std::mem::offset_of!(Registers, vector_result),
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place that an argument can have, weighted so that a swap is seen.
    #[allow(clippy::too_many_arguments, clippy::many_single_char_names)]
    extern "C" fn many(
        a: u64,
        b: u64,
        c: u64,
        d: u64,
        e: u64,
        f: u64,
        p: f64,
        q: f64,
        r: f64,
        s: f64,
        t: f64,
        u: f64,
        v: f64,
        w: f64,
        g: u64,
        x: f64,
        h: u64,
    ) -> f64 {
        let integers = [a, b, c, d, e, f, g, h];
        let numbers = [p, q, r, s, t, u, v, w, x];
        let weigh = |sum: f64, (place, value): (usize, f64)| sum + (place + 1) as f64 * value;
        let integers = integers.iter().map(|integer| *integer as f64);
        integers.enumerate().fold(0.0, weigh) * 1000.0
            + numbers.into_iter().enumerate().fold(0.0, weigh)
    }

    #[test]
    fn arguments_arrive_where_they_belong() {
        let mut registers = Registers::new();
        (1..=6).for_each(|integer| registers.push_integer(integer));
        (1..=8).for_each(|number| registers.push_vector(f64::from(number).to_bits()));
        registers.push_integer(7);
        registers.push_vector(9f64.to_bits());
        registers.push_integer(8);
        // SAFETY: `many` takes these.
        unsafe { registers.call(many as *const () as usize) };
        // 1² + … + 8² = 204 and 1² + … + 9² = 285.
        assert_eq!(registers.vector_result(), f64::to_bits(204_285.0));
    }

    #[test]
    fn results_come_from_their_registers() {
        extern "C" fn negate(value: i64) -> i64 {
            -value
        }
        let mut registers = Registers::new();
        registers.push_integer(5);
        // SAFETY: `negate` takes one.
        unsafe { registers.call(negate as *const () as usize) };
        assert_eq!(registers.integer_result(), -5i64 as u64);
    }

    #[test]
    fn panics_pass_through() {
        extern "C-unwind" fn throw(value: i32) {
            std::panic::resume_unwind(Box::new(value));
        }
        let thrown = std::panic::catch_unwind(|| {
            let mut registers = Registers::new();
            registers.push_integer(5);
            // SAFETY: `throw` takes one.
            unsafe { registers.call(throw as *const () as usize) };
        });
        let thrown = thrown.expect_err("it throws");
        assert_eq!(thrown.downcast_ref::<i32>(), Some(&5));
    }
}
