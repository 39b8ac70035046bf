use super::export::Exported;
use super::fuzz::seal;
use super::import::Imported;
use super::*;
use crate::cache::directory::{Directory, Owner, Root, TEMPORARY, alias_path, entry_path};
use crate::cache::file;
use crate::cache::manifest::Manifest;
use crate::cache::trust::tests::{secret_signer, signer, trust};
use crate::cache::trust::{Signer, Trust};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

/// A cache in a folder of its own, which bundles may lie in too.
pub(super) struct Cache {
    folder: tempfile::TempDir,
    pub root: Arc<Root>,
}

impl Cache {
    pub fn new() -> Cache {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path().join("cache"), Owner::User);
        let root = directory.create().expect("a cache");
        Cache { folder, root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path("cache").join(path)).ok()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        file::publish(&self.root, path, &[bytes], false).expect("it is written");
    }

    pub fn add(&self, number: u8, signer: Option<&Signer>) -> Key {
        let (key, bytes) = entry_file(number, signer);
        self.write(&entry_path(&key), &bytes);
        key
    }

    fn add_alias(&self, number: u8, target: &Key) -> Key {
        let key = Key([number; 32]);
        self.write(&alias_path(&key), &entry::encode_alias(&key, target, None));
        key
    }

    pub fn import(&self, name: &str, trust: Option<&Trust>) -> Result<Imported, Error> {
        import(&self.path(name), &self.root, trust, false, &mut |_, _| true)
    }

    fn export(&self, keys: &[Key], aliases: &[(Key, Key)], signer: Option<&Signer>) -> Exported {
        let to = self.path("bundle");
        export(&self.root, keys, aliases, None, signer, &to, &mut |_, _| {
            true
        })
        .expect("an export")
    }

    /// How many files there are, and how many of them have no name yet.
    pub fn count(&self) -> (usize, usize) {
        let count = |path: PathBuf| std::fs::read_dir(path).expect("a folder").count();
        let entries = self.path("cache").join("v3/entries");
        let folders = std::fs::read_dir(entries).expect("a folder");
        let files = folders.flatten().map(|folder| count(folder.path())).sum();
        (files, count(self.path("cache").join(TEMPORARY)))
    }

    /// Imports what must not be, and checks that nothing is left of it.
    #[track_caller]
    fn refuse(&self, bytes: &[u8], status: Status, says: &[&str]) -> String {
        // Some file systems wait for the disk when a file is cut and written again.
        let _ = std::fs::remove_file(self.path("bad"));
        std::fs::write(self.path("bad"), bytes).expect("write");
        let before = self.count();
        let error = self.import("bad", None).expect_err("it is refused");
        assert_eq!(self.count(), before, "{error}");
        let message = error.message;
        assert_eq!(error.status, status, "{message}");
        for part in says {
            assert!(message.contains(part), "`{message}` does not say `{part}`");
        }
        let path = self.path("bad");
        assert!(message.contains(&path.display().to_string()), "{message}");
        message
    }
}

/// An entry file. Its image does not shrink to nothing.
pub(super) fn entry_file(number: u8, signer: Option<&Signer>) -> (Key, Vec<u8>) {
    let key = Key([number; 32]);
    let mut image = vec![number; 100];
    blake3::Hasher::new()
        .update(&[number])
        .finalize_xof()
        .fill(&mut image[20..]);
    (key, entry_file_of(&key, &image, signer))
}

fn entry_file_of(key: &Key, image: &[u8], signer: Option<&Signer>) -> Vec<u8> {
    let mut manifest = Manifest::example("m");
    let encoded = entry::encode(key, image, b"object", Some(b"input"), &mut manifest, signer);
    let entry::Encoded {
        manifest,
        object,
        input,
        tail,
    } = encoded.expect("an entry encodes");
    [image, &manifest, &object, &input, &tail].concat()
}

/// A record with everything as it is told.
pub(super) fn record(
    kind: u32,
    compression: u32,
    key: &Key,
    lens: (u64, u64),
    content: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&compression.to_le_bytes());
    bytes.extend_from_slice(&key.0);
    bytes.extend_from_slice(&lens.0.to_le_bytes());
    bytes.extend_from_slice(&lens.1.to_le_bytes());
    bytes.extend_from_slice(content);
    bytes
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("it compresses")
}

/// A record as an export writes it.
pub(super) fn honest(kind: Kind, key: &Key, file: &[u8]) -> Vec<u8> {
    let content = zstd(file);
    let lens = (file.len() as u64, content.len() as u64);
    record(kind as u32, 1, key, lens, &content)
}

/// A bundle of records, with a digest that is right.
pub(super) fn bundle(count: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&records.concat());
    bytes.extend_from_slice(&[0; TAIL_LEN as usize]);
    seal(&mut bytes);
    bytes
}

