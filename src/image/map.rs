//! An image's memory: mapped from a file, read and written with checked addresses.

use super::LoadError;
use super::elf::{Headers, PAGE, Segment};
use object::pod::Pod;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::ffi::c_void;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;

/// Address space of one image, unmapped when dropped. Addresses passed to it count from its base.
#[derive(Debug)]
pub struct Mapping {
    base: *mut c_void,
    len: usize,
    /// What relocations may change, as page ranges.
    writable: Vec<Range<usize>>,
}

// SAFETY: the address space belongs to this value alone; what runs in it and writes its variables is the
// program's business, as with any shared library.
unsafe impl Send for Mapping {}
// SAFETY: as above. `write` is called under the executor's lock, before any code of the image runs.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the segments of the image that is the first `len` bytes of `file`.
    pub fn new(file: BorrowedFd<'_>, headers: &Headers, len: u64) -> Result<Mapping, LoadError> {
        match Mapping::try_new(file, headers) {
            // The file lies where code may not be run from, such as a file system mounted `noexec`.
            Err(Errno::PERM | Errno::ACCESS) => {
                let copy = copy_to_memfd(file, len)?;
                Ok(Mapping::try_new(copy.as_fd(), headers)?)
            }
            result => Ok(result?),
        }
    }

    fn try_new(file: BorrowedFd<'_>, headers: &Headers) -> Result<Mapping, Errno> {
        let (first, others) = headers.segments.split_first().ok_or(Errno::INVAL)?;
        let len = headers.span();
        // The first segment's mapping reserves the room of all: the others go over it.
        // SAFETY: the kernel chooses where; nothing that exists is touched.
        let base = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                len,
                protection(first),
                MapFlags::PRIVATE,
                file,
                0,
            )?
        };
        let mut mapping = Mapping {
            base,
            len,
            writable: Vec::with_capacity(2),
        };
        if first.memory_len > first.file_len {
            mapping.map_zeros(first)?;
        }
        if first.writable {
            mapping.writable.push(0..first.memory_len);
        }
        for segment in others {
            let start = segment.address / PAGE * PAGE;
            let in_page = segment.address - start;
            if segment.file_len > 0 {
                // SAFETY: the pages lie in this mapping's own address space: `Headers::parse` has checked that
                // segments do not overlap, and `span` is the end of the last one.
                unsafe {
                    rustix::mm::mmap(
                        mapping.base.byte_add(start),
                        in_page + segment.file_len,
                        protection(segment),
                        MapFlags::PRIVATE | MapFlags::FIXED,
                        file,
                        segment.offset - in_page as u64,
                    )?;
                }
            }
            if segment.memory_len > segment.file_len {
                mapping.map_zeros(segment)?;
            }
            if segment.writable {
                mapping
                    .writable
                    .push(start..segment.address + segment.memory_len);
            }
        }
        Ok(mapping)
    }

    /// Fills the part of a segment that the file does not have (`.bss`) with zeros.
    fn map_zeros(&mut self, segment: &Segment) -> Result<(), Errno> {
        let start = segment.address + segment.file_len;
        let end = segment.address + segment.memory_len;
        let file_pages_end = if segment.file_len > 0 {
            start.next_multiple_of(PAGE)
        } else {
            start / PAGE * PAGE
        };
        if end > file_pages_end {
            // SAFETY: as in `try_new`: the pages belong to this segment.
            unsafe {
                rustix::mm::mmap_anonymous(
                    self.base.byte_add(file_pages_end),
                    end - file_pages_end,
                    protection(segment),
                    MapFlags::PRIVATE | MapFlags::FIXED,
                )?;
            }
        }
        if segment.writable && start < file_pages_end {
            let len = file_pages_end.min(end) - start;
            // SAFETY: the bytes lie in the segment's last page from the file, which is mapped writable.
            unsafe { ptr::write_bytes(self.base.byte_add(start).cast::<u8>(), 0, len) };
        }
        Ok(())
    }

    pub fn base(&self) -> usize {
        self.base.addr()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// `count` values at `address`.
    pub fn slice<T: Pod>(&self, address: usize, count: usize) -> Result<&[T], LoadError> {
        let len = count.checked_mul(size_of::<T>());
        let end = len.and_then(|len| address.checked_add(len));
        if end.is_none_or(|end| end > self.len) {
            return Err(LoadError::Malformed("a table lies outside of it"));
        }
        let start = self.base.wrapping_byte_add(address).cast::<T>();
        if !start.is_aligned() {
            return Err(LoadError::Malformed("a table is not aligned"));
        }
        // SAFETY: the range was checked to lie in the mapping, which lives as long as `self`; `T` is plain data.
        Ok(unsafe { std::slice::from_raw_parts(start, count) })
    }

    /// Writes a word at `address`, which must lie in a writable segment.
    pub fn write(&self, address: usize, word: usize) -> Result<(), LoadError> {
        let inside = |range: &Range<usize>| {
            range.start <= address && address <= range.end.saturating_sub(size_of::<usize>())
        };
        if !self.writable.iter().any(inside) {
            return Err(LoadError::Malformed(
                "a relocation lies outside of what is writable",
            ));
        }
        // SAFETY: the word lies in a writable segment of this mapping.
        unsafe {
            self.base
                .byte_add(address)
                .cast::<usize>()
                .write_unaligned(word);
        }
        Ok(())
    }

    /// Makes whole pages in `range` read-only.
    pub fn protect(&self, range: &Range<usize>) -> Result<(), LoadError> {
        let start = range.start / PAGE * PAGE;
        let end = range.end / PAGE * PAGE;
        if end > self.len {
            return Err(LoadError::Malformed(
                "its read-only data lies outside of it",
            ));
        }
        if start < end {
            // SAFETY: the pages lie in this mapping, and nothing in them is written any more.
            unsafe {
                rustix::mm::mprotect(self.base.byte_add(start), end - start, MprotectFlags::READ)?;
            }
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the address space is this value's own, and whoever drops it vouches that no code in it runs.
        let _ = unsafe { rustix::mm::munmap(self.base, self.len) };
    }
}

fn protection(segment: &Segment) -> ProtFlags {
    let mut protection = ProtFlags::READ;
    protection.set(ProtFlags::WRITE, segment.writable);
    protection.set(ProtFlags::EXEC, segment.executable);
    protection
}

/// A sealed copy of the first `len` bytes of `file` in memory, from which code may be run.
fn copy_to_memfd(file: BorrowedFd<'_>, len: u64) -> Result<OwnedFd, Errno> {
    let copy =
        rustix::fs::memfd_create("mgenjit", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut at = 0;
    while at < len {
        let rest = usize::try_from(len - at).unwrap_or(usize::MAX);
        if rustix::fs::sendfile(&copy, file, Some(&mut at), rest)? == 0 {
            return Err(Errno::IO);
        }
    }
    rustix::fs::fcntl_add_seals(
        &copy,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(copy)
}
