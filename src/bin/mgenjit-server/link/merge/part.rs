//! An object to merge. What is read here holds: all indices are those of sections and symbols that there are.

use object::elf::{self, SectionFlags, SectionType};
use object::read::elf::{ElfFile, SectionHeader, SectionTable, Sym};
use object::{LittleEndian as LE, SectionIndex};
use std::borrow::Cow;

/// The machines whose objects are understood here, see [`is_known`].
const MACHINES: [elf::Machine; 3] = [elf::EM_X86_64, elf::EM_AARCH64, elf::EM_RISCV];

/// Larger alignments are in no object that LLVM makes.
const MAX_ALIGNMENT: u64 = 1 << 32;

/// Which symbols have addresses that matter, as a table of their numbers. Without it, all have.
const ADDRESSES: SectionType = SectionType(0x6fff_4c03);

pub struct Part<'a> {
    pub header: &'a elf::FileHeader64<LE>,
    /// By their indices in the object.
    pub sections: Vec<Section<'a>>,
    pub symbols: Vec<Symbol<'a>>,
    pub groups: Vec<Group<'a>>,
}

pub struct Section<'a> {
    pub name: &'a [u8],
    pub kind: SectionType,
    pub flags: SectionFlags,
    pub entry_size: u64,
    pub alignment: u64,
    pub size: u64,
    /// Empty if it takes no room in the file.
    pub data: Cow<'a, [u8]>,
    pub link: Link,
    pub relocations: Vec<Relocation>,
    /// Whether the relocations have no addends of their own.
    pub implicit: bool,
    /// Whether it is one to merge: not a table of the object, nor relocations, nor a group.
    pub is_content: bool,
    pub group: Option<usize>,
}

/// What a section's `sh_link` says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Link {
    None,
    /// The table of symbols.
    Symbols,
    Section(usize),
}

#[derive(Clone, Copy)]
pub struct Relocation {
    pub offset: u64,
    pub symbol: u32,
    pub kind: u32,
    pub addend: i64,
}

pub struct Symbol<'a> {
    pub name: &'a [u8],
    pub info: elf::SymbolInfo,
    pub other: elf::SymbolOther,
    pub value: u64,
    pub size: u64,
    pub place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Undefined,
    /// Absolute, or common, or what else no section holds: its number.
    Special(elf::SymbolSection),
    Section(usize),
    /// It is only a group's name.
    Group(usize),
}

/// Sections that are linked together or not at all.
pub struct Group<'a> {
    /// The name by which linkers know it.
    pub signature: &'a [u8],
    /// The symbol that has the name.
    pub symbol: u32,
    /// The section that lists the members.
    section: usize,
    pub flags: u32,
    pub members: Vec<usize>,
}

/// An error says what is wrong with the object: "is …".
pub type Result<T> = std::result::Result<T, String>;

