//! Reads an image's headers.

use super::error::LoadError;
use crate::arch::image;
use crate::page::page_size;
use crate::protocol::messages::SWITCHABLE_MARK;
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::pod;
use std::ops::Range;

/// What the program headers say. Addresses count from the image's base.
#[derive(Debug)]
pub struct Headers {
    /// Of the system's pages, which are 4, 16 or 64 KiB long.
    pub page: usize,
    /// In ascending order, the first one at address 0, each one's pages behind those of the one before.
    pub segments: Vec<Segment>,
    /// What the base must be a multiple of.
    pub align: usize,
    pub dynamic: Range<usize>,
    pub tls: Option<TlsSegment>,
    pub relro: Option<Range<usize>>,
    pub eh_frame_header: Option<Range<usize>>,
    /// All its code has landing pads, so that the machine may check them.
    pub guarded: bool,
    /// Its functions may be switched to code of another level.
    pub switchable: bool,
}

#[derive(Debug)]
pub struct Segment {
    pub address: usize,
    pub memory_len: usize,
    pub offset: u64,
    pub file_len: usize,
    pub writable: bool,
    pub executable: bool,
}

#[derive(Debug)]
pub struct TlsSegment {
    pub template: Range<usize>,
    pub memory_len: usize,
    pub align: usize,
}

impl Headers {
    /// Reads the headers at the start of an image of `image_len` bytes.
    pub fn parse(bytes: &[u8], image_len: u64) -> Result<Headers, LoadError> {
        Headers::parse_for(page_size(), bytes, image_len)
    }

    /// The same, for pages of this length.
    pub(super) fn parse_for(
        page: usize,
        bytes: &[u8],
        image_len: u64,
    ) -> Result<Headers, LoadError> {
        let bad = LoadError::Malformed;
        let (header, _) = pod::from_bytes::<FileHeader64<LE>>(bytes)
            .map_err(|()| bad("its ELF header is cut short"))?;
        let ident = &header.e_ident;
        if ident.magic != elf::ELFMAG
            || ident.class != elf::ELFCLASS64
            || ident.data != elf::ELFDATA2LSB
        {
            return Err(bad("it is not a 64-bit little-endian ELF file"));
        }
        if header.e_type.get(LE) != elf::ET_DYN || header.e_machine.get(LE) != image::MACHINE {
            return Err(bad(image::WRONG_MACHINE));
        }
        if usize::from(header.e_phentsize.get(LE)) != size_of::<ProgramHeader64<LE>>() {
            return Err(bad("its program headers have an unknown size"));
        }
        let table = usize::try_from(header.e_phoff.get(LE))
            .ok()
            .and_then(|offset| bytes.get(offset..))
            .ok_or(bad("its program headers lie elsewhere"))?;
        let (table, _) =
            pod::slice_from_bytes::<ProgramHeader64<LE>>(table, header.e_phnum.get(LE).into())
                .map_err(|()| bad("its program headers are cut short"))?;

        let mut headers = Headers {
            page,
            segments: Vec::with_capacity(4),
            align: page,
            dynamic: 0..0,
            tls: None,
            relro: None,
            eh_frame_header: None,
            guarded: false,
            switchable: header.e_flags.get(LE).0 == SWITCHABLE_MARK,
        };
        // What lies behind the bytes that were read is taken for not there.
        let mut property = None;
        for entry in table {
            let memory = range(entry.p_vaddr.get(LE), entry.p_memsz.get(LE))?;
            match entry.p_type.get(LE) {
                elf::PT_LOAD => headers.add_segment(entry, memory, image_len)?,
                elf::PT_DYNAMIC => headers.dynamic = memory,
                elf::PT_TLS => {
                    let file_len = range(0, entry.p_filesz.get(LE))?.end;
                    if file_len > memory.len() {
                        return Err(bad("its thread-local storage is impossible"));
                    }
                    headers.tls = Some(TlsSegment {
                        template: memory.start..memory.start + file_len,
                        memory_len: memory.len(),
                        align: alignment(entry)?,
                    });
                }
                elf::PT_GNU_RELRO => headers.relro = Some(memory),
                elf::PT_GNU_EH_FRAME => headers.eh_frame_header = Some(memory),
                elf::PT_GNU_PROPERTY => {
                    let file = range(entry.p_offset.get(LE), entry.p_filesz.get(LE))?;
                    property = bytes.get(file);
                }
                _ => {}
            }
        }
        headers.guarded = property.is_some_and(says_guarded);
        if headers.segments.is_empty() || headers.dynamic.is_empty() {
            return Err(bad("it has no loadable segment or no dynamic section"));
        }
        Ok(headers)
    }

