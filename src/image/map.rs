//! Maps an image's memory, and checks every address that is read or written.

use super::elf::{Headers, Segment};
use super::error::LoadError;
use crate::arch::{code, image, memory};
use crate::page::page_size;
use crate::sanitizer;
use object::pod::Pod;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags};
use std::ffi::c_void;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::ptr;

/// Address space of one image, unmapped when dropped. Addresses passed to it count from its base.
#[derive(Debug)]
pub struct Mapping {
    base: *mut c_void,
    len: usize,
    page: usize,
    /// What executable memory is mapped with besides.
    guard: u32,
    /// How much lies behind the segments: see [`Source::Copied`].
    name_len: usize,
    /// Whether it has the name of a file.
    has_file: bool,
    /// The page ranges that relocations may write.
    writable: Vec<Range<usize>>,
}

// SAFETY: the address space belongs to this value alone; what runs in it and writes its variables is the
// program's business, as with any shared library.
unsafe impl Send for Mapping {}
// SAFETY: as above. `write` is called under the executor's lock, before any code of the image runs.
unsafe impl Sync for Mapping {}

/// Where an image's bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// In a file, which is mapped: at an offset that is a multiple of a page. `start` are the image's first bytes: what is
    /// written to is copied if they have it.
    File {
        file: BorrowedFd<'a>,
        at: u64,
        start: &'a [u8],
    },
    /// In memory, from which they are copied.
    Memory(&'a [u8]),
    /// In memory, from which they are copied, because the file may change. The memory keeps the file's name for
    /// debuggers and profilers, but none of its pages: even a private mapping loses its pages when the file is
    /// truncated.
    Copied {
        file: BorrowedFd<'a>,
        at: u64,
        image: &'a [u8],
    },
}

/// From this length on, populating a segment's pages at once is faster than faulting them in.
const POPULATE_LEN: usize = 64 << 10;

impl Mapping {
    /// Maps the segments of an image of `len` bytes.
    pub fn new(source: Source<'_>, headers: &Headers, len: u64) -> Result<Mapping, LoadError> {
        match (Mapping::try_new(source, headers), source) {
            // The file lies where code may not be run from, such as a file system mounted `noexec`, or on one that
            // cannot map files.
            (Err(error), Source::File { file, at, .. })
                if ![Errno::NOMEM, Errno::AGAIN].contains(&error) =>
            {
                let image = read(file, at, len)?;
                Ok(Mapping::try_new(Source::Memory(&image), headers)?)
            }
            (Err(error), Source::Copied { image, .. }) if error != Errno::NOMEM => {
                Ok(Mapping::try_new(Source::Memory(image), headers)?)
            }
            (result, _) => Ok(result?),
        }
    }

    fn try_new(source: Source<'_>, headers: &Headers) -> Result<Mapping, Errno> {
        let first = headers.segments.first().ok_or(Errno::INVAL)?;
        let page = headers.page;
        let guard = if headers.guarded { image::guard() } else { 0 };
        let len = headers.span();
        let aligned = headers.align > page;
        let name_len = match source {
            Source::Copied { .. } => page,
            Source::File { .. } | Source::Memory(_) => 0,
        };
        // Room for all segments: they go over it. A file's first one is there already. What stays of a copied one's file is
        // the page behind all, which tells where the file would lie.
        let base = match source {
            Source::File { .. } | Source::Copied { .. } if aligned => {
                reserve(len + name_len, headers.align, ProtFlags::empty())?
            }
            // SAFETY: the kernel chooses where; nothing that exists is touched.
            Source::File { file, at, .. } | Source::Copied { file, at, .. } => unsafe {
                rustix::mm::mmap(
                    ptr::null_mut(),
                    len + name_len,
                    protection(first, guard),
                    MapFlags::PRIVATE,
                    file,
                    at,
                )?
            },
            Source::Memory(_) => reserve(len, headers.align, ProtFlags::READ | ProtFlags::WRITE)?,
        };
        let mut mapping = Mapping {
            base,
            len,
            page,
            guard,
            name_len,
            has_file: !matches!(source, Source::Memory(_)),
            writable: Vec::with_capacity(2),
        };
        if let Source::Copied { file, at, .. } = source
            && aligned
        {
            // SAFETY: the page lies in this mapping's own address space, behind all segments.
            unsafe {
                rustix::mm::mmap(
                    base.byte_add(len),
                    name_len,
                    ProtFlags::READ,
                    MapFlags::PRIVATE | MapFlags::FIXED,
                    file,
                    at + len as u64,
                )?;
            }
        }
        // Up to where there is writable memory of zeros.
        let mut zeros_end = 0;
        for (index, segment) in headers.segments.iter().enumerate() {
            match source {
                Source::File { start, .. } if is_small(segment, start) => {
                    let pages = mapping.pages(segment);
                    if pages.start >= zeros_end {
                        let rest = headers.segments[index..].iter();
                        let small = rest.take_while(|segment| is_small(segment, start));
                        let small = small.map(|segment| mapping.pages(segment));
                        zeros_end = run_end(pages.start, small);
                        mapping.map_memory(
                            pages.start..zeros_end,
                            ProtFlags::READ | ProtFlags::WRITE,
                        )?;
                    }
                    // SAFETY: the pages lie in this mapping's own address space, and are writable memory of zeros.
                    unsafe { mapping.fill(mapping.base, start, segment)? };
                }
                Source::File { file, at, .. } => {
                    if index > 0 || aligned {
                        mapping.map_file(file, at, segment)?;
                    }
                    mapping.map_zeros(segment)?;
                }
                Source::Memory(image) => {
                    // SAFETY: the pages lie in this mapping's own address space, which is writable memory.
                    unsafe { mapping.fill(mapping.base, image, segment)? };
                }
                Source::Copied { file, at, image } => {
                    // Profilers note what code comes from when it is mapped.
                    if segment.executable && (index > 0 || aligned) {
                        mapping.map_file(file, at, segment)?;
                    }
                    mapping.move_copy(image, segment)?;
                }
            }
            if segment.writable {
                let start = segment.address / page * page;
                mapping
                    .writable
                    .push(start..segment.address + segment.memory_len);
                let (variables, len) = mapping.variables(mapping.writable.len() - 1);
                // SAFETY: they are mapped, and `drop` tells that they go.
                unsafe { sanitizer::tell(variables, len) };
            }
        }
        Ok(mapping)
    }

