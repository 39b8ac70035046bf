//! Registers an image's frames with the unwinder, so that exceptions and stack traces pass through.

use super::error::LoadError;
use super::map::Mapping;
use crate::fork;
use std::ops::Range;

// Of libgcc, which the standard library links for its own unwinding. Both take a lock of libgcc's own, which must
// not be held by another thread in a forked child.
unsafe extern "C" {
    fn __register_frame(begin: *const u8);
    fn __deregister_frame(begin: *const u8);
}

/// Registered frames of an image. Dropping it takes them back.
#[derive(Debug)]
pub struct Frames {
    begin: usize,
}

impl Frames {
    /// Registers the `.eh_frame` that `.eh_frame_hdr`, at `header`, points to. `None` if it has no frames.
    pub fn register(mapping: &Mapping, header: &Range<usize>) -> Result<Option<Frames>, LoadError> {
        // Version 1, and how the pointer to `.eh_frame` is encoded: relative to itself, 4 bytes, signed
        // (DW_EH_PE_pcrel | DW_EH_PE_sdata4), which is what linkers write.
        let bytes: &[u8] = mapping.slice(header.start, 8)?;
        if bytes[..2] != [1, 0x1b] {
            return Err(LoadError::Unsupported(
                "an unknown kind of .eh_frame_hdr".to_owned(),
            ));
        }
        let relative = i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let at = (header.start + 4).wrapping_add_signed(relative as isize);
        // An empty section has the terminator alone.
        let length: &[u32] = mapping.slice(at, 1)?;
        if length[0] == 0 {
            return Ok(None);
        }
        let begin = mapping.base() + at;
        // SAFETY: the section lies in the mapping, which outlives this value, and ends with a zero terminator,
        // as the server's linker writes it.
        fork::guard(|| unsafe { __register_frame(begin as *const u8) });
        Ok(Some(Frames { begin }))
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // SAFETY: `begin` was registered, and is taken back once.
        fork::guard(|| unsafe { __deregister_frame(self.begin as *const u8) });
    }
}
