//! Memory that a host and the process of its calls have at the same address.

use super::channel::shared_memory;
use crate::error::{Error, Status, reason};
use crate::fork;
use crate::page::page_size;
use crate::protocol::isolated::Part;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where neither programs nor the kernel put anything by themselves.
const PLACES: Range<u64> = 0x1000_0000_0000..0x5000_0000_0000;

/// The same where addresses have 39 bits, as with some kernels for AArch64.
const LOW_PLACES: Range<u64> = 0x10_0000_0000..0x50_0000_0000;

/// How often a free place is looked for.
const TRIES: usize = 64;

/// What each piece is aligned to: a line of the cache, and the largest vector.
const ALIGNMENT: u64 = 64;

pub struct Arena {
    file: OwnedFd,
    address: u64,
    len: u64,
    pieces: Mutex<Pieces>,
}

impl Arena {
    pub fn new(len: u64) -> Result<Arena, Error> {
        let failed = |error: io::Error| {
            let why = reason(&error);
            Error::new(
                Status::Memory,
                format!("{len} bytes of memory cannot be shared: {why}"),
            )
        };
        let rounded = len
            .max(1)
            .checked_next_multiple_of(page_size() as u64)
            .filter(|len| *len < PLACES.end - PLACES.start)
            .ok_or_else(|| failed(Errno::NOMEM.into()))?;
        let file = shared_memory(rounded).map_err(failed)?;
        let address = map(&file, rounded).map_err(|error| failed(error.into()))?;
        Ok(Arena {
            file,
            address,
            len: rounded,
            pieces: Mutex::new(Pieces::new(rounded)),
        })
    }

    pub fn part(&self) -> Part {
        Part::Shared {
            address: self.address,
            len: self.len,
        }
    }

    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The address of so many bytes, of zeros.
    pub fn alloc(&self, len: usize) -> Result<usize, Error> {
        let rounded = (len as u64).max(1).checked_next_multiple_of(ALIGNMENT);
        let mut pieces = self.pieces();
        let Some(at) = rounded.and_then(|len| pieces.take(len)) else {
            return Err(Error::new(
                Status::Memory,
                format!(
                    "the isolate has {} bytes of shared memory left, of {}, and at most {} side by side: {len} do not fit",
                    pieces.free.values().sum::<u64>(),
                    self.len,
                    pieces.free.values().max().unwrap_or(&0),
                ),
            ));
        };
        if let Some(len) = pieces.used.get(&at) {
            self.clear(at, *len);
        }
        Ok((self.address + at) as usize)
    }