    pub fn has_file(&self) -> bool {
        self.has_file
    }

    /// Where the writable range of that index is, and how long it is.
    fn variables(&self, index: usize) -> (*const c_void, usize) {
        let range = &self.writable[index];
        (self.base.wrapping_byte_add(range.start), range.len())
    }

    /// Maps the part of a segment that the file has.
    fn map_file(&self, file: BorrowedFd<'_>, at: u64, segment: &Segment) -> Result<(), Errno> {
        if segment.file_len == 0 {
            return Ok(());
        }
        let start = segment.address / self.page * self.page;
        let in_page = segment.address - start;
        // SAFETY: the pages lie in this mapping's own address space: `Headers::parse` has checked that segments
        // do not overlap, and `span` is the end of the last one.
        unsafe {
            rustix::mm::mmap(
                self.base.byte_add(start),
                in_page + segment.file_len,
                protection(segment, self.guard),
                MapFlags::PRIVATE | MapFlags::FIXED,
                file,
                at + segment.offset - in_page as u64,
            )?;
        }
        Ok(())
    }

    /// The pages that a segment occupies, as a range of addresses.
    fn pages(&self, segment: &Segment) -> Range<usize> {
        let end = segment.address + segment.memory_len;
        segment.address / self.page * self.page..end.next_multiple_of(self.page)
    }

    /// Copies a segment into writable memory, then sets its protection.
    ///
    /// # Safety
    /// The segment's pages, counted from `base`, are writable memory of zeros that belongs to the caller.
    unsafe fn fill(&self, base: *mut c_void, image: &[u8], segment: &Segment) -> Result<(), Errno> {
        let offset = usize::try_from(segment.offset).map_err(|_| Errno::INVAL)?;
        let bytes = image
            .get(offset..)
            .and_then(|rest| rest.get(..segment.file_len))
            .ok_or(Errno::INVAL)?;
        let pages = self.pages(segment);
        // SAFETY: the caller vouches for the pages; the file's bytes are no more than the segment's memory.
        unsafe {
            memory::copy(bytes, base.wrapping_byte_add(segment.address));
            if !segment.writable {
                let mut protection = MprotectFlags::READ;
                if segment.executable {
                    let start = base.addr().wrapping_add(segment.address);
                    code::make_coherent(start..start + bytes.len());
                    protection |= MprotectFlags::EXEC | MprotectFlags::from_bits_retain(self.guard);
                }
                rustix::mm::mprotect(base.wrapping_byte_add(pages.start), pages.len(), protection)?;
            }
        }
        Ok(())
    }

    /// Copies a segment into new memory, sets its protection, and moves it into place. `mremap` sends profilers no
    /// event.
    fn move_copy(&self, image: &[u8], segment: &Segment) -> Result<(), Errno> {
        let pages = self.pages(segment);
        let len = pages.len();
        // SAFETY: the kernel chooses where; nothing that exists is touched.
        let memory = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        if segment.file_len >= POPULATE_LEN {
            // SAFETY: it is this function's memory. A kernel that cannot do it does it page by page later.
            let _ = unsafe {
                rustix::mm::madvise(memory, segment.file_len, Advice::LinuxPopulateWrite)
            };
        }
        // SAFETY: the memory is this function's, and has room for the segment's pages. Where it is moved to lies in this
        // mapping's own address space.
        let moved = unsafe {
            self.fill(memory.wrapping_byte_sub(pages.start), image, segment)
                .and_then(|()| {
                    rustix::mm::mremap_fixed(
                        memory,
                        len,
                        len,
                        MremapFlags::MAYMOVE,
                        self.base.byte_add(pages.start),
                    )
                })
        };
        if let Err(error) = moved {
            // SAFETY: it was not moved, and nothing refers to it.
            let _ = unsafe { rustix::mm::munmap(memory, len) };
            return Err(error);
        }
        Ok(())
    }

