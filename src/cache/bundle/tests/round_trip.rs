//! What is exported is what is imported.

use super::super::copy::{CHUNK_LEN, Limited, Progress};
use super::super::export::{Exported, export};
use super::super::import::import;
use super::support::*;
use crate::cache::directory::{alias_path, entry_path};
use crate::cache::entry::{self, Entry, Kind};
use crate::cache::key::Key;
use crate::cache::trust::Trust;
use crate::cache::trust::tests::{secret_signer, signer, trust};
use crate::error::Status;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
#[test]
fn what_is_exported_is_imported() {
    let from = Cache::new();
    let mut keys: Vec<Key> = (1..=20).map(|number| from.add(number, None)).collect();
    let large = Key([30; 32]);
    let mut image = vec![0; 3 * CHUNK_LEN + 17];
    blake3::Hasher::new()
        .finalize_xof()
        .fill(&mut image[..CHUNK_LEN]);
    from.write(&entry_path(&large), &entry_file_of(&large, &image, None));
    keys.push(large);
    // Almost all zeros: it would shrink more than is believed.
    let sparse = Key([31; 32]);
    let zeros = vec![0; 8 << 20];
    from.write(&entry_path(&sparse), &entry_file_of(&sparse, &zeros, None));
    keys.push(sparse);
    let left_out = from.add(40, None);
    let aliases = [
        (from.add_alias(101, &keys[0]), keys[0]),
        (from.add_alias(102, &keys[0]), keys[0]),
        (from.add_alias(103, &left_out), left_out),
        // Gone by now, and of something else by now.
        (Key([104; 32]), keys[1]),
        (from.add_alias(105, &keys[2]), keys[3]),
    ];
    // In whatever order, and however often.
    let again: Vec<Key> = keys.iter().rev().chain(&keys).copied().collect();
    let mut steps = Vec::new();
    let exported = export(
        &from.root,
        &again,
        &aliases,
        None,
        None,
        &from.path("bundle"),
        &mut |done, total| {
            steps.push((done, total));
            true
        },
    )
    .expect("an export");
    let all = steps[0].1;
    assert!(
        steps.is_sorted()
            && steps
                .iter()
                .all(|(done, total)| *total == all && *done <= all)
    );
    assert_eq!(steps.last(), Some(&(all, all)));
    let path = from.path("bundle");
    let metadata = std::fs::metadata(&path).expect("a bundle");
    assert_eq!(
        exported,
        Exported {
            entries: 22,
            aliases: 2,
            bytes: metadata.len()
        }
    );
    assert_eq!(metadata.permissions().mode() & 0o133, 0);
    // The same again: nothing depends on time or order.
    let first = std::fs::read(&path).expect("read");
    from.export(&keys, &aliases, None);
    assert_eq!(std::fs::read(&path).expect("read"), first);

    let listed = items(&path).expect("a list");
    assert_eq!(listed.len(), 24);
    for (index, item) in listed.iter().enumerate() {
        let path = if index < 22 {
            entry_path(&item.key)
        } else {
            alias_path(&item.key)
        };
        assert_eq!(from.read(&path).expect("a file").len() as u64, item.len);
    }

    let to = Cache::new();
    std::fs::rename(&path, to.path("bundle")).expect("rename");
    steps.clear();
    let imported = import(
        &to.path("bundle"),
        &to.root,
        None,
        true,
        &mut |done, total| {
            steps.push((done, total));
            true
        },
    )
    .expect("an import");
    assert!(steps.is_sorted());
    assert_eq!(steps.last(), Some(&(exported.bytes, exported.bytes)));
    assert_eq!(imported.new, listed);
    assert_eq!(imported.present, []);
    assert_eq!(
        imported.bytes,
        listed.iter().map(|item| item.len).sum::<u64>()
    );
    for item in &listed {
        let path = match item.kind {
            Kind::Entry => entry_path(&item.key),
            Kind::Alias => alias_path(&item.key),
        };
        assert_eq!(to.read(&path), from.read(&path));
    }
    assert_eq!(to.count(), (24, 0));

    // And once more into the same cache.
    let imported = to.import("bundle", None).expect("an import");
    assert_eq!(imported.new, []);
    assert_eq!(imported.present, listed);
    assert_eq!(imported.bytes, 0);
    assert_eq!(to.count(), (24, 0));
}

