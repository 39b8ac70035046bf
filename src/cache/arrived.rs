//! An entry that came from elsewhere, and was checked: signature first, then every byte. `Store::promote` gives it its place.

use super::entry::{Entry, EntryError, Part, RawManifest, Whole};
use super::file::Temporary;
use super::key::Key;
use super::trust::Trust;

#[derive(Debug)]
pub enum Arrived {
    Memory(Box<Whole>),
    /// The file that it was written into while it came; `None`: it has its name in the cache.
    File(Box<Entry>, Option<Temporary>),
}

impl Arrived {
    /// Checks a file, attachments included.
    pub fn check_file(
        file: Temporary,
        key: &Key,
        trust: Option<&Trust>,
    ) -> Result<Arrived, EntryError> {
        let copy = rustix::io::fcntl_dupfd_cloexec(&file.file, 0)?;
        let entry = Entry::verify_part(Part::whole(copy.into())?, key, trust)?;
        entry.verify_attached_bytes()?;
        Ok(Arrived::File(Box::new(entry), Some(file)))
    }

    pub fn key(&self) -> Key {
        match self {
            Arrived::Memory(whole) => whole.tail.key(),
            Arrived::File(entry, _) => entry.tail.key(),
        }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        match self {
            Arrived::Memory(whole) => whole.bytes.len() as u64,
            Arrived::File(entry, _) => entry.part.len,
        }
    }

    pub fn manifest(&self) -> &RawManifest {
        match self {
            Arrived::Memory(whole) => &whole.manifest,
            Arrived::File(entry, _) => &entry.manifest,
        }
    }

    /// Microseconds that its compile took; 0: it does not say.
    pub fn cost(&self) -> u64 {
        let about = self.manifest().decode_about();
        about.map_or(0, |about| about.times.total())
    }

    /// In memory, because it cannot be stored.
    pub fn into_memory(self) -> Result<Box<Whole>, EntryError> {
        match self {
            Arrived::Memory(whole) => Ok(whole),
            Arrived::File(entry, _) => entry.to_memory(),
        }
    }
}
