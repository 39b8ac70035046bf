//! From objects to an object.

use super::frames;
use super::layout::{self, Layout};
use super::part::Part;
use super::symbols;
use super::write;
use object::LittleEndian as LE;
use object::elf;

/// Merges the objects of a module's pieces. `original` tells names that only the pieces share: it gives what the module calls
/// them. An error says which object is at fault, by its number, and what is wrong with it: "is …".
pub fn merge<'a>(
    objects: &[&'a [u8]],
    original: impl Fn(&'a [u8]) -> Option<&'a [u8]>,
) -> Result<Vec<u8>, String> {
    let mut parts = Vec::with_capacity(objects.len());
    for object in objects {
        parts.push(Part::read(object)?);
    }
    let flags = flags(&parts)?;
    let dropped = layout::dropped(&parts);
    for (part, dropped) in parts.iter_mut().zip(&dropped) {
        if !dropped.is_empty() {
            frames::prune(part, |section| dropped.contains(&section));
        }
    }
    let layout = Layout::new(&parts, &dropped)?;
    let symbols = symbols::resolve(&parts, &layout, original)?;
    write::write(&parts, &layout, &symbols, flags)
}

/// The flags of the merged object's header. All must be for one machine and one way to call functions.
fn flags(parts: &[Part<'_>]) -> Result<u32, String> {
    let Some(first) = parts.first() else {
        return Err("is missing: there are no pieces".to_owned());
    };
    let machine = first.header.e_machine.get(LE);
    // Whether there is compressed code may differ, and how memory is ordered.
    let may_differ = match machine {
        elf::EM_RISCV => (elf::EF_RISCV_RVC | elf::EF_RISCV_TSO).0,
        _ => 0,
    };
    let mut all = 0;
    for part in parts {
        let flags = part.header.e_flags.get(LE).0;
        let differs = (flags ^ first.header.e_flags.get(LE).0) & !may_differ != 0;
        if part.header.e_machine.get(LE) != machine || differs {
            return Err("is for another machine than the others".to_owned());
        }
        all |= flags;
    }
    Ok(all)
}
