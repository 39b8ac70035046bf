//! The functions of an image.

use crate::debug::lines;
use object::read::elf::{FileHeader, Sym};
use object::{Endianness, elf};

/// A function in memory.
pub struct Function<'bytes> {
    pub address: usize,
    pub code: &'bytes [u8],
    pub name: &'bytes str,
    /// In the order of their addresses. Empty: they are not known, or not asked for.
    pub lines: Vec<Line>,
}

/// The source line that code comes from, from an address on.
pub struct Line {
    pub address: usize,
    pub file: String,
    pub line: u32,
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
                lines: Vec::new(),
            });
        }
    }
    Ok(functions)
}

/// Adds the lines that debug information has, of the functions of an image at `base` whose file is `bytes`.
pub fn add_lines(functions: &mut [Function<'_>], base: usize, bytes: &[u8]) {
    let Some(context) = lines::context(bytes) else {
        return;
    };
    for function in functions {
        let start = (function.address - base) as u64;
        let end = start + function.code.len() as u64;
        let Ok(found) = context.find_location_range(start, end) else {
            continue;
        };
        for (address, _, place) in found {
            if let (Some(file), Some(line)) = (place.file, place.line) {
                function.lines.push(Line {
                    // The first one may begin before the function.
                    address: base + address.max(start) as usize,
                    file: file.to_owned(),
                    line,
                });
            }
        }
    }
}
