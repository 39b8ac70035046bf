//! Whether an image can be loaded.

use crate::link::tls;
use mgenjit::arch::image;
use mgenjit::protocol::messages::{Failure, FailureKind, SWITCHABLE_MARK};
use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, Rela, SectionHeader};

/// Completes an image and checks that it can be loaded.
pub fn finish(image: &mut [u8]) -> Result<(), Failure> {
    tls::bind(image).map_err(unreadable)?;
    check(image)
}

/// Marks an image whose functions may be switched to code of another level: in its header, of which this processor uses none
/// of the flags.
pub fn mark_switchable(image: &mut [u8]) {
    const FLAGS: usize = std::mem::offset_of!(elf::FileHeader64<LittleEndian>, e_flags);
    if let Some(flags) = image.get_mut(FLAGS..FLAGS + 4) {
        flags.copy_from_slice(&SWITCHABLE_MARK.to_le_bytes());
    }
}

/// Refuses what a loader could only get wrong: relocations in memory that is shared and not writable, and
/// thread-local variables with a fixed place in the static TLS block. LLVM makes neither, inline assembly can.
fn check(image: &[u8]) -> Result<(), Failure> {
    let endian = LittleEndian;
    let header = elf::FileHeader64::<LittleEndian>::parse(image).map_err(unreadable)?;
    let segments = header.program_headers(endian, image).map_err(unreadable)?;
    let sections = header.section_headers(endian, image).map_err(unreadable)?;
    let writable: Vec<_> = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .filter(|segment| segment.p_flags(endian).contains(elf::PF_W))
        .map(|segment| {
            let start = segment.p_vaddr(endian);
            start..start.saturating_add(segment.p_memsz(endian))
        })
        .collect();
    for section in sections {
        if !section.sh_flags(endian).contains(elf::SHF_ALLOC) {
            continue;
        }
        let Some((relocations, _)) = section.rela(endian, image).map_err(unreadable)? else {
            continue;
        };
        for relocation in relocations {
            let place = relocation.r_offset(endian);
            if !writable.iter().any(|range| range.contains(&place)) {
                return Err(failure(
                    "the code holds absolute addresses, which would have to be written into it when it is \
                     loaded: inline assembly must be position-independent (`lea symbol(%rip)`, \
                     `call symbol@PLT`)"
                        .to_owned(),
                ));
            }
            let kind = relocation.r_type(endian, false);
            if image::kind(kind).is_none() {
                return Err(failure(format!(
                    "the image needs a relocation of type {}, which cannot be resolved in an image that \
                     is loaded at run time: inline assembly must use position-independent code and the \
                     general-dynamic TLS model",
                    kind.0
                )));
            }
        }
    }
    Ok(())
}

fn unreadable(error: object::read::Error) -> Failure {
    failure(format!(
        "the ELF file that was just made is broken: {error}"
    ))
}

fn failure(message: String) -> Failure {
    Failure::new(FailureKind::Link, message)
}

#[cfg(test)]
mod tests;
