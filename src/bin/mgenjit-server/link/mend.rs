//! Objects as libwild can link them.
//!
//! Sections that an image does not need must not stop the link. So here they are dropped, or made what the linker takes.

use crate::input::align::{LINKABLE, is_aligned};
use crate::input::old_compression;
use mgenjit::protocol::messages::VERSION_MARK;
use object::read::elf::{ElfFile, FileHeader, SectionHeader, Sym};
use object::{LittleEndian as LE, SectionIndex, elf};
use std::collections::{HashMap, HashSet};

type File<'a> = ElfFile<'a, elf::FileHeader64<LE>>;

/// What an object is linked into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// An image of our own loader.
    Image,
    /// A shared library of the system's loader.
    Library,
    /// One relocatable object.
    Object,
}

/// The object, changed where it has to be; `None`: it is right as it is, or nothing that can be read.
///
/// `align_thread_locals`: what the first section of values of thread-local variables is to be aligned to. `align`: the
/// largest alignment of all, if it is more than the linker can do.
pub fn mended(
    bytes: &[u8],
    target: For,
    align_thread_locals: Option<u64>,
    align: Option<u64>,
) -> Option<Vec<u8>> {
    let file = File::parse(bytes).ok()?;
    let mut mend = Mend::new(&file)?;
    if let Some(align) = align_thread_locals {
        mend.align_thread_locals(align);
    }
    mend.drop_sections();
    mend.old_compression();
    if target != For::Object {
        mend.relocated_constants();
        mend.empty_sections();
    }
    if let Some(align) = align {
        mend.alignment(align);
    }
    if target == For::Image {
        mend.symbols();
    }
    mend.finish()
}

/// The largest alignments of an object's thread-local variables: of those with values in the file, and of those without.
#[derive(Clone, Copy, Default)]
pub struct ThreadLocals {
    values: u64,
    zeros: u64,
}

impl ThreadLocals {
    pub fn of(bytes: &[u8]) -> ThreadLocals {
        let mut all = ThreadLocals::default();
        let Ok(file) = File::parse(bytes) else {
            return all;
        };
        for section in file.elf_section_table().iter() {
            if section.sh_flags(LE).contains(elf::SHF_TLS) {
                let largest = match section.sh_type(LE) {
                    elf::SHT_NOBITS => &mut all.zeros,
                    _ => &mut all.values,
                };
                *largest = section.sh_addralign(LE).max(1).max(*largest);
            }
        }
        all
    }

    pub fn largest(&self) -> u64 {
        self.values.max(self.zeros)
    }

    /// What the values must be aligned to, so that the zeros that follow them are where threads will have them: the
    /// linker aligns each to its own. The first object that has values is where to do so.
    pub fn to_align(objects: &[ThreadLocals]) -> Option<(usize, u64)> {
        let values = objects.iter().map(|one| one.values).max()?;
        let zeros = objects.iter().map(|one| one.zeros).max()?;
        let first = objects.iter().position(|one| one.values > 0)?;
        (zeros > values).then_some((first, zeros))
    }
}

struct Mend<'a> {
    file: &'a File<'a>,
    bytes: &'a [u8],
    sections: Vec<elf::SectionHeader64<LE>>,
    changed: bool,
    symbols: HashMap<usize, elf::Sym64<LE>>,
    /// What is put behind the object: strings, and sections that become larger.
    tail: Vec<u8>,
    /// New names, of sections and of symbols, behind the old ones.
    names: Strings,
    symbol_names: Strings,
}

/// What is added to a table of strings.
struct Strings {
    section: SectionIndex,
    len: usize,
    added: Vec<u8>,
}

impl Strings {
    fn add(&mut self, name: &[u8]) -> u32 {
        let place = self.len + self.added.len();
        self.added.extend_from_slice(name);
        self.added.push(0);
        u32::try_from(place).unwrap_or(0)
    }
}

