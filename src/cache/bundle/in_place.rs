//! A bundle that is used where it lies.
//!
//! Nothing in it is believed: the index only says where to look, and what lies there is verified as an entry's file is. The
//! index is never mapped: the bundle may be cut while it is in use.

use super::format::{
    COUNT_AT, END_MAGIC, FORMAT_VERSION, HEADER_LEN, Indexed, MAGIC, RECORD_LEN, TAIL_LEN,
    VERSION_AT, WITHOUT_INDEX,
};
use crate::cache::bytes::{u32_at, u64_at};
use crate::cache::directory::{Owner, check_owner};
use crate::cache::entry::{Kind, Part};
use crate::cache::key::Key;
use crate::error::reason;
use rustix::fs::{Mode, OFlags, Stat};
use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An open bundle with an index.
#[derive(Debug)]
pub struct InPlace {
    file: File,
    seen: Seen,
    count: u64,
}

/// What a file that was replaced or written to differs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    identity: [u64; 2],
    len: u64,
    changed: [i64; 2],
}

impl Seen {
    fn of(stat: &Stat) -> Seen {
        Seen {
            identity: [stat.st_dev, stat.st_ino],
            len: u64::try_from(stat.st_size).unwrap_or(0),
            changed: [stat.st_mtime, stat.st_mtime_nsec as i64],
        }
    }
}

/// How many of the index's records are read at once: 8 KiB.
const WINDOW: u64 = 146;

/// Keys are digests, so it can be guessed where one is. Whoever made the bundle may have chosen them: then the rest is halved.
const MOST_GUESSES: usize = 4;

impl InPlace {
    /// The error says why it cannot be used.
    pub fn open(path: &Path, owner: Owner) -> Result<InPlace, String> {
        let io = |error: io::Error| format!("it cannot be read: {}", reason(&error));
        // A FIFO must not block, and a terminal must not become the controlling terminal.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| io(error.into()))?;
        let file = File::from(file);
        let stat = rustix::fs::fstat(&file).map_err(|error| io(error.into()))?;
        check_owner(&stat, owner).map_err(|error| error.to_string())?;
        let seen = Seen::of(&stat);
        let mut header = [0; HEADER_LEN as usize];
        let not_one = || "it is neither a folder nor a bundle".to_owned();
        if seen.len < HEADER_LEN + TAIL_LEN {
            return Err(not_one());
        }
        file.read_exact_at(&mut header, 0).map_err(io)?;
        if header[..VERSION_AT] != MAGIC {
            return Err(not_one());
        }
        let mut end = [0; END_MAGIC.len()];
        let end_at = seen.len - end.len() as u64;
        file.read_exact_at(&mut end, end_at).map_err(io)?;
        if end != END_MAGIC {
            return Err("its end is missing: it is still being copied, or was cut".to_owned());
        }
        match u32_at(&header, VERSION_AT) {
            FORMAT_VERSION => {}
            WITHOUT_INDEX => {
                return Err(
                    "it has no index, because an earlier version of this library exported it: import it, or export it again"
                        .to_owned(),
                );
            }
            version => {
                return Err(format!(
                    "its format version is {version}, and this library knows {FORMAT_VERSION}: export it with this one"
                ));
            }
        }
        let count = u64_at(&header, COUNT_AT);
        if count > (seen.len - HEADER_LEN - TAIL_LEN) / (2 * RECORD_LEN) {
            return Err(format!("it is too short for its {count} records"));
        }
        Ok(InPlace { file, seen, count })
    }

    /// Whether something else lies at its path by now, or it was written to.
    pub fn has_changed(&self, path: &Path) -> bool {
        rustix::fs::stat(path).map_or(true, |stat| Seen::of(&stat) != self.seen)
    }

    /// Where an entry's or alias's file lies in it, by a descriptor of its own.
    pub fn find(&self, kind: Kind, key: &Key) -> io::Result<Option<Part>> {
        let Some(found) = self.search(kind, key)? else {
            return Ok(None);
        };
        Ok(Some(Part {
            file: self.file.try_clone()?,
            identity: self.seen.identity,
            at: found.at,
            len: found.item.len,
        }))
    }

    fn search(&self, kind: Kind, key: &Key) -> io::Result<Option<Indexed>> {
        let index_at = self.seen.len - TAIL_LEN - self.count * RECORD_LEN;
        let wanted = (*key, kind as u32);
        // It is one of those from `low` on, and before `high`.
        let (mut low, mut high) = (0, self.count);
        // A place in the index, and the beginning of the key that lies there.
        let mut known = (0_i128, 0_u64);
        let mut tries = 0;
        while low < high {
            let middle = if tries < MOST_GUESSES {
                let between = i128::from(beginning(key)) - i128::from(known.1);
                let guess = known.0 + ((between * i128::from(self.count)) >> 64);
                u64::try_from(guess).unwrap_or(0)
            } else {
                low.midpoint(high)
            };
            tries += 1;
            let len = WINDOW.min(high - low);
            let start = middle.saturating_sub(len / 2).clamp(low, high - len);
            let mut bytes = vec![0; (len * RECORD_LEN) as usize];
            self.file
                .read_exact_at(&mut bytes, index_at + start * RECORD_LEN)?;
            let (records, _) = bytes.as_chunks::<{ RECORD_LEN as usize }>();
            let order = |bytes: &[u8; RECORD_LEN as usize]| {
                // What cannot be is never asked for.
                let indexed = Indexed::parse(bytes, self.seen.len);
                indexed.map_or(Ordering::Less, |indexed| indexed.order().cmp(&wanted))
            };
            match records.binary_search_by(order) {
                Ok(index) => return Ok(Indexed::parse(&records[index], self.seen.len)),
                Err(0) => high = start,
                Err(place) if place == records.len() => low = start + len,
                Err(_) => return Ok(None),
            }
            if let Some(Some(first)) = records
                .first()
                .map(|bytes| Indexed::parse(bytes, self.seen.len))
            {
                known = (i128::from(start), beginning(&first.item.key));
            }
        }
        Ok(None)
    }
}

fn beginning(key: &Key) -> u64 {
    let (first, _) = key.0.split_at(8);
    first
        .iter()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
