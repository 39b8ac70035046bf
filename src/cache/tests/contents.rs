//! What is stored, found, counted, listed and evicted.

use super::support::*;
use crate::cache::directory::{INDEX, JOURNAL, alias_path, entry_path};
use crate::cache::explain::{Explanation, explain};
use crate::cache::index::{Filter, Stats, Verdict, Why};
use crate::cache::journal::MissReason;
use crate::cache::key::Key;
use crate::cache::manifest::{Part, Parts};
use crate::cache::options::Limits;
use crate::cache::store::Found;
use crate::types::OptLevel;
use std::fs::File;
use std::time::{Duration, SystemTime};

#[test]
fn statistics_are_exact() {
    let cache = Cache::new();
    for number in 0..10 {
        cache.put(key(number), "m", 100, 1000);
    }
    for number in 0..10 {
        for _ in 0..number {
            assert!(cache.hit(&key(number)));
        }
    }
    assert!(!cache.hit(&key(99)));
    cache.store.record_miss(&key(99), MissReason::Damaged);
    let stats = cache.stats();
    let one = std::fs::metadata(cache.path().join(entry_path(&key(0))))
        .expect("an entry")
        .len();
    let expect = Stats {
        has_history: true,
        entries: 10,
        bytes: 10 * one,
        hits: 45,
        misses_new: 10,
        misses_damaged: 1,
        stores: 10,
        spent: 10 * 1000,
        saved: 45 * 1000,
        ..Stats::default()
    };
    assert_eq!(stats, expect);
    // Asking changes nothing.
    assert_eq!(cache.stats(), expect);
    let details = cache.admin().details(&key(9)).expect("details");
    assert_eq!(details.row.hits, 9);
    assert!(details.row.used > details.row.created);
}

#[test]
fn limits_hold_and_what_saved_most_stays() {
    let cache = Cache::with(|options| {
        options.limits = Limits {
            max_entries: 20,
            ..nothing()
        };
    });
    // Dear ones first, so that the oldest would go if age were all.
    for number in 0..100 {
        let cost = if number < 10 { 1_000_000 } else { 1000 };
        cache.put(key(number), "m", 100, cost);
    }
    let stats = cache.stats();
    assert!(stats.entries <= 20, "{stats:?}");
    assert!(stats.entries >= 15, "{stats:?}");
    assert_eq!(stats.evictions, 100 - stats.entries);
    assert_eq!(stats.stores, 100);
    for number in 0..10 {
        assert!(cache.hit(&key(number)), "{number}");
    }
    let gone = (10..100)
        .find(|number| !cache.hit(&key(*number)))
        .expect("one is gone");
    cache.store.record_miss(&key(gone), MissReason::Absent);
    assert_eq!(cache.stats().misses_evicted, 1);
    let parts = manifest("m", key(gone)).about.parts;
    let explanation = explain(&cache.admin(), &key(gone), "m", &parts).expect("an explanation");
    assert!(
        matches!(&explanation, Explanation::Missing { verdict: Verdict::Gone(gone), .. } if gone.why == Why::Evicted),
        "{explanation:?}"
    );
}

#[test]
fn a_limit_of_bytes_holds() {
    let cache = Cache::with(|options| {
        options.limits = Limits {
            max_bytes: 200_000,
            ..nothing()
        };
    });
    for number in 0..50 {
        cache.put(key(number), "m", 10_000, 1000);
        assert!(cache.stats().bytes <= 200_000);
    }
    assert!(cache.stats().bytes > 150_000);
}

#[test]
fn old_entries_go_and_pinned_ones_stay() {
    let cache = Cache::new();
    for number in 0..6 {
        cache.put(key(number), "m", 100, 1000);
    }
    let admin = cache.admin();
    admin.pin(&key(0), true).expect("pinned");
    // As if they had been stored two hours ago: the index is made anew, and takes their files' times.
    let two_hours_ago = SystemTime::now() - Duration::from_hours(2);
    for number in 0..6 {
        let entry = File::open(cache.path().join(entry_path(&key(number)))).expect("an entry");
        entry.set_modified(two_hours_ago).expect("its time is set");
    }
    for file in [INDEX, JOURNAL] {
        std::fs::remove_file(cache.path().join(file)).expect("it was there");
    }
    cache.store.create_journal();
    assert!(cache.hit(&key(1)));
    let limits = Limits {
        max_age: Duration::from_hours(1),
        ..nothing()
    };
    admin.trim(&limits, &mut |_, _| true).expect("trimmed");
    let there: Vec<u32> = (0..6).filter(|number| cache.hit(&key(*number))).collect();
    assert_eq!(there, [0, 1]);
    let limits = Limits {
        max_bytes: 1,
        ..nothing()
    };
    admin.trim(&limits, &mut |_, _| true).expect("trimmed");
    assert!(cache.hit(&key(0)) && !cache.hit(&key(1)));
    assert_eq!(cache.stats().pinned, 1);
    admin.clear(false, &mut |_, _| true).expect("cleared");
    assert!(cache.hit(&key(0)));
    admin.rebuild(&mut |_, _| true).expect("rebuilt");
    assert_eq!(cache.stats().pinned, 1);
    admin.pin(&key(0), false).expect("not pinned");
    admin.trim(&limits, &mut |_, _| true).expect("trimmed");
    assert!(!cache.hit(&key(0)));
    assert_eq!(cache.stats().entries, 0);
    assert_eq!(cache.stats().bytes, 0);
}

