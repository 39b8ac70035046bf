//! Where an image's relocations are.

use super::dynamic::Dynamic;
use super::error::LoadError;
use super::map::Mapping;
use object::LittleEndian as LE;
use object::elf::Rela64;

/// Where the relocations are, counted from the base.
#[derive(Debug)]
pub struct Tables {
    pub tables: [(usize, usize); 2],
}

impl Tables {
    pub fn new(mapping: &Mapping, dynamic: &Dynamic) -> Result<Tables, LoadError> {
        let entry_len = size_of::<Rela64<LE>>();
        let tables = [
            (dynamic.rela, dynamic.rela_len / entry_len),
            (dynamic.plt_rela, dynamic.plt_rela_len / entry_len),
        ];
        for (at, count) in tables {
            mapping.slice::<Rela64<LE>>(at, count)?;
        }
        Ok(Tables { tables })
    }
}
