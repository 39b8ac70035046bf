//! Thread-local variables that an image both exports and binds to itself.
//!
//! libwild 0.10 writes only half of what their two words in the GOT need: a relocation for the module, which
//! names the variable, and nothing for the offset, so that all of them would be at offset 0. Here the
//! relocation is made to mean the image itself, and the offset, which is known, is written.

use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, Rela, SectionHeader, Sym};
use object::{LittleEndian, SymbolIndex};
use std::collections::HashSet;

/// Completes the words. An image without such variables is left as it is.
pub fn bind(image: &mut [u8]) -> Result<(), object::read::Error> {
    for (offset, word) in edits(image)? {
        let place = usize::try_from(offset)
            .ok()
            .and_then(|start| image.get_mut(start..start.checked_add(8)?));
        if let Some(place) = place {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    Ok(())
}

/// How a machine's two words are relocated, and what its offsets are less than a variable's place.
struct Kinds {
    module: elf::RelocationType,
    offset: elf::RelocationType,
    bias: u64,
}

const KINDS: [(elf::Machine, Kinds); 3] = [
    (
        elf::EM_X86_64,
        Kinds {
            module: elf::R_X86_64_DTPMOD64,
            offset: elf::R_X86_64_DTPOFF64,
            bias: 0,
        },
    ),
    (
        elf::EM_AARCH64,
        Kinds {
            module: elf::R_AARCH64_TLS_DTPMOD,
            offset: elf::R_AARCH64_TLS_DTPREL,
            bias: 0,
        },
    ),
    (
        elf::EM_RISCV,
        Kinds {
            module: elf::R_RISCV_TLS_DTPMOD64,
            offset: elf::R_RISCV_TLS_DTPREL64,
            bias: 0x800,
        },
    ),
];

/// Offset of `r_info` in `Elf64_Rela`.
const INFO: u64 = 8;

/// Words to write, and where in the file.
fn edits(image: &[u8]) -> Result<Vec<(u64, u64)>, object::read::Error> {
    let endian = LittleEndian;
    let header = elf::FileHeader64::<LittleEndian>::parse(image)?;
    let Some((_, kinds)) = KINDS
        .iter()
        .find(|(machine, _)| *machine == header.e_machine(endian))
    else {
        return Ok(Vec::new());
    };
    let segments = header.program_headers(endian, image)?;
    let sections = header.sections(endian, image)?;
    let symbols = sections.symbols(endian, image, elf::SHT_DYNSYM)?;
    let mut modules = Vec::new();
    let mut offsets = HashSet::new();
    for section in sections.iter() {
        if !section.sh_flags(endian).contains(elf::SHF_ALLOC) {
            continue;
        }
        let Some((relocations, _)) = section.rela(endian, image)? else {
            continue;
        };
        let entries = (section.sh_offset(endian)..).step_by(size_of::<elf::Rela64<LittleEndian>>());
        for (entry, relocation) in entries.zip(relocations) {
            match relocation.r_type(endian, false) {
                kind if kind == kinds.module => modules.push((entry, relocation)),
                kind if kind == kinds.offset => {
                    offsets.insert(relocation.r_offset(endian));
                }
                _ => {}
            }
        }
    }
    let mut edits = Vec::new();
    for (entry, relocation) in modules {
        let index = relocation.r_sym(endian, false);
        let second = relocation.r_offset(endian) + 8;
        if index == 0 || offsets.contains(&second) {
            continue;
        }
        let symbol = symbols.symbol(SymbolIndex(index as usize))?;
        let in_file = segments
            .iter()
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
            .find_map(|segment| {
                let inside = second.checked_sub(segment.p_vaddr(endian))?;
                (inside < segment.p_filesz(endian)).then(|| segment.p_offset(endian) + inside)
            });
        if let Some(in_file) = in_file {
            edits.push((entry + INFO, u64::from(kinds.module.0)));
            let word = symbol.st_value(endian).wrapping_sub(kinds.bias);
            edits.push((in_file, word));
        }
    }
    Ok(edits)
}