#[test]
fn nothing_is_a_bundle_too() {
    let cache = Cache::new();
    cache.export(&[], &[], None);
    assert_eq!(items(&cache.path("bundle")).expect("a list"), []);
    let imported = cache.import("bundle", None).expect("an import");
    assert_eq!((imported.new, imported.present), (vec![], vec![]));
}

#[test]
fn what_is_there_and_whole_stays() {
    let from = Cache::new();
    let keys = [1, 2, 3].map(|number| from.add(number, None));
    let alias = from.add_alias(101, &keys[0]);
    from.export(&keys, &[(alias, keys[0])], None);

    let to = Cache::new();
    std::fs::rename(from.path("bundle"), to.path("bundle")).expect("rename");
    // Another entry of the same key, as another run of the compiler may write: whole, so it stays.
    let other = entry_file_of(&keys[0], b"another image", None);
    to.write(&entry_path(&keys[0]), &other);
    // A damaged one is mended.
    let mut damaged = from.read(&entry_path(&keys[1])).expect("an entry");
    damaged[3] ^= 1;
    to.write(&entry_path(&keys[1]), &damaged);
    // As is one whose object is damaged, which a hit does not notice.
    let mut damaged = from.read(&entry_path(&keys[2])).expect("an entry");
    let at = damaged.len() - entry::TAIL_LEN - 1;
    damaged[at] ^= 1;
    to.write(&entry_path(&keys[2]), &damaged);
    // An alias of something that is not there is of no use.
    to.add_alias(101, &Key([9; 32]));

    let imported = to.import("bundle", None).expect("an import");
    let present: Vec<Key> = imported.present.iter().map(|item| item.key).collect();
    assert_eq!(present, [keys[0]]);
    let new: Vec<Key> = imported.new.iter().map(|item| item.key).collect();
    assert_eq!(new, [keys[1], keys[2], alias]);
    assert_eq!(to.read(&entry_path(&keys[0])), Some(other));
    for path in [
        entry_path(&keys[1]),
        entry_path(&keys[2]),
        alias_path(&alias),
    ] {
        assert_eq!(to.read(&path), from.read(&path));
    }
    // One of another entry that is there is left alone.
    to.add_alias(101, &keys[2]);
    let imported = to.import("bundle", None).expect("an import");
    assert_eq!(imported.new, []);
}

#[test]
fn only_what_is_signed_is_imported_where_that_is_asked_for() {
    for signer in [signer(1), secret_signer(1)] {
        let trusted = trust(&[&signer]);
        let cache = Cache::new();
        let keys = [cache.add(1, None), cache.add(2, Some(&secret_signer(9)))];
        let alias = cache.add_alias(101, &keys[0]);
        let aliases = [(alias, keys[0])];

        let to = Cache::new();
        let path = cache.path("bundle");
        let import =
            |trust: Option<&Trust>| import(&path, &to.root, trust, false, &mut |_, _| true);
        cache.export(&keys, &aliases, None);
        let error = import(Some(&trusted)).expect_err("unsigned");
        assert_eq!(error.status, Status::Untrusted);
        assert!(error.message.contains("no signature"), "{error}");
        assert!(error.message.contains("record 1 of 3"), "{error}");
        assert!(error.message.contains(&keys[0].to_string()), "{error}");
        assert_eq!(to.count(), (0, 0));

        cache.export(
            &keys,
            &aliases,
            Some(&crate::cache::trust::tests::signer(2)),
        );
        let error = import(Some(&trusted)).expect_err("signed by somebody else");
        assert_eq!(error.status, Status::Untrusted);
        assert!(error.message.contains("not trusted"), "{error}");
        assert_eq!(to.count(), (0, 0));

        // Without a signer, the signatures that entries have stay.
        cache.export(&keys[1..], &[], None);
        import(Some(&trust(&[&secret_signer(9)]))).expect("signed before");
        assert_eq!(to.count(), (1, 0));

        // What is there already, but not trusted, is replaced.
        cache.export(&keys, &aliases, Some(&signer));
        let imported = import(Some(&trusted)).expect("signed");
        assert_eq!(imported.new.len(), 3);
        assert_eq!(to.count(), (3, 0));
        for key in &keys {
            let file = to
                .root
                .open_file(&entry_path(key), rustix::fs::OFlags::RDONLY);
            let entry = Entry::verify(file.expect("an entry"), key, Some(&trusted));
            entry.expect("trusted").verify_attachments().expect("whole");
        }
        assert_eq!(import(Some(&trusted)).expect("again").present.len(), 3);
        // Who asks for nothing takes it too.
        assert_eq!(import(None).expect("again").present.len(), 3);
    }
}

