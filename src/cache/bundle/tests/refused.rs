//! Files that are not whole bundles are refused.

use super::super::format::*;
use super::super::fuzz::seal;
use super::support::*;
use crate::cache::entry::{self, Kind};
use crate::cache::key::Key;
use crate::error::Status;
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
    cache.refuse(&newer, Status::Damaged, &["format version is invalid"]);
    seal(&mut newer);
    cache.refuse(
        &newer,
        Status::InvalidArgument,
        &["version 7", "reads 2 and earlier"],
    );
    newer[VERSION_AT] = 0;
    seal(&mut newer);
    cache.refuse(&newer, Status::Damaged, &["format version is invalid"]);

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
        cache.refuse(&longer, Status::Damaged, &["something was appended"]);
        seal(&mut longer);
        cache.refuse(&longer, Status::Damaged, &["follow its last record"]);
        items(&cache.path("bad")).expect_err("it is too long");
    }
    let twice = [whole.clone(), whole].concat();
    cache.refuse(
        &twice,
        Status::Damaged,
        &["follow its last record", "copy it again"],
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
    refuse(
        u64::MAX,
        std::slice::from_ref(&entry),
        &["too short for its"],
    );
    refuse(
        2,
        std::slice::from_ref(&entry),
        &["record 2 of 2", "ends before it"],
    );
    refuse(0, std::slice::from_ref(&entry), &["follow its last record"]);

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
        with(kind, 1, lens, &content, "its kind is unknown");
    }
    for compression in [2, 3, u32::MAX] {
        with(1, compression, lens, &content, "its compression is unknown");
    }

    // Lengths.
    for huge in [1 << 41, 1 << 62, 1 << 63, u64::MAX - 100, u64::MAX] {
        with(1, 1, (huge, lens.1), &content, "length is impossible");
        with(1, 0, (huge, huge), &content, "length is impossible");
        with(1, 1, (lens.0, huge), &content, "does not fit");
    }
    for len in [0, 1, entry::TAIL_LEN as u64 - 1] {
        with(1, 1, (len, lens.1), &content, "length is impossible");
    }
    with(2, 1, lens, &content, "length is impossible");
    with(1, 1, (lens.0, lens.1 + 1), &content, "does not fit");
    with(1, 1, (lens.0 - 1, lens.1), &content, "decompresses to more");
    with(1, 1, (lens.0 + 1, lens.1), &content, "not to its record's");
    with(1, 1, (lens.0, 0), &[], "more than 256 times");
    with(1, 0, (lens.0, lens.0 - 1), &file[1..], "not compressed");
    let more = [&content[..], b"more"].concat();
    with(1, 1, (lens.0, lens.1 + 4), &more, "follow its compressed");
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
    with(
        1,
        1,
        (lens.0, two.len() as u64),
        &two,
        "not to its record's",
    );

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
    refuse(2, &records, &["record 2 of 2", "does not come before it"]);
    refuse(
        2,
        &[alias_record.clone(), entry.clone()],
        &["record 1 of 2", "does not come before it"],
    );
    let as_entry = honest(Kind::Entry, &alias, &alias_file);
    refuse(2, &[entry.clone(), as_entry], &["its kind is not"]);

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

/// What has an index: what it lists is compared, and zeros are zeros.
#[test]
fn bundles_with_an_index_that_are_not_whole_are_refused() {
    let from = Cache::new();
    let keys = [3, 1, 2].map(|number| from.add(number, None));
    let alias = from.add_alias(9, &keys[0]);
    from.export(&keys, &[(alias, keys[0])], None);
    let whole = std::fs::read(from.path("bundle")).expect("a bundle");
    let cache = Cache::new();
    cache.add(40, None);
    let end = whole.len() - TAIL_LEN as usize;
    let index = end - 4 * RECORD_LEN as usize;
    for at in (0..whole.len()).step_by(7).chain(index..whole.len()) {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        cache.refuse(&changed, Status::Damaged, &[]);
        seal(&mut changed);
        // Some bytes are nobody's business but the entry's: its signature, which is none.
        if at >= index && at < end {
            cache.refuse(&changed, Status::Damaged, &["its index does not"]);
        }
    }
    let mut padded = whole.clone();
    padded[HEADER_LEN as usize + RECORD_LEN as usize] = 1;
    seal(&mut padded);
    cache.refuse(&padded, Status::Damaged, &["record 1 of 4", "zeros"]);
    for len in (0..whole.len()).step_by(61).chain(index..whole.len()) {
        cache.refuse(&whole[..len], Status::Damaged, &[]);
        let mut cut = whole[..len].to_vec();
        seal(&mut cut);
        cache.refuse(&cut, Status::Damaged, &[]);
    }
    std::fs::write(cache.path("bundle"), &whole).expect("write");
    assert_eq!(cache.import("bundle", None).expect("whole").new.len(), 4);
}
