//! Bundles that are used where they lie.

use super::super::format::{RECORD_LEN, TAIL_LEN, VERSION_AT};
use super::super::in_place::InPlace;
use super::support::*;
use crate::cache::directory::{Owner, entry_path};
use crate::cache::entry::{Entry, Kind, read_alias_at};
use crate::cache::key::Key;
use crate::cache::options::Options;
use crate::cache::store::{Found, Store};
use crate::cache::tests::support::MACHINE;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn open(path: &Path) -> InPlace {
    InPlace::open(path, Owner::User).expect("a bundle")
}

fn store(above: &Cache, layer: &Path) -> Store {
    let options = Options {
        layers: vec![layer.to_owned()],
        ..Options::example()
    };
    Store::new(above.path("cache"), options)
}

/// Digests of numbers: keys as they are.
fn key(number: u32) -> Key {
    Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

#[test]
fn all_entries_are_found_and_no_others() {
    let from = Cache::new();
    // Below and above what is read of the index at once, and keys that somebody chose.
    for (count, chosen) in [
        (0, false),
        (1, false),
        (3, true),
        (145, false),
        (700, false),
        (400, true),
    ] {
        let key = |number: u32| match chosen {
            false => key(number),
            true => {
                let mut key = [7; 32];
                key[28..].copy_from_slice(&number.to_be_bytes());
                Key(key)
            }
        };
        let keys: Vec<Key> = (0..count).map(key).collect();
        for key in &keys {
            from.write(&entry_path(key), &entry_file_of(key, b"image", None));
        }
        let alias = (count > 0).then(|| (from.add_alias(9, &keys[0]), keys[0]));
        let aliases: Vec<(Key, Key)> = alias.into_iter().collect();
        from.export(&keys, &aliases, None);
        let bundle = open(&from.path("bundle"));
        for key in &keys {
            let part = bundle
                .find(Kind::Entry, key)
                .expect("read")
                .expect("it is there");
            assert_eq!(part.at % 4096, 0);
            let entry = Entry::verify_part(part, key, None).expect("an entry");
            assert_eq!(entry.image().expect("an image"), b"image");
            entry.verify_attachments().expect("all of it");
            assert!(bundle.find(Kind::Alias, key).expect("read").is_none());
        }
        for (alias, target) in &aliases {
            let part = bundle
                .find(Kind::Alias, alias)
                .expect("read")
                .expect("it is there");
            assert_eq!(
                read_alias_at(&part, alias, None).expect("an alias"),
                *target
            );
        }
        for number in count..count + 50 {
            assert!(
                bundle
                    .find(Kind::Entry, &key(number))
                    .expect("read")
                    .is_none()
            );
        }
        for far in [[0; 32], [255; 32]] {
            assert!(bundle.find(Kind::Entry, &Key(far)).expect("read").is_none());
        }
    }
}

/// Whatever the index says, an entry is what its key stands for, or is not there.
#[test]
fn nothing_that_an_index_says_is_believed() {
    let from = Cache::new();
    let keys: Vec<Key> = (0..5).map(key).collect();
    for key in &keys {
        from.write(&entry_path(key), &entry_file_of(key, &key.0, None));
    }
    from.export(&keys, &[], None);
    let whole = std::fs::read(from.path("bundle")).expect("read");
    let index = whole.len() - TAIL_LEN as usize - 5 * RECORD_LEN as usize;
    for at in index..whole.len() - TAIL_LEN as usize {
        for change in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            let path = from.path("changed");
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, &changed).expect("write");
            let bundle = open(&path);
            let mut found = 0;
            for key in &keys {
                let part = bundle.find(Kind::Entry, key).expect("read");
                let entry = part.map(|part| Entry::verify_part(part, key, None));
                if let Some(Ok(entry)) = entry {
                    assert_eq!(entry.image().expect("an image"), key.0);
                    found += 1;
                }
            }
            assert!(found >= 2, "byte {at}");
        }
    }
}

#[test]
fn what_is_no_bundle_is_told() {
    let from = Cache::new();
    let key = from.add(1, None);
    from.export(&[key], &[], None);
    let whole = std::fs::read(from.path("bundle")).expect("read");
    let path = from.path("other");
    let check = |bytes: &[u8], says: &str| {
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).expect("write");
        let error = InPlace::open(&path, Owner::User).expect_err("no bundle");
        assert!(error.contains(says), "{error}");
        let found = store(&Cache::new(), &path).find(&key, MACHINE);
        let Found::Unusable(_, warning) = found else {
            panic!("{found:?}");
        };
        assert!(
            warning.0.contains(says) && warning.0.contains("the layer /"),
            "{warning}"
        );
    };
    check(b"", "neither a folder nor a bundle");
    check(&[0; 200], "neither a folder nor a bundle");
    // Each moment of a copy.
    for len in (80..whole.len()).step_by(97) {
        check(&whole[..len], "still being copied");
    }
    let mut newer = whole.clone();
    newer[VERSION_AT] = 9;
    check(&newer, "its format version is 9");
    let (key, file) = entry_file(1, None);
    check(
        &bundle(1, &[honest(Kind::Entry, &key, &file)]),
        "it has no index",
    );
    let mut many = whole.clone();
    many[24..32].fill(0xff);
    check(&many, "too short for its");

    std::fs::set_permissions(from.path("bundle"), PermissionsExt::from_mode(0o666)).expect("set");
    let error = InPlace::open(&from.path("bundle"), Owner::User).expect_err("not ours alone");
    assert!(error.contains("others may write it"), "{error}");
}

/// A bundle that is replaced, written anew in place, cut, and removed, while a process uses it.
#[test]
fn a_bundle_changes_while_it_is_used() {
    let from = Cache::new();
    let [one, two] = [1, 2].map(|number| from.add(number, None));
    from.export(&[one], &[], None);
    let path = from.path("bundle");
    let above = Cache::new();
    let store = store(&above, &path);
    let is_found = |key: &Key| match store.find(key, MACHINE) {
        Found::Entry(entry) => {
            assert_eq!(entry.directory.expect("a place").join(&entry.path), path);
            true
        }
        Found::Nothing => false,
        Found::Unusable(_, warning) => panic!("{warning}"),
    };
    assert!(is_found(&one) && !is_found(&two));
    from.export(&[one, two], &[], None);
    assert!(is_found(&two) && is_found(&one));
    let both = std::fs::read(&path).expect("read");
    from.export(&[two], &[], None);
    assert!(is_found(&one), "the one that is open has it");
    assert!(is_found(&two));
    assert!(!is_found(&key(1)));
    assert!(!is_found(&one), "it was looked at again");

    // In place: as a copy would write it.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("set");
    std::fs::write(&path, &both).expect("written");
    assert!(is_found(&one) && is_found(&two));
    std::fs::write(&path, &both[..both.len() / 2]).expect("written");
    assert!(matches!(store.find(&one, MACHINE), Found::Unusable(..)));
    std::fs::write(&path, &both).expect("written");
    assert!(is_found(&one) && is_found(&two));
    let mut changed = both.clone();
    for byte in &mut changed[4096..4200] {
        *byte ^= 1;
    }
    std::fs::write(&path, &changed).expect("written");
    assert!(matches!(store.find(&one, MACHINE), Found::Unusable(..)));
    assert!(is_found(&two));
    std::fs::remove_file(&path).expect("removed");
    assert!(is_found(&two), "it is still open");
    assert!(!is_found(&key(1)));
    assert!(!is_found(&two), "it was looked at again");
}
