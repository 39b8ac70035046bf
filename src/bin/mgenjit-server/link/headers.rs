//! What libwild 0.10 leaves to be desired in the headers of what it links.
//!
//! A segment without bytes in the file may begin at an offset that does not fit its address, and the system's loader
//! then refuses the whole file.

use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{LittleEndian, SymbolIndex, elf};

/// Offsets of fields in `Elf64_Phdr`, `Elf64_Shdr` and `Elf64_Sym`.
const P_OFFSET: u64 = 8;
const SH_FLAGS: u64 = 8;
const SH_OFFSET: u64 = 24;
const ST_SHNDX: u64 = 6;

const SECTION_HEADER: u64 = size_of::<elf::SectionHeader64<LittleEndian>>() as u64;

/// Makes the headers what loaders and tools expect. What is right is left as it is.
pub fn mend(image: &mut Vec<u8>) -> Result<(), object::read::Error> {
    let mut edits = Vec::new();
    segments(image, &mut edits)?;
    sections(image, &mut edits)?;
    for (place, bytes) in edits {
        let place = usize::try_from(place)
            .ok()
            .and_then(|start| image.get_mut(start..start.checked_add(bytes.len())?));
        if let Some(place) = place {
            place.copy_from_slice(&bytes);
        }
    }
    Ok(())
}

/// Where in the file to write what.
type Edits = Vec<(u64, Vec<u8>)>;

fn segments(image: &mut Vec<u8>, edits: &mut Edits) -> Result<(), object::read::Error> {
    let endian = LittleEndian;
    let header = elf::FileHeader64::<LittleEndian>::parse(&image[..])?;
    let table = header.e_phoff(endian);
    // The largest that systems have.
    let page = match header.e_machine(endian) {
        elf::EM_AARCH64 => 65536,
        _ => 4096,
    };
    let mut end = image.len() as u64;
    for (entry, segment) in header
        .program_headers(endian, &image[..])?
        .iter()
        .enumerate()
    {
        let entry = table + (entry * size_of::<elf::ProgramHeader64<LittleEndian>>()) as u64;
        let kind = segment.p_type(endian);
        if kind == elf::PT_LOAD && segment.p_memsz(endian) == 0 {
            let empty = vec![0; size_of::<elf::ProgramHeader64<LittleEndian>>()];
            edits.push((entry, empty));
            continue;
        }
        let align = segment.p_align(endian);
        let offset = segment.p_offset(endian);
        let wanted = segment.p_vaddr(endian) & align.saturating_sub(1);
        if segment.p_filesz(endian) != 0
            || !align.is_power_of_two()
            || !matches!(kind, elf::PT_LOAD | elf::PT_TLS)
        {
            continue;
        }
        let fitting = offset + (wanted.wrapping_sub(offset) & (align - 1));
        // Loaders map the page that it is on, unless the segment begins with a page.
        if segment.p_vaddr(endian) % page != 0 {
            end = end.max(fitting);
        }
        if fitting == offset {
            continue;
        }
        edits.push((entry + P_OFFSET, fitting.to_le_bytes().to_vec()));
        let memory = segment.p_vaddr(endian)..;
        let headers = header.section_headers(endian, &image[..])?;
        for (index, section) in (0_u64..).zip(headers) {
            if section.sh_type(endian) == elf::SHT_NOBITS
                && section.sh_offset(endian) == offset
                && memory.contains(&section.sh_addr(endian))
                && section.sh_flags(endian).contains(elf::SHF_TLS) == (kind == elf::PT_TLS)
            {
                let place = header.e_shoff(endian) + index * SECTION_HEADER + SH_OFFSET;
                edits.push((place, fitting.to_le_bytes().to_vec()));
            }
        }
    }
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    image.resize(end, 0);
    Ok(())
}

/// The first section header is to be empty, and a symbol is to lie in its section.
fn sections(image: &[u8], edits: &mut Edits) -> Result<(), object::read::Error> {
    let endian = LittleEndian;
    let header = elf::FileHeader64::<LittleEndian>::parse(image)?;
    let sections = header.sections(endian, image)?;
    edits.push((header.e_shoff(endian) + SH_FLAGS, vec![0; 8]));
    for (index, section) in (0_u64..).zip(sections.iter()) {
        // Tools take what begins with `.rel` for relocations.
        if sections.section_name(endian, section) == Ok(b".relro_padding") {
            let name = section.sh_name(endian) + 1;
            let place = header.e_shoff(endian) + index * SECTION_HEADER;
            edits.push((place, name.to_le_bytes().to_vec()));
        }
    }
    let symbols = sections.symbols(endian, image, elf::SHT_SYMTAB)?;
    let Ok(table) = sections.section(symbols.section()) else {
        return Ok(());
    };
    let locals = table.sh_info(endian) as usize;
    for (index, symbol) in symbols.enumerate().take(locals) {
        // What the linker defines by itself, such as `__executable_start`.
        if symbol.st_type() != elf::STT_NOTYPE || symbol.st_size(endian) != 0 {
            continue;
        }
        let Ok(Some(section)) = symbols.symbol_section(endian, symbol, index) else {
            continue;
        };
        let Ok(section) = sections.section(section) else {
            continue;
        };
        let start = section.sh_addr(endian);
        let end = start.saturating_add(section.sh_size(endian));
        if !(start..=end).contains(&symbol.st_value(endian)) {
            let SymbolIndex(index) = index;
            let entry = (index * size_of::<elf::Sym64<LittleEndian>>()) as u64;
            let place = table.sh_offset(endian) + entry + ST_SHNDX;
            edits.push((place, elf::SHN_ABS.0.to_le_bytes().to_vec()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
