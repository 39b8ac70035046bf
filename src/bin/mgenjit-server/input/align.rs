//! Alignments beyond what libwild 0.10 can do.
//!
//! What wants more than [`LINKABLE`] is linked with as much as the linker can do, and is made as long as a multiple of
//! what it wants, so that whatever follows is aligned if the first one is. Before the first one of each section of the
//! output there is padding, whose length is known once all has been linked.

use object::read::elf::{ElfFile, FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{LittleEndian as LE, elf};
use std::collections::BTreeMap;

/// The linker's own limit.
pub const LINKABLE: u64 = 1 << 16;

/// An image has room for so much before each section.
pub const MAX: u64 = 1 << 26;

/// The largest alignment among objects, if it is more than the linker can do. Thread-local variables are not among it.
pub fn largest<'a>(objects: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    let largest = objects.filter_map(|bytes| {
        let file = ElfFile::<elf::FileHeader64<LE>>::parse(bytes).ok()?;
        let sections = file.elf_section_table().iter();
        let sections = sections.filter(|section| is_aligned(section));
        let sections = sections.map(|section| section.sh_addralign(LE));
        let symbols = file.elf_symbol_table().symbols().iter();
        let commons = symbols.filter(|symbol| symbol.is_common(LE));
        sections
            .chain(commons.map(|symbol| symbol.st_value(LE)))
            .max()
    });
    largest.max().filter(|align| *align > LINKABLE)
}

/// Whether a section is among what padding has to align.
pub fn is_aligned(section: &elf::SectionHeader64<LE>) -> bool {
    let flags = section.sh_flags(LE);
    section.sh_addralign(LE) >= LINKABLE
        && flags.contains(elf::SHF_ALLOC)
        && !flags.contains(elf::SHF_TLS)
}

/// An object of nothing but padding.
pub struct Padding {
    align: u64,
    /// Of one of the objects that it is for.
    header: elf::FileHeader64<LE>,
    parts: Vec<Part>,
}

struct Part {
    name: Vec<u8>,
    kind: elf::SectionType,
    flags: elf::SectionFlags,
    len: u64,
}

