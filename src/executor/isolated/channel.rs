//! The page by which a host and the process of its calls speak, in turns.
//!
//! A message is a few bytes; a long one comes in parts. Both sides can write all of the page at any time, so each reads a field
//! once, copies the bytes, and believes nothing of them.

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::thread::futex;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Whose message is there: before the first one, nobody's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Host = 1,
    Guest = 2,
}

/// The guest has ended, whoever's message is there.
const ENDED: u32 = 1 << 31;

/// How often a side looks before it sleeps: a few microseconds.
const LOOKS: u32 = 2000;

/// Of all of it.
const LEN: usize = 64 << 10;
const WORDS: usize = LEN / 8 - 2;

#[repr(C)]
struct Words {
    state: AtomicU32,
    /// How many bytes this part has.
    part: AtomicU32,
    /// How many bytes all parts have.
    whole: AtomicU64,
    bytes: [AtomicU64; WORDS],
}

/// The page, mapped.
pub struct Channel(*mut Words);

// SAFETY: all fields are atomic.
unsafe impl Send for Channel {}
// SAFETY: as above.
unsafe impl Sync for Channel {}

impl Channel {
    /// A new page, and the file to map it from elsewhere.
    pub fn new() -> io::Result<(Channel, OwnedFd)> {
        let file = shared_memory(LEN as u64)?;
        Ok((Channel::map(&file)?, file))
    }

    pub fn map(file: &OwnedFd) -> io::Result<Channel> {
        // A shorter one would be a fault later.
        if rustix::fs::fstat(file)?.st_size < LEN as i64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the kernel chooses where.
        let memory = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                LEN,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )?
        };
        Ok(Channel(memory.cast()))
    }

    /// Processes that are forked from now on do not have it.
    pub fn keep(&self) {
        // SAFETY: the memory is this value's.
        let _ = unsafe { rustix::mm::madvise(self.0.cast(), LEN, Advice::LinuxDontFork) };
    }

    /// Tells the host that the guest has ended.
    pub fn end(&self) {
        let state = &self.words().state;
        state.fetch_or(ENDED, Ordering::AcqRel);
        let _ = futex::wake(state, futex::Flags::empty(), i32::MAX as u32);
    }

    /// Sends a message, if it is the sender's turn. `longest` is how long it may sleep now; `None`: not any longer. Returns whether it
    /// was sent.
    pub fn send(
        &self,
        side: Side,
        message: &[u8],
        longest: &mut dyn FnMut() -> Option<Duration>,
    ) -> bool {
        let words = self.words();
        for (place, part) in message.chunks(8 * WORDS).enumerate() {
            if place > 0 && !self.wait(side, longest) {
                return false;
            }
            words.whole.store(message.len() as u64, Ordering::Relaxed);
            words.part.store(part.len() as u32, Ordering::Relaxed);
            for (word, bytes) in words.bytes.iter().zip(part.chunks(8)) {
                let mut eight = [0; 8];
                eight[..bytes.len()].copy_from_slice(bytes);
                word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
            }
            if !self.pass(side) {
                return false;
            }
        }
        true
    }

    /// Waits for a message of at most `most` bytes. `None`: none came in time, it makes no sense, or the guest has ended.
    pub fn receive(
        &self,
        side: Side,
        most: u64,
        longest: &mut dyn FnMut() -> Option<Duration>,
    ) -> Option<Vec<u8>> {
        let words = self.words();
        let mut message = Vec::new();
        let mut whole = None;
        loop {
            if !self.wait(side, longest) {
                return None;
            }
            let whole = *whole.get_or_insert_with(|| words.whole.load(Ordering::Relaxed));
            let rest = whole
                .checked_sub(message.len() as u64)
                .filter(|_| whole <= most)?;
            let part = words.part.load(Ordering::Relaxed) as usize;
            if part == 0 || part > 8 * WORDS || part as u64 > rest {
                return None;
            }
            let len = message.len() + part;
            message.try_reserve(part + 8).ok()?;
            for word in &words.bytes[..part.div_ceil(8)] {
                message.extend_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
            }
            message.truncate(len);
            if len as u64 == whole {
                return Some(message);
            }
            if !self.pass(side) {
                return None;
            }
        }
    }

    /// Makes it the other side's turn. `false`: the guest has ended.
    fn pass(&self, side: Side) -> bool {
        let state = &self.words().state;
        if state.swap(side as u32, Ordering::AcqRel) & ENDED != 0 {
            state.fetch_or(ENDED, Ordering::AcqRel);
            return false;
        }
        let _ = futex::wake(state, futex::Flags::empty(), 1);
        true
    }

    /// Waits until the other side has said something.
    fn wait(&self, side: Side, longest: &mut dyn FnMut() -> Option<Duration>) -> bool {
        let state = &self.words().state;
        let other = match side {
            Side::Host => Side::Guest,
            Side::Guest => Side::Host,
        };
        let mut looks = 0;
        loop {
            let now = state.load(Ordering::Acquire);
            // What the guest has said before its end counts.
            if now & !ENDED == other as u32 {
                return true;
            }
            if now & ENDED != 0 {
                return false;
            }
            if looks < LOOKS {
                looks += 1;
                std::hint::spin_loop();
                continue;
            }
            let Some(longest) = longest() else {
                return false;
            };
            let longest = longest.try_into().ok();
            let _ = futex::wait(state, futex::Flags::empty(), now, longest.as_ref());
        }
    }

    fn words(&self) -> &Words {
        // SAFETY: mapped as long as this value; any bytes are values of its fields.
        unsafe { &*self.0 }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: nothing refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.0.cast::<c_void>(), LEN) };
    }
}

