//! Unwind information of functions that are dropped.

use super::part::{Part, Place, Relocation};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Takes the frames out of an object's `.eh_frame` that are of functions in dropped sections. An object in which they
/// cannot be told apart is left as it is.
pub fn prune(part: &mut Part<'_>, is_dropped: impl Fn(usize) -> bool) {
    for index in 0..part.sections.len() {
        if part.sections[index].name != b".eh_frame" || !part.sections[index].is_content {
            continue;
        }
        let dropped = |one: &Relocation| {
            let symbol = &part.symbols[one.symbol as usize];
            matches!(symbol.place, Place::Section(index) if is_dropped(index))
        };
        let section = &part.sections[index];
        let places: HashSet<u64> = section
            .relocations
            .iter()
            .filter(|one| dropped(one))
            .map(|one| one.offset)
            .collect();
        if places.is_empty() {
            continue;
        }
        if let Some((data, relocations)) = without(&section.data, &section.relocations, &places) {
            let section = &mut part.sections[index];
            section.size = data.len() as u64;
            section.data = Cow::Owned(data);
            section.relocations = relocations;
        }
    }
}

/// How long a record's length is, and where in a frame's description its function is.
const LENGTH: usize = 4;
const FUNCTION: usize = 8;

/// The records but for those of functions at `places`. `None`: it is in another form than LLVM's.
fn without(
    data: &[u8],
    relocations: &[Relocation],
    places: &HashSet<u64>,
) -> Option<(Vec<u8>, Vec<Relocation>)> {
    let mut sorted = relocations.to_vec();
    sorted.sort_by_key(|one| one.offset);
    let mut kept = Vec::with_capacity(data.len());
    let mut moved = Vec::with_capacity(relocations.len());
    // Where each common record is now.
    let mut common: HashMap<usize, usize> = HashMap::new();
    let mut at = 0;
    while at < data.len() {
        let len = u32::from_le_bytes(*data.get(at..)?.first_chunk()?);
        if len == 0 || len == u32::MAX {
            return None;
        }
        let end = at.checked_add(LENGTH)?.checked_add(len as usize)?;
        let record = data.get(at..end)?;
        let back = u32::from_le_bytes(*record.get(LENGTH..)?.first_chunk()?);
        let is_frame = back != 0;
        let function = (at + FUNCTION) as u64;
        if !(is_frame && places.contains(&function)) {
            let new = kept.len();
            kept.extend_from_slice(record);
            if is_frame {
                let target = (at + LENGTH).checked_sub(back as usize)?;
                let target = common.get(&target)?;
                let back = u32::try_from(new + LENGTH - target).ok()?;
                kept[new + LENGTH..new + FUNCTION].copy_from_slice(&back.to_le_bytes());
            } else {
                common.insert(at, new);
            }
            let first = sorted.partition_point(|one| one.offset < at as u64);
            let last = sorted.partition_point(|one| one.offset < end as u64);
            moved.extend(sorted[first..last].iter().map(|one| Relocation {
                offset: one.offset - at as u64 + new as u64,
                ..*one
            }));
        }
        at = end;
    }
    Some((kept, moved))
}
