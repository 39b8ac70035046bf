//! The argument vector that constructors are called with.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// An argument vector: `argc` strings and a NULL.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    pub argc: c_int,
    pub argv: *const *const c_char,
}

/// Copies of strings, which a program may change.
#[derive(Debug)]
pub struct Strings {
    _strings: Vec<Box<[u8]>>,
    argv: Vec<*mut c_char>,
}

// SAFETY: the pointers are to the strings, which belong to the value. What a program writes to them is its business, as with
// any argument vector.
unsafe impl Send for Strings {}
// SAFETY: as above.
unsafe impl Sync for Strings {}

impl Strings {
    pub fn new(arguments: &[&CStr]) -> Strings {
        let mut strings: Vec<Box<[u8]>> = arguments
            .iter()
            .map(|text| text.to_bytes_with_nul().into())
            .collect();
        let mut argv: Vec<*mut c_char> = strings
            .iter_mut()
            .map(|text| text.as_mut_ptr().cast())
            .collect();
        argv.push(ptr::null_mut());
        Strings {
            _strings: strings,
            argv,
        }
    }

    /// They are valid as long as this value.
    pub fn arguments(&self) -> Arguments {
        Arguments {
            argc: c_int::try_from(self.argv.len() - 1).unwrap_or(c_int::MAX),
            argv: self.argv.as_ptr().cast(),
        }
    }
}

static ARGC: AtomicI32 = AtomicI32::new(0);
static ARGV: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());

/// Those of this process.
pub fn of_the_process() -> Arguments {
    #[repr(transparent)]
    struct Empty([*const c_char; 1]);
    // SAFETY: it is never written.
    unsafe impl Sync for Empty {}
    static EMPTY: Empty = Empty([ptr::null()]);

    let argv = ARGV.load(Ordering::Relaxed);
    if argv.is_null() {
        return Arguments {
            argc: 0,
            argv: EMPTY.0.as_ptr(),
        };
    }
    Arguments {
        argc: ARGC.load(Ordering::Relaxed),
        argv,
    }
}

/// Has glibc tell the process's argument vector, which it gives to each constructor and nobody else can ask for.
#[used]
#[unsafe(link_section = ".init_array")]
static CAPTURE: extern "C" fn(c_int, *mut *const c_char, *const *const c_char) = capture;

extern "C" fn capture(argc: c_int, argv: *mut *const c_char, _: *const *const c_char) {
    ARGC.store(argc, Ordering::Relaxed);
    ARGV.store(argv, Ordering::Relaxed);
}