/// Memory that several processes map, which none can make shorter.
pub fn shared_memory(len: u64) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create("mgenjit-isolate", flags)?;
    rustix::fs::ftruncate(&file, len)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW;
    rustix::fs::fcntl_add_seals(file.as_fd(), seals)?;
    Ok(file)
}

#[cfg(any(fuzzing, test))]
impl Channel {
    /// Fills the page with these bytes, as another process can.
    pub(super) fn scribble(&self, bytes: &[u8]) {
        let words = self.words();
        let mut numbers = bytes.chunks(8).map(|chunk| {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(eight)
        });
        let first = numbers.next().unwrap_or(0);
        words.state.store(first as u32, Ordering::Relaxed);
        words.part.store((first >> 32) as u32, Ordering::Relaxed);
        words
            .whole
            .store(numbers.next().unwrap_or(0), Ordering::Relaxed);
        for (word, number) in words.bytes.iter().zip(numbers) {
            word.store(number, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forever() -> Option<Duration> {
        Some(Duration::MAX)
    }

    #[test]
    fn messages_go_through_the_page_in_turns() {
        let (ours, file) = Channel::new().expect("a page");
        let theirs = Channel::map(&file).expect("the same page");
        let guest = std::thread::spawn(move || {
            for _ in 0..7 {
                let mut message = theirs
                    .receive(Side::Guest, u64::MAX, &mut forever)
                    .expect("a message");
                message.reverse();
                assert!(theirs.send(Side::Guest, &message, &mut forever));
            }
            theirs.end();
        });
        for len in [1, 7, 8, 9, 8 * WORDS, 8 * WORDS + 1, 1_000_001] {
            let message: Vec<u8> = (0..len).map(|place| place as u8).collect();
            assert!(ours.send(Side::Host, &message, &mut forever));
            let answer = ours.receive(Side::Host, len as u64, &mut forever);
            let answer = answer.expect("an answer");
            assert!(answer.iter().rev().eq(&message));
        }
        guest.join().expect("it ends");
        assert!(!ours.send(Side::Host, b"x", &mut forever));
        assert_eq!(ours.receive(Side::Host, 1, &mut forever), None);
    }

    #[test]
    fn nobody_waits_longer_than_allowed() {
        let (channel, _file) = Channel::new().expect("a page");
        let mut naps = 0;
        let mut longest = || {
            naps += 1;
            (naps < 4).then_some(Duration::from_millis(1))
        };
        assert_eq!(channel.receive(Side::Host, 1, &mut longest), None);
        assert_eq!(naps, 4);
        // Longer than is wanted.
        assert!(channel.send(Side::Guest, b"12", &mut || None));
        assert_eq!(channel.receive(Side::Host, 1, &mut || None), None);
        assert!(channel.receive(Side::Host, 2, &mut || None).is_some());
    }

    #[test]
    fn it_keeps_its_size() {
        rustix::fs::ftruncate(shared_memory(4096).expect("memory"), 1).expect_err("sealed");
    }
}
