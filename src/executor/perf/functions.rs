//! The functions of an image.

use object::read::elf::{FileHeader, Sym};
use object::{Endianness, elf};

/// A function in memory.
pub struct Function<'bytes> {
    pub address: usize,
    pub code: &'bytes [u8],
    pub name: &'bytes str,
}

/// All functions that the symbol table has, of an image at `base` whose file is `bytes`. Of several names of one function,
/// the first.
pub fn functions(base: usize, bytes: &[u8]) -> Vec<Function<'_>> {
    let mut functions = read(base, bytes).unwrap_or_default();
    functions.sort_by_key(|function| function.address);
    functions.dedup_by_key(|function| function.address);
    functions
}

fn read(base: usize, bytes: &[u8]) -> object::read::Result<Vec<Function<'_>>> {
    let endian = Endianness::Little;
    let header = elf::FileHeader64::<Endianness>::parse(bytes)?;
    let sections = header.sections(endian, bytes)?;
    let mut symbols = sections.symbols(endian, bytes, elf::SHT_SYMTAB)?;
    if symbols.is_empty() {
        symbols = sections.symbols(endian, bytes, elf::SHT_DYNSYM)?;
    }
    let segments = header.program_headers(endian, bytes)?;
    // Where a function's bytes are in the file.
    let code = |address: u64, len: u64| {
        use object::read::elf::ProgramHeader;
        segments.iter().find_map(|segment| {
            let start = segment.p_vaddr(endian);
            let in_segment = address.checked_sub(start)?;
            let end = in_segment.checked_add(len)?;
            let is_inside =
                segment.p_type(endian) == elf::PT_LOAD && end <= segment.p_filesz(endian);
            let from = usize::try_from(segment.p_offset(endian).checked_add(in_segment)?).ok()?;
            bytes
                .get(from..from.checked_add(usize::try_from(len).ok()?)?)
                .filter(|_| is_inside)
        })
    };
    let mut functions = Vec::new();
    for symbol in symbols.iter() {
        let (address, len) = (symbol.st_value(endian), symbol.st_size(endian));
        if symbol.st_type() != elf::STT_FUNC || symbol.is_undefined(endian) || len == 0 {
            continue;
        }
        let name = std::str::from_utf8(symbol.name(endian, symbols.strings())?);
        if let (Ok(name), Some(code)) = (name, code(address, len)) {
            functions.push(Function {
                address: base + address as usize,
                code,
                name,
            });
        }
    }
    Ok(functions)
}
