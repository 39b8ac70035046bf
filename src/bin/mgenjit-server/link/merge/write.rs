//! The merged object as a file.
//!
//! ```text
//! header | sections' bytes | relocations | symbols | names | section headers
//! ```

use super::layout::{Layout, Out, OutLink};
use super::part::{Part, Place, Relocation};
use super::symbols::{Meaning, Named, OutSymbol, Symbols};
use object::elf::{self, SectionFlags, SectionType, SymbolInfo, SymbolSection};
use object::{I64, LittleEndian as LE, U16, U32, U64, pod};
use std::collections::HashMap;

pub fn write(
    parts: &[Part<'_>],
    layout: &Layout<'_>,
    symbols: &Symbols<'_>,
    flags: u32,
) -> Result<Vec<u8>, String> {
    let numbers = Numbers::new(parts, layout, symbols);
    let mut file = File::new();
    // What each section of the layout is in the file, and each group.
    let mut indices = vec![0; layout.sections.len()];
    let mut groups: Vec<Option<usize>> = vec![None; layout.groups.len()];
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); layout.groups.len()];
    let mut relocated = Vec::new();
    for (number, out) in layout.sections.iter().enumerate() {
        if let Some(group) = out.group
            && groups[group].is_none()
        {
            // A group is before its members.
            groups[group] = Some(file.add(b".group", Header::of(elf::SHT_GROUP, 4, 4)));
        }
        let index = file.add(
            out.name,
            Header {
                kind: out.kind,
                flags: out.flags,
                alignment: out.alignment,
                entry_size: out.entry_size,
                ..Header::default()
            },
        );
        indices[number] = index;
        file.put(index, &out.data, out.size);
        let entries = relocations(parts, layout, symbols, &numbers, out)?;
        if entries.is_empty() {
            if let Some(group) = out.group {
                members[group].push(index as u32);
            }
            continue;
        }
        let group_flag = match out.group {
            Some(_) => elf::SHF_GROUP,
            None => SectionFlags(0),
        };
        let (prefix, kind, size) = match out.implicit {
            true => (&b".rel"[..], elf::SHT_REL, size_of::<elf::Rel64<LE>>()),
            false => (&b".rela"[..], elf::SHT_RELA, size_of::<elf::Rela64<LE>>()),
        };
        let relocations = file.add(
            &[prefix, out.name].concat(),
            Header {
                flags: elf::SHF_INFO_LINK | group_flag,
                info: index as u32,
                ..Header::of(kind, 8, size as u64)
            },
        );
        if let Some(group) = out.group {
            members[group].extend([index as u32, relocations as u32]);
        }
        relocated.push((relocations, entries, out.implicit));
    }
    for (number, (part, group)) in layout.groups.iter().enumerate() {
        if let Some(index) = groups[number] {
            let group = &parts[*part].groups[*group];
            let mut words = vec![group.flags];
            words.append(&mut members[number]);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            file.put(index, &bytes, bytes.len() as u64);
            file.headers[index].info = numbers.of(symbols.meanings[*part][group.symbol as usize]);
        }
    }
    for (index, entries, implicit) in &relocated {
        let bytes = match implicit {
            true => {
                let plain: Vec<elf::Rel64<LE>> = entries
                    .iter()
                    .map(|one| elf::Rel64 {
                        r_offset: one.r_offset,
                        r_info: one.r_info,
                    })
                    .collect();
                pod::bytes_of_slice(&plain).to_vec()
            }
            false => pod::bytes_of_slice(entries).to_vec(),
        };
        file.put(*index, &bytes, bytes.len() as u64);
    }
    let table = file.add_symbols(&numbers, symbols, &indices, &groups)?;
    for (index, ..) in &relocated {
        file.headers[*index].link = table as u32;
    }
    for index in groups.into_iter().flatten() {
        file.headers[index].link = table as u32;
    }
    for (out, index) in layout.sections.iter().zip(&indices) {
        file.headers[*index].link = match out.link {
            OutLink::None => 0,
            OutLink::Symbols => table as u32,
            OutLink::Section(other) => indices[other] as u32,
        };
    }
    Ok(file.finish(parts, flags))
}

/// The numbers of symbols: local ones, those of sections, then those that others can see.
struct Numbers {
    locals: usize,
    /// By section of the layout.
    sections: Vec<Option<usize>>,
    section_count: usize,
    /// By [`Symbols::named`].
    named: Vec<usize>,
}