#[test]
fn an_alias_leads_to_its_entry_and_goes_with_it() {
    let cache = Cache::new();
    cache.put(key(1), "m", 100, 1000);
    cache
        .store
        .publish_alias(&key(2), &key(1))
        .expect("an alias");
    assert!(cache.hit(&key(2)));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.hits_by_alias, stats.aliases), (0, 1, 1));
    assert_eq!(stats.saved, 1000);
    let details = cache.admin().details(&key(1)).expect("details");
    assert_eq!((details.row.hits, details.aliases), (1, vec![key(2)]));
    cache.admin().remove(&key(1)).expect("removed");
    assert!(!cache.path().join(alias_path(&key(2))).exists());
    assert!(!cache.hit(&key(2)));
    // One that leads nowhere is nothing, and a rebuild removes it.
    cache
        .store
        .publish_alias(&key(2), &key(1))
        .expect("an alias");
    assert!(matches!(cache.store.find(&key(2), MACHINE), Found::Nothing));
    cache.admin().rebuild(&mut |_, _| true).expect("rebuilt");
    assert!(!cache.path().join(alias_path(&key(2))).exists());
}

#[test]
fn the_canonical_key_leads_to_the_entry() {
    let cache = Cache::new();
    let mut manifest = manifest("m", key(1));
    manifest.about.canonical = Some(key(5));
    cache
        .store
        .publish(&key(1), b"image", b"object", b"input", &mut manifest)
        .expect("stored");
    let Found::Entry(entry) = cache.store.find(&key(5), MACHINE) else {
        panic!("no entry");
    };
    assert_eq!(entry.tail.key(), key(1));
}

#[test]
fn lists_are_filtered_and_complete() {
    let cache = Cache::new();
    for number in 0..600 {
        cache.put(
            key(number),
            &format!("n{}", number % 3),
            100 + number as usize,
            1000,
        );
    }
    assert_eq!(cache.names(Filter::default()).len(), 600);
    let named = Filter {
        name: Some("n1*".to_owned()),
        ..Filter::default()
    };
    assert_eq!(cache.names(named).len(), 200);
    let large = Filter {
        min_bytes: u64::MAX,
        ..Filter::default()
    };
    assert!(cache.names(large).is_empty());
    let old = Filter {
        unused_since: Some(1),
        ..Filter::default()
    };
    assert!(cache.names(old).is_empty());
}

#[test]
fn the_nearest_entry_explains_a_miss() {
    let cache = Cache::new();
    let mut stored = manifest("m", key(1));
    stored.about.parts.opt_level = OptLevel::O3;
    cache
        .store
        .publish(&key(1), b"image", b"object", b"input", &mut stored)
        .expect("stored");
    cache.put(key(2), "m", 100, 1000);
    let mut wanted = manifest("m", key(1)).about.parts;
    let explain = |key: &Key, name: &str, parts: &Parts| {
        explain(&cache.admin(), key, name, parts).expect("an explanation")
    };
    match explain(&key(3), "m", &wanted) {
        Explanation::Missing {
            verdict: Verdict::Differs(row),
            ..
        } => {
            assert_eq!(row.key, key(1));
            assert_eq!(wanted.differences(&row.parts), [Part::OptLevel]);
        }
        other => panic!("{other:?}"),
    }
    wanted.llvm = "99".to_owned();
    wanted.input = [0; 32];
    match explain(&key(3), "m", &wanted) {
        Explanation::Missing {
            verdict: Verdict::Differs(row),
            ..
        } => {
            assert_eq!(wanted.differences(&row.parts), [Part::Input, Part::Llvm]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        explain(&key(1), "m", &wanted),
        Explanation::Hit { .. }
    ));
    let never = explain(&key(3), "other", &wanted);
    assert!(
        matches!(
            never,
            Explanation::Missing {
                verdict: Verdict::Never(None),
                ..
            }
        ),
        "{never:?}"
    );
    replace(&cache.path().join(entry_path(&key(1))), b"damaged");
    assert!(matches!(
        explain(&key(1), "m", &wanted),
        Explanation::Damaged(_)
    ));
}

#[test]
fn a_key_is_found_by_its_first_digits() {
    let cache = Cache::new();
    for number in 0..40 {
        cache.put(key(number), "m", 100, 1000);
    }
    let admin = cache.admin();
    let digits = key(7).to_string();
    assert_eq!(admin.resolve(&digits).expect("a key"), key(7));
    assert_eq!(admin.resolve(&digits[..12]).expect("a key"), key(7));
    let shared = (0..16)
        .map(|digit| format!("{digit:x}"))
        .find(|digit| {
            (0..40)
                .filter(|number| key(*number).to_string().starts_with(digit))
                .count()
                > 1
        })
        .expect("40 keys share 16 first digits");
    let ambiguous = admin.resolve(&shared).expect_err("several");
    assert!(ambiguous.message.contains("more than one"), "{ambiguous}");
    for wrong in ["", "xyz", "é"] {
        admin.resolve(wrong).expect_err(wrong);
    }
}
