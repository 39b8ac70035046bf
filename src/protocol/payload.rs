//! Sealed memfds: they carry what is too large for a frame. A payload is accepted only if it is sealed against every change,
//! so that what was checked stays what it was.

use crate::process_limits::check_file_size;
use crate::protocol::transport::TransportError;
use crate::types::input_alignment;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

const PAYLOAD_SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Makes a sealed memfd of `parts`, one after the other.
pub fn seal(parts: &[&[u8]]) -> io::Result<OwnedFd> {
    check_file_size(parts)?;
    let fd = rustix::fs::memfd_create("mgenjit", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    for part in parts {
        file.write_all(part)?;
    }
    add_seals(&file)?;
    Ok(file.into())
}

/// Seals a memfd. The kernel refuses while something holds one of its pages. The kernel itself does that for a moment, when
/// it moves pages, and waits 150 ms for it to end: too short on a busy machine.
fn add_seals(file: &File) -> io::Result<()> {
    let mut tries = 20;
    loop {
        match rustix::fs::fcntl_add_seals(file, PAYLOAD_SEALS) {
            Err(Errno::BUSY) if tries > 1 => tries -= 1,
            result => return Ok(result?),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes a sealed memfd of a request's inputs, laid out as the protocol's `layout` says.
pub fn seal_inputs(inputs: &[&[u8]]) -> io::Result<OwnedFd> {
    let alignment = input_alignment() as usize;
    let padding = |len: usize| alignment - len % alignment;
    let zeros = vec![0; alignment];
    let mut parts: Vec<&[u8]> = Vec::with_capacity(inputs.len() * 2);
    for (index, input) in inputs.iter().enumerate() {
        parts.push(input);
        if index + 1 < inputs.len() {
            parts.push(&zeros[..padding(input.len())]);
        }
    }
    seal(&parts)
}

/// Checks that `payload` is a sealed memfd of `expected` bytes. Nothing can change it afterwards.
pub fn check_payload(payload: Option<OwnedFd>, expected: u64) -> Result<File, TransportError> {
    let bad = |found: String| TransportError::BadPayload { expected, found };
    let payload = payload.ok_or_else(|| bad("none came".to_owned()))?;
    let seals = match rustix::fs::fcntl_get_seals(payload.as_fd()) {
        Ok(seals) => seals,
        Err(Errno::INVAL) => return Err(bad("it is not a memfd".to_owned())),
        Err(error) => return Err(io::Error::from(error).into()),
    };
    if !seals.contains(PAYLOAD_SEALS) {
        return Err(bad("it is not sealed".to_owned()));
    }
    let file = File::from(payload);
    let len = file.metadata()?.len();
    if len != expected {
        return Err(bad(format!("it has {len} bytes")));
    }
    Ok(file)
}

/// The bytes of a payload, which has this length.
pub fn read_payload(file: &File, len: u64) -> io::Result<Vec<u8>> {
    // Its position is wherever the sender left it.
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::mm::{MapFlags, ProtFlags};

    /// A mapping that can be written stands for whatever holds the pages.
    #[test]
    fn a_file_is_sealed_once_nothing_holds_its_pages() {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(rustix::fs::memfd_create("test", flags).expect("a file"));
        file.set_len(4096).expect("a page");
        // SAFETY: the kernel chooses where; nothing uses the memory.
        let page = unsafe {
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            rustix::mm::mmap(
                std::ptr::null_mut(),
                4096,
                protection,
                MapFlags::SHARED,
                &file,
                0,
            )
        }
        .expect("a mapping");
        let page = page as usize;
        let unmap = std::thread::spawn(move || {
            // Long enough for a first try, which must fail.
            std::thread::sleep(Duration::from_millis(50));
            // SAFETY: nothing refers to it.
            unsafe { rustix::mm::munmap(page as *mut _, 4096) }.expect("unmapped");
        });
        add_seals(&file).expect("sealed");
        unmap.join().expect("ended");
        let seals = rustix::fs::fcntl_get_seals(&file).expect("seals");
        assert!(seals.contains(PAYLOAD_SEALS));
    }

    #[test]
    fn payloads_are_sealed_memfds_of_the_right_length() {
        fn check(payload: Option<OwnedFd>, expect: &str) {
            let error = check_payload(payload, 3).expect_err("a bad payload");
            assert!(error.to_string().contains(expect), "{error}");
        }
        check(None, "none came");
        check(Some(seal(&[b"ab"]).expect("a memfd")), "it has 2 bytes");
        check(
            Some(tempfile::tempfile().expect("a file").into()),
            "not a memfd",
        );
        let open = rustix::fs::memfd_create("open", MemfdFlags::ALLOW_SEALING).expect("a memfd");
        check(Some(open), "not sealed");
    }
}
