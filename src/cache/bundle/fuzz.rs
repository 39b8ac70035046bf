//! Bundles that were made to harm: none may do more than be refused. The tests here try the same few thousand each
//! time; the targets below `fuzz/` look for others.

use super::format::{END_MAGIC, TAIL_LEN};
use super::import::{import, verify};
use super::read::list;
use crate::cache::directory::{Directory, Owner, TEMPORARY, alias_path, entry_path};
use crate::cache::entry::Kind;
use crate::error::Status;
use rustix::fs::OFlags;
use std::path::Path;

/// Imports bytes into a cache below `folder`, as they are and with a digest that is right, and checks that they come
/// in whole or not at all. Returns how often it was whole.
pub fn check(bytes: &[u8], folder: &Path) -> usize {
    let mut sealed = bytes.to_vec();
    seal(&mut sealed);
    usize::from(check_as_is(bytes, folder)) + usize::from(check_as_is(&sealed, folder))
}

fn check_as_is(bytes: &[u8], folder: &Path) -> bool {
    let path = folder.join("bundle");
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).expect("write");
    let directory = Directory::new(folder.join("cache"), Owner::User);
    let root = match directory.open() {
        Ok(Some(root)) => root,
        _ => directory.create().expect("a cache"),
    };
    let mut items = Vec::new();
    let listed = list(&path, &mut |item| items.push(item));
    let imported = import(&path, &root, None, false, &mut |done, total| {
        assert!(done <= total && total == bytes.len() as u64);
        true
    });
    let staged = std::fs::read_dir(folder.join("cache").join(TEMPORARY));
    assert_eq!(staged.expect("a folder").count(), 0);
    match imported {
        Ok(imported) => {
            listed.expect("what can be imported can be listed");
            assert_eq!(imported.new, items);
            for item in items {
                let path = match item.kind {
                    Kind::Entry => entry_path(&item.key),
                    Kind::Alias => alias_path(&item.key),
                };
                let file = root.open_file(&path, OFlags::RDONLY);
                verify(file.expect("it was imported"), &item, None).expect("it is whole");
                root.unlink(&path).expect("it is there");
            }
            true
        }
        Err(error) => {
            assert_ne!(error.status, Status::Io, "{error}");
            for item in items {
                root.open_file(&entry_path(&item.key), OFlags::RDONLY)
                    .expect_err("nothing was imported");
            }
            false
        }
    }
}

/// Makes the digest right.
pub(super) fn seal(bytes: &mut [u8]) {
    if let Some(end) = bytes.len().checked_sub(TAIL_LEN as usize) {
        let digest = blake3::hash(&bytes[..end]);
        bytes[end..end + 32].copy_from_slice(digest.as_bytes());
        bytes[end + 32..].copy_from_slice(&END_MAGIC);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::{bundle, entry_file, honest, record};
    use super::*;
    use crate::cache::entry::{self, fuzz as entry_fuzz};
    use crate::cache::key::Key;
    use entry_fuzz::{Random, mutate};

    /// Records that are right: compressed entries, one that is not, and aliases.
    fn records() -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let alias = |number: u8, target: &Key| {
            let key = Key([number; 32]);
            honest(Kind::Alias, &key, &entry::encode_alias(&key, target, None))
        };
        for number in 1..=3 {
            let (key, file) = entry_file(number, None);
            records.push(honest(Kind::Entry, &key, &file));
            records.push(alias(100 + number, &key));
        }
        let (key, file) = entry_file(4, None);
        let len = file.len() as u64;
        records.push(record(Kind::Entry as u32, 0, &key, (len, len), &file));
        records
    }

    #[test]
    fn changed_bundles_are_refused_or_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut random = Random(4);
        let records = records();
        let whole = bundle(records.len() as u64, &records);
        assert_eq!(check(&whole, folder.path()), 2);
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut random);
            check(&bytes, folder.path());
        }
    }

    #[test]
    fn records_in_any_order_are_refused_or_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut random = Random(5);
        let records = records();
        let mut whole = 0;
        for _ in 0..1000 {
            let mut chosen = Vec::new();
            for _ in 0..random.below(5) {
                let mut record = records[random.below(records.len())].clone();
                // Now and then the head of one with the content of another, or a changed one.
                match random.below(6) {
                    0 => {
                        let other = &records[random.below(records.len())];
                        let at = random.below(record.len().min(other.len()));
                        record.truncate(at);
                        record.extend_from_slice(&other[at..]);
                    }
                    1 => mutate(&mut record, &mut random),
                    _ => {}
                }
                chosen.push(record);
            }
            let count = match random.below(8) {
                0 => random.next() >> random.below(64),
                _ => chosen.len() as u64,
            };
            whole += check(&bundle(count, &chosen), folder.path());
        }
        assert!(
            whole > 100,
            "only {whole} were whole: this tests too little"
        );
    }

    #[test]
    fn changed_entries_in_right_records_are_refused_or_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut random = Random(6);
        let (key, file) = entry_file(1, None);
        for _ in 0..2000 {
            let mut changed = file.clone();
            mutate(&mut changed, &mut random);
            if random.below(4) > 0 {
                entry_fuzz::reseal(&mut changed);
            }
            let bytes = bundle(1, &[honest(Kind::Entry, &key, &changed)]);
            check_as_is(&bytes, folder.path());
        }
    }
}
