//! The images of the process, by address.
//!
//! A skip list: whoever writes holds a lock, readers take none. So a signal handler can read it, whatever it interrupted,
//! and a debugger can, at whatever point the process stopped. What is taken out is freed once no reader can see it.
//!
//! Architecture Invariant: debuggers' scripts read these structures (`install/mgenjit-gdb.py`). A change of their layout
//! raises [`VERSION`].

use super::label::{Announce, File, Image, Label, Symbols};
use crate::fork;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of the layout.
const VERSION: u32 = 2;

/// Of the skip list: enough for 2^24 images.
const HEIGHT: usize = 12;

/// Of `Record::announced`.
pub const NEVER: usize = usize::MAX;

type Tower = [AtomicPtr<Record>; HEIGHT];

/// Where the list begins. Debuggers find it by its name.
#[repr(C)]
pub struct Registry {
    version: u32,
    /// The offset of `Record::base`, behind the tower.
    record: u32,
    head: Tower,
}

/// Exported for debuggers alone: programs call mgenjit_symbolize.
#[unsafe(no_mangle)]
pub static __mgenjit_images: Registry = Registry {
    version: VERSION,
    record: size_of::<Tower>() as u32,
    head: [const { AtomicPtr::new(ptr::null_mut()) }; HEIGHT],
};

/// An image. It does not change while it is listed, but for its neighbours and `announced`.
#[repr(C)]
pub struct Record {
    next: Tower,
    /// Where it lies, and how many bytes from there on are its own.
    pub base: usize,
    pub len: usize,
    name: Text,
    /// The file that it was mapped from: a directory, and a path there. Empty: there is none.
    directory: Text,
    path: Text,
    /// What of the image's file is not in memory, and where in the file that lies. Empty if there is a file.
    rest: Text,
    pub rest_offset: u64,
    /// The image's length in its file.
    pub file_len: u64,
    /// The file's device and inode.
    pub identity: [u64; 2],
    /// Where in the file the image begins.
    file_at: u64,
    /// What it was announced to debuggers as. 0: it was not. [`NEVER`]: nor will it be.
    pub announced: AtomicUsize,
    pub key: [u8; 32],
    pub owner: usize,
    pub symbols: Symbols,
    /// Different for each image that was ever listed.
    pub serial: u64,
    /// What the texts are of.
    owned: Owned,
}

struct Owned {
    name: Arc<str>,
    file: Option<File>,
    rest: Vec<u8>,
}

/// Bytes, in a form that debuggers can read.
#[derive(Clone, Copy)]
#[repr(C)]
struct Text {
    start: *const u8,
    len: usize,
}