impl Numbers {
    fn new(parts: &[Part<'_>], layout: &Layout<'_>, symbols: &Symbols<'_>) -> Numbers {
        let mut used = vec![false; layout.sections.len()];
        let mut note = |meaning: Option<&Meaning>| {
            if let Some(Meaning::Section(out, _)) = meaning {
                used[*out] = true;
            }
        };
        for out in &layout.sections {
            for (part, section) in &out.parts {
                for relocation in &parts[*part].sections[*section].relocations {
                    note(symbols.meanings[*part].get(relocation.symbol as usize));
                }
            }
        }
        for (part, group) in &layout.groups {
            let symbol = parts[*part].groups[*group].symbol;
            note(symbols.meanings[*part].get(symbol as usize));
        }
        let locals = symbols.locals.len();
        let mut section_count = 0;
        let sections = used
            .into_iter()
            .map(|used| {
                used.then(|| {
                    section_count += 1;
                    locals + section_count
                })
            })
            .collect();
        let mut next = 1 + locals + section_count;
        let named = symbols
            .named
            .iter()
            .map(|named| match named {
                Named::Local(local) => 1 + local,
                Named::Global(_) => {
                    next += 1;
                    next - 1
                }
            })
            .collect();
        Numbers {
            locals,
            sections,
            section_count,
            named,
        }
    }

    fn of(&self, meaning: Meaning) -> u32 {
        let number = match meaning {
            Meaning::Nothing | Meaning::Dropped => 0,
            Meaning::Section(out, _) => self.sections[out].unwrap_or(0),
            Meaning::Local(local) => 1 + local,
            Meaning::Named(named) => self.named[named],
        };
        number as u32
    }
}

/// The relocations of a section, for the merged object.
fn relocations(
    parts: &[Part<'_>],
    layout: &Layout<'_>,
    symbols: &Symbols<'_>,
    numbers: &Numbers,
    out: &Out<'_>,
) -> Result<Vec<elf::Rela64<LE>>, String> {
    let mut entries = Vec::new();
    for (part, index) in &out.parts {
        let section = &parts[*part].sections[*index];
        let offset = layout.spots[*part][*index].map_or(0, |spot| spot.offset);
        for relocation in &section.relocations {
            let Relocation {
                offset: place,
                symbol,
                mut kind,
                mut addend,
            } = *relocation;
            let meaning = symbols.meanings[*part][symbol as usize];
            match meaning {
                Meaning::Section(_, before) => addend = addend.wrapping_add(before as i64),
                Meaning::Dropped if out.flags.contains(elf::SHF_ALLOC) => {
                    return Err("refers to what another piece has in its place".to_owned());
                }
                // Debug information of what is not there.
                Meaning::Dropped => (kind, addend) = (0, 0),
                _ => {}
            }
            let number = numbers.of(meaning);
            entries.push(elf::Rela64 {
                r_offset: U64::new(LE, place + offset),
                r_info: U64::new(LE, u64::from(number) << 32 | u64::from(kind)),
                r_addend: I64::new(LE, addend),
            });
        }
    }
    Ok(entries)
}

/// What is known of a section of the file beside its name and its bytes.
#[derive(Default)]
struct Header {
    kind: SectionType,
    flags: SectionFlags,
    alignment: u64,
    entry_size: u64,
    link: u32,
    info: u32,
    offset: u64,
    size: u64,
    name: u32,
}

impl Header {
    fn of(kind: SectionType, alignment: u64, entry_size: u64) -> Header {
        Header {
            kind,
            alignment,
            entry_size,
            ..Header::default()
        }
    }
}

struct File {
    bytes: Vec<u8>,
    headers: Vec<Header>,
    names: Strings,
}

impl File {
    fn new() -> File {
        File {
            bytes: vec![0; size_of::<elf::FileHeader64<LE>>()],
            headers: vec![Header::default()],
            names: Strings::new(),
        }
    }

    /// Adds a section without bytes and returns its number.
    fn add(&mut self, name: &[u8], header: Header) -> usize {
        let name = self.names.add(name);
        self.headers.push(Header { name, ..header });
        self.headers.len() - 1
    }

    /// Gives a section its bytes; if it takes none in the file, `size` is more.
    fn put(&mut self, section: usize, bytes: &[u8], size: u64) {
        let header = &mut self.headers[section];
        // Alignments in memory may be too large for a file.
        let alignment = header.alignment.clamp(1, 16) as usize;
        self.bytes
            .resize(self.bytes.len().next_multiple_of(alignment), 0);
        header.offset = self.bytes.len() as u64;
        header.size = size;
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes the table of symbols and returns its number. `indices` and `groups`: what those of the
    /// layout are in the file.
    fn add_symbols(
        &mut self,
        numbers: &Numbers,
        symbols: &Symbols<'_>,
        indices: &[usize],
        groups: &[Option<usize>],
    ) -> Result<usize, String> {
        let mut strings = Strings::new();
        let mut table = vec![elf::Sym64::<LE>::default()];
        let mut large = vec![0_u32];
        let mut add = |symbol: &OutSymbol<'_>| {
            let index = match symbol.place {
                Place::Section(out) => indices[out] as u32,
                Place::Group(group) => groups[group].unwrap_or(0) as u32,
                Place::Undefined | Place::Special(_) => 0,
            };
            let section = match symbol.place {
                Place::Undefined => elf::SHN_UNDEF,
                Place::Special(number) => number,
                Place::Section(_) | Place::Group(_) => SymbolSection::new(index),
            };
            table.push(elf::Sym64 {
                st_name: U32::new(LE, strings.add(symbol.name)),
                st_info: symbol.info,
                st_other: symbol.other,
                st_shndx: U16::new(LE, section),
                st_value: U64::new(LE, symbol.value),
                st_size: U64::new(LE, symbol.size),
            });
            large.push(if section == elf::SHN_XINDEX { index } else { 0 });
        };
        symbols.locals.iter().for_each(&mut add);
        let used = numbers.sections.iter().enumerate();
        for (out, _) in used.filter(|(_, number)| number.is_some()) {
            add(&OutSymbol {
                name: b"",
                info: SymbolInfo::new(elf::STB_LOCAL, elf::STT_SECTION),
                other: elf::SymbolOther(0),
                value: 0,
                size: 0,
                place: Place::Section(out),
            });
        }
        for named in &symbols.named {
            if let Named::Global(symbol) = named {
                add(symbol);
            }
        }
        if u32::try_from(table.len()).is_err() || strings.is_full() {
            return Err("has too many symbols".to_owned());
        }
        let size = size_of::<elf::Sym64<LE>>() as u64;
        let index = self.add(b".symtab", Header::of(elf::SHT_SYMTAB, 8, size));
        let bytes = pod::bytes_of_slice(&table);
        self.put(index, bytes, bytes.len() as u64);
        if large.iter().any(|index| *index != 0) {
            let numbers: Vec<u8> = large.iter().flat_map(|one| one.to_le_bytes()).collect();
            let header = Header {
                link: index as u32,
                ..Header::of(elf::SHT_SYMTAB_SHNDX, 4, 4)
            };
            let section = self.add(b".symtab_shndx", header);
            self.put(section, &numbers, numbers.len() as u64);
        }
        let names = self.add(b".strtab", Header::of(elf::SHT_STRTAB, 1, 0));
        self.put(names, &strings.bytes, strings.bytes.len() as u64);
        self.headers[index].link = names as u32;
        self.headers[index].info = (1 + numbers.locals + numbers.section_count) as u32;
        Ok(index)
    }

    fn finish(mut self, parts: &[Part<'_>], flags: u32) -> Vec<u8> {
        let names = self.add(b".shstrtab", Header::of(elf::SHT_STRTAB, 1, 0));
        let strings = std::mem::take(&mut self.names.bytes);
        self.put(names, &strings, strings.len() as u64);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len() as u64;
        let count = self.headers.len();
        let is_large = count >= usize::from(elf::SHN_LORESERVE);
        if is_large {
            // What has no room in the file's header is in the first section's.
            self.headers[0].size = count as u64;
            self.headers[0].link = names as u32;
        }
        for header in &self.headers {
            let header = elf::SectionHeader64::<LE> {
                sh_name: U32::new(LE, header.name),
                sh_type: U32::new(LE, header.kind),
                sh_flags: U64::new(LE, header.flags),
                sh_addr: U64::new(LE, 0),
                sh_offset: U64::new(LE, header.offset),
                sh_size: U64::new(LE, header.size),
                sh_link: U32::new(LE, header.link),
                sh_info: U32::new(LE, header.info),
                sh_addralign: U64::new(LE, header.alignment),
                sh_entsize: U64::new(LE, header.entry_size),
            };
            self.bytes.extend_from_slice(pod::bytes_of(&header));
        }
        let mut header = *parts[0].header;
        // The system that it is for, if some object needs one.
        let system = parts.iter().map(|part| part.header.e_ident.os_abi);
        header.e_ident.os_abi = system.max().unwrap_or(header.e_ident.os_abi);
        header.e_flags.set(LE, elf::FileFlags(flags));
        header.e_phoff.set(LE, 0);
        header.e_phnum.set(LE, 0);
        header.e_shoff.set(LE, at);
        header
            .e_ehsize
            .set(LE, size_of::<elf::FileHeader64<LE>>() as u16);
        header
            .e_shentsize
            .set(LE, size_of::<elf::SectionHeader64<LE>>() as u16);
        header
            .e_shnum
            .set(LE, if is_large { 0 } else { count as u16 });
        header.e_shstrndx.set(LE, SymbolSection::new(names as u32));
        self.bytes[..size_of::<elf::FileHeader64<LE>>()].copy_from_slice(pod::bytes_of(&header));
        self.bytes
    }
}

/// A table of strings, each once.
struct Strings {
    bytes: Vec<u8>,
    places: HashMap<Vec<u8>, u32>,
}

impl Strings {
    fn new() -> Strings {
        Strings {
            bytes: vec![0],
            places: HashMap::new(),
        }
    }

    fn add(&mut self, string: &[u8]) -> u32 {
        if string.is_empty() {
            return 0;
        }
        if let Some(place) = self.places.get(string) {
            return *place;
        }
        let place = self.bytes.len() as u32;
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
        self.places.insert(string.to_vec(), place);
        place
    }

    fn is_full(&self) -> bool {
        u32::try_from(self.bytes.len()).is_err()
    }
}
