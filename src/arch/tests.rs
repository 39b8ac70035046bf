use super::call::Frame;
use super::{closure, code};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
use std::cell::RefCell;

thread_local! {
    /// What the handler was given: the closure's number, and the arguments.
    static SEEN: RefCell<(u32, Vec<u64>)> = RefCell::default();
}

/// Arguments of each kind, in turns: more than go into registers.
const PAIRS: usize = 10;

/// Reads the arguments as the calling convention has them. The result is 7, or 2.5.
unsafe extern "C" fn handle(frame: *mut Frame, number: u32) {
    // SAFETY: a closure passes its own frame.
    let frame = unsafe { &mut *frame };
    let (mut integers, mut vectors) = (frame.integers.iter(), frame.vectors.iter());
    let mut stack = frame.stack;
    let mut arguments = Vec::new();
    for argument in 0..2 * PAIRS {
        let register = match argument % 2 {
            0 => integers.next(),
            _ => vectors.next(),
        };
        arguments.push(register.copied().unwrap_or_else(|| {
            // SAFETY: all that are not in registers are on the stack.
            unsafe {
                let argument = stack.read();
                stack = stack.add(1);
                argument
            }
        }));
    }
    frame.integer_result = 7;
    frame.vector_result = 2.5_f64.to_bits();
    SEEN.set((number, arguments));
}

/// A closure that stays as long as the process.
fn new_closure(number: u32) -> *const () {
    let bytes = closure::code(number, handle);
    // SAFETY: new memory, which nobody else knows.
    unsafe {
        let writable = ProtFlags::READ | ProtFlags::WRITE;
        let memory = mmap_anonymous(
            std::ptr::null_mut(),
            bytes.len(),
            writable,
            MapFlags::PRIVATE,
        )
        .expect("memory");
        memory.cast::<[u8; closure::CODE_LEN]>().write(bytes);
        code::make_coherent(memory.addr()..memory.addr() + bytes.len());
        let runnable = MprotectFlags::READ | MprotectFlags::EXEC;
        mprotect(memory, bytes.len(), runnable).expect("memory that runs");
        memory.cast_const().cast()
    }
}

macro_rules! called {
    ($code:expr, $result:ty) => {{
        type Called = unsafe extern "C" fn(
            i64,
            f64,
            i64,
            f64,
            i64,
            f64,
            i64,
            f64,
            i64,
            f64,
            i64,
            f64,
            i64,
            f64,
            i64,
            f64,
            i64,
            f64,
            i64,
            f64,
        ) -> $result;
        // SAFETY: its handler takes these arguments, and gives either result.
        unsafe {
            let called: Called = std::mem::transmute($code);
            called(
                -1,
                0.5,
                1,
                1.5,
                2,
                2.5,
                3,
                3.5,
                4,
                4.5,
                5,
                5.5,
                6,
                6.5,
                7,
                7.5,
                8,
                8.5,
                i64::MIN,
                9.5,
            )
        }
    }};
}

#[test]
fn closures_pass_their_number_and_all_arguments() {
    let mut expect: Vec<u64> = (0..PAIRS as u64)
        .flat_map(|pair| [pair, (pair as f64 + 0.5).to_bits()])
        .collect();
    expect[0] = u64::MAX;
    expect[2 * PAIRS - 2] = i64::MIN as u64;
    for number in [0, 1, 0xffff_fffe] {
        let code = new_closure(number);
        assert_eq!(called!(code, i64), 7);
        assert_eq!(SEEN.take(), (number, expect.clone()));
        assert_eq!(called!(code, f64).to_bits(), 2.5_f64.to_bits());
        assert_eq!(SEEN.take(), (number, expect.clone()));
    }
}
