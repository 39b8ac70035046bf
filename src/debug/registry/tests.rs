use super::*;
use std::collections::BTreeMap;

/// Addresses that no image has: nothing is mapped there.
const FIRST: usize = 0x1000;
const STEP: usize = 0x3000;

fn record(number: usize, len: usize) -> Box<Record> {
    let base = FIRST + number * STEP;
    let image = Image {
        base,
        len,
        symbols: Symbols {
            table: 0,
            count: 0,
            strings: 0,
            strings_len: 0,
        },
        file_len: 0,
        loaded_len: 0,
    };
    Record::new(
        &image,
        Label {
            name: Arc::from(number.to_string()),
            key: [0; 32],
            owner: 0,
            file: None,
            bytes: Vec::new(),
            announce: Announce::Never,
        },
    )
}

fn list(record: Box<Record>) -> *mut Record {
    add(&mut write(), record)
}

/// # Safety
///
/// `list` returned it.
unsafe fn unlist(record: *mut Record) {
    // SAFETY: the caller vouches for it.
    unsafe { remove(&mut write(), record) };
}

/// The record of the image that an address lies in, by its name.
fn found(address: usize) -> Option<String> {
    let reader = Reader::new();
    reader.find(address).map(|record| record.name().to_owned())
}

#[test]
fn images_are_found_by_address_in_whatever_order_they_come_and_go() {
    const COUNT: usize = 2000;
    let mut listed: BTreeMap<usize, *mut Record> = BTreeMap::new();
    let mut random = 1usize;
    for turn in 0..20_000 {
        // Of Knuth's MMIX.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let number = (random >> 33) % COUNT;
        match listed.remove(&number) {
            // SAFETY: `list` returned it.
            Some(record) => unsafe { unlist(record) },
            None => {
                listed.insert(number, list(record(number, STEP - 0x1000)));
            }
        }
        let probe = (random >> 20) % COUNT;
        let expected = listed.contains_key(&probe).then(|| probe.to_string());
        for offset in [0, 1, STEP - 0x1001] {
            let address = FIRST + probe * STEP + offset;
            assert_eq!(found(address), expected, "turn {turn}");
        }
        // Between two images.
        assert_eq!(found(FIRST + probe * STEP + STEP - 1), None);
    }
    let reader = Reader::new();
    let inside = |record: &&Record| record.base < FIRST + COUNT * STEP;
    let bases: Vec<usize> = reader
        .all()
        .filter(inside)
        .map(|record| (record.base - FIRST) / STEP)
        .collect();
    drop(reader);
    assert_eq!(bases, listed.keys().copied().collect::<Vec<_>>());
    for record in listed.into_values() {
        // SAFETY: `list` returned it.
        unsafe { unlist(record) };
    }
}

#[test]
fn readers_do_not_hold_writers_up_for_ever() {
    // Beyond those of the other test.
    const NUMBER: usize = 10_000;
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let name = found(FIRST + NUMBER * STEP);
                    assert!(name.is_none_or(|name| name == NUMBER.to_string()));
                }
            });
        }
        for _ in 0..500 {
            let record = list(record(NUMBER, 1));
            // SAFETY: `list` returned it.
            unsafe { unlist(record) };
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn heights_are_those_of_a_skip_list() {
    let mut counts = [0; HEIGHT + 1];
    for serial in 1..=100_000 {
        counts[height(serial)] += 1;
    }
    assert_eq!(counts[0], 0);
    for level in 1..5 {
        let ratio = f64::from(counts[level + 1]) / f64::from(counts[level]);
        assert!((0.2..0.3).contains(&ratio), "{counts:?}");
    }
}