    /// Takes back what was given out at this address.
    pub fn free(&self, address: usize) -> Result<(), Error> {
        let mut pieces = self.pieces();
        let at = (address as u64).wrapping_sub(self.address);
        let Some(len) = pieces.used.get(&at).copied() else {
            return Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "{address:#x} is not the address of memory that this isolate gave out and did not take back"
                ),
            ));
        };
        // Its pages are the system's again.
        self.clear(at, len);
        pieces.give_back(at);
        Ok(())
    }

    /// Makes memory zeros: whole pages by giving them back to the system.
    fn clear(&self, at: u64, len: u64) {
        let (start, end) = (self.address + at, self.address + at + len);
        let page = page_size() as u64;
        let first = start.next_multiple_of(page).min(end);
        let last = (end / page * page).max(first);
        let zero = |from: u64, to: u64| {
            // SAFETY: the memory is this arena's, and nobody's at the moment; both sides can write it at any time.
            unsafe { ptr::write_bytes(from as *mut u8, 0, (to - from) as usize) };
        };
        zero(start, first);
        zero(last, end);
        if first < last {
            let pages = (first as *mut c_void, (last - first) as usize);
            // SAFETY: as above.
            let removed = unsafe { rustix::mm::madvise(pages.0, pages.1, Advice::LinuxRemove) };
            if removed.is_err() {
                zero(first, last);
            }
        }
    }

    fn pieces(&self) -> fork::Guarded<MutexGuard<'_, Pieces>> {
        fork::guard(|| self.pieces.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What of the memory is given out. Where it begins, and how many bytes it has.
struct Pieces {
    free: BTreeMap<u64, u64>,
    used: BTreeMap<u64, u64>,
}

impl Pieces {
    fn new(len: u64) -> Pieces {
        Pieces {
            free: BTreeMap::from([(0, len)]),
            used: BTreeMap::new(),
        }
    }

    /// The first piece that is large enough.
    fn take(&mut self, len: u64) -> Option<u64> {
        let (&at, &room) = self.free.iter().find(|(_, room)| **room >= len)?;
        self.free.remove(&at);
        if room > len {
            self.free.insert(at + len, room - len);
        }
        self.used.insert(at, len);
        Some(at)
    }

    /// Joins a piece with those beside it.
    fn give_back(&mut self, at: u64) {
        let Some(mut len) = self.used.remove(&at) else {
            return;
        };
        let mut start = at;
        if let Some(next) = self.free.remove(&(at + len)) {
            len += next;
        }
        if let Some((&before, &room)) = self.free.range(..at).next_back()
            && before + room == at
        {
            start = before;
            len += room;
        }
        self.free.insert(start, len);
    }
}

/// Maps shared memory at this very address, where nothing may be yet.
pub fn map_at(file: &OwnedFd, address: u64, len: u64) -> Result<(), Errno> {
    // SAFETY: nothing that is mapped there is replaced.
    let mapped = unsafe {
        rustix::mm::mmap(
            address as *mut c_void,
            len as usize,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::FIXED_NOREPLACE,
            file,
            0,
        )
    };
    mapped.map(|_| ())
}

fn map(file: &OwnedFd, len: u64) -> Result<u64, Errno> {
    map_in(PLACES, file, len).or_else(|_| map_in(LOW_PLACES, file, len))
}

fn map_in(places: Range<u64>, file: &OwnedFd, len: u64) -> Result<u64, Errno> {
    let mut last = Errno::NOMEM;
    let Some(room @ 1..) = (places.end - places.start).checked_sub(len) else {
        return Err(last);
    };
    for _ in 0..TRIES {
        let mut random = [0; 8];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let place = u64::from_le_bytes(random) % room;
        let page = page_size() as u64;
        let address = (places.start + place) / page * page;
        match map_at(file, address, len) {
            Ok(()) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the header says that nothing refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.address as *mut c_void, self.len as usize) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_either_range() {
        let len = page_size() as u64;
        let file = shared_memory(len).expect("memory");
        for places in [PLACES, LOW_PLACES] {
            let address = map_in(places.clone(), &file, len).expect("a place");
            assert!(places.contains(&address), "{address:x}");
            // SAFETY: nothing refers to it.
            unsafe { rustix::mm::munmap(address as *mut c_void, len as usize) }.expect("its end");
        }
        let beyond = 1 << 60..1 << 61;
        map_in(beyond, &file, len).expect_err("no such addresses");
        let large = LOW_PLACES.end;
        map_in(LOW_PLACES, &file, large).expect_err("no room");
    }

    #[test]
    fn what_is_freed_is_given_out_again() {
        let page = page_size();
        let arena = Arena::new(3 * page as u64).expect("memory");
        let whole = arena.alloc(3 * page).expect("all of it");
        arena.alloc(1).expect_err("nothing is left");
        // SAFETY: the arena's own memory.
        unsafe { ptr::write_bytes(whole as *mut u8, 7, 3 * page) };
        arena.free(whole).expect("it was given out");
        arena.free(whole).expect_err("once");
        arena.free(whole + 64).expect_err("not its start");
        let pieces: Vec<usize> = (0..192)
            .map(|_| arena.alloc(33).expect("a piece"))
            .collect();
        arena.alloc(1).expect_err("nothing is left");
        // SAFETY: as above.
        let zeros = unsafe { std::slice::from_raw_parts(whole as *const u8, 3 * page) };
        assert!(zeros.iter().all(|byte| *byte == 0));
        // In any order, with holes that join.
        for piece in pieces
            .iter()
            .step_by(2)
            .chain(pieces.iter().skip(1).step_by(2).rev())
        {
            arena.free(*piece).expect("it was given out");
        }
        assert_eq!(arena.alloc(3 * page).expect("all of it"), whole);
    }
}
