//! A call's arguments, where the machine's calling convention wants them, and its result.

/// What a call passes in vector registers, on each machine.
pub const VECTORS: usize = 8;

/// `INTEGERS`: how many arguments go into registers for integers. The assembly knows the layout.
#[repr(C)]
pub struct Frame<const INTEGERS: usize> {
    pub integers: [u64; INTEGERS],
    pub vectors: [u64; VECTORS],
    /// Where a result in memory goes, on machines that have a register for it.
    pub result_pointer: u64,
    /// The arguments on the stack, the first one lowest.
    pub stack: *const u64,
    pub stack_len: usize,
    pub integer_result: u64,
    pub vector_result: u64,
}

impl<const INTEGERS: usize> Frame<INTEGERS> {
    pub fn new() -> Frame<INTEGERS> {
        Frame {
            integers: [0; INTEGERS],
            vectors: [0; VECTORS],
            result_pointer: 0,
            stack: std::ptr::null(),
            stack_len: 0,
            integer_result: 0,
            vector_result: 0,
        }
    }
}

impl<const INTEGERS: usize> Default for Frame<INTEGERS> {
    fn default() -> Frame<INTEGERS> {
        Frame::new()
    }
}