impl Padding {
    /// For what these objects have.
    pub fn new<'a>(align: u64, objects: impl Iterator<Item = &'a [u8]>) -> Option<Padding> {
        let mut header = None;
        let mut parts: BTreeMap<Vec<u8>, (elf::SectionType, elf::SectionFlags)> = BTreeMap::new();
        for bytes in objects {
            let Ok(file) = ElfFile::<elf::FileHeader64<LE>>::parse(bytes) else {
                continue;
            };
            header = Some(*file.elf_header());
            let table = file.elf_section_table();
            for section in table.iter().filter(|section| is_aligned(section)) {
                let name = table.section_name(LE, section).unwrap_or_default();
                let kept = elf::SHF_ALLOC.0 | elf::SHF_WRITE.0 | elf::SHF_EXECINSTR.0;
                let flags = section.sh_flags(LE).0 & kept | elf::SHF_GNU_RETAIN.0;
                parts.insert(
                    name.to_vec(),
                    (section.sh_type(LE), elf::SectionFlags(flags)),
                );
            }
            let mut symbols = file.elf_symbol_table().symbols().iter();
            if symbols.any(|symbol| symbol.is_common(LE) && symbol.st_value(LE) >= LINKABLE) {
                let flags = elf::SHF_ALLOC.0 | elf::SHF_WRITE.0 | elf::SHF_GNU_RETAIN.0;
                let flags = elf::SectionFlags(flags);
                parts.insert(b".bss".to_vec(), (elf::SHT_NOBITS, flags));
            }
        }
        let parts = parts.into_iter().map(|(name, (kind, flags))| Part {
            name,
            kind,
            flags,
            len: LINKABLE,
        });
        Some(Padding {
            align,
            header: header?,
            parts: parts.collect(),
        })
    }

    /// The object: a section for each part, with a symbol at its end.
    pub fn object(&self) -> Vec<u8> {
        let header_len = size_of::<elf::FileHeader64<LE>>();
        let mut bytes = vec![0; header_len];
        let mut names = vec![0];
        let mut symbol_names = vec![0];
        let mut symbols = vec![0; size_of::<elf::Sym64<LE>>()];
        let mut headers = vec![section(0, elf::SHT_NULL)];
        for (number, part) in self.parts.iter().enumerate() {
            let mut header = section(push(&mut names, &part.name), part.kind);
            header.sh_flags.set(LE, part.flags);
            header.sh_addralign.set(LE, LINKABLE);
            header.sh_size.set(LE, part.len);
            header.sh_offset.set(LE, bytes.len() as u64);
            if part.kind != elf::SHT_NOBITS {
                bytes.resize(bytes.len() + part.len as usize, 0);
            }
            headers.push(header);
            let mut symbol = elf::Sym64::<LE>::default();
            let name = push(&mut symbol_names, marker(number).as_bytes());
            symbol.st_name.set(LE, name);
            symbol.set_st_info(elf::STB_GLOBAL, elf::STT_OBJECT);
            symbol.st_other = elf::SymbolOther(elf::STV_HIDDEN.0);
            symbol
                .st_shndx
                .set(LE, elf::SymbolSection::new(number as u32 + 1));
            symbol.st_value.set(LE, part.len);
            symbols.extend_from_slice(object::pod::bytes_of(&symbol));
        }
        let count = headers.len() as u32;
        let mut table = section(push(&mut names, b".symtab"), elf::SHT_SYMTAB);
        table.sh_link.set(LE, count + 1);
        table.sh_info.set(LE, 1);
        table.sh_entsize.set(LE, size_of::<elf::Sym64<LE>>() as u64);
        let strings = section(push(&mut names, b".strtab"), elf::SHT_STRTAB);
        let section_names = section(push(&mut names, b".shstrtab"), elf::SHT_STRTAB);
        for (mut header, content) in [
            (table, symbols),
            (strings, symbol_names),
            (section_names, names),
        ] {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            header.sh_offset.set(LE, bytes.len() as u64);
            header.sh_size.set(LE, content.len() as u64);
            header.sh_addralign.set(LE, 8);
            bytes.extend_from_slice(&content);
            headers.push(header);
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let place = bytes.len() as u64;
        bytes.extend_from_slice(object::pod::bytes_of_slice(&headers));
        let mut header = self.header;
        header.e_shoff.set(LE, place);
        header.e_shnum.set(LE, headers.len() as u16);
        let last = headers.len() as u32 - 1;
        header.e_shstrndx.set(LE, elf::SymbolSection::new(last));
        bytes[..header_len].copy_from_slice(object::pod::bytes_of(&header));
        bytes
    }

    /// Makes the padding what it must be for all to be aligned, as `image` shows, which was linked with it. Returns
    /// whether it was so already.
    pub fn fit(&mut self, image: &[u8]) -> Result<bool, object::read::Error> {
        let mut shift = 0;
        for (address, number) in self.ends(image)? {
            let lacks = (address + shift).next_multiple_of(self.align) - (address + shift);
            self.parts[number].len += lacks;
            shift += lacks;
        }
        Ok(shift == 0)
    }

    /// Where the padding ends in each section of an image, and which part is the last there.
    fn ends(&self, image: &[u8]) -> Result<Vec<(u64, usize)>, object::read::Error> {
        let header = elf::FileHeader64::<LE>::parse(image)?;
        let symbols = header
            .sections(LE, image)?
            .symbols(LE, image, elf::SHT_SYMTAB)?;
        let mut ends: BTreeMap<u16, (u64, usize)> = BTreeMap::new();
        for symbol in symbols.iter() {
            let name = symbol.name(LE, symbols.strings())?;
            let number = (0..self.parts.len()).find(|number| marker(*number).as_bytes() == name);
            if let Some(number) = number {
                let end = ends.entry(symbol.st_shndx.get(LE).0).or_default();
                *end = (*end).max((symbol.st_value(LE), number));
            }
        }
        let mut ends: Vec<_> = ends.into_values().collect();
        ends.sort_unstable();
        Ok(ends)
    }

    /// Has the headers of a linked image say what it is aligned to.
    pub fn state(&self, image: &mut Vec<u8>) -> Result<(), object::read::Error> {
        let ends = self.ends(image)?;
        let header = *elf::FileHeader64::<LE>::parse(&image[..])?;
        let mut segments = header.program_headers(LE, &image[..])?.to_vec();
        let mut sections = header.section_headers(LE, &image[..])?.to_vec();
        let mut section_headers = header.e_shoff.get(LE);
        for section in &mut sections {
            let memory = section.sh_addr(LE)..=section.sh_addr(LE) + section.sh_size(LE);
            if section.sh_flags(LE).contains(elf::SHF_ALLOC)
                && section.sh_addralign(LE) == LINKABLE
                && ends.iter().any(|(end, _)| memory.contains(end))
            {
                // The padding itself begins before.
                let align = 1
                    << section
                        .sh_addr(LE)
                        .trailing_zeros()
                        .min(self.align.trailing_zeros());
                section.sh_addralign.set(LE, align);
            }
        }
        for index in 0..segments.len() {
            let segment = segments[index];
            let start = segment.p_vaddr(LE);
            let memory = start..=start + segment.p_memsz(LE);
            if segment.p_type(LE) != elf::PT_LOAD
                || !ends.iter().any(|(end, _)| memory.contains(end))
            {
                continue;
            }
            segments[index].p_align.set(LE, self.align);
            let offset = segment.p_offset(LE);
            let lacks = start.wrapping_sub(offset) & (self.align - 1);
            if lacks == 0 || segment.p_filesz(LE) == 0 {
                continue;
            }
            let place = offset as usize;
            image.splice(place..place, std::iter::repeat_n(0, lacks as usize));
            let moved = |value: u64| {
                if value >= offset {
                    value + lacks
                } else {
                    value
                }
            };
            for segment in &mut segments {
                let value = moved(segment.p_offset(LE));
                segment.p_offset.set(LE, value);
            }
            for section in &mut sections {
                let value = moved(section.sh_offset(LE));
                section.sh_offset.set(LE, value);
            }
            section_headers = moved(section_headers);
        }
        let mut mended = header;
        mended.e_shoff.set(LE, section_headers);
        for (place, bytes) in [
            (0, object::pod::bytes_of(&mended)),
            (
                header.e_phoff.get(LE),
                object::pod::bytes_of_slice(&segments),
            ),
            (section_headers, object::pod::bytes_of_slice(&sections)),
        ] {
            let place = place as usize;
            if let Some(room) = image.get_mut(place..place + bytes.len()) {
                room.copy_from_slice(bytes);
            }
        }
        Ok(())
    }
}

fn marker(number: usize) -> String {
    format!("__mgenjit_padding_{number}")
}

/// Adds a string and says where it is.
fn push(strings: &mut Vec<u8>, string: &[u8]) -> u32 {
    let place = strings.len() as u32;
    strings.extend_from_slice(string);
    strings.push(0);
    place
}

fn section(name: u32, kind: elf::SectionType) -> elf::SectionHeader64<LE> {
    let mut header = elf::SectionHeader64::<LE> {
        sh_name: Default::default(),
        sh_type: Default::default(),
        sh_flags: Default::default(),
        sh_addr: Default::default(),
        sh_offset: Default::default(),
        sh_size: Default::default(),
        sh_link: Default::default(),
        sh_info: Default::default(),
        sh_addralign: Default::default(),
        sh_entsize: Default::default(),
    };
    header.sh_name.set(LE, name);
    header.sh_type.set(LE, kind);
    header
}
