//! An input of a request, as LLVM wants to have it in memory.

use crate::input::archive;
use rustix::mm::{MapFlags, ProtFlags};
use std::fs::File;
use std::io;
use std::ptr::NonNull;

/// Private and writable, so that the NUL can be written: it may fall into the file's last page or, if the file
/// fills its pages, into the anonymous one after.
const PROTECTION: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
const FLAGS: MapFlags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);

/// What an input is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text or bitcode, or nothing that is known.
    Ir,
    /// An ELF file, if not one that can be linked.
    Object,
    Archive,
}

/// Whether it begins like bitcode, plain or with the wrapper that some linkers want.
pub fn is_bitcode(bytes: &[u8]) -> bool {
    bytes.starts_with(&[b'B', b'C', 0xc0, 0xde])
        || bytes.starts_with(&0x0b17_c0de_u32.to_le_bytes())
}

/// A payload, mapped and not copied, with a NUL behind its last byte: LLVM's parser of text runs until it
/// finds one.
pub struct Input {
    base: NonNull<u8>,
    len: usize,
    mapped: usize,
}

/// An input and what messages call it.
pub struct Named {
    pub name: String,
    pub input: Input,
}

impl Input {
    /// Maps `len` bytes of `payload` from `offset` on, a multiple of a page. It must be sealed, with at least a zero
    /// behind these bytes if it does not end there.
    pub fn map(payload: &File, offset: u64, len: u64) -> io::Result<Input> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let input = Input::reserve(len)?;
        if len > 0 {
            // SAFETY: it replaces pages of the mapping just made, to which nothing refers yet.
            unsafe {
                rustix::mm::mmap(
                    input.base.as_ptr().cast(),
                    len,
                    PROTECTION,
                    FLAGS | MapFlags::FIXED,
                    payload,
                    offset,
                )?;
            }
        }
        Ok(input.terminate())
    }

    /// Copies text of the server's own.
    pub fn copy(text: &[u8]) -> io::Result<Input> {
        let input = Input::reserve(text.len())?;
        // SAFETY: the mapping is longer than the text, new, and writable.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), input.base.as_ptr(), text.len()) };
        Ok(input.terminate())
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is `len` bytes and more, lives as long as `self`, and is not written to once it
        // is terminated. The seal keeps the file from shrinking under it.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    /// What its first bytes say that it is.
    pub fn kind(&self) -> Kind {
        let bytes = self.bytes();
        if bytes.starts_with(b"\x7fELF") {
            Kind::Object
        } else if archive::is_archive(bytes) {
            Kind::Archive
        } else {
            Kind::Ir
        }
    }

    fn reserve(len: usize) -> io::Result<Input> {
        let page = rustix::param::page_size();
        let mapped = len
            .checked_add(1)
            .and_then(|len| len.checked_next_multiple_of(page))
            .ok_or(io::ErrorKind::FileTooLarge)?;
        // SAFETY: the kernel chooses an address where nothing is mapped.
        let base =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), mapped, PROTECTION, FLAGS)? };
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Input { base, len, mapped })
    }

    /// Writes the NUL, which nothing guarantees in a page that was another process's.
    fn terminate(self) -> Input {
        // SAFETY: `mapped` is more than `len`, and the page is private and writable.
        unsafe { self.base.as_ptr().add(self.len).write(0) };
        self
    }
}

// SAFETY: the mapping is this value's own, and nothing writes to it once it is terminated.
unsafe impl Send for Input {}
// SAFETY: as above.
unsafe impl Sync for Input {}

impl Drop for Input {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `map` made, and no borrow of it outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.mapped) };
    }
}
