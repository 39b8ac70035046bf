//! Ends the process with a message when memory runs out. Neither LLVM nor libwild can recover; the client reports an
//! error.

use crate::process::crash;
use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which ends the process where it would return null.
pub struct Allocator;

// SAFETY: every call goes to the system's allocator unchanged, and its answer comes back unless it is null.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `alloc`'s contract, which is the same.
        or_end(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `alloc_zeroed`'s contract, which is the same.
        or_end(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps `realloc`'s contract, which is the same.
        or_end(unsafe { System.realloc(block, layout, new_size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract, which is the same.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Makes C++'s `operator new` end the process in the same way, where it would throw through LLVM, which is
/// built without exceptions.
pub fn set_new_handler() {
    // SAFETY: the handler never returns, which the standard allows.
    unsafe { std_set_new_handler(Some(end_for_new)) };
}

unsafe extern "C" {
    /// `std::set_new_handler(void (*)())`.
    #[link_name = "_ZSt15set_new_handlerPFvvE"]
    fn std_set_new_handler(handler: Option<extern "C" fn()>) -> Option<extern "C" fn()>;
}

extern "C" fn end_for_new() {
    crash::end_out_of_memory()
}

fn or_end(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        crash::end_out_of_memory()
    }
    block
}
