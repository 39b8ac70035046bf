//! What ELF objects say of their symbols.

use object::elf::STB_GNU_UNIQUE;
use object::{File, Object, ObjectComdat, ObjectSymbol, SymbolFlags, SymbolSection};
use std::collections::HashSet;

/// The names of an object's global symbols.
#[derive(Debug, Default)]
pub struct Symbols<'a> {
    pub defined: Vec<&'a [u8]>,
    /// Those of the defined ones that no other object may define.
    pub strong: Vec<&'a [u8]>,
}

/// `None`: it is no ELF object that can be read.
pub fn read(object: &[u8]) -> Option<Symbols<'_>> {
    let file = File::parse(object).ok()?;
    // Of these a linker takes one and drops the others.
    let shared: HashSet<_> = file
        .comdats()
        .flat_map(|comdat| comdat.sections())
        .collect();
    let mut symbols = Symbols::default();
    for symbol in file.symbols() {
        if !symbol.is_global() || symbol.is_undefined() {
            continue;
        }
        let name = symbol.name_bytes().ok()?;
        symbols.defined.push(name);
        let replaceable = match symbol.section() {
            SymbolSection::Section(index) => shared.contains(&index),
            SymbolSection::Common => true,
            _ => false,
        };
        let unique = match symbol.flags() {
            SymbolFlags::Elf { st_info, .. } => st_info.st_bind() == STB_GNU_UNIQUE,
            _ => false,
        };
        if !replaceable && !unique && !symbol.is_weak() {
            symbols.strong.push(name);
        }
    }
    Some(symbols)
}
