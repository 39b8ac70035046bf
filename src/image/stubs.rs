//! Stubs: addresses that stay while the code behind them changes.
//!
//! A stub is a jump to what its cell says. Stubs lie in pages that are filled before anybody knows them and are never
//! written again; their cells lie in pages behind these, which are never executed:
//!
//! ```text
//! base        trap: nothing is there
//! base + 16   a stub                        its cell lies `len` bytes behind it
//! …
//! base + len  the cells, each in 16 bytes
//! ```

use crate::arch::code;
use crate::debug::VisibleStubs;
use crate::fork;
use crate::page::page_size;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SIZE: usize = code::STUB_SIZE;

/// How many pages of stubs a block has: the first one, and at most. Each block is twice as large as the one before.
const FIRST_PAGES: usize = 1;
const MOST_PAGES: usize = 16;

/// The stubs of one executor. Images that may call them keep them.
#[derive(Debug, Default)]
pub struct Stubs {
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    all: Vec<Block>,
    /// How many stubs of the last block are in use, its trap included.
    used: usize,
}

/// A stub of some [`Stubs`], which outlive it.
#[derive(Clone, Copy, Debug)]
pub struct Stub {
    address: usize,
    cell: usize,
}

impl Stubs {
    /// A new stub, which leads to a trap.
    pub fn add(&self) -> Result<Stub, Errno> {
        let mut blocks = self.lock();
        let full = match blocks.all.last() {
            Some(last) => blocks.used == last.len / SIZE,
            None => true,
        };
        if full {
            let page = page_size();
            let pages = match blocks.all.last() {
                Some(last) => (last.len / page * 2).min(MOST_PAGES),
                None => FIRST_PAGES,
            };
            let block = Block::new(pages * page)?;
            blocks.all.push(block);
            blocks.used = 1;
        }
        let place = blocks.used * SIZE;
        blocks.used += 1;
        let Some(block) = blocks.all.last() else {
            return Err(Errno::NOMEM);
        };
        Ok(Stub {
            address: block.base.addr() + place,
            cell: block.base.addr() + block.len + place,
        })
    }

    /// Has those that lead to addresses in this range lead to a trap: what is there is unmapped.
    pub fn close(&self, range: Range<usize>) {
        for block in &self.lock().all {
            for cell in block.cells() {
                let target = cell.load(Ordering::Relaxed);
                if range.contains(&target) {
                    let trap = block.base.addr();
                    // Unless it leads elsewhere by now.
                    let _ =
                        cell.compare_exchange(target, trap, Ordering::AcqRel, Ordering::Relaxed);
                }
            }
        }
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Blocks>> {
        fork::guard(|| self.blocks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Stub {
    pub fn address(&self) -> usize {
        self.address
    }

    /// Has it lead to a function. Calls that were made before may still arrive where it led.
    pub fn set(&self, target: usize) {
        // Whoever jumps there sees what was written before.
        self.cell().store(target, Ordering::Release);
    }

    fn cell(&self) -> &AtomicUsize {
        // SAFETY: the cell is aligned, lies in a mapped page of its block, and is read and written atomically alone. The
        // stubs outlive their copies: who has one has the `Stubs` too.
        unsafe { &*(self.cell as *const AtomicUsize) }
    }
}

#[derive(Debug)]
struct Block {
    base: *mut c_void,
    /// Of the stubs, and of the cells.
    len: usize,
    /// Dropped before the memory is unmapped.
    visible: Option<VisibleStubs>,
}

// SAFETY: the memory belongs to this value alone, and its cells are atomic.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    fn new(len: usize) -> Result<Block, Errno> {
        // SAFETY: the kernel chooses where; nothing that exists is touched.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                2 * len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        let mut block = Block {
            base,
            len,
            visible: None,
        };
        // SAFETY: both halves are this function's own memory, which nobody else knows yet. A stub that is not handed out yet
        // leads to the trap as well.
        unsafe {
            let stubs = std::slice::from_raw_parts_mut(base.cast::<[u8; SIZE]>(), len / SIZE);
            stubs.fill(code::stub(len));
            stubs[0] = code::TRAP;
            let cells = base.byte_add(len).cast::<[usize; 2]>();
            std::slice::from_raw_parts_mut(cells, len / SIZE).fill([base.addr(), 0]);
            code::make_coherent(base.addr()..base.addr() + len);
            rustix::mm::mprotect(base, len, MprotectFlags::READ | MprotectFlags::EXEC)?;
            block.visible = Some(VisibleStubs::new(base.addr(), len));
        }
        Ok(block)
    }
}

impl Block {
    /// The cells of all its stubs.
    fn cells(&self) -> impl Iterator<Item = &AtomicUsize> {
        let cells = self.base.wrapping_byte_add(self.len);
        // SAFETY: they lie in this value's memory, and are read and written atomically alone.
        let cell = move |index| unsafe { &*cells.wrapping_byte_add(index * SIZE).cast() };
        (0..self.len / SIZE).map(cell)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.visible = None;
        // SAFETY: the memory is this value's own, and whoever drops it vouches that nothing calls its stubs.
        let _ = unsafe { rustix::mm::munmap(self.base, 2 * self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn one() -> usize {
        1
    }

    extern "C" fn two() -> usize {
        2
    }

    fn target(stub: &Stub) -> usize {
        stub.cell().load(Ordering::Relaxed)
    }

    fn call(stub: &Stub) -> usize {
        // SAFETY: the stub leads to one of the functions above.
        let function: extern "C" fn() -> usize = unsafe { std::mem::transmute(stub.address()) };
        function()
    }

    #[test]
    fn a_stub_leads_to_what_was_set_last() {
        let stubs = Stubs::default();
        // In several blocks.
        let all: Vec<Stub> = (0..5000).map(|_| stubs.add().expect("a stub")).collect();
        let (one, two) = (one as *const () as usize, two as *const () as usize);
        for (index, stub) in all.iter().enumerate() {
            assert!(target(stub).is_multiple_of(page_size()));
            stub.set(if index % 2 == 0 { one } else { two });
        }
        for (index, stub) in all.iter().enumerate() {
            assert_eq!(call(stub), 1 + index % 2);
            stub.set(two);
            assert_eq!((call(stub), target(stub)), (2, two));
            stub.set(if index % 2 == 0 { one } else { two });
        }
        stubs.close(one..one + 1);
        for (index, stub) in all.iter().enumerate() {
            assert_eq!(target(stub) == two, index % 2 == 1);
            assert_ne!(target(stub), one);
        }
        let mut addresses: Vec<usize> = all.iter().map(Stub::address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), all.len());
        assert!(addresses.iter().all(|address| address % SIZE == 0));
    }

    #[test]
    fn no_page_of_stubs_is_writable_and_executable() {
        let stubs = Stubs::default();
        let address = stubs.add().expect("a stub").address();
        let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
        let protection = maps.lines().find_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let bound = |text| usize::from_str_radix(text, 16).ok();
            (bound(start)?..bound(end)?)
                .contains(&address)
                .then(|| rest[..4].to_owned())
        });
        assert_eq!(protection.as_deref(), Some("r-xp"));
    }
}
