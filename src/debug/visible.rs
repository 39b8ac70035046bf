//! An image that debuggers and signal handlers see.

use super::jit;
use super::label::{Image, Label};
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
    /// The image's pages stay readable as long as the value exists.
    pub unsafe fn new(image: &Image, label: &Label<'_>) -> Visible {
        let record = registry::add(Record::new(image, label));
        if label.announce {
            jit::announce_all();
        } else {
            jit::check();
        }
        Visible(record)
    }
}

impl Drop for Visible {
    fn drop(&mut self) {
        // SAFETY: the record is freed below alone.
        jit::withdraw(unsafe { &*self.0 });
        // SAFETY: `add` returned it.
        unsafe { registry::remove(self.0) };
    }
}