impl Text {
    fn of(bytes: &[u8]) -> Text {
        Text {
            start: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

// SAFETY: its pointers lead to what it owns and to other records, none of which belongs to a thread.
unsafe impl Send for Record {}
// SAFETY: what others can change is atomic.
unsafe impl Sync for Record {}

impl Record {
    pub fn new(image: &Image, label: Label) -> Box<Record> {
        let mut rest = label.bytes;
        rest.drain(..rest.len().min(image.loaded_len as usize));
        rest.shrink_to_fit();
        let owned = Owned {
            name: label.name,
            file: label.file,
            rest,
        };
        let (directory, path, identity, file_at) = match &owned.file {
            Some(file) => (
                file.directory.as_os_str().as_bytes(),
                file.path.as_bytes(),
                file.identity,
                file.at,
            ),
            None => (&[][..], &[][..], [0; 2], 0),
        };
        Box::new(Record {
            next: [const { AtomicPtr::new(ptr::null_mut()) }; HEIGHT],
            base: image.base,
            len: image.len,
            name: Text::of(owned.name.as_bytes()),
            directory: Text::of(directory),
            path: Text::of(path),
            rest: Text::of(&owned.rest),
            rest_offset: image.loaded_len,
            file_len: image.file_len,
            identity,
            file_at,
            announced: AtomicUsize::new(match label.announce {
                Announce::Never => NEVER,
                Announce::ToThoseHere | Announce::Always => 0,
            }),
            key: label.key,
            owner: label.owner,
            symbols: image.symbols,
            serial: 0,
            owned,
        })
    }

    pub fn name(&self) -> &str {
        &self.owned.name
    }

    pub fn file(&self) -> Option<&File> {
        self.owned.file.as_ref()
    }

    pub fn rest(&self) -> &[u8] {
        &self.owned.rest
    }

    fn next(&self, level: usize) -> *mut Record {
        self.next[level].load(Ordering::Acquire)
    }
}

/// The lock of whoever changes the list, or what debuggers are told of it.
pub struct Writer {
    /// Of the last image that was added.
    serial: u64,
}

static WRITER: Mutex<Writer> = Mutex::new(Writer { serial: 0 });

pub type Writing = fork::Guarded<MutexGuard<'static, Writer>>;

pub fn write() -> Writing {
    fork::guard(|| WRITER.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Lists an image. The record is freed by [`remove`].
pub fn add(writer: &mut Writing, mut record: Box<Record>) -> *mut Record {
    writer.serial += 1;
    record.serial = writer.serial;
    let record = Box::into_raw(record);
    // SAFETY: the record is new, and the lock is held.
    unsafe { insert(record, height(writer.serial)) };
    record
}

/// Takes an image out, and waits until no reader has it.
///
/// # Safety
///
/// `add` returned it, and it is not used again.
pub unsafe fn remove(writer: &mut Writing, record: *mut Record) {
    // SAFETY: it is listed, and the lock is held.
    unsafe { take_out(record) };
    wait_for_readers(writer);
    // SAFETY: no reader has it any more, and none can find it.
    drop(unsafe { Box::from_raw(record) });
}

/// A height for the image of a number: each level has a quarter of the one below.
fn height(serial: u64) -> usize {
    // Of splitmix64.
    let mut random = serial.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    random ^= random >> 27;
    (1 + random.trailing_zeros() as usize / 2).min(HEIGHT)
}

/// Visits the last slots before an address, from the highest level down.
///
/// # Safety
///
/// The writers' lock is held.
unsafe fn slots(base: usize, mut visit: impl FnMut(usize, &AtomicPtr<Record>)) {
    let mut tower: &Tower = &__mgenjit_images.head;
    for level in (0..HEIGHT).rev() {
        // SAFETY: records that are listed are not freed meanwhile.
        while let Some(record) = unsafe { tower[level].load(Ordering::Relaxed).as_ref() }
            && record.base < base
        {
            tower = &record.next;
        }
        visit(level, &tower[level]);
    }
}

/// # Safety
///
/// The record is not listed, and the writers' lock is held.
unsafe fn insert(record: *mut Record, height: usize) {
    // SAFETY: it is a record, and nobody else has it.
    let this = unsafe { &*record };
    // Readers that find it on a high level go on from there on lower ones.
    let mut found = [const { ptr::null::<AtomicPtr<Record>>() }; HEIGHT];
    // SAFETY: the lock is held.
    unsafe { slots(this.base, |level, slot| found[level] = slot) };
    for (level, slot) in found.into_iter().enumerate().take(height) {
        // SAFETY: the slot is of the list's head, or of a record that is listed.
        let slot = unsafe { &*slot };
        this.next[level].store(slot.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.store(record, Ordering::Release);
    }
}

/// # Safety
///
/// The record is listed, and the writers' lock is held.
unsafe fn take_out(record: *mut Record) {
    // SAFETY: it is a record that is listed.
    let this = unsafe { &*record };
    let unlink = |level: usize, slot: &AtomicPtr<Record>| {
        if slot.load(Ordering::Relaxed) == record {
            slot.store(this.next(level), Ordering::Release);
        }
    };
    // SAFETY: the lock is held.
    unsafe { slots(this.base, unlink) };
}

/// Readers are counted in the one of two counters that is current when they begin. A writer makes the other one current
/// and waits until the first is 0, twice: so new readers cannot keep it waiting.
static CURRENT: AtomicUsize = AtomicUsize::new(0);

/// Waits until nobody reads any more what the writer has taken out.
pub fn wait_for_readers(_writer: &mut Writing) {
    // What was taken out is out for every reader that is not counted below.
    fence(Ordering::SeqCst);
    for _ in 0..2 {
        let old = CURRENT.fetch_add(1, Ordering::SeqCst) & 1;
        while fork::READERS[old].load(Ordering::SeqCst) != 0 {
            rustix::thread::sched_yield();
        }
    }
}

/// A reader. While it exists, nothing that it can find is freed or unmapped.
pub struct Reader(usize);

impl Reader {
    pub fn new() -> Reader {
        let counter = CURRENT.load(Ordering::SeqCst) & 1;
        fork::READERS[counter].fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Reader(counter)
    }

    /// The image that an address lies in.
    pub fn find(&self, address: usize) -> Option<&Record> {
        // The last one that begins at the address or before it.
        let mut tower: &Tower = &__mgenjit_images.head;
        let mut found: Option<&Record> = None;
        for level in (0..HEIGHT).rev() {
            // SAFETY: this reader is counted.
            while let Some(record) = unsafe { tower[level].load(Ordering::Acquire).as_ref() }
                && record.base <= address
            {
                found = Some(record);
                tower = &record.next;
            }
        }
        found.filter(|record| address - record.base < record.len)
    }

    /// All images, by address.
    pub fn all(&self) -> impl Iterator<Item = &Record> {
        let mut next = __mgenjit_images.head[0].load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: this reader is counted.
            let record = unsafe { next.as_ref() }?;
            next = record.next(0);
            Some(record)
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A child of `fork` starts at 0, also if a signal handler forked in the middle of a reader.
        let less = |count: usize| count.checked_sub(1);
        let _ = fork::READERS[self.0].fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }
}

#[cfg(test)]
mod tests;
