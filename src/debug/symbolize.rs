//! What an address in compiled code is. It takes no lock, allocates nothing, and keeps `errno`: signal handlers use it.

use super::file::{FilePath, Memory, Pieces, code};
use super::registry::Reader;
use super::stubs;
use super::symbols::{Function, Source, Table};
use crate::arch::code::stripped;
use std::ops::Range;

/// What an address is. The buffers' texts end with a NUL; what does not fit is cut.
pub struct Found<'a> {
    pub module: &'a mut [u8],
    pub function: &'a mut [u8],
}

/// The rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the image lies.
    pub base: usize,
    pub key: [u8; 32],
    /// Where the function starts. `None`: no symbol covers the address.
    pub function: Option<usize>,
}

/// Tells what an address is. `owner`: only if it is of this executor. `None`: it is not in compiled code.
pub fn symbolize(address: usize, owner: Option<usize>, found: &mut Found<'_>) -> Option<Place> {
    let address = stripped(address);
    let reader = Reader::new();
    let (address, record) = match reader.find(address) {
        Some(record) => (address, record),
        None => {
            let target = stubs::target(&reader, address)?;
            (target, reader.find(target)?)
        }
    };
    if owner.is_some_and(|owner| owner != record.owner) {
        return None;
    }
    write(record.name().as_bytes(), found.module);
    write(b"", found.function);
    let (base, key, serial) = (record.base, record.key, record.serial);
    let offset = (address - base) as u64;
    let code = code(record, offset);
    let path = record.file().and_then(FilePath::new);
    // A file may be slow to read, and whoever unloads code waits for readers.
    drop(reader);
    let name = &mut *found.function;
    let function = code.and_then(|code| {
        // All symbols, or else those that others can see.
        let of_file = path.and_then(|path| {
            let file = path.open()?;
            find(&Table::of_file(&file)?, &file, &code, offset, name)
        });
        of_file.or_else(|| in_memory(address, serial, &code, name))
    });
    Some(Place {
        base,
        key,
        function: function.map(|function| base + function.start as usize),
    })
}

/// Looks at what is in memory of an image, if it is still there.
fn in_memory(address: usize, serial: u64, code: &Range<u64>, name: &mut [u8]) -> Option<Function> {
    let reader = Reader::new();
    let record = reader
        .find(address)
        .filter(|record| record.serial == serial)?;
    let offset = (address - record.base) as u64;
    let pieces = Pieces(record);
    let kept = Table::of_file(&pieces).and_then(|table| find(&table, &pieces, code, offset, name));
    kept.or_else(|| {
        let table = Table {
            symbols: record.symbols.table as u64,
            count: record.symbols.count as u64,
            strings: record.symbols.strings as u64,
            strings_len: record.symbols.strings_len as u64,
        };
        find(&table, &Memory(record), code, offset, name)
    })
}

fn find(
    table: &Table,
    source: &impl Source,
    code: &Range<u64>,
    address: u64,
    name: &mut [u8],
) -> Option<Function> {
    let function = table.find(source, code, address)?;
    table.write_name(source, &function, name);
    Some(function)
}

fn write(text: &[u8], into: &mut [u8]) {
    let Some(room) = into.len().checked_sub(1) else {
        return;
    };
    let len = text.len().min(room);
    into[..len].copy_from_slice(&text[..len]);
    into[len] = 0;
}
