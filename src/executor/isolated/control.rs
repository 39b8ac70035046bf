//! The page by which a host calls functions in another process.
//!
//! Both sides can write all of it at any time, so each reads a field once and believes nothing of it: names and texts are bytes,
//! kinds are numbers that may mean nothing.

use crate::error::Status;
use crate::executor::value::Value;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::thread::futex;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

pub const MOST_ARGUMENTS: usize = 64;
pub const LONGEST_NAME: usize = 1024;

/// Before the first call, it is 0.
pub const ASKED: u32 = 1;
pub const DONE: u32 = 2;

/// How often a side looks before it sleeps: a few microseconds.
const LOOKS: u32 = 2000;

#[repr(C)]
struct Words {
    state: AtomicU32,
    /// 0, or why the call was not made: see [`STATUSES`].
    failure: AtomicU32,
    count: AtomicU32,
    name_len: AtomicU32,
    text_len: AtomicU32,
    /// The result's kind, and then its value.
    kind: AtomicU32,
    value: AtomicU64,
    kinds: [AtomicU32; MOST_ARGUMENTS],
    values: [AtomicU64; MOST_ARGUMENTS],
    name: [AtomicU8; LONGEST_NAME],
    text: [AtomicU8; 2048],
}

/// Why a call was not made, from 1 on.
const STATUSES: [Status; 4] = [
    Status::Load,
    Status::Type,
    Status::NotFound,
    Status::Unresolved,
];

/// The page, mapped.
pub struct Control(*mut Words);

// SAFETY: all fields are atomic.
unsafe impl Send for Control {}
// SAFETY: as above.
unsafe impl Sync for Control {}

impl Control {
    /// A new page, and the file to map it from elsewhere.
    pub fn new() -> io::Result<(Control, OwnedFd)> {
        let file = shared_memory(size_of::<Words>() as u64)?;
        Ok((Control::map(&file)?, file))
    }

