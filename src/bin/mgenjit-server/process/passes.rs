//! LLVM's current pass and function. LLVM keeps them for its own crash reports, in a list on the stack of the thread
//! that runs the passes.

use std::ffi::c_void;

/// The start of `llvm::PrettyStackTraceEntry`, of this LLVM, whose version library and server compare.
#[repr(C)]
struct Entry {
    functions: *const Functions,
    next: *const Entry,
}

/// Its virtual functions in the C++ ABI's order: both forms of the destructor, then `print`.
#[repr(C)]
struct Functions {
    destroy: [*const c_void; 2],
    print: unsafe extern "C" fn(entry: *const Entry, out: *mut c_void),
}

unsafe extern "C" {
    /// `const void *llvm::SavePrettyStackState()`: the calling thread's newest entry.
    #[link_name = "_ZN4llvm20SavePrettyStackStateEv"]
    fn newest_entry() -> *const Entry;
    /// `llvm::raw_fd_ostream &llvm::errs()`: standard error, without a buffer.
    #[link_name = "_ZN4llvm4errsEv"]
    fn errs() -> *mut c_void;
}

/// Makes what [`print()`] needs.
pub fn set_up() {
    // SAFETY: makes LLVM's stream if there is none yet, and returns it.
    unsafe { errs() };
}

/// Writes to standard error what the calling thread's innermost pass is and what it works on: one line, or nothing.
///
/// # Safety
///
/// LLVM may be in any state, and this may allocate, crash or never return. So it is for a process that ends anyway and
/// that ends if this does not return.
pub unsafe fn print() {
    // SAFETY: an entry is in the list as long as it lives, and has the functions of its class. What may go wrong is the
    // caller's to bear.
    unsafe {
        let entry = newest_entry();
        if !entry.is_null() {
            ((*(*entry).functions).print)(entry, errs());
        }
    }
}
