//! Finds the addresses in debug information.
//!
//! `gimli` reads it; what it reads addresses through is told where each one lies.

use super::section::Section;
use gimli::{
    AttributeValue, CieOrFde, DebugFrame, Dwarf, EndianSlice, LittleEndian, Operation, Reader,
    Relocate, RelocateReader, Section as _, SectionId, Unit, UnwindSection,
};
use std::cell::RefCell;
use std::rc::Rc;

/// Where in the file a word lies that holds an address.
type Place = usize;

/// Notes where addresses lie.
#[derive(Clone, Debug)]
struct Noted {
    /// Where the section starts in the file.
    start: usize,
    places: Rc<RefCell<Vec<Place>>>,
}

impl Relocate for Noted {
    fn relocate_address(&self, offset: usize, value: u64) -> gimli::Result<u64> {
        self.places.borrow_mut().push(self.start + offset);
        Ok(value)
    }

    fn relocate_offset(&self, _: usize, value: usize) -> gimli::Result<usize> {
        Ok(value)
    }
}

type Noting<'a> = RelocateReader<EndianSlice<'a, LittleEndian>, Noted>;

/// Debug information, and what of it was noted.
struct Notes<'a> {
    dwarf: Dwarf<Noting<'a>>,
    frames: DebugFrame<Noting<'a>>,
    /// Where .debug_info starts in the file.
    start: usize,
    noted: Rc<RefCell<Vec<Place>>>,
}

impl<'a> Notes<'a> {
    fn new(file: &'a [u8], sections: &[Section<'_>]) -> Notes<'a> {
        let noted = Rc::new(RefCell::new(Vec::new()));
        let range = |id: SectionId| {
            let mut sections = sections.iter();
            let found = sections.find(|section| section.name == id.name().as_bytes());
            found.map_or(0..0, |section| section.range.clone())
        };
        let load = |id: SectionId| -> Noting<'a> {
            let range = range(id);
            let places = noted.clone();
            let start = range.start;
            RelocateReader::new(
                EndianSlice::new(&file[range], LittleEndian),
                Noted { start, places },
            )
        };
        let never = |id| Ok::<_, std::convert::Infallible>(load(id));
        let Ok(dwarf) = Dwarf::load(never);
        let mut frames = DebugFrame::from(load(SectionId::DebugFrame));
        frames.set_address_size(8);
        Notes {
            dwarf,
            frames,
            start: range(SectionId::DebugInfo).start,
            noted,
        }
    }

    /// What was noted since the last time.
    fn take(&self) -> Vec<Place> {
        std::mem::take(&mut self.noted.borrow_mut())
    }

    fn units(&self) -> impl Iterator<Item = Unit<Noting<'a>>> {
        let mut units = self.dwarf.units();
        std::iter::from_fn(move || units.next().ok().flatten())
            .filter_map(|header| self.dwarf.unit(header).ok())
    }
}

/// What has to change when the file is moved.
#[derive(Default)]
pub struct Changes {
    /// Where addresses lie, each place once.
    pub addresses: Vec<Place>,
    /// Where units state that they start at 0. What they list counts from there, so this 0 is an address.
    pub unit_starts: Vec<Place>,
    /// Where expressions start that lead to thread-local variables.
    pub thread_local: Vec<Place>,
}

