//! The heap of a server that compiles.

/// Makes one heap do for all threads, and grow by more than a page at a time. Only one thread allocates much,
/// and glibc gives a thread that is not the first a heap that grows by a system call for each page.
pub fn set_up() {
    // SAFETY: nothing is allocated at the same time, as no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, HEAP_STEP);
        // Setting one of these stops glibc from adapting the others.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGE_BLOCK);
    }
}

const HEAP_STEP: i32 = 4 << 20;
const LARGE_BLOCK: i32 = 32 << 20;

/// Returns to the system what a large module needed: the server may wait for long until the next.
pub fn give_back() {
    // SAFETY: both are safe to call at any time.
    unsafe {
        if libc::mallinfo2().fordblks > WORTH_GIVING_BACK {
            libc::malloc_trim(0);
        }
    }
}

/// Free memory that a server keeps for its next request. A small module needs less.
const WORTH_GIVING_BACK: usize = 16 << 20;
