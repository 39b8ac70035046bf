//! Memory that a host and the process of its calls have at the same address.

use super::control::shared_memory;
use crate::error::{Error, Status, reason};
use crate::fork;
use crate::protocol::isolated::Part;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::rand::{GetRandomFlags, getrandom};
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// Where neither programs nor the kernel put anything by themselves.
const FIRST: u64 = 0x1000_0000_0000;
const LAST: u64 = 0x5000_0000_0000;
const PAGE: u64 = 4096;

/// What each piece is aligned to: a line of the cache, and the largest vector.
const ALIGNMENT: u64 = 64;

pub struct Arena {
    file: OwnedFd,
    address: u64,
    len: u64,
    used: Mutex<u64>,
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
            .checked_next_multiple_of(PAGE)
            .filter(|len| *len < LAST - FIRST)
            .ok_or_else(|| failed(Errno::NOMEM.into()))?;
        let file = shared_memory(rounded).map_err(failed)?;
        let address = map(&file, rounded).map_err(|error| failed(error.into()))?;
        Ok(Arena {
            file,
            address,
            len: rounded,
            used: Mutex::default(),
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
        let mut used = fork::guard(|| self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let end = (len as u64)
            .max(1)
            .checked_next_multiple_of(ALIGNMENT)
            .and_then(|len| used.checked_add(len))
            .filter(|end| *end <= self.len);
        let Some(end) = end else {
            let left = self.len - *used;
            return Err(Error::new(
                Status::Memory,
                format!(
                    "the isolate has {left} bytes of shared memory left, of {}: {len} do not fit",
                    self.len
                ),
            ));
        };
        let at = std::mem::replace(&mut *used, end);
        Ok((self.address + at) as usize)
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
    let mut last = Errno::NOMEM;
    for _ in 0..64 {
        let mut random = [0; 8];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let place = u64::from_le_bytes(random) % (LAST - FIRST - len);
        let address = (FIRST + place) / PAGE * PAGE;
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
