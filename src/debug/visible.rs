//! An image that debuggers and signal handlers see.

use super::jit;
use super::label::{Announce, Image, Label};
use super::registry::{self, Record};

/// An image that is listed. Dropping it takes it out: debuggers and signal handlers no longer see it.
#[derive(Debug)]
pub struct Visible(*mut Record);

// SAFETY: it is an owner of the record, which is `Send`.
unsafe impl Send for Visible {}
// SAFETY: it gives no access to the record.
unsafe impl Sync for Visible {}

impl Visible {
    /// Lists a mapped image.
    ///
    /// # Safety
    ///
    /// The image's segments stay readable as long as the value exists.
    pub unsafe fn new(image: &Image, label: Label) -> Visible {
        let announce = match label.announce {
            Announce::Never => false,
            Announce::ToThoseHere => jit::is_watched(),
            Announce::Always => true,
        };
        let record = Record::new(image, label);
        let mut writer = registry::write();
        let record = registry::add(&mut writer, record);
        if announce {
            jit::announce_all(&mut writer);
        }
        Visible(record)
    }
}

impl Drop for Visible {
    fn drop(&mut self) {
        let mut writer = registry::write();
        // SAFETY: the record is freed below alone.
        jit::withdraw(&mut writer, unsafe { &*self.0 });
        // SAFETY: `add` returned it.
        unsafe { registry::remove(&mut writer, self.0) };
    }
}