fn items(path: &Path) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    list(path, &mut |item| items.push(item)).map(|()| items)
}

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

        cache.export(&keys, &aliases, Some(&super::tests::signer(2)));
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
    super::export(&cache.root, &[key], &[], None, None, &to, &mut count).expect("an export");
    for stop in 0..steps {
        let mut step = 0;
        let error = export(&[key], &[], &mut |_, _| {
            step += 1;
            step <= stop
        });
        assert!(error.message.contains("cancelled"), "{error}");
    }

    let to = cache.path("missing/bundle");
    let error = super::export(&cache.root, &[key], &[], None, None, &to, &mut |_, _| true);
    assert_eq!(error.expect_err("no folder").status, Status::Io);
    let error = super::export(
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
fn what_is_no_bundle_is_told_apart() {
    let cache = Cache::new();
    cache.add(1, None);
    let (key, file) = entry_file(2, None);
    let whole = bundle(1, &[honest(Kind::Entry, &key, &file)]);
    cache.refuse(
        b"",
        Status::Damaged,
        &["shorter than any bundle", "copy it again"],
    );
    cache.refuse(&[0; 80], Status::Damaged, &["not a bundle"]);
    cache.refuse(&file, Status::Damaged, &["not a bundle"]);
    let error = cache.import("missing", None).expect_err("no file");
    assert_eq!(error.status, Status::Io);
    let error = cache.import("cache", None).expect_err("a folder");
    assert_eq!(error.status, Status::InvalidArgument);

    // A later version that is whole, and bytes that only look like one.
    let mut newer = whole.clone();
    newer[VERSION_AT] = 7;
    cache.refuse(&newer, Status::Damaged, &["no version that there is"]);
    seal(&mut newer);
    cache.refuse(&newer, Status::InvalidArgument, &["version 7", "reads 1"]);
    newer[VERSION_AT] = 0;
    seal(&mut newer);
    cache.refuse(&newer, Status::Damaged, &["no version that there is"]);

    let mut padded = whole.clone();
    padded[20] = 1;
    seal(&mut padded);
    cache.refuse(&padded, Status::Damaged, &["zeros"]);
    let mut digest = whole.clone();
    let end = digest.len();
    digest[end - TAIL_LEN as usize] ^= 1;
    let message = cache.refuse(&digest, Status::Damaged, &["digest", "copy it again"]);
    assert!(!message.contains("record"), "{message}");
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let cache = Cache::new();
    cache.add(1, None);
    let (key, file) = entry_file(2, None);
    let whole = bundle(1, &[honest(Kind::Entry, &key, &file)]);
    for len in 0..whole.len() {
        cache.refuse(&whole[..len], Status::Damaged, &[]);
        // With a right end, as if it had been written so.
        let mut cut = whole[..len].to_vec();
        seal(&mut cut);
        cache.refuse(&cut, Status::Damaged, &[]);
        items(&cache.path("bad")).expect_err("it is too short");
    }
    for extra in [1, 31, 32, 47, 48, 49, 56, 4096] {
        let mut longer = whole.clone();
        longer.resize(whole.len() + extra, 0);
        cache.refuse(&longer, Status::Damaged, &["something was added"]);
        seal(&mut longer);
        cache.refuse(&longer, Status::Damaged, &["lie behind its last record"]);
        items(&cache.path("bad")).expect_err("it is too long");
    }
    let twice = [whole.clone(), whole].concat();
    cache.refuse(
        &twice,
        Status::Damaged,
        &["lie behind its last record", "copy it again"],
    );
}

#[test]
fn every_flipped_bit_is_refused() {
    let cache = Cache::new();
    let (key, file) = entry_file(1, None);
    let alias = Key([2; 32]);
    let whole = bundle(
        2,
        &[
            honest(Kind::Entry, &key, &file),
            honest(
                Kind::Alias,
                &alias,
                &entry::encode_alias(&alias, &key, None),
            ),
        ],
    );
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        cache.refuse(&flipped, Status::Damaged, &[]);
    }
    std::fs::write(cache.path("bundle"), &whole).expect("write");
    cache.import("bundle", None).expect("it is whole");
}