    /// Fills the part of a segment that the file does not have (`.bss`) with zeros.
    fn map_zeros(&self, segment: &Segment) -> Result<(), Errno> {
        if segment.memory_len == segment.file_len {
            return Ok(());
        }
        let start = segment.address + segment.file_len;
        let end = segment.address + segment.memory_len;
        let file_pages_end = if segment.file_len > 0 {
            start.next_multiple_of(self.page)
        } else {
            start / self.page * self.page
        };
        if end > file_pages_end {
            self.map_memory(file_pages_end..end, protection(segment, self.guard))?;
        }
        if segment.writable && start < file_pages_end {
            let len = file_pages_end.min(end) - start;
            // SAFETY: the bytes lie in the segment's last page from the file, which is mapped writable.
            unsafe { ptr::write_bytes(self.base.byte_add(start).cast::<u8>(), 0, len) };
        }
        Ok(())
    }

    /// Memory of zeros from a page's start on.
    fn map_memory(&self, range: Range<usize>, protection: ProtFlags) -> Result<(), Errno> {
        // SAFETY: as in `map_file`: the pages belong to the segments that the caller maps.
        unsafe {
            rustix::mm::mmap_anonymous(
                self.base.byte_add(range.start),
                range.len(),
                protection,
                MapFlags::PRIVATE | MapFlags::FIXED,
            )?;
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

    /// Checks that the word at `address` lies in a writable segment.
    pub fn check_write(&self, address: usize) -> Result<(), LoadError> {
        let inside = |range: &Range<usize>| {
            range.start <= address && address <= range.end.saturating_sub(size_of::<usize>())
        };
        if !self.writable.iter().any(inside) {
            return Err(LoadError::Malformed(
                "a relocation lies outside of what is writable",
            ));
        }
        Ok(())
    }

    /// Writes a word at `address`, which must lie in a writable segment.
    pub fn write(&self, address: usize, word: usize) -> Result<(), LoadError> {
        self.check_write(address)?;
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
        let start = range.start / self.page * self.page;
        let end = range.end / self.page * self.page;
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
        for index in 0..self.writable.len() {
            let (variables, len) = self.variables(index);
            // SAFETY: `try_new` told of each of them.
            unsafe { sanitizer::forget(variables, len) };
        }
        // SAFETY: the address space is this value's own, and whoever drops it vouches that no code in it runs.
        let _ = unsafe { rustix::mm::munmap(self.base, self.len + self.name_len) };
    }
}

/// Empty pages from a multiple of `align` on.
fn reserve(len: usize, align: usize, protection: ProtFlags) -> Result<*mut c_void, Errno> {
    // The kernel's own choice is a multiple of a page.
    let room = len.checked_add(align - page_size()).ok_or(Errno::NOMEM)?;
    // SAFETY: the kernel chooses where; nothing that exists is touched.
    let start = unsafe {
        rustix::mm::mmap_anonymous(ptr::null_mut(), room, protection, MapFlags::PRIVATE)?
    };
    let before = start.addr().next_multiple_of(align) - start.addr();
    let base = start.wrapping_byte_add(before);
    let after = room - before - len;
    // SAFETY: these pages were mapped just now, lie outside of what is returned, and nobody knows of them.
    unsafe {
        if before > 0 {
            rustix::mm::munmap(start, before)?;
        }
        if after > 0 {
            rustix::mm::munmap(base.byte_add(len), after)?;
        }
    }
    Ok(base)
}

/// Whether a segment is copied, although there is a file: it is written to, and `start` has all that the file has of it. That
/// costs less than a mapping of its own, from which each page that is written to is copied anyway.
fn is_small(segment: &Segment, start: &[u8]) -> bool {
    let end = segment.offset.saturating_add(segment.file_len as u64);
    segment.writable && segment.file_len <= POPULATE_LEN && end <= start.len() as u64
}

/// Where the pages of the first of these segments end, which begin at `start`, with those that follow without a gap.
fn run_end(start: usize, mut segments: impl Iterator<Item = Range<usize>>) -> usize {
    segments
        .try_fold(start, |end, pages| match pages.start == end {
            true => Ok(pages.end),
            false => Err(end),
        })
        .unwrap_or_else(|end| end)
}

/// `guard`: what executable memory is mapped with besides.
fn protection(segment: &Segment, guard: u32) -> ProtFlags {
    let mut protection = ProtFlags::READ;
    protection.set(ProtFlags::WRITE, segment.writable);
    if segment.executable {
        protection |= ProtFlags::EXEC | ProtFlags::from_bits_retain(guard);
    }
    protection
}

/// `len` bytes of `file`.
fn read(file: BorrowedFd<'_>, at: u64, len: u64) -> Result<Vec<u8>, Errno> {
    let len = usize::try_from(len).map_err(|_| Errno::FBIG)?;
    let mut image = Vec::new();
    image.try_reserve_exact(len).map_err(|_| Errno::NOMEM)?;
    image.resize(len, 0);
    let mut filled = 0;
    while filled < image.len() {
        match rustix::io::pread(file, &mut image[filled..], at + filled as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(image)
}

#[cfg(test)]
mod tests;
