//! Blocks of stubs, each of which is a jump to what its cell says: an address in one is explained as where it leads.
//!
//! A list that is read as `registry` is: without a lock, in signal handlers too.

use super::registry::{self, Reader};
use crate::arch::code::STUB_SIZE;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A block of stubs. The cell of each lies as many bytes behind it as the block is long.
#[derive(Debug)]
struct Block {
    base: usize,
    len: usize,
    next: AtomicPtr<Block>,
}

static FIRST: AtomicPtr<Block> = AtomicPtr::new(ptr::null_mut());

/// A block that is listed. Dropping it takes it out.
#[derive(Debug)]
pub struct VisibleStubs(*mut Block);

impl VisibleStubs {
    /// # Safety
    ///
    /// The stubs and cells stay mapped as long as the value exists.
    pub unsafe fn new(base: usize, len: usize) -> VisibleStubs {
        let _writer = registry::write();
        let next = AtomicPtr::new(FIRST.load(Ordering::Relaxed));
        let block = Box::into_raw(Box::new(Block { base, len, next }));
        FIRST.store(block, Ordering::Release);
        VisibleStubs(block)
    }
}

impl Drop for VisibleStubs {
    fn drop(&mut self) {
        let mut writer = registry::write();
        let mut slot = &FIRST;
        // SAFETY: blocks that are listed are not freed meanwhile: the lock is held.
        while let Some(block) = unsafe { slot.load(Ordering::Relaxed).as_ref() } {
            if ptr::eq(block, self.0) {
                slot.store(block.next.load(Ordering::Relaxed), Ordering::Release);
                break;
            }
            slot = &block.next;
        }
        registry::wait_for_readers(&mut writer);
        // SAFETY: it is out of the list, no reader has it any more, and `new` made the box.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// Where the stub leads that an address lies in. `None`: it lies in none.
pub fn target(_reader: &Reader, address: usize) -> Option<usize> {
    let mut next = FIRST.load(Ordering::Acquire);
    // SAFETY: the reader is counted: what it finds is not freed.
    while let Some(block) = unsafe { next.as_ref() } {
        if address.wrapping_sub(block.base) < block.len {
            let cell = (address & !(STUB_SIZE - 1)) + block.len;
            // SAFETY: the cell is one of the block's, aligned, and mapped as long as the block is listed.
            return Some(unsafe { &*(cell as *const AtomicUsize) }.load(Ordering::Acquire));
        }
        next = block.next.load(Ordering::Acquire);
    }
    None
}
