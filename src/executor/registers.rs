//! Calls a function with arguments that are known only at run time: what libffi is for, for the few types that a
//! checked call passes. It is written here because it is three quarters of a checked call's cost there: libffi
//! classifies the arguments anew on each call (some 370 instructions for two integers; this takes 40).
//!
//! The first integers and pointers go into registers, the first floating-point numbers into vector registers, and the rest onto
//! the stack, in order. So the System V ABI for x86-64 has it, and AAPCS64 as Linux uses it; `arch::call` says how many.

use crate::arch::call::{self, Frame};

/// A call's arguments, where the ABI wants them, and its result.
pub struct Registers {
    frame: Frame,
    integer_count: usize,
    vector_count: usize,
    on_stack: Vec<u64>,
}

impl Registers {
    pub fn new() -> Registers {
        Registers {
            frame: Frame::new(),
            integer_count: 0,
            vector_count: 0,
            on_stack: Vec::new(),
        }
    }

    /// Adds an integer or a pointer.
    pub fn push_integer(&mut self, word: u64) {
        match self.frame.integers.get_mut(self.integer_count) {
            Some(register) => {
                *register = word;
                self.integer_count += 1;
            }
            None => self.on_stack.push(word),
        }
    }

    /// Says where a result in memory goes, on machines that have a register for it.
    pub fn set_result_pointer(&mut self, address: u64) {
        self.frame.result_pointer = address;
    }

    /// Adds the bits of a float or a double.
    pub fn push_vector(&mut self, bits: u64) {
        match self.frame.vectors.get_mut(self.vector_count) {
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
        self.frame.stack = self.on_stack.as_ptr();
        self.frame.stack_len = self.on_stack.len();
        // SAFETY: the caller vouches for the function, and what is on the stack lives until it returns.
        unsafe { call::call(&mut self.frame, function) };
    }

    /// The result, if it is an integer or a pointer. The bits above a narrow one may be anything.
    pub fn integer_result(&self) -> u64 {
        self.frame.integer_result
    }

    /// The bits of the result, if it is a float or a double.
    pub fn vector_result(&self) -> u64 {
        self.frame.vector_result
    }
}

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

    /// More than any machine has registers for.
    #[test]
    fn what_registers_have_no_room_for_is_on_the_stack() {
        const COUNT: usize = 13;
        unsafe extern "C" {
            fn snprintf(to: *mut libc::c_char, len: usize, format: *const libc::c_char, ...)
            -> i32;
        }
        let format = [c"%ld %.1f ".to_bytes(); COUNT].concat();
        let format = std::ffi::CString::new(format).expect("no NUL");
        let mut text = vec![0_u8; 256];
        let mut registers = Registers::new();
        registers.push_integer(text.as_mut_ptr() as u64);
        registers.push_integer(text.len() as u64);
        registers.push_integer(format.as_ptr() as u64);
        let mut expect = String::new();
        for place in 0..COUNT as i32 {
            registers.push_integer(i64::from(-place) as u64);
            registers.push_vector((f64::from(place) + 0.5).to_bits());
            expect += &format!("{} {place}.5 ", -place);
        }
        // SAFETY: the function takes these, and has room.
        unsafe { registers.call(snprintf as *const () as usize) };
        let len = registers.integer_result() as usize;
        assert_eq!(std::str::from_utf8(&text[..len]), Ok(expect.as_str()));
    }

    #[test]
    fn floats_lie_in_the_lower_half() {
        #[allow(clippy::too_many_arguments, clippy::many_single_char_names)]
        extern "C" fn sum(
            a: f32,
            b: f32,
            c: f32,
            d: f32,
            e: f32,
            f: f32,
            g: f32,
            h: f32,
            on_stack: f32,
            wide: f64,
            last: f32,
        ) -> f32 {
            let all = [a, b, c, d, e, f, g, h, on_stack, wide as f32, last];
            all.into_iter()
                .zip(1_u8..)
                .map(|(one, place)| one * f32::from(place))
                .sum()
        }
        let mut registers = Registers::new();
        for place in 1_u8..=11 {
            registers.push_vector(match place {
                10 => f64::from(place).to_bits(),
                _ => f32::from(place).to_bits().into(),
            });
        }
        // SAFETY: `sum` takes these.
        unsafe { registers.call(sum as *const () as usize) };
        // 1² + … + 11²
        assert_eq!(registers.vector_result() as u32, 506_f32.to_bits());
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
