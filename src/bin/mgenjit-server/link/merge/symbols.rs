//! The symbols of the merged object.
//!
//! A name that several objects know is one symbol: the definition's, with the definition's binding and visibility. So what an
//! object declares hidden, because it knows who defines it, hides nothing. Names that only the pieces share become
//! local, under the names that they had in the module.

use super::layout::Layout;
use super::part::{Part, Place, Symbol};
use object::elf::{self, SymbolInfo, SymbolOther, SymbolSection};
use std::collections::HashMap;

/// A symbol of the merged object.
pub struct OutSymbol<'a> {
    pub name: &'a [u8],
    pub info: SymbolInfo,
    pub other: SymbolOther,
    pub value: u64,
    pub size: u64,
    pub place: Place,
}

/// What an object's symbol is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Symbol 0.
    Nothing,
    /// The start of a section, and so much behind it.
    Section(usize, u64),
    Local(usize),
    /// A name that others can see, by its number in [`Symbols::named`].
    Named(usize),
    /// Something that is dropped.
    Dropped,
}

#[derive(Default)]
pub struct Symbols<'a> {
    /// Local ones.
    pub locals: Vec<OutSymbol<'a>>,
    /// What had a name that others could see: still so, or a number of a local one.
    pub named: Vec<Named<'a>>,
    /// By object and symbol.
    pub meanings: Vec<Vec<Meaning>>,
}

pub enum Named<'a> {
    Global(OutSymbol<'a>),
    Local(usize),
}

/// `original`: the name in the module of what only the pieces share.
pub fn resolve<'a>(
    parts: &[Part<'a>],
    layout: &Layout<'_>,
    original: impl Fn(&'a [u8]) -> Option<&'a [u8]>,
) -> Result<Symbols<'a>, String> {
    let mut symbols = Symbols::default();
    let mut globals: Vec<OutSymbol<'a>> = Vec::new();
    let mut numbers: HashMap<&'a [u8], usize> = HashMap::new();
    let mut file: Option<&[u8]> = None;
    let groups = layout.groups.iter().copied().zip(0..);
    let groups: HashMap<(usize, usize), usize> = groups.collect();
    for (number, part) in parts.iter().enumerate() {
        let mut meanings = Vec::with_capacity(part.symbols.len());
        for (index, symbol) in part.symbols.iter().enumerate() {
            let is_local = symbol.info.st_bind() == elf::STB_LOCAL;
            let spot = match symbol.place {
                Place::Section(section) => layout.spots[number][section],
                _ => None,
            };
            let (placed, is_dropped) = match symbol.place {
                Place::Section(_) => (
                    spot.map(|spot| (Place::Section(spot.out), spot.offset)),
                    spot.is_none(),
                ),
                Place::Group(group) => {
                    let group = groups.get(&(number, group));
                    (
                        group.map(|group| (Place::Group(*group), 0)),
                        group.is_none(),
                    )
                }
                place => (Some((place, 0)), false),
            };
            meanings.push(if index == 0 {
                Meaning::Nothing
            } else if is_local && is_dropped {
                Meaning::Dropped
            } else if let (elf::STT_SECTION, Some((Place::Section(out), offset))) =
                (symbol.info.st_type(), placed)
            {
                Meaning::Section(out, offset)
            } else if is_local {
                if symbol.info.st_type() == elf::STT_FILE {
                    // It is of all symbols that follow.
                    if file == Some(symbol.name) {
                        meanings.push(Meaning::Nothing);
                        continue;
                    }
                    file = Some(symbol.name);
                }
                symbols.locals.push(moved(symbol, placed)?);
                Meaning::Local(symbols.locals.len() - 1)
            } else {
                let new = moved(symbol, placed)?;
                let next = globals.len();
                let known = *numbers.entry(symbol.name).or_insert(next);
                match globals.get_mut(known) {
                    Some(known) => unite(known, new)?,
                    None => globals.push(new),
                }
                Meaning::Named(known)
            });
        }
        symbols.meanings.push(meanings);
    }
    for global in globals {
        let Some(name) = original(global.name) else {
            symbols.named.push(Named::Global(global));
            continue;
        };
        if global.place == Place::Undefined {
            return Err(format!(
                "lacks `{}`, which another piece was to define",
                String::from_utf8_lossy(name)
            ));
        }
        symbols.named.push(Named::Local(symbols.locals.len()));
        symbols.locals.push(OutSymbol {
            name,
            info: SymbolInfo::new(elf::STB_LOCAL, global.info.st_type()),
            other: global.other.with_visibility(elf::STV_DEFAULT),
            ..global
        });
    }
    Ok(symbols)
}

/// A symbol in the section of the merged object.
fn moved<'a>(symbol: &Symbol<'a>, placed: Option<(Place, u64)>) -> Result<OutSymbol<'a>, String> {
    // The group that was kept defines what is dropped.
    let (place, offset) = placed.unwrap_or((Place::Undefined, 0));
    let value = symbol
        .value
        .checked_add(offset)
        .ok_or("has a symbol that is nowhere")?;
    let value = if placed.is_some() { value } else { 0 };
    Ok(OutSymbol {
        name: symbol.name,
        info: symbol.info,
        other: symbol.other,
        value,
        size: symbol.size,
        place,
    })
}

/// Adds what another object says of a symbol.
fn unite<'a>(known: &mut OutSymbol<'a>, new: OutSymbol<'a>) -> Result<(), String> {
    let rank = |symbol: &OutSymbol<'_>| match (symbol.place, symbol.info.st_bind()) {
        (Place::Undefined, _) => 0,
        (Place::Special(section), _) if is_common(section) => 1,
        (_, elf::STB_WEAK) => 2,
        (_, elf::STB_GNU_UNIQUE) => 3,
        _ => 4,
    };
    let (old_rank, new_rank) = (rank(known), rank(&new));
    match (old_rank, new_rank) {
        (0, 0) => {
            if new.info.st_bind() != elf::STB_WEAK {
                let kind = known.info.st_type();
                known.info = SymbolInfo::new(new.info.st_bind(), kind);
            }
            if known.info.st_type() == elf::STT_NOTYPE {
                known.info = SymbolInfo::new(known.info.st_bind(), new.info.st_type());
            }
            known.other = narrower(known.other, new.other);
        }
        (1, 1) => {
            // The value is the alignment.
            known.value = known.value.max(new.value);
            known.size = known.size.max(new.size);
        }
        (4, 4) => {
            return Err(format!(
                "defines `{}`, and so does another piece",
                String::from_utf8_lossy(new.name)
            ));
        }
        _ if new_rank > old_rank => *known = new,
        _ => {}
    }
    Ok(())
}

/// Of two references, the visibility of the one that says more, and all other marks.
fn narrower(one: SymbolOther, other: SymbolOther) -> SymbolOther {
    // Internal is 1, hidden 2 and protected 3: the lower, the narrower.
    let visibility = match (one.visibility(), other.visibility()) {
        (elf::STV_DEFAULT, said) | (said, elf::STV_DEFAULT) => said,
        (one, other) => one.min(other),
    };
    SymbolOther(one.0 | other.0).with_visibility(visibility)
}

fn is_common(section: SymbolSection) -> bool {
    // `SHN_X86_64_LCOMMON`, of the large model.
    section == elf::SHN_COMMON || section.0 == 0xff02
}
