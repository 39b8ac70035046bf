//! Reads an image's dynamic section.

use super::elf::{Headers, unsupported};
use super::error::LoadError;
use super::map::Mapping;
use object::LittleEndian as LE;
use object::elf::{self, Dyn64};

/// What the dynamic section says. Addresses count from the image's base; 0 where there is none.
#[derive(Debug, Default)]
pub struct Dynamic {
    pub symbols: usize,
    pub strings: usize,
    pub strings_len: usize,
    pub gnu_hash: usize,
    pub rela: usize,
    pub rela_len: usize,
    pub plt_rela: usize,
    pub plt_rela_len: usize,
    pub preinit_array: usize,
    pub preinit_array_len: usize,
    pub init: usize,
    pub init_array: usize,
    pub init_array_len: usize,
    pub fini: usize,
    pub fini_array: usize,
    pub fini_array_len: usize,
}

impl Dynamic {
    pub fn parse(mapping: &Mapping, headers: &Headers) -> Result<Dynamic, LoadError> {
        let count = headers.dynamic.len() / size_of::<Dyn64<LE>>();
        let entries: &[Dyn64<LE>] = mapping.slice(headers.dynamic.start, count)?;
        let mut dynamic = Dynamic::default();
        for entry in entries {
            let value = usize::try_from(entry.d_val.get(LE)).unwrap_or(usize::MAX);
            let tag = entry.d_tag.get(LE);
            match tag {
                elf::DT_NULL => break,
                elf::DT_SYMTAB => dynamic.symbols = value,
                elf::DT_STRTAB => dynamic.strings = value,
                elf::DT_STRSZ => dynamic.strings_len = value,
                elf::DT_GNU_HASH => dynamic.gnu_hash = value,
                elf::DT_RELA => dynamic.rela = value,
                elf::DT_RELASZ => dynamic.rela_len = value,
                elf::DT_JMPREL => dynamic.plt_rela = value,
                elf::DT_PLTRELSZ => dynamic.plt_rela_len = value,
                elf::DT_PREINIT_ARRAY => dynamic.preinit_array = value,
                elf::DT_PREINIT_ARRAYSZ => dynamic.preinit_array_len = value,
                elf::DT_INIT => dynamic.init = value,
                elf::DT_INIT_ARRAY => dynamic.init_array = value,
                elf::DT_INIT_ARRAYSZ => dynamic.init_array_len = value,
                elf::DT_FINI => dynamic.fini = value,
                elf::DT_FINI_ARRAY => dynamic.fini_array = value,
                elf::DT_FINI_ARRAYSZ => dynamic.fini_array_len = value,
                elf::DT_NEEDED => return Err(unsupported("a needed library")),
                elf::DT_TEXTREL => return Err(unsupported("relocations in its code")),
                elf::DT_REL | elf::DT_RELR => {
                    return Err(unsupported(&format!("a dynamic entry of type {tag:#x}")));
                }
                _ => {}
            }
        }
        Ok(dynamic)
    }
}
