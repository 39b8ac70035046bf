//! Moves an image's file to the address where the image lies: sections, symbols and debug information. Debuggers read the
//! result; nothing runs it.

mod dwarf;
mod section;
#[cfg(test)]
mod tests;

use object::LittleEndian as LE;
use object::elf::{
    FileHeader64, SHF_ALLOC, SHF_COMPRESSED, SHN_ABS, SHN_UNDEF, SHT_DYNAMIC, SHT_DYNSYM, SHT_NULL,
    SHT_SYMTAB, STT_TLS, SectionHeader64, Sym64,
};
use object::pod;
use object::read::elf::{FileHeader, SectionHeader, SectionTable};
use section::Section;
use std::ops::Range;

/// Moves a file whose image spans `len` bytes from address 0 on to `base`. `None`: it is no such file, or it has no
/// sections.
pub fn rebase(mut file: Vec<u8>, base: usize, len: usize) -> Option<Vec<u8>> {
    // DW_OP_hi_user, which no compiler uses.
    const UNKNOWN: u8 = 0xff;
    let changes = dwarf::changes(&file, &sections(&file)?);
    for place in changes.addresses {
        let word = file.get_mut(place..place.checked_add(8)?)?;
        let value = u64::from_le_bytes(word.try_into().ok()?);
        // 0 stands for code that the linker left out; what is beyond the image says so, too.
        if value != 0 && value <= len as u64 {
            word.copy_from_slice(&(value + base as u64).to_le_bytes());
        }
    }
    for place in changes.unit_starts {
        let word = file.get_mut(place..place.checked_add(8)?)?;
        word.copy_from_slice(&(base as u64).to_le_bytes());
    }
    // Debuggers ask the system's loader where a thread's variables are, which does not know: gdb would show what lies
    // elsewhere. An operation that does not exist makes that an error.
    for place in changes.thread_local {
        *file.get_mut(place)? = UNKNOWN;
    }
    move_symbols(&mut file, base as u64)?;
    move_sections(&mut file, base as u64)?;
    Some(file)
}

/// The file's sections, as the crate reads them.
fn table(file: &[u8]) -> Option<SectionTable<'_, FileHeader64<LE>>> {
    let header = FileHeader64::<LE>::parse(file).ok()?;
    header.sections(LE, file).ok()
}

/// Where a section's bytes are in the file, if it has any.
fn range(section: &SectionHeader64<LE>, file: &[u8]) -> Option<Range<usize>> {
    let (start, len) = section.file_range(LE)?;
    let start = usize::try_from(start).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    (end <= file.len()).then_some(start..end)
}

/// The sections that have bytes and are not compressed.
fn sections(file: &[u8]) -> Option<Vec<Section<'_>>> {
    let table = table(file)?;
    let section = |section: &SectionHeader64<LE>| {
        let is_plain = !section.sh_flags(LE).contains(SHF_COMPRESSED);
        is_plain.then_some(Section {
            name: table.section_name(LE, section).ok()?,
            range: range(section, file)?,
        })
    };
    Some(table.iter().filter_map(section).collect())
}

fn move_symbols(file: &mut [u8], base: u64) -> Option<()> {
    let tables: Vec<Range<usize>> = table(file)?
        .iter()
        .filter(|section| [SHT_SYMTAB, SHT_DYNSYM].contains(&section.sh_type(LE)))
        .filter_map(|section| range(section, file))
        .collect();
    for table in tables {
        let count = table.len() / size_of::<Sym64<LE>>();
        let (symbols, _) = pod::slice_from_bytes_mut::<Sym64<LE>>(&mut file[table], count).ok()?;
        for symbol in symbols {
            let section = symbol.st_shndx.get(LE);
            if section != SHN_UNDEF && section != SHN_ABS && symbol.st_type() != STT_TLS {
                symbol
                    .st_value
                    .set(LE, symbol.st_value.get(LE).wrapping_add(base));
            }
        }
    }
    Some(())
}

fn move_sections(file: &mut [u8], base: u64) -> Option<()> {
    // What is left out of the copy: debuggers would take it for what a loader sees.
    const UNUSED: [&[u8]; 1] = [b".debug_aranges"];
    let unused: Vec<usize> = sections(file)?
        .iter()
        .filter(|section| UNUSED.contains(&section.name))
        .map(|section| section.range.start)
        .collect();
    let count = table(file)?.len();
    let (header, _) = pod::from_bytes::<FileHeader64<LE>>(file).ok()?;
    let start = usize::try_from(header.e_shoff.get(LE)).ok()?;
    let (headers, _) =
        pod::slice_from_bytes_mut::<SectionHeader64<LE>>(file.get_mut(start..)?, count).ok()?;
    for header in headers {
        if header.sh_flags.get(LE).contains(SHF_ALLOC) {
            let address = header.sh_addr.get(LE).wrapping_add(base);
            header.sh_addr.set(LE, address);
        }
        let offset = header.sh_offset.get(LE) as usize;
        let is_unused = unused.contains(&offset) && header.sh_addr.get(LE) == 0;
        if is_unused || header.sh_type.get(LE) == SHT_DYNAMIC {
            header.sh_type.set(LE, SHT_NULL);
        }
    }
    let (header, _) = pod::from_bytes_mut::<FileHeader64<LE>>(file).ok()?;
    header.e_phnum.set(LE, 0);
    header.e_phoff.set(LE, 0);
    Some(())
}
