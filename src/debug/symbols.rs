//! The function that an address lies in, by an image's symbols. It allocates nothing, takes no lock, and believes nothing:
//! what it reads may have been changed by others.

use object::LittleEndian as LE;
use object::elf::{
    FileHeader64, SHN_UNDEF, SHT_SYMTAB, STB_LOCAL, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE,
    SectionHeader64, Sym64,
};
use object::pod::{Pod, bytes_of_mut, bytes_of_slice_mut};
use std::ops::Range;

/// What an image is read from.
pub trait Source {
    /// Reads as many bytes as there is room for. False: they are not there.
    fn read(&self, offset: u64, into: &mut [u8]) -> bool;
}

/// A function, of an image at address 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Function {
    pub start: u64,
    pub len: u64,
    /// Where its name starts in the source.
    name: u64,
    local: bool,
}

/// A table of symbols and its strings, as offsets in a source.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub symbols: u64,
    pub count: u64,
    pub strings: u64,
    pub strings_len: u64,
}

fn value<T: Pod + Copy>(source: &impl Source, offset: u64, mut value: T) -> Option<T> {
    source
        .read(offset, bytes_of_mut(&mut value))
        .then_some(value)
}

impl Table {
    /// The table of all symbols of an ELF file.
    pub fn of_file(source: &impl Source) -> Option<Table> {
        let header: FileHeader64<LE> = value(source, 0, zeroed())?;
        let section = |index: u64| -> Option<SectionHeader64<LE>> {
            let at = index.checked_mul(size_of::<SectionHeader64<LE>>() as u64)?;
            value(source, header.e_shoff.get(LE).checked_add(at)?, zeroed())
        };
        if header.e_shoff.get(LE) == 0 {
            return None;
        }
        for index in 1..u64::from(header.e_shnum.get(LE)) {
            let symbols = section(index)?;
            if symbols.sh_type.get(LE) == SHT_SYMTAB {
                let strings = section(symbols.sh_link.get(LE).into())?;
                return Some(Table {
                    symbols: symbols.sh_offset.get(LE),
                    count: symbols.sh_size.get(LE) / size_of::<Sym64<LE>>() as u64,
                    strings: strings.sh_offset.get(LE),
                    strings_len: strings.sh_size.get(LE),
                });
            }
        }
        None
    }

    /// The function at an address of the code. Addresses count from the image's base. Of several, the one that starts last,
    /// and a name that others can see rather than a local one.
    pub fn find(&self, source: &impl Source, code: &Range<u64>, address: u64) -> Option<Function> {
        const AT_ONCE: usize = 64;
        let mut best: Option<Function> = None;
        let mut symbols: [Sym64<LE>; AT_ONCE] = [zeroed(); AT_ONCE];
        let mut at = 0;
        while at < self.count {
            let count = (self.count - at).min(AT_ONCE as u64) as usize;
            let offset = at.checked_mul(size_of::<Sym64<LE>>() as u64)?;
            let offset = self.symbols.checked_add(offset)?;
            if !source.read(offset, bytes_of_slice_mut(&mut symbols[..count])) {
                break;
            }
            at += count as u64;
            for symbol in &symbols[..count] {
                let (start, len) = (symbol.st_value.get(LE), symbol.st_size.get(LE));
                let is_code = [STT_FUNC, STT_GNU_IFUNC].contains(&symbol.st_type())
                    // Of assembly that does not say what it is.
                    || (symbol.st_type() == STT_NOTYPE && symbol.st_name.get(LE) != 0);
                let is_in = address >= start && (address - start < len || len == 0);
                if !is_code
                    || !is_in
                    || !code.contains(&start)
                    || symbol.st_shndx.get(LE) == SHN_UNDEF
                {
                    continue;
                }
                let Some(name) = self.strings.checked_add(symbol.st_name.get(LE).into()) else {
                    continue;
                };
                let this = Function {
                    start,
                    len,
                    name,
                    local: symbol.st_bind() == STB_LOCAL,
                };
                // A length says more than none.
                let rank =
                    |function: &Function| (function.len != 0, function.start, !function.local);
                if best.is_none_or(|best| rank(&this) > rank(&best)) {
                    best = Some(this);
                }
            }
        }
        best
    }

    /// Writes a function's name, with a terminator, as far as there is room.
    pub fn write_name(&self, source: &impl Source, function: &Function, into: &mut [u8]) {
        let Some(room) = into.len().checked_sub(1) else {
            return;
        };
        let end = self.strings.saturating_add(self.strings_len);
        let mut written = 0;
        while written < room {
            let at = function.name.saturating_add(written as u64);
            let len = 64.min(room - written).min(end.saturating_sub(at) as usize);
            let piece = &mut into[written..written + len];
            if len == 0 || !source.read(at, piece) {
                break;
            }
            if let Some(nul) = piece.iter().position(|byte| *byte == 0) {
                written += nul;
                break;
            }
            written += len;
        }
        into[written] = 0;
    }
}

fn zeroed<T: Pod>() -> T {
    // SAFETY: plain data is made of any bytes.
    unsafe { std::mem::zeroed() }
}

impl Source for [u8] {
    fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.checked_add(into.len());
        match end.and_then(|end| self.get(start..end)) {
            Some(found) => {
                into.copy_from_slice(found);
                true
            }
            None => false,
        }
    }
}