impl<'a> Part<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Part<'a>> {
        type File<'a> = ElfFile<'a, elf::FileHeader64<LE>>;
        let file = File::parse(bytes).map_err(unreadable)?;
        let header = file.elf_header();
        if header.e_type.get(LE) != elf::ET_REL || !is_known(header.e_machine.get(LE)) {
            return Err("is no object that can be merged".to_owned());
        }
        let table = file.elf_section_table();
        let mut sections = Vec::with_capacity(table.len());
        for section in table.iter() {
            sections.push(read_section(bytes, table, section)?);
        }
        let symbols = read_symbols(&file)?;
        let mut part = Part {
            header,
            sections,
            symbols,
            groups: Vec::new(),
        };
        for (index, section) in table.enumerate() {
            match section.sh_type(LE) {
                elf::SHT_RELA | elf::SHT_REL => part.add_relocations(bytes, section)?,
                elf::SHT_GROUP => part.add_group(bytes, index.0, section)?,
                _ if part.sections[index.0].is_content => {
                    part.sections[index.0].link = part.link(table, section)?;
                }
                _ => {}
            }
        }
        part.check_symbols()?;
        Ok(part)
    }

    fn link(
        &self,
        table: &SectionTable<'_, elf::FileHeader64<LE>>,
        section: &elf::SectionHeader64<LE>,
    ) -> Result<Link> {
        let index = section.sh_link(LE) as usize;
        if index == 0 {
            return Ok(Link::None);
        }
        match table.section(SectionIndex(index)) {
            Ok(other) if other.sh_type(LE) == elf::SHT_SYMTAB => Ok(Link::Symbols),
            Ok(_) if self.sections[index].is_content => Ok(Link::Section(index)),
            _ => Err(damaged("a section belongs to none")),
        }
    }

    fn add_relocations(&mut self, bytes: &[u8], section: &elf::SectionHeader64<LE>) -> Result<()> {
        let implicit = section.sh_type(LE) == elf::SHT_REL;
        let found: Vec<Relocation> = if implicit {
            let found = section.rel(LE, bytes).map_err(unreadable)?;
            let found = found.map_or(&[][..], |(found, _)| found);
            let of = |one: &elf::Rel64<LE>| Relocation {
                offset: one.r_offset.get(LE),
                symbol: one.r_sym(LE),
                kind: one.r_type(LE).0,
                addend: 0,
            };
            found.iter().map(of).collect()
        } else {
            let found = section.rela(LE, bytes).map_err(unreadable)?;
            let found = found.map_or(&[][..], |(found, _)| found);
            let of = |one: &elf::Rela64<LE>| Relocation {
                offset: one.r_offset.get(LE),
                symbol: one.r_sym(LE, false),
                kind: one.r_type(LE, false).0,
                addend: one.r_addend.get(LE),
            };
            found.iter().map(of).collect()
        };
        // What has no addend beside it has one in the section, which would have to be changed there.
        if implicit && found.iter().any(|one| one.kind != 0) {
            return Err("is an object whose relocations have no addends".to_owned());
        }
        let symbols = self.symbols.len();
        let place = section.sh_info(LE) as usize;
        let place = self.sections.get_mut(place).filter(|one| one.is_content);
        let Some(place) = place.filter(|one| one.relocations.is_empty()) else {
            return Err(damaged("relocations are of no section"));
        };
        let fits = |one: &Relocation| one.offset <= place.size && (one.symbol as usize) < symbols;
        if !found.iter().all(fits) {
            return Err(damaged("a relocation leads out of it"));
        }
        place.relocations = found;
        place.implicit = implicit;
        Ok(())
    }

    fn add_group(
        &mut self,
        bytes: &'a [u8],
        index: usize,
        section: &elf::SectionHeader64<LE>,
    ) -> Result<()> {
        let (flags, members) = section
            .group(LE, bytes)
            .map_err(unreadable)?
            .unwrap_or_default();
        let symbol = section.sh_info(LE);
        let Some(leader) = self.symbols.get(symbol as usize) else {
            return Err(damaged("a group has no name"));
        };
        let signature = match leader.place {
            Place::Section(index) if leader.info.st_type() == elf::STT_SECTION => {
                self.sections.get(index).map_or(leader.name, |one| one.name)
            }
            _ => leader.name,
        };
        let number = self.groups.len();
        let mut content = Vec::new();
        for member in members {
            let place = member.get(LE) as usize;
            let Some(member) = self.sections.get_mut(place) else {
                return Err(damaged("a group has a member that is not there"));
            };
            // Relocations go where their section goes.
            if member.is_content {
                if member.group.replace(number).is_some() {
                    return Err(damaged("a section is in two groups"));
                }
                content.push(place);
            }
        }
        self.groups.push(Group {
            signature,
            symbol,
            section: index,
            flags: flags.0,
            members: content,
        });
        Ok(())
    }

    fn check_symbols(&mut self) -> Result<()> {
        for symbol in &mut self.symbols {
            if let Place::Section(index) = symbol.place
                && !self.sections.get(index).is_some_and(|one| one.is_content)
            {
                let group = self.groups.iter().position(|one| one.section == index);
                let is_local = symbol.info.st_bind() == elf::STB_LOCAL;
                let Some(group) = group.filter(|_| is_local) else {
                    return Err(damaged("a symbol is in no section"));
                };
                symbol.place = Place::Group(group);
            }
            if symbol.info.st_bind() != elf::STB_LOCAL && symbol.name.is_empty() {
                return Err(damaged("a symbol that others can see has no name"));
            }
        }
        Ok(())
    }
}

/// Whether objects for a machine can be merged: 64 bits, little-endian, and relocations with addends.
pub fn is_known(machine: elf::Machine) -> bool {
    MACHINES.contains(&machine)
}

fn read_section<'a>(
    bytes: &'a [u8],
    table: &SectionTable<'a, elf::FileHeader64<LE>>,
    section: &'a elf::SectionHeader64<LE>,
) -> Result<Section<'a>> {
    let kind = section.sh_type(LE);
    let alignment = section.sh_addralign(LE).max(1);
    if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT {
        return Err(damaged(&format!(
            "a section wants an alignment of {alignment}"
        )));
    }
    if kind == elf::SHT_CREL {
        return Err("is an object whose relocations are compressed".to_owned());
    }
    Ok(Section {
        name: table.section_name(LE, section).map_err(unreadable)?,
        kind,
        flags: section.sh_flags(LE),
        entry_size: section.sh_entsize(LE),
        alignment,
        size: section.sh_size(LE),
        data: Cow::Borrowed(section.data(LE, bytes).map_err(unreadable)?),
        link: Link::None,
        relocations: Vec::new(),
        implicit: false,
        is_content: !matches!(
            kind,
            elf::SHT_NULL
                | elf::SHT_SYMTAB
                | elf::SHT_SYMTAB_SHNDX
                | elf::SHT_STRTAB
                | elf::SHT_RELA
                | elf::SHT_REL
                | elf::SHT_GROUP
                | ADDRESSES
        ),
        group: None,
    })
}

fn read_symbols<'a>(file: &ElfFile<'a, elf::FileHeader64<LE>>) -> Result<Vec<Symbol<'a>>> {
    let table = file.elf_symbol_table();
    let mut symbols = Vec::with_capacity(table.len());
    for (index, symbol) in table.enumerate() {
        let section = table
            .symbol_section(LE, symbol, index)
            .map_err(unreadable)?;
        let number = symbol.st_shndx(LE);
        let place = match section {
            Some(section) => Place::Section(section.0),
            None if number == elf::SHN_UNDEF => Place::Undefined,
            None => Place::Special(number),
        };
        symbols.push(Symbol {
            name: symbol.name(LE, table.strings()).map_err(unreadable)?,
            info: symbol.st_info,
            other: symbol.st_other,
            value: symbol.st_value(LE),
            size: symbol.st_size(LE),
            place,
        });
    }
    Ok(symbols)
}

fn unreadable(error: object::read::Error) -> String {
    damaged(&error.to_string())
}

fn damaged(how: &str) -> String {
    format!("is an ELF file that is cut short or damaged: {how}")
}
