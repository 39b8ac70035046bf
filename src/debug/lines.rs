//! The source line of an address, by the debug information of the image's file.

use super::file::{self, FilePath};
use super::registry::Reader;
use crate::arch::code::stripped;
use crate::fork;
use addr2line::Context;
use gimli::{Dwarf, EndianArcSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

/// One function that an address lies in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// As compilers call it; empty if it is not known.
    pub function: String,
    pub file: String,
    /// 0: not known.
    pub line: u32,
    pub column: u32,
    /// Whether it was inlined into the next one.
    pub inlined: bool,
}

/// What is known of the image that was asked for last: to read it takes longer than to look something up.
struct Last {
    serial: u64,
    context: Context<EndianArcSlice<LittleEndian>>,
}

static LAST: Mutex<Option<Last>> = Mutex::new(None);

/// The functions that an address lies in, the innermost first. Empty: it is not in compiled code, or the code has no debug
/// information.
pub fn locations(address: usize) -> Vec<Location> {
    let address = stripped(address);
    let mut last = fork::guard(|| LAST.lock().unwrap_or_else(PoisonError::into_inner));
    let reader = Reader::new();
    let Some(record) = reader.find(address) else {
        return Vec::new();
    };
    let (base, serial, len) = (record.base, record.serial, record.file_len);
    if last.as_ref().is_none_or(|last| last.serial != serial) {
        let bytes = match record.file() {
            None => file::bytes_of_pieces(record),
            Some(file) => {
                let path = FilePath::new(file);
                // A file may be slow to read, and whoever unloads code waits for readers.
                drop(reader);
                path.and_then(|path| file::bytes_of_file(&path, len))
            }
        };
        let context = bytes.and_then(|bytes| context(&bytes));
        *last = context.map(|context| Last { serial, context });
    }
    match &*last {
        Some(last) => frames(&last.context, (address - base) as u64).unwrap_or_default(),
        None => Vec::new(),
    }
}

/// The debug information of an image's file.
pub fn context(bytes: &[u8]) -> Option<Context<EndianArcSlice<LittleEndian>>> {
    let parsed = object::File::parse(bytes).ok()?;
    let load = |id: SectionId| {
        let data = parsed
            .section_by_name(id.name())
            .and_then(|section| section.uncompressed_data().ok())
            .unwrap_or(Cow::Borrowed(&[]));
        Ok::<_, gimli::Error>(EndianArcSlice::new(Arc::from(&*data), LittleEndian))
    };
    Context::from_dwarf(Dwarf::load(load).ok()?).ok()
}

fn frames(
    context: &Context<EndianArcSlice<LittleEndian>>,
    probe: u64,
) -> Result<Vec<Location>, gimli::Error> {
    let mut frames = context.find_frames(probe).skip_all_loads()?;
    let mut found: Vec<Location> = Vec::new();
    while let Some(frame) = frames.next()? {
        let mut location = Location::default();
        if let Some(function) = &frame.function {
            location.function = function.raw_name()?.into_owned();
        }
        if let Some(place) = &frame.location {
            location.file = place.file.map(str::to_owned).unwrap_or_default();
            location.line = place.line.unwrap_or_default();
            location.column = place.column.unwrap_or_default();
        }
        // Each one but the last is inlined into the next.
        if let Some(inner) = found.last_mut() {
            inner.inlined = true;
        }
        found.push(location);
    }
    Ok(found)
}
