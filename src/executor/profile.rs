//! What code has counted: `mgenjit_module_profile`.
//!
//! The server leaves a table in the image that says where the counters are. From it, a raw profile is made of what is in
//! memory, in the form in which compiler-rt writes one to a file, and a server makes an indexed one of that. Code may go on
//! meanwhile: each counter is read at once, but not all at the same time.

use super::core::Executor;
use super::source::{Content, Source};
use crate::client::pool::Pool;
use crate::config::Config;
use crate::error::{Error, Status};
use crate::protocol::messages::{LinkOutput, LinkRequest, Request};
use crate::protocol::profile::NAME;
use crate::types::{Input, ProfileUse};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The table's symbol. The server's `llvm/profile/table.cpp` makes it.
const TABLE: &str = "__mgenjit_profile";

/// What the table begins with. So many [`Counted`] follow.
#[repr(C)]
#[derive(Clone, Copy)]
struct Table {
    /// Of the raw format, with what kind of profile it is.
    version: u64,
    functions: u64,
    names: u64,
    names_len: u64,
}

/// What the table has of a function.
#[repr(C)]
#[derive(Clone, Copy)]
struct Counted {
    /// The address of its [`Data`].
    data: u64,
    /// Where its values are: [`ROOM`] pairs of a value and a count for each place that meets some.
    values: u64,
    /// How many places these are, of each kind.
    sites: [u16; 4],
}

/// For how many values a place has room: `llvm/profile/values.cpp`.
const ROOM: usize = 8;

/// What LLVM keeps of a function: `INSTR_PROF_DATA` in its `InstrProfData.inc`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Data {
    name: u64,
    hash: u64,
    /// From this structure to the function's counters.
    counters: u64,
    bitmap: u64,
    function: u64,
    values: u64,
    counter_count: u32,
    value_sites: [u16; 3],
    bitmap_len: u32,
}

/// What a raw profile begins with; the last byte tells 64 bits from 32.
const MAGIC: u64 = u64::from_be_bytes(*b"\xfflprofr\x81");

/// The last kind of values that a profile may have: `IPVK_Last`.
const LAST_VALUE_KIND: u64 = 2;

/// Adds the input that asks for counters, or for what they counted to be used, if the configuration does.
pub fn add<'a>(config: &'a Config, mut source: Source<'a>) -> Source<'a> {
    if let Some(profile) = &config.profile {
        source.add(NAME, Content::Memory(Cow::Borrowed(&profile[..])));
    }
    source
}

/// What a module has counted, which must be pinned. `name`: what messages call it.
pub(super) fn of_module(executor: &Executor, id: u64, name: &str) -> Result<Vec<u8>, Error> {
    if executor.config.code_options().profile != ProfileUse::Generate {
        return Err(Error::new(
            Status::NotFound,
            format!("{name} counts nothing: compile it with mgenjit_config_set_profile_generate"),
        ));
    }
    let damaged = || {
        Error::new(
            Status::Load,
            format!("the code of {name} does not say where its counters are"),
        )
    };
    // Links it, if that is still to be done.
    let table = match executor.module_symbol(id, TABLE) {
        Ok(table) => table,
        // There is no IR among what it was made of.
        Err(error) if error.status == Status::NotFound => {
            return index(&executor.pool, &executor.config, name, &[]);
        }
        Err(error) => return Err(error),
    };
    let range = executor
        .lock()
        .module(id)
        .map(|module| module.image.range());
    let memory = Memory(range.ok_or_else(damaged)?);
    let raw = raw_profile(&memory, table as u64).ok_or_else(damaged)?;
    index(&executor.pool, &executor.config, name, &[(name, &raw)])
}

/// Makes an indexed profile of profiles. Each has a name, for messages.
pub fn merge(config: &Config, profiles: &[(&str, &[u8])]) -> Result<Vec<u8>, Error> {
    index(&Pool::new(config.pool()), config, "a profile", profiles)
}

/// Has a server make an indexed profile.
fn index(
    pool: &Pool,
    config: &Config,
    name: &str,
    profiles: &[(&str, &[u8])],
) -> Result<Vec<u8>, Error> {
    let inputs = profiles.iter().map(|(name, bytes)| Input {
        name: (*name).to_owned(),
        len: bytes.len() as u64,
    });
    let request = Request::Link(LinkRequest {
        name: name.to_owned(),
        target: config.target(),
        output: LinkOutput::Profile,
        inputs: inputs.collect(),
        libraries: 0,
    });
    let contents: Vec<&[u8]> = profiles.iter().map(|(_, bytes)| *bytes).collect();
    pool.emit(&request, &contents)
}

/// The memory of an image that stays mapped.
struct Memory(Range<usize>);

impl Memory {
    /// The place of `count` values; `None` if they are not all in the image, or not aligned.
    fn place<T>(&self, address: u64, count: u64) -> Option<*const T> {
        let start = usize::try_from(address).ok()?;
        let len = usize::try_from(count).ok()?.checked_mul(size_of::<T>())?;
        let is_inside = start >= self.0.start && start.checked_add(len)? <= self.0.end;
        (is_inside && start.is_multiple_of(align_of::<T>())).then_some(start as *const T)
    }