#[test]
fn hostile_bundles_are_refused() {
    let cache = Cache::new();
    cache.add(1, None);
    let (key, file) = entry_file(2, None);
    let entry = honest(Kind::Entry, &key, &file);
    let content = zstd(&file);
    let lens = (file.len() as u64, content.len() as u64);
    let refuse = |count: u64, records: &[Vec<u8>], says: &[&str]| {
        let says = [says, &["export it again"]].concat();
        cache.refuse(&bundle(count, records), Status::Damaged, &says)
    };
    let with = |kind, compression, lens: (u64, u64), content: &[u8], says: &str| {
        let one = record(kind, compression, &key, lens, content);
        refuse(1, &[one], &["record 1 of 1", says]);
    };

    // Counts.
    refuse(u64::MAX, std::slice::from_ref(&entry), &["cannot hold"]);
    refuse(
        2,
        std::slice::from_ref(&entry),
        &["record 2 of 2", "ends before it"],
    );
    refuse(0, std::slice::from_ref(&entry), &["behind its last record"]);

    // Twice the same, of either kind.
    let says = ["record 2 of 2", "twice", &key.to_string()];
    refuse(2, &[entry.clone(), entry.clone()], &says);
    let alias = Key([9; 32]);
    let alias_file = entry::encode_alias(&alias, &key, None);
    let alias_record = honest(Kind::Alias, &alias, &alias_file);
    let records = [entry.clone(), alias_record.clone(), alias_record.clone()];
    refuse(3, &records, &["record 3 of 3", "twice"]);

    // Kinds and compressions that there are not.
    for kind in [0, 3, u32::MAX] {
        with(kind, 1, lens, &content, "no known kind");
    }
    for compression in [2, 3, u32::MAX] {
        with(1, compression, lens, &content, "no known way");
    }

    // Lengths.
    for huge in [1 << 41, 1 << 62, 1 << 63, u64::MAX - 100, u64::MAX] {
        with(1, 1, (huge, lens.1), &content, "no such file");
        with(1, 0, (huge, huge), &content, "no such file");
        with(1, 1, (lens.0, huge), &content, "does not fit");
    }
    for len in [0, 1, entry::TAIL_LEN as u64 - 1] {
        with(1, 1, (len, lens.1), &content, "no such file");
    }
    with(2, 1, lens, &content, "no such file");
    with(1, 1, (lens.0, lens.1 + 1), &content, "does not fit");
    with(1, 1, (lens.0 - 1, lens.1), &content, "decompresses to more");
    with(1, 1, (lens.0 + 1, lens.1), &content, "were announced");
    with(1, 1, (lens.0, 0), &[], "more than 256 times");
    with(1, 0, (lens.0, lens.0 - 1), &file[1..], "not compressed");
    let more = [&content[..], b"more"].concat();
    with(
        1,
        1,
        (lens.0, lens.1 + 4),
        &more,
        "lie behind the compressed",
    );
    with(
        1,
        1,
        (lens.0, lens.1 - 1),
        &content[..content.len() - 1],
        "ends too early",
    );

    // What is no frame, or two of them, of which the second would be the end of the first.
    with(1, 1, (400, 100), &[1; 100], "record 1");
    let two = [zstd(&file[..1000]), zstd(&file[1000..])].concat();
    with(1, 1, (lens.0, two.len() as u64), &two, "were announced");

    // Bombs: as announced, and not.
    let zeros = zstd(&vec![0; 64 << 20]);
    let len = zeros.len() as u64;
    with(1, 1, (64 << 20, len), &zeros, "more than 256 times");
    with(1, 1, (len * MAX_RATIO, len), &zeros, "decompresses to more");
    // A frame that would take 2 GiB to decompress.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    with(1, 1, (300, 9), &window, "memory");

    // Files that are not what their records say.
    let other = honest(Kind::Entry, &Key([3; 32]), &file);
    refuse(1, &[other], &["belongs to the key", &key.to_string()]);
    let mut wrong = file.clone();
    wrong[0] ^= 1;
    refuse(1, &[honest(Kind::Entry, &key, &wrong)], &["digest"]);
    // The object: no hit would notice.
    let mut wrong = file.clone();
    wrong[file.len() - entry::TAIL_LEN - 20] ^= 1;
    refuse(
        1,
        &[honest(Kind::Entry, &key, &wrong)],
        &["does not match its digest"],
    );
    let (_, alias_of_itself) = (alias, entry::encode_alias(&alias, &alias, None));
    let records = [entry.clone(), honest(Kind::Alias, &alias, &alias_of_itself)];
    refuse(2, &records, &["record 2 of 2", "stands for"]);
    refuse(
        2,
        &[alias_record.clone(), entry.clone()],
        &["record 1 of 2", "stands for"],
    );
    let as_entry = honest(Kind::Entry, &alias, &alias_file);
    refuse(2, &[entry.clone(), as_entry], &["another kind"]);

    // Entries of another version, when all else is right.
    let mut newer = file.clone();
    let at = newer.len() - 16;
    newer[at] = 77;
    let newer = bundle(1, &[honest(Kind::Entry, &key, &newer)]);
    cache.refuse(
        &newer,
        Status::InvalidArgument,
        &["version 77", "record 1 of 1"],
    );

    // A good record before a bad one is not imported either: `refuse` counts.
    let mut second = entry.clone();
    second[KEY_AT] ^= 1;
    refuse(2, &[entry, second], &["record 2 of 2"]);
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