impl<'a> Mend<'a> {
    fn new(file: &'a File<'a>) -> Option<Mend<'a>> {
        let table = file.elf_section_table();
        let strings = |index: SectionIndex| -> Option<Strings> {
            let len = table.section(index).map_or(0, |one| one.sh_size(LE));
            Some(Strings {
                section: index,
                len: usize::try_from(len).ok()?,
                added: Vec::new(),
            })
        };
        let names = file.elf_header().section_strings_index(LE, file.data());
        Some(Mend {
            file,
            bytes: file.data(),
            sections: table.iter().copied().collect(),
            changed: false,
            symbols: HashMap::new(),
            tail: Vec::new(),
            names: strings(names.ok()?)?,
            symbol_names: strings(file.elf_symbol_table().string_section())?,
        })
    }

    fn name(&self, index: usize) -> &'a [u8] {
        let table = self.file.elf_section_table();
        table
            .section(SectionIndex(index))
            .and_then(|section| table.section_name(LE, section))
            .unwrap_or_default()
    }

    fn align_thread_locals(&mut self, align: u64) {
        let first = self.sections.iter_mut().find(|section| {
            section.sh_flags(LE).contains(elf::SHF_TLS) && section.sh_type(LE) != elf::SHT_NOBITS
        });
        if let Some(section) = first {
            section.sh_addralign.set(LE, align);
            if section.sh_size(LE) == 0 {
                fill(section);
            }
            self.changed = true;
        }
    }

    /// Drops what is for other linkers, and relocations of what is dropped.
    fn drop_sections(&mut self) {
        let needless = |name: &[u8], flags: elf::SectionFlags| {
            name.starts_with(b".gnu.lto_")
                || name.starts_with(b".gnu.debuglto_")
                || name.starts_with(b".llvm.lto")
                || (flags.contains(elf::SHF_EXCLUDE) && !flags.contains(elf::SHF_ALLOC))
        };
        let dropped: HashSet<u32> = (0_u32..)
            .zip(&self.sections)
            .filter(|(index, section)| needless(self.name(*index as usize), section.sh_flags(LE)))
            .map(|(index, _)| index)
            .collect();
        if dropped.is_empty() {
            return;
        }
        for (index, section) in (0_u32..).zip(&mut self.sections) {
            let relocates = matches!(section.sh_type(LE), elf::SHT_RELA | elf::SHT_REL);
            if dropped.contains(&index) || (relocates && dropped.contains(&section.sh_info(LE))) {
                section.sh_type.set(LE, elf::SHT_PROGBITS);
                section.sh_flags.set(LE, elf::SHF_EXCLUDE);
                section.sh_size.set(LE, 0);
                section.sh_link.set(LE, 0);
                section.sh_info.set(LE, 0);
                section.sh_addralign.set(LE, 1);
                section.sh_name.set(LE, 0);
                self.changed = true;
            }
        }
    }

    /// Has sections that are compressed as before ELF said how (`.zdebug_info`) say so.
    fn old_compression(&mut self) {
        for index in 0..self.sections.len() {
            let Some(rest) = self.name(index).strip_prefix(b".zdebug_") else {
                continue;
            };
            let section = self.sections[index];
            let data = section.data(LE, self.bytes).unwrap_or_default();
            let Some((len, stream)) = old_compression::parts(self.name(index), data) else {
                continue;
            };
            let mut compressed = Vec::new();
            compressed.extend(elf::ELFCOMPRESS_ZLIB.0.to_le_bytes());
            compressed.extend([0; 4]);
            compressed.extend(len.to_le_bytes());
            compressed.extend(1_u64.to_le_bytes());
            compressed.extend_from_slice(stream);
            let name = self.names.add(&[b".debug_", rest].concat());
            let place = self.append(&compressed);
            let section = &mut self.sections[index];
            section.sh_name.set(LE, name);
            section.sh_offset.set(LE, place);
            section.sh_size.set(LE, compressed.len() as u64);
            section.sh_addralign.set(LE, 8);
            let flags = section.sh_flags(LE) | elf::SHF_COMPRESSED;
            section.sh_flags.set(LE, flags);
        }
    }

    /// Puts constants that hold addresses where the loader can write them: stack maps, and what was not compiled for a
    /// shared library.
    fn relocated_constants(&mut self) {
        let absolute = match self.file.elf_header().e_machine.get(LE) {
            elf::EM_X86_64 => elf::R_X86_64_64,
            elf::EM_AARCH64 => elf::R_AARCH64_ABS64,
            elf::EM_RISCV => elf::R_RISCV_64,
            _ => return,
        };
        for index in 0..self.sections.len() {
            let relocations = self.sections[index];
            let place = relocations.sh_info(LE) as usize;
            let Some(section) = self.sections.get(place) else {
                continue;
            };
            let flags = section.sh_flags(LE);
            let name = self.name(place);
            if relocations.sh_type(LE) != elf::SHT_RELA
                || !flags.contains(elf::SHF_ALLOC)
                || flags.contains(elf::SHF_WRITE)
                || flags.contains(elf::SHF_EXECINSTR)
                || name.starts_with(b".eh_frame")
            {
                continue;
            }
            let Ok(Some((relocations, _))) = relocations.rela(LE, self.bytes) else {
                continue;
            };
            if !relocations
                .iter()
                .any(|one| one.r_type(LE, false) == absolute)
            {
                continue;
            }
            let flags = elf::SectionFlags(
                (flags.0 | elf::SHF_WRITE.0) & !(elf::SHF_MERGE.0 | elf::SHF_STRINGS.0),
            );
            // Of this name the linker knows where it goes.
            let renamed = name
                .starts_with(b".rodata")
                .then(|| self.names.add(b".data.rel.ro"));
            let section = &mut self.sections[place];
            section.sh_flags.set(LE, flags);
            section.sh_entsize.set(LE, 0);
            if let Some(name) = renamed {
                section.sh_name.set(LE, name);
            }
            self.changed = true;
        }
    }

    /// Gives empty sections whose place matters a byte, because the linker aligns no empty ones.
    fn empty_sections(&mut self) {
        let is_empty = |section: &elf::SectionHeader64<LE>| {
            section.sh_flags(LE).contains(elf::SHF_ALLOC)
                && section.sh_size(LE) == 0
                && section.sh_addralign(LE) > 1
        };
        if !self.sections.iter().any(is_empty) {
            return;
        }
        let table = self.file.elf_symbol_table();
        for (index, symbol) in table.enumerate() {
            if symbol.st_type() == elf::STT_SECTION {
                continue;
            }
            let Ok(Some(place)) = table.symbol_section(LE, symbol, index) else {
                continue;
            };
            if let Some(section) = self.sections.get_mut(place.0)
                && is_empty(section)
            {
                fill(section);
                self.changed = true;
            }
        }
    }

    /// Makes what is aligned highly as long as a multiple of `align`, as [`align`](crate::input::align) says.
    fn alignment(&mut self, align: u64) {
        for index in 0..self.sections.len() {
            let section = self.sections[index];
            if !is_aligned(&section) {
                continue;
            }
            let len = section.sh_size(LE).next_multiple_of(align);
            if section.sh_type(LE) != elf::SHT_NOBITS && len != section.sh_size(LE) {
                let mut content = section.data(LE, self.bytes).unwrap_or_default().to_vec();
                content.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
                let place = self.append(&content);
                self.sections[index].sh_offset.set(LE, place);
            }
            let section = &mut self.sections[index];
            let kept = section.sh_flags(LE).0 & !(elf::SHF_MERGE.0 | elf::SHF_STRINGS.0);
            section.sh_flags.set(LE, elf::SectionFlags(kept));
            section.sh_size.set(LE, len);
            section.sh_addralign.set(LE, LINKABLE);
            self.changed = true;
        }
        for (index, symbol) in self.file.elf_symbol_table().enumerate() {
            if symbol.is_common(LE) && symbol.st_value(LE) >= LINKABLE {
                let mut mended = *symbol;
                mended.st_value.set(LE, LINKABLE);
                let len = symbol.st_size(LE).next_multiple_of(align);
                mended.st_size.set(LE, len);
                self.symbols.insert(index.0, mended);
            }
        }
    }

    /// Makes symbols that are unique in a whole process (`STB_GNU_UNIQUE`, by which gcc marks inline variables of C++)
    /// weak: the linker would bind them inside the image, and each image would have its own. Hides versions from it.
    fn symbols(&mut self) {
        let table = self.file.elf_symbol_table();
        for (index, symbol) in table.enumerate() {
            let known = self.symbols.get(&index.0);
            let mut mended = *known.unwrap_or(symbol);
            let name = symbol.name(LE, table.strings()).unwrap_or_default();
            if symbol.st_bind() == elf::STB_GNU_UNIQUE {
                mended.set_st_info(elf::STB_WEAK, symbol.st_type());
            }
            if symbol.st_bind() != elf::STB_LOCAL
                && let Some(name) = without_version(name)
            {
                mended.st_name.set(LE, self.symbol_names.add(&name));
            }
            if mended.st_info != symbol.st_info || mended.st_name != symbol.st_name {
                self.symbols.insert(index.0, mended);
            }
        }
    }

    /// Puts bytes behind the object and says where they are.
    fn append(&mut self, bytes: &[u8]) -> u64 {
        let start = self.bytes.len().next_multiple_of(8);
        self.tail.resize(self.tail.len().next_multiple_of(8), 0);
        let place = start + self.tail.len();
        self.tail.extend_from_slice(bytes);
        place as u64
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        for which in [Mend::take_names, Mend::take_symbol_names] {
            let strings = which(&mut self);
            if strings.added.is_empty() {
                continue;
            }
            let index = strings.section.0;
            let section = self.sections[index];
            let mut all = section.data(LE, self.bytes).ok()?.to_vec();
            all.extend_from_slice(&strings.added);
            let place = self.append(&all);
            self.sections[index].sh_offset.set(LE, place);
            self.sections[index].sh_size.set(LE, all.len() as u64);
            self.changed = true;
        }
        if !self.changed && self.symbols.is_empty() {
            return None;
        }
        let table = self.file.elf_symbol_table();
        let symbols = self.file.elf_section_table().section(table.section()).ok();
        let symbols = symbols.map_or(0, |section| section.sh_offset(LE));
        let mut bytes = self.bytes.to_vec();
        let mut put = |place: u64, new: &[u8]| {
            let place = usize::try_from(place).ok()?;
            bytes
                .get_mut(place..)?
                .get_mut(..new.len())?
                .copy_from_slice(new);
            Some(())
        };
        for (index, symbol) in &self.symbols {
            let offset = index * size_of::<elf::Sym64<LE>>();
            put(symbols + offset as u64, object::pod::bytes_of(symbol))?;
        }
        let headers = self.file.elf_header().e_shoff.get(LE);
        put(headers, object::pod::bytes_of_slice(&self.sections))?;
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend_from_slice(&self.tail);
        Some(bytes)
    }

    fn take_names(&mut self) -> Strings {
        take(&mut self.names)
    }

    fn take_symbol_names(&mut self) -> Strings {
        take(&mut self.symbol_names)
    }
}

/// Gives an empty section a byte: one of the ELF header that is 0.
fn fill(section: &mut elf::SectionHeader64<LE>) {
    section.sh_offset.set(LE, 9);
    section.sh_size.set(LE, 1);
}

fn take(strings: &mut Strings) -> Strings {
    Strings {
        section: strings.section,
        len: strings.len,
        added: std::mem::take(&mut strings.added),
    }
}

/// The name of a symbol that has a version: of the default one (`name@@VERSION`) without it.
fn without_version(name: &[u8]) -> Option<Vec<u8>> {
    let at = name.iter().position(|byte| *byte == b'@')?;
    let (plain, version) = (&name[..at], &name[at + 1..]);
    if plain.is_empty() {
        return None;
    }
    if version.starts_with(b"@") {
        return Some(plain.to_vec());
    }
    Some([plain, &[VERSION_MARK], version].concat())
}

#[cfg(test)]
mod tests;