    /// The number of bytes from the base to the end of the last segment's last page.
    pub fn span(&self) -> usize {
        self.segments.last().map_or(0, |last| {
            (last.address + last.memory_len).next_multiple_of(self.page)
        })
    }

    /// Whether all that is written to is written before the code runs.
    pub fn has_no_variables(&self) -> bool {
        let relro = self.relro.clone().unwrap_or_default();
        let is_read_only = |segment: &Segment| {
            let end = segment.address + segment.memory_len;
            !segment.writable || (relro.start <= segment.address && end <= relro.end)
        };
        self.tls.is_none() && self.segments.iter().all(is_read_only)
    }

    fn add_segment(
        &mut self,
        entry: &ProgramHeader64<LE>,
        memory: Range<usize>,
        image_len: u64,
    ) -> Result<(), LoadError> {
        let bad = LoadError::Malformed;
        let flags = entry.p_flags.get(LE);
        let offset = entry.p_offset.get(LE);
        let file_len = range(0, entry.p_filesz.get(LE))?.end;
        if memory.is_empty() {
            return Ok(());
        }
        let inside = |end| end <= image_len;
        if file_len > memory.len()
            || (file_len > 0 && !offset.checked_add(file_len as u64).is_some_and(inside))
        {
            return Err(bad("a segment is longer than the file"));
        }
        // So the system's loader wants it, of a segment of zeros alone (`.bss`) too.
        if offset % self.page as u64 != (memory.start % self.page) as u64 {
            return Err(bad("a segment's file offset does not fit its address"));
        }
        let first_page = memory.start / self.page * self.page;
        if first_page < self.span() || (self.segments.is_empty() && memory.start != 0) {
            return Err(bad("its segments overlap or do not start at 0"));
        }
        let writable = flags.0 & elf::PF_W.0 != 0;
        let executable = flags.0 & elf::PF_X.0 != 0;
        if writable && executable {
            return Err(bad("a segment is writable and executable"));
        }
        self.align = self.align.max(alignment(entry)?);
        self.segments.push(Segment {
            address: memory.start,
            memory_len: memory.len(),
            offset,
            file_len,
            writable,
            executable,
        });
        Ok(())
    }
}

/// Whether a property note says that all code has landing pads.
pub(super) fn says_guarded(note: &[u8]) -> bool {
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(note.get(at..at + 4)?.try_into().ok()?))
    };
    // The lengths of the name, "GNU", and of the properties; the type. Each property has a type, a length, and that many bytes,
    // up to a multiple of 8.
    const NAME: &[u8] = b"GNU\0";
    const FIRST: usize = 16;
    if word(8) != Some(elf::NT_GNU_PROPERTY_TYPE_0.0) || note.get(12..FIRST) != Some(NAME) {
        return false;
    }
    let mut at = FIRST;
    while let (Some(kind), Some(len)) = (word(at), word(at + 4)) {
        if let Some((property, bit)) = image::GUARD
            && property == kind
        {
            return word(at + 8).is_some_and(|features| features & bit != 0);
        }
        at += 8 + (len as usize).next_multiple_of(8);
    }
    false
}

pub fn unsupported(what: &str) -> LoadError {
    LoadError::Unsupported(what.to_owned())
}

fn alignment(entry: &ProgramHeader64<LE>) -> Result<usize, LoadError> {
    const MAX: u64 = 1 << 32;
    match entry.p_align.get(LE).max(1) {
        align if align.is_power_of_two() && align <= MAX => Ok(align as usize),
        _ => Err(LoadError::Malformed("a segment's alignment is impossible")),
    }
}

/// The range of a start and a length that the file claims; both bounded, so that sums cannot overflow.
fn range(start: u64, len: u64) -> Result<Range<usize>, LoadError> {
    const MAX: u64 = 1 << 46;
    if start > MAX || len > MAX {
        return Err(LoadError::Malformed("an address is out of range"));
    }
    Ok(start as usize..(start + len) as usize)
}