    pub fn map(file: &OwnedFd) -> io::Result<Control> {
        // A shorter one would be a fault later.
        if rustix::fs::fstat(file)?.st_size < size_of::<Words>() as i64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the kernel chooses where.
        let memory = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                size_of::<Words>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )?
        };
        Ok(Control(memory.cast()))
    }

    fn words(&self) -> &Words {
        // SAFETY: mapped as long as this value; any bytes are values of its fields.
        unsafe { &*self.0 }
    }

    /// Puts a call there. `false`: it has no room.
    pub fn ask(&self, name: &str, arguments: &[Value]) -> bool {
        let words = self.words();
        if name.len() > LONGEST_NAME || arguments.len() > MOST_ARGUMENTS {
            return false;
        }
        put(&words.name, &words.name_len, name.as_bytes());
        for (place, argument) in arguments.iter().enumerate() {
            let (kind, bits) = encode(*argument);
            words.kinds[place].store(kind, Ordering::Relaxed);
            words.values[place].store(bits, Ordering::Relaxed);
        }
        words.count.store(arguments.len() as u32, Ordering::Relaxed);
        self.set(ASKED);
        true
    }

    /// The call that is there.
    pub fn asked(&self) -> (String, Vec<Value>) {
        let words = self.words();
        let count = words.count.load(Ordering::Relaxed) as usize;
        let arguments = words.kinds.iter().zip(&words.values).take(count);
        let arguments = arguments
            .map(|(kind, bits)| decode(kind.load(Ordering::Relaxed), bits.load(Ordering::Relaxed)))
            .collect();
        (get(&words.name, &words.name_len), arguments)
    }

    pub fn answer(&self, answer: Result<Value, (Status, String)>) {
        let words = self.words();
        let failure = match answer {
            Ok(value) => {
                let (kind, bits) = encode(value);
                words.kind.store(kind, Ordering::Relaxed);
                words.value.store(bits, Ordering::Relaxed);
                0
            }
            Err((status, text)) => {
                put(&words.text, &words.text_len, text.as_bytes());
                let place = STATUSES.iter().position(|known| *known == status);
                place.unwrap_or(0) as u32 + 1
            }
        };
        words.failure.store(failure, Ordering::Relaxed);
        self.set(DONE);
    }

    pub fn answered(&self) -> Result<Value, (Status, String)> {
        let words = self.words();
        match words.failure.load(Ordering::Relaxed) {
            0 => Ok(decode(
                words.kind.load(Ordering::Relaxed),
                words.value.load(Ordering::Relaxed),
            )),
            failure => {
                let status = STATUSES.get(failure as usize - 1).copied();
                let text = get(&words.text, &words.text_len);
                Err((status.unwrap_or(Status::Load), text))
            }
        }
    }

    fn set(&self, state: u32) {
        let word = &self.words().state;
        word.store(state, Ordering::Release);
        let _ = futex::wake(word, futex::Flags::empty(), 1);
    }

    /// Waits until it is in a state, for a while. Returns whether it is.
    pub fn wait(&self, state: u32, longest: Option<Duration>) -> bool {
        let word = &self.words().state;
        for _ in 0..LOOKS {
            if word.load(Ordering::Acquire) == state {
                return true;
            }
            std::hint::spin_loop();
        }
        let now = word.load(Ordering::Acquire);
        if now != state {
            let longest = longest.and_then(|longest| longest.try_into().ok());
            let _ = futex::wait(word, futex::Flags::empty(), now, longest.as_ref());
        }
        word.load(Ordering::Acquire) == state
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // SAFETY: nothing refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.0.cast::<c_void>(), size_of::<Words>()) };
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

fn put(into: &[AtomicU8], len: &AtomicU32, text: &[u8]) {
    let count = text.len().min(into.len());
    for (place, byte) in into.iter().zip(&text[..count]) {
        place.store(*byte, Ordering::Relaxed);
    }
    len.store(count as u32, Ordering::Relaxed);
}

fn get(from: &[AtomicU8], len: &AtomicU32) -> String {
    let len = (len.load(Ordering::Relaxed) as usize).min(from.len());
    let bytes: Vec<u8> = from[..len]
        .iter()
        .map(|byte| byte.load(Ordering::Relaxed))
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encode(value: Value) -> (u32, u64) {
    match value {
        Value::Void => (0, 0),
        Value::I1(integer) => (1, integer as u64),
        Value::I8(integer) => (2, integer as u64),
        Value::I16(integer) => (3, integer as u64),
        Value::I32(integer) => (4, integer as u64),
        Value::I64(integer) => (5, integer as u64),
        Value::Float(number) => (6, u64::from(number.to_bits())),
        Value::Double(number) => (7, number.to_bits()),
        Value::Pointer(address) => (8, address as u64),
        Value::Unknown(number) => (u32::MAX, u64::from(number.cast_unsigned())),
    }
}

fn decode(kind: u32, bits: u64) -> Value {
    let integer = bits as i64;
    match kind {
        0 => Value::Void,
        1 => Value::I1(integer & 1),
        2 => Value::I8(i64::from(integer as i8)),
        3 => Value::I16(i64::from(integer as i16)),
        4 => Value::I32(i64::from(integer as i32)),
        5 => Value::I64(integer),
        6 => Value::Float(f32::from_bits(bits as u32)),
        7 => Value::Double(f64::from_bits(bits)),
        8 => Value::Pointer(bits as usize),
        _ => Value::Unknown(bits as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_through_the_page() {
        let (ours, file) = Control::new().expect("a page");
        let theirs = Control::map(&file).expect("the same page");
        let arguments = [
            Value::I8(-3),
            Value::Double(0.5),
            Value::Float(1.5),
            Value::Pointer(77),
            Value::Unknown(42),
        ];
        assert!(ours.ask("name", &arguments));
        assert!(theirs.wait(ASKED, None));
        assert_eq!(theirs.asked(), ("name".to_owned(), arguments.to_vec()));
        theirs.answer(Ok(Value::I64(i64::MIN)));
        assert!(ours.wait(DONE, None));
        assert_eq!(ours.answered(), Ok(Value::I64(i64::MIN)));
        theirs.answer(Err((Status::Type, "wrong".to_owned())));
        assert_eq!(ours.answered(), Err((Status::Type, "wrong".to_owned())));
        assert!(!ours.wait(0, Some(Duration::from_millis(1))));
        assert!(!ours.ask("name", &[Value::Void; MOST_ARGUMENTS + 1]));
        assert!(!ours.ask(&"n".repeat(LONGEST_NAME + 1), &[]));
    }

    /// Whatever the other side writes, nothing is read from outside of the page.
    #[test]
    fn nonsense_is_some_value() {
        let (control, _file) = Control::new().expect("a page");
        let words = control.words();
        for number in [1, 5, 77, 65, u32::MAX] {
            for field in [
                &words.count,
                &words.name_len,
                &words.text_len,
                &words.kind,
                &words.failure,
                &words.state,
            ] {
                field.store(number, Ordering::Relaxed);
            }
            assert!(control.asked().1.len() <= MOST_ARGUMENTS);
            let (_, text) = control.answered().expect_err("a failure");
            assert!(text.len() <= 3 * 2048);
            words.failure.store(0, Ordering::Relaxed);
            control.answered().expect("some value");
        }
        rustix::fs::ftruncate(shared_memory(4096).expect("memory"), 1).expect_err("sealed");
    }
}
