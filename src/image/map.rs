//! Maps an image's memory, and checks every address that is read or written.

use super::elf::{Headers, PAGE, Segment};
use super::error::LoadError;
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
    /// At the start of a file, which is mapped.
    File(BorrowedFd<'a>),
    /// In memory, from which they are copied.
    Memory(&'a [u8]),
    /// In memory, from which they are copied, because the file may change. The memory keeps the file's name for
    /// debuggers and profilers, but none of its pages: even a private mapping loses its pages when the file is
    /// truncated.
    Copied {
        file: BorrowedFd<'a>,
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
            (Err(error), Source::File(file)) if ![Errno::NOMEM, Errno::AGAIN].contains(&error) => {
                let image = read(file, len)?;
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
        let len = headers.span();
        let aligned = headers.align > PAGE;
        let name_len = match source {
            Source::Copied { .. } => PAGE,
            Source::File(_) | Source::Memory(_) => 0,
        };
        // Room for all segments: they go over it. A file's first one is there already. What stays of a copied one's file is
        // the page behind all, which tells where the file would lie.
        let base = match source {
            Source::File(_) | Source::Copied { .. } if aligned => {
                reserve(len + name_len, headers.align, ProtFlags::empty())?
            }
            // SAFETY: the kernel chooses where; nothing that exists is touched.
            Source::File(file) | Source::Copied { file, .. } => unsafe {
                rustix::mm::mmap(
                    ptr::null_mut(),
                    len + name_len,
                    protection(first),
                    MapFlags::PRIVATE,
                    file,
                    0,
                )?
            },
            Source::Memory(_) => reserve(len, headers.align, ProtFlags::READ | ProtFlags::WRITE)?,
        };
        let mut mapping = Mapping {
            base,
            len,
            name_len,
            has_file: !matches!(source, Source::Memory(_)),
            writable: Vec::with_capacity(2),
        };
        if let Source::Copied { file, .. } = source
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
                    len as u64,
                )?;
            }
        }
        for (index, segment) in headers.segments.iter().enumerate() {
            match source {
                Source::File(file) => {
                    if index > 0 || aligned {
                        mapping.map_file(file, segment)?;
                    }
                    mapping.map_zeros(segment)?;
                }
                Source::Memory(image) => {
                    // SAFETY: the pages lie in this mapping's own address space, which is writable memory.
                    unsafe { fill(mapping.base, image, segment)? };
                }
                Source::Copied { file, image } => {
                    // Profilers note what code comes from when it is mapped.
                    if segment.executable && (index > 0 || aligned) {
                        mapping.map_file(file, segment)?;
                    }
                    mapping.move_copy(image, segment)?;
                }
            }
            if segment.writable {
                let start = segment.address / PAGE * PAGE;
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
    fn map_file(&self, file: BorrowedFd<'_>, segment: &Segment) -> Result<(), Errno> {
        if segment.file_len == 0 {
            return Ok(());
        }
        let start = segment.address / PAGE * PAGE;
        let in_page = segment.address - start;
        // SAFETY: the pages lie in this mapping's own address space: `Headers::parse` has checked that segments
        // do not overlap, and `span` is the end of the last one.
        unsafe {
            rustix::mm::mmap(
                self.base.byte_add(start),
                in_page + segment.file_len,
                protection(segment),
                MapFlags::PRIVATE | MapFlags::FIXED,
                file,
                segment.offset - in_page as u64,
            )?;
        }
        Ok(())
    }

    /// Copies a segment into new memory, sets its protection, and moves it into place. `mremap` sends profilers no
    /// event.
    fn move_copy(&self, image: &[u8], segment: &Segment) -> Result<(), Errno> {
        let pages = pages(segment);
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
            fill(memory.wrapping_byte_sub(pages.start), image, segment).and_then(|()| {
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
            start.next_multiple_of(PAGE)
        } else {
            start / PAGE * PAGE
        };
        if end > file_pages_end {
            // SAFETY: as in `map_file`: the pages belong to this segment.
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
    let room = len.checked_add(align - PAGE).ok_or(Errno::NOMEM)?;
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

/// The pages that a segment occupies, as a range of addresses.
fn pages(segment: &Segment) -> Range<usize> {
    let end = segment.address + segment.memory_len;
    segment.address / PAGE * PAGE..end.next_multiple_of(PAGE)
}

/// Copies a segment into writable memory, then sets its protection.
///
/// # Safety
/// The segment's pages, counted from `base`, are writable memory of zeros that belongs to the caller.
unsafe fn fill(base: *mut c_void, image: &[u8], segment: &Segment) -> Result<(), Errno> {
    let offset = usize::try_from(segment.offset).map_err(|_| Errno::INVAL)?;
    let bytes = image
        .get(offset..)
        .and_then(|rest| rest.get(..segment.file_len))
        .ok_or(Errno::INVAL)?;
    let pages = pages(segment);
    // SAFETY: the caller vouches for the pages; the file's bytes are no more than the segment's memory.
    unsafe {
        ptr::copy_nonoverlapping(
            bytes.as_ptr(),
            base.wrapping_byte_add(segment.address).cast::<u8>(),
            bytes.len(),
        );
        if !segment.writable {
            let mut protection = MprotectFlags::READ;
            protection.set(MprotectFlags::EXEC, segment.executable);
            rustix::mm::mprotect(base.wrapping_byte_add(pages.start), pages.len(), protection)?;
        }
    }
    Ok(())
}

fn protection(segment: &Segment) -> ProtFlags {
    let mut protection = ProtFlags::READ;
    protection.set(ProtFlags::WRITE, segment.writable);
    protection.set(ProtFlags::EXEC, segment.executable);
    protection
}

/// The first `len` bytes of `file`.
fn read(file: BorrowedFd<'_>, len: u64) -> Result<Vec<u8>, Errno> {
    let len = usize::try_from(len).map_err(|_| Errno::FBIG)?;
    let mut image = Vec::new();
    image.try_reserve_exact(len).map_err(|_| Errno::NOMEM)?;
    image.resize(len, 0);
    let mut filled = 0;
    while filled < image.len() {
        match rustix::io::pread(file, &mut image[filled..], filled as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    /// An ELF file with a code segment of one page and a writable one with 8 bytes of the file and zeros on two
    /// pages, whose offset in the file is `offset`.
    fn image(offset: u64, file_len: u64) -> Vec<u8> {
        let mut image = vec![0; 0x3000];
        let mut header = Vec::new();
        header.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        let half = |header: &mut Vec<u8>, value: u16| header.extend(value.to_le_bytes());
        let word = |header: &mut Vec<u8>, value: u32| header.extend(value.to_le_bytes());
        let long = |header: &mut Vec<u8>, value: u64| header.extend(value.to_le_bytes());
        half(&mut header, 3);
        half(&mut header, 62);
        word(&mut header, 1);
        long(&mut header, 0);
        long(&mut header, 64);
        long(&mut header, 0);
        word(&mut header, 0);
        for value in [64, 56, 3, 0, 0, 0] {
            half(&mut header, value);
        }
        // Type, flags, offset, address, length in the file, length in memory.
        for (kind, flags, offset, address, file_len, memory_len) in [
            (1, 5, 0, 0, 0x1000, 0x1000),
            (1, 6, offset, 0x2100, file_len, 0x1800),
            (2, 6, offset, 0x2100, file_len, 16),
        ] {
            word(&mut header, kind);
            word(&mut header, flags);
            for value in [offset, address, address, file_len, memory_len, 0x1000] {
                long(&mut header, value);
            }
        }
        image[..header.len()].copy_from_slice(&header);
        image[0x800..0x808].copy_from_slice(b"the code");
        image[0x1100..0x1108].copy_from_slice(b"the data");
        image[0x1108..0x2000].fill(0xff);
        image
    }

    #[test]
    fn a_file_and_memory_give_the_same() {
        for (offset, file_len, data) in [
            (0x1100, 8, b"the data"),
            // Zeros alone.
            (0x1100, 0, b"\0\0\0\0\0\0\0\0"),
        ] {
            let image = image(offset, file_len);
            let headers = Headers::parse(&image, image.len() as u64).expect("an image");
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&image).expect("written");
            let copied = Source::Copied {
                file: file.as_fd(),
                image: &image,
            };
            for source in [Source::File(file.as_fd()), Source::Memory(&image), copied] {
                let mapping = Mapping::new(source, &headers, image.len() as u64).expect("mapped");
                assert_eq!(mapping.len(), 0x4000);
                assert_eq!(mapping.slice::<u8>(0x800, 8).expect("code"), b"the code");
                assert_eq!(mapping.slice::<u8>(0x2100, 8).expect("data"), data);
                let zeros = mapping.slice::<u8>(0x2108, 0x17f8).expect("zeros");
                assert!(zeros.iter().all(|byte| *byte == 0));

                mapping.write(0x2100, 7).expect("writable");
                mapping.write(0x38f8, 7).expect("the last word");
                for address in [0, 0x800, 0x1ff9, 0x38f9, 0x4000, usize::MAX] {
                    mapping.write(address, 7).expect_err("not writable");
                }
                mapping.slice::<u8>(0x4000, 1).expect_err("outside");
                mapping.slice::<u64>(0x3ff8, 2).expect_err("outside");
                mapping.slice::<u64>(0x2001, 1).expect_err("not aligned");
                mapping.slice::<u64>(8, usize::MAX).expect_err("too many");
            }
        }
    }

    /// What runs is the copy; what tells the file's name is told where the file would lie.
    #[test]
    fn a_copy_is_the_files_in_name_only() {
        let image = image(0x1100, 8);
        let headers = Headers::parse(&image, image.len() as u64).expect("an image");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&image).expect("written");
        let source = Source::Copied {
            file: file.as_file().as_fd(),
            image: &image,
        };
        let mapping = Mapping::new(source, &headers, image.len() as u64).expect("mapped");
        let maps = std::fs::read_to_string("/proc/self/maps").expect("a list");
        let path = file.path().to_str().expect("a path");
        let places = maps
            .lines()
            .filter(|line| line.ends_with(path))
            .map(|line| {
                let (start, rest) = line.split_once('-').expect("a range");
                let offset = rest.split(' ').nth(2).expect("an offset");
                let number = |text| usize::from_str_radix(text, 16).expect("a number");
                number(start) - number(offset)
            });
        let places: Vec<usize> = places.collect();
        assert!(!places.is_empty() && places.iter().all(|base| *base == mapping.base()));

        file.as_file().set_len(0).expect("cut");
        file.as_file().set_len(0x3000).expect("zeros");
        assert_eq!(mapping.slice::<u8>(0x800, 8).expect("code"), b"the code");
        assert_eq!(mapping.slice::<u8>(0x2100, 8).expect("data"), b"the data");
        mapping.write(0x38f8, 7).expect("the last word");
    }

    #[test]
    fn impossible_headers_are_refused() {
        let image = image(0x1100, 8);
        let parse = |image: &[u8], len: u64| Headers::parse(image, len).map(|_| ());
        parse(&image, 0x3000).expect("an image");
        // Cut within the program headers, and shorter than a segment.
        for len in 0..64 + 3 * 56 {
            parse(&image[..len], 0x3000).expect_err("cut headers");
        }
        parse(&image, 0x1104).expect_err("a cut segment");
        let zeros = self::image(0x1108, 0);
        parse(&zeros, 0x3000).expect_err("zeros at an offset that the system refuses");
        let broken = |at: usize, value: u8| {
            let mut image = image.clone();
            image[at] = value;
            parse(&image, 0x3000).expect_err(&format!("byte {at:#x} is {value:#x}"));
        };
        broken(0, 0);
        // 32 bits; big-endian; not a shared object; another machine; another size of program headers.
        broken(4, 1);
        broken(5, 2);
        broken(16, 2);
        broken(18, 183);
        broken(54, 32);
        let second = 64 + 56;
        // Writable code; an offset on another place in the page; overlap; longer than memory; beyond all bounds.
        broken(second + 4, 7);
        broken(second + 8, 0x10);
        broken(second + 17, 0);
        broken(second + 33, 0x20);
        broken(second + 47, 0x7f);
    }
}