#[test]
fn exports_of_what_is_missing_or_damaged_leave_nothing_behind() {
    let cache = Cache::new();
    let key = cache.add(1, None);
    let alias = cache.add_alias(101, &key);
    let path = cache.path("bundle");
    std::fs::write(&path, "what was there before").expect("write");
    let export = |keys: &[Key], aliases: &[(Key, Key)], progress: &mut Progress<'_>| {
        let error =
            export(&cache.root, keys, aliases, None, None, &path, progress).expect_err("no");
        let names = std::fs::read_dir(cache.folder.path()).expect("a folder");
        assert_eq!(names.count(), 2, "the cache and what was there before");
        let bytes = std::fs::read(&path).expect("read");
        assert_eq!(bytes, b"what was there before");
        error
    };
    let missing = Key([2; 32]);
    let error = export(&[key, missing], &[], &mut |_, _| true);
    assert_eq!(error.status, Status::NotFound);
    assert!(error.message.contains(&missing.to_string()), "{error}");

    let whole = cache.read(&entry_path(&key)).expect("an entry");
    for at in [5, whole.len() - entry::TAIL_LEN - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        cache.write(&entry_path(&key), &damaged);
        let error = export(&[key], &[], &mut |_, _| true);
        assert_eq!(error.status, Status::Damaged);
        assert!(error.message.contains(&key.to_string()), "{error}");
    }
    cache.write(&entry_path(&key), &whole);

    let mut damaged = entry::encode_alias(&alias, &key, None);
    damaged[0] ^= 1;
    cache.write(&alias_path(&alias), &damaged);
    let error = export(&[key], &[(alias, key)], &mut |_, _| true);
    assert_eq!(error.status, Status::Damaged);
    assert!(error.message.contains(&alias.to_string()), "{error}");

    let mut steps = 0;
    let mut count = |_, _| {
        steps += 1;
        true
    };
    let to = cache.path("cache/bundle");
    super::super::export(&cache.root, &[key], &[], None, None, &to, &mut count).expect("an export");
    for stop in 0..steps {
        let mut step = 0;
        let error = export(&[key], &[], &mut |_, _| {
            step += 1;
            step <= stop
        });
        assert!(error.message.contains("cancelled"), "{error}");
    }

    let to = cache.path("missing/bundle");
    let error = super::super::export(&cache.root, &[key], &[], None, None, &to, &mut |_, _| true);
    assert_eq!(error.expect_err("no folder").status, Status::Io);
    let error = super::super::export(
        &cache.root,
        &[key],
        &[],
        None,
        None,
        Path::new("/"),
        &mut |_, _| true,
    );
    assert_eq!(error.expect_err("no name").status, Status::InvalidArgument);
}

#[test]
fn a_cancelled_import_leaves_nothing_behind() {
    let from = Cache::new();
    let keys = [1, 2, 3].map(|number| from.add(number, None));
    from.export(&keys, &[], None);
    let to = Cache::new();
    let import = |stop: u64| {
        let mut step = 0;
        let imported = import(&from.path("bundle"), &to.root, None, false, &mut |_, _| {
            step += 1;
            step != stop
        });
        (imported, step)
    };
    let mut stop = 1;
    loop {
        let (imported, steps) = import(stop);
        match imported {
            Ok(_) => break,
            Err(error) => assert!(error.message.contains("cancelled"), "{error}"),
        }
        assert_eq!(steps, stop);
        assert_eq!(to.count(), (0, 0));
        stop += 1;
    }
    assert_eq!(
        stop, 6,
        "before, after each entry, and before names are given"
    );
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let from = Cache::new();
    let key = from.add(1, None);
    from.export(&[key], &[], None);
    let to = Cache::new();
    // A folder where the entry should be.
    std::fs::create_dir_all(to.path("cache").join(entry_path(&key))).expect("a folder");
    let error = import(&from.path("bundle"), &to.root, None, false, &mut |_, _| {
        true
    });
    let error = error.expect_err("it is in the way");
    assert_eq!(error.status, Status::Cache);
    assert!(error.message.contains("0 of 1 files"), "{error}");
    assert_eq!(to.count().1, 0);

    let file = tempfile::tempfile().expect("a file");
    let mut limited = Limited::new(&file);
    limited.limit = 10;
    limited.write_all(b"12345").expect("it fits");
    let error = limited.write_all(b"123456").expect_err("it does not");
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    limited.write_all(b"12345").expect("it fits");
}
