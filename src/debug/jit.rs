//! Announces images to gdb and lldb, by the interface that both know: a list of object files in memory, and a function in
//! which they set a breakpoint ("JIT Compilation Interface" in gdb's manual).
//!
//! They apply no load address to such a file, so each is a copy that says where the image lies. Making it takes time and
//! memory: it is made when a debugger is there, or where the configuration asks for it.

use super::file;
use super::rebase::rebase;
use super::registry::{NEVER, Reader, Record, Writing};
use crate::arch::code;
use crate::environment;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

// The interface's own names and structures.

#[repr(C)]
pub struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    start: *const u8,
    len: u64,
}

#[repr(C)]
pub struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

/// Where debuggers look for the list.
#[unsafe(no_mangle)]
pub static mut __jit_debug_descriptor: Descriptor = Descriptor {
    version: 1,
    action: 0,
    relevant: ptr::null_mut(),
    first: ptr::null_mut(),
};

/// Debuggers set a breakpoint here, and read the list when it is hit.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn __jit_debug_register_code() {
    // SAFETY: it does nothing. The compiler must believe that it may read the list.
    unsafe { std::arch::asm!("", options(nostack)) };
}

// Another library of the process may have these names too, such as LLVM. Each has its own list, and debuggers read all.
std::arch::global_asm!(
    ".protected __jit_debug_descriptor",
    ".protected __jit_debug_register_code",
    ".protected __mgenjit_images",
);

/// Whether a debugger has set its breakpoint. `rr` records no debugger, and replays only what it recorded: there, the images
/// are announced from the start.
pub fn is_watched() -> bool {
    static RECORDED: OnceLock<bool> = OnceLock::new();
    let function = __jit_debug_register_code as *const u8;
    *RECORDED.get_or_init(|| environment::variable(c"RUNNING_UNDER_RR").is_some())
        // SAFETY: it is a function.
        || unsafe { code::has_breakpoint(function) }
}

/// Announces all images that were not announced yet. Where memory is short, it leaves some out.
pub fn announce_all(_writer: &mut Writing) {
    let reader = Reader::new();
    for record in reader.all() {
        if record.announced.load(Ordering::Relaxed) != 0 {
            continue;
        }
        let copy = file::bytes(record)
            .and_then(|bytes| rebase(bytes, record.base, record.len))
            .unwrap_or_default();
        let copy = Box::leak(copy.into_boxed_slice());
        let entry = Box::into_raw(Box::new(Entry {
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
            start: copy.as_ptr(),
            len: copy.len() as u64,
        }));
        record.announced.store(entry as usize, Ordering::Relaxed);
        if !copy.is_empty() {
            // SAFETY: the lock is held, and the entry is new.
            unsafe { link(entry) };
        }
    }
}

/// Takes an image's announcement back.
pub fn withdraw(_writer: &mut Writing, record: &Record) {
    let entry = record.announced.swap(NEVER, Ordering::Relaxed);
    if entry != 0 && entry != NEVER {
        let entry = entry as *mut Entry;
        // SAFETY: `announce_all` made it, and the lock is held.
        unsafe {
            if (*entry).len != 0 {
                unlink(entry);
            }
            let copy =
                ptr::slice_from_raw_parts_mut((*entry).start.cast_mut(), (*entry).len as usize);
            drop(Box::from_raw(copy));
            drop(Box::from_raw(entry));
        }
    }
}

/// # Safety
///
/// The lock is held; the entry is not in the list.
unsafe fn link(entry: *mut Entry) {
    let descriptor = &raw mut __jit_debug_descriptor;
    // SAFETY: only holders of the lock use the list; debuggers read it while the process stands still.
    unsafe {
        (*entry).next = (*descriptor).first;
        if let Some(next) = (*entry).next.as_mut() {
            next.previous = entry;
        }
        (*descriptor).first = entry;
        tell(entry, REGISTER);
    }
}

/// # Safety
///
/// The lock is held; the entry is in the list.
unsafe fn unlink(entry: *mut Entry) {
    let descriptor = &raw mut __jit_debug_descriptor;
    // SAFETY: as in `link`.
    unsafe {
        if let Some(next) = (*entry).next.as_mut() {
            next.previous = (*entry).previous;
        }
        match (*entry).previous.as_mut() {
            Some(previous) => previous.next = (*entry).next,
            None => (*descriptor).first = (*entry).next,
        }
        tell(entry, UNREGISTER);
    }
}

/// # Safety
///
/// The lock is held.
unsafe fn tell(entry: *mut Entry, action: u32) {
    let descriptor = &raw mut __jit_debug_descriptor;
    // SAFETY: as in `link`. Volatile, because only debuggers read what is written.
    unsafe {
        (&raw mut (*descriptor).relevant).write_volatile(entry);
        (&raw mut (*descriptor).action).write_volatile(action);
        let register: extern "C" fn() = std::hint::black_box(__jit_debug_register_code);
        register();
        (&raw mut (*descriptor).action).write_volatile(0);
        (&raw mut (*descriptor).relevant).write_volatile(ptr::null_mut());
    }
}
