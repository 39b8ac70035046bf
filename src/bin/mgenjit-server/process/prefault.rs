//! Populates memory many pages at a time. Otherwise a small module costs a new server some thousand page faults,
//! which take longer than LLVM's work on the pages.
//!
//! Nothing depends on it: where the kernel cannot (before Linux 5.14) or will not, the pages come one by one.

use libc::c_void;
use std::ops::Range;

/// What LLVM allocates for a small module fits.
const HEAP: usize = 2 << 20;

/// Grows the heap, and returns where, for `provide`. Nothing else may allocate at the same time.
pub fn grow_heap() -> Range<usize> {
    // SAFETY: the block is freed as it was allocated; the compiler must not know, or it would remove both.
    let start = unsafe {
        let block = std::hint::black_box(libc::malloc(HEAP));
        libc::free(block);
        block as usize
    };
    start..start + HEAP
}

/// Backs the pages of `range`, which another thread may use already.
pub fn provide(range: Range<usize>) {
    let page = rustix::param::page_size();
    let start = range.start & !(page - 1);
    // SAFETY: the call changes no byte. If something in the range is not mapped, it is an error.
    unsafe {
        libc::madvise(
            start as *mut c_void,
            range.end - start,
            libc::MADV_POPULATE_WRITE,
        );
    }
}

/// The variables of LLVM's options, which their constructors write all over: this runs before these.
#[used]
#[unsafe(link_section = ".preinit_array")]
static PROVIDE_VARIABLES: extern "C" fn() = provide_variables;

extern "C" fn provide_variables() {
    unsafe extern "C" {
        // The linker's names for the two ends of the variables that are zero at first.
        static __bss_start: u8;
        static _end: u8;
    }
    provide(&raw const __bss_start as usize..&raw const _end as usize);
}