/// What cannot be read is passed over.
pub fn changes(file: &[u8], sections: &[Section<'_>]) -> Changes {
    let notes = Notes::new(file, sections);
    let mut changes = Changes::default();
    for unit in notes.units() {
        notes.take();
        let _ = unit_changes(&notes, &unit, &mut changes);
        notes.take();
        changes.unit_starts.extend(start_at_0(&notes, &unit));
    }
    notes.take();
    let places = &mut changes.addresses;
    let mut tables = notes.dwarf.debug_addr.headers();
    while let Ok(Some(table)) = tables.next() {
        let mut entries = table.entries();
        while let Ok(Some(_)) = entries.next() {}
    }
    places.append(&mut notes.take());
    frame_addresses(&notes, places);
    places.sort_unstable();
    places.dedup();
    changes
}

fn unit_changes<'a>(
    notes: &Notes<'a>,
    unit: &Unit<Noting<'a>>,
    changes: &mut Changes,
) -> gimli::Result<()> {
    let places = &mut changes.addresses;
    let dwarf = &notes.dwarf;
    let mut ranges = Vec::new();
    let mut locations = Vec::new();
    let mut entries = unit.entries_raw(None)?;
    let mut entry = gimli::DebuggingInformationEntry::null();
    while !entries.is_empty() {
        entries.read_entry(&mut entry)?;
        for attribute in entry.attrs() {
            let value = attribute.value();
            if let AttributeValue::Exprloc(expression) = &value {
                if read_expression(expression.clone(), unit)? {
                    let section = notes.dwarf.debug_info.reader();
                    let offset = expression.0.offset_from(section);
                    changes.thread_local.push(notes.start + offset);
                }
            } else if let Ok(Some(offset)) = dwarf.attr_locations_offset(unit, value.clone()) {
                locations.push(offset);
            } else if let Ok(Some(offset)) = dwarf.attr_ranges_offset(unit, value) {
                ranges.push(offset);
            }
        }
    }
    if let Some(program) = &unit.line_program {
        let header = program.header();
        let mut instructions = header.instructions();
        while instructions.next_instruction(header)?.is_some() {}
    }
    places.append(&mut notes.take());

    // Until DWARF 4, a pair of a list counts from the unit's start, if the unit states one.
    let is_old = unit.encoding().version < 5;
    let has_start = states_start(unit)?;
    for offset in ranges {
        let mut entries = dwarf.raw_ranges(unit, offset)?;
        let mut counts_from_0 = !has_start;
        while let Ok(Some(entry)) = entries.next() {
            let noted = notes.take();
            match entry {
                gimli::RawRngListEntry::AddressOrOffsetPair { .. } if !counts_from_0 => {}
                // A marker, and the address.
                gimli::RawRngListEntry::BaseAddress { .. } if is_old => {
                    counts_from_0 = false;
                    places.extend(noted.last());
                }
                _ => places.extend(noted),
            }
        }
        notes.take();
    }
    for offset in locations {
        let mut entries = dwarf.raw_locations(unit, offset)?;
        let mut counts_from_0 = !has_start;
        while let Ok(Some(entry)) = entries.next() {
            let noted = notes.take();
            use gimli::RawLocListEntry as Entry;
            match &entry {
                Entry::AddressOrOffsetPair { .. } if !counts_from_0 => {}
                Entry::BaseAddress { .. } if is_old => {
                    counts_from_0 = false;
                    places.extend(noted.last());
                }
                _ => places.extend(noted),
            }
            if let Entry::AddressOrOffsetPair { data, .. }
            | Entry::StartxEndx { data, .. }
            | Entry::StartxLength { data, .. }
            | Entry::OffsetPair { data, .. }
            | Entry::DefaultLocation { data }
            | Entry::StartEnd { data, .. }
            | Entry::StartLength { data, .. } = entry
            {
                read_expression(data, unit)?;
                places.append(&mut notes.take());
            }
        }
        notes.take();
    }
    Ok(())
}

/// Reads an expression, for its addresses to be noted. Returns whether it leads to a thread-local variable.
fn read_expression<R: Reader<Offset = usize>>(
    expression: gimli::Expression<R>,
    unit: &Unit<R>,
) -> gimli::Result<bool> {
    let mut is_thread_local = false;
    let mut operations = expression.operations(unit.encoding());
    while let Some(operation) = operations.next()? {
        match operation {
            Operation::TLS => is_thread_local = true,
            Operation::EntryValue { expression } => {
                read_expression(gimli::Expression(expression), unit)?;
            }
            _ => {}
        }
    }
    Ok(is_thread_local)
}

/// Whether a unit's own entry has DW_AT_low_pc.
fn states_start<R: Reader<Offset = usize>>(unit: &Unit<R>) -> gimli::Result<bool> {
    let mut entries = unit.entries();
    let root = entries.next_dfs()?;
    Ok(root.is_some_and(|root| root.attr_value(gimli::DW_AT_low_pc).is_some()))
}

/// Where a unit states that it starts at 0.
fn start_at_0<'a>(notes: &Notes<'a>, unit: &Unit<Noting<'a>>) -> Vec<Place> {
    let read = || {
        let mut entries = unit.entries_raw(None)?;
        for specification in entries
            .read_abbreviation()?
            .map_or(&[][..], |one| one.attributes())
        {
            notes.take();
            let attribute = entries.read_attribute(*specification)?;
            if attribute.name() == gimli::DW_AT_low_pc
                && matches!(attribute.value(), AttributeValue::Addr(0))
            {
                return Ok(notes.take());
            }
        }
        Ok::<_, gimli::Error>(Vec::new())
    };
    read().unwrap_or_default()
}

fn frame_addresses(notes: &Notes<'_>, places: &mut Vec<Place>) {
    let bases = gimli::BaseAddresses::default();
    let mut entries = notes.frames.entries(&bases);
    while let Ok(Some(entry)) = entries.next() {
        if let CieOrFde::Fde(frame) = entry {
            notes.take();
            if frame.parse(DebugFrame::cie_from_offset).is_ok() {
                // The first is where it starts, the second how long it is.
                places.extend(notes.take().first());
            }
        }
    }
}