    /// Reads a value that is constant.
    fn read<T: Copy>(&self, address: u64) -> Option<T> {
        let place = self.place::<T>(address, 1)?;
        // SAFETY: the place is inside the image and aligned, and any bytes are a value of the types that are read.
        Some(unsafe { place.read() })
    }

    fn bytes(&self, address: u64, len: u64) -> Option<&[u8]> {
        if len == 0 {
            return Some(&[]);
        }
        let place = self.place::<u8>(address, len)?;
        // SAFETY: the bytes are inside the image, and constant.
        Some(unsafe { std::slice::from_raw_parts(place, len as usize) })
    }

    /// Counters that the code may be writing to.
    fn counters(&self, address: u64, count: u64) -> Option<&[AtomicU64]> {
        if count == 0 {
            return Some(&[]);
        }
        let place = self.place::<AtomicU64>(address, count)?;
        // SAFETY: the counters are inside the image and aligned, and nothing of Rust's writes to them. Code writes whole
        // words.
        Some(unsafe { std::slice::from_raw_parts(place, count as usize) })
    }
}

/// A raw profile of what is in memory. `None`: the table is none.
fn raw_profile(memory: &Memory, address: u64) -> Option<Vec<u8>> {
    let table: Table = memory.read(address)?;
    let first = address + size_of::<Table>() as u64;
    memory.place::<Counted>(first, table.functions)?;
    let mut functions: Vec<u8> = Vec::new();
    let mut counters: Vec<u8> = Vec::new();
    let mut values: Vec<u8> = Vec::new();
    for index in 0..table.functions {
        let counted: Counted = memory.read(first + index * size_of::<Counted>() as u64)?;
        let place = counted.data;
        let data: Data = memory.read(place)?;
        // Counted from where the structure would be, if all began where the counters do.
        let offset = counters.len() as u64;
        let from_structure = offset.wrapping_sub(index * size_of::<Data>() as u64);
        for counter in memory.counters(
            place.wrapping_add(data.counters),
            u64::from(data.counter_count),
        )? {
            counters.extend_from_slice(&counter.load(Ordering::Relaxed).to_ne_bytes());
        }
        // Where it lies tells which function an indirect call led to.
        for word in [data.name, data.hash, from_structure, 0, data.function, 0] {
            functions.extend_from_slice(&word.to_ne_bytes());
        }
        functions.extend_from_slice(&data.counter_count.to_ne_bytes());
        let [targets, sizes, tables, _] = counted.sites;
        for sites in [targets, sizes, tables] {
            functions.extend_from_slice(&sites.to_ne_bytes());
        }
        // No bitmap. Its length is aligned.
        functions.extend_from_slice(&[0; 6]);
        add_values(memory, &counted, &mut values)?;
    }
    let mut names = memory.bytes(table.names, table.names_len)?.to_vec();
    names.resize(names.len().next_multiple_of(8), 0);
    let header = [
        MAGIC,
        table.version,
        0, // build ids
        table.functions,
        0, // padding
        (counters.len() / size_of::<u64>()) as u64,
        0, // padding
        0, // bitmaps
        0, // padding
        table.names_len,
        0, // where counters are, from the first structure
        0, // where bitmaps are
        0, // where names are
        0, // virtual tables
        0, // their names
        LAST_VALUE_KIND,
    ];
    let mut raw: Vec<u8> = header.iter().flat_map(|word| word.to_ne_bytes()).collect();
    raw.append(&mut functions);
    raw.append(&mut counters);
    raw.append(&mut names);
    raw.append(&mut values);
    Some(raw)
}

/// Adds the values that a function has met: `ValueProfData` in LLVM's `InstrProfData.inc`, a record for each kind.
fn add_values(memory: &Memory, counted: &Counted, values: &mut Vec<u8>) -> Option<()> {
    let mut records: Vec<u8> = Vec::new();
    let mut kinds = 0_u32;
    let mut place = counted.values;
    for (kind, sites) in (0_u32..=LAST_VALUE_KIND as u32).zip(counted.sites) {
        if sites == 0 {
            continue;
        }
        kinds += 1;
        let words = usize::from(sites) * ROOM * 2;
        let room = memory.counters(place, words as u64)?;
        place += (words * size_of::<u64>()) as u64;
        let mut pairs: Vec<u8> = Vec::new();
        records.extend_from_slice(&kind.to_ne_bytes());
        records.extend_from_slice(&u32::from(sites).to_ne_bytes());
        for site in room.chunks_exact(ROOM * 2) {
            let mut found = 0_u8;
            for pair in site.chunks_exact(2) {
                // Whoever takes a pair writes its value first.
                let count = pair[1].load(Ordering::Acquire);
                let value = pair[0].load(Ordering::Relaxed);
                if count != 0 {
                    found += 1;
                    pairs.extend_from_slice(&value.to_ne_bytes());
                    pairs.extend_from_slice(&count.to_ne_bytes());
                }
            }
            records.push(found);
        }
        records.resize(records.len().next_multiple_of(8), 0);
        records.append(&mut pairs);
    }
    if kinds > 0 {
        let len = u32::try_from(records.len() + 8).ok()?;
        values.extend_from_slice(&len.to_ne_bytes());
        values.extend_from_slice(&kinds.to_ne_bytes());
        values.append(&mut records);
    }
    Some(())
}
