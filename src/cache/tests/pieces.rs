//! Pieces of modules: entries that count, are listed and go as others do, and are seen as what they are.

use super::support::*;
use crate::cache::directory::{INDEX, entry_path};
use crate::cache::explain::{Explanation, explain};
use crate::cache::index::{Filter, Verdict};
use crate::cache::journal::MissReason;
use crate::cache::key::Key;
use crate::cache::manifest::{Manifest, Piece, UsedPiece};
use crate::cache::options::Limits;
use crate::cache::store::{Found, Purpose};
use crate::cache::trust::tests::{signer, trust};
use std::sync::Arc;

fn piece(number: u32) -> Piece {
    Piece {
        name: format!("f{number}"),
        functions: 3,
        instructions: 40,
    }
}

fn used(number: u32, compiled: bool, time: u64) -> UsedPiece {
    UsedPiece {
        piece: piece(number),
        key: key(number),
        compiled,
        time,
    }
}

fn store_piece(cache: &Cache, number: u32, cost: u64) {
    cache.store.create_journal();
    let mut manifest = manifest(&format!("m (piece with `f{number}`)"), key(number));
    manifest.about.times.optimise = cost;
    manifest.about.piece = Some(piece(number));
    cache
        .store
        .publish_piece(&key(number), b"object", &mut manifest)
        .expect("it is stored");
}

/// A module of pieces, whose own part, the cut and the join, takes `own` microseconds.
fn store_module(cache: &Cache, number: u32, own: u64, pieces: &[UsedPiece]) -> Manifest {
    cache.store.create_journal();
    cache.store.record_miss(&key(number), MissReason::Absent);
    let mut manifest = manifest("m", key(number));
    let of_pieces: u64 = pieces.iter().map(|piece| piece.time).sum();
    manifest.about.times.optimise = own + of_pieces;
    manifest.about.pieces = pieces.to_vec();
    cache
        .store
        .publish(&key(number), b"image", b"object", b"input", &mut manifest)
        .expect("it is stored");
    manifest
}

fn find(cache: &Cache, number: u32) -> bool {
    let found = cache.store.find_for(&key(number), MACHINE, Purpose::Join);
    matches!(found, Found::Entry(_))
}

fn filter(pieces: bool) -> Filter {
    Filter {
        pieces: Some(pieces),
        ..Filter::default()
    }
}

/// A module of the pieces 1 and 2, and one that has piece 2 and the new piece 3.
fn edited() -> Cache {
    let cache = Cache::new();
    store_piece(&cache, 1, 1000);
    store_piece(&cache, 2, 2000);
    store_module(&cache, 10, 50, &[used(1, true, 1000), used(2, true, 2000)]);
    assert!(find(&cache, 2));
    store_piece(&cache, 3, 4000);
    store_module(&cache, 11, 60, &[used(2, false, 2000), used(3, true, 4000)]);
    cache
}

#[test]
fn pieces_count_as_pieces_and_no_time_counts_twice() {
    let cache = edited();
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.pieces), (5, 3));
    assert_eq!((stats.stores, stats.piece_stores), (2, 3));
    assert_eq!((stats.hits, stats.piece_hits, stats.misses_new), (0, 1, 2));
    assert_eq!(
        (stats.spent, stats.saved),
        (1000 + 2000 + 4000 + 50 + 60, 2000)
    );
    // A hit of a module saves what all its pieces took.
    assert!(cache.hit(&key(11)));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.piece_hits), (1, 1));
    assert_eq!(stats.saved, 2000 + 6060);
    let row = |number| cache.admin().details(&key(number)).expect("details").row;
    assert_eq!((row(10).pieces, row(10).is_piece()), (2, false));
    assert!(row(2).is_piece());
    assert_eq!(row(2).hits, 1);
    // To fill the cache is no use.
    let found = cache.store.find_for(&key(2), MACHINE, Purpose::Fill);
    assert!(matches!(found, Found::Entry(_)));
    assert_eq!(cache.stats().piece_hits, 1);
}

#[test]
fn pieces_in_layers_count_and_save() {
    let below = edited();
    let cache = Cache::with(|options| options.layers = vec![below.path()]);
    cache.store.create_journal();
    store_module(&cache, 20, 10, &[]);
    assert!(find(&cache, 3));
    let stats = cache.stats();
    assert_eq!(
        (stats.pieces, stats.piece_hits, stats.hits_in_layers),
        (0, 1, 0)
    );
    assert_eq!(stats.saved, 4000);
}

/// Whatever becomes of the index and of entries, the number of pieces is that of the files.
#[test]
fn the_number_of_pieces_is_that_of_the_files() {
    fn check(what: &str, expect: (u64, u64), change: impl Fn(&Cache)) {
        let cache = edited();
        assert_eq!(cache.stats().pieces, 3, "{what}");
        change(&cache);
        let stats = cache.stats();
        assert_eq!((stats.entries, stats.pieces), expect, "{what}");
        cache.admin().rebuild(&mut |_, _| true).expect("rebuilt");
        let again = cache.stats();
        assert_eq!((again.entries, again.pieces), expect, "{what}, rebuilt");
        assert_eq!(
            (again.stores, again.piece_stores),
            (stats.stores, stats.piece_stores)
        );
        let listed = |pieces| cache.names(filter(pieces)).len() as u64;
        assert_eq!(
            (listed(true) + listed(false), listed(true)),
            expect,
            "{what}"
        );
    }
    let trim = |cache: &Cache, limits: Limits| {
        let trimmed = cache.admin().trim(&limits, &mut |_, _| true);
        trimmed.expect("trimmed");
    };
    check("nothing", (5, 3), |_| {});
    check("rebuilt twice", (5, 3), |cache| {
        cache.admin().rebuild(&mut |_, _| true).expect("rebuilt");
    });
    check("no index", (5, 3), |cache| {
        std::fs::remove_file(cache.path().join(INDEX)).expect("removed");
    });
    check("a broken index", (5, 3), |cache| {
        std::fs::write(cache.path().join(INDEX), b"garbage").expect("written");
    });
    check("a piece is removed", (4, 2), |cache| {
        cache.admin().remove(&key(2)).expect("removed");
    });
    check("a piece is deleted", (4, 2), |cache| {
        std::fs::remove_file(cache.path().join(entry_path(&key(2)))).expect("removed");
    });
    check("a piece is stored again", (5, 3), |cache| {
        store_piece(cache, 2, 9);
    });
    check("a module is removed", (4, 3), |cache| {
        cache.admin().remove(&key(10)).expect("removed");
    });
    check("cleared", (0, 0), |cache| {
        cache
            .admin()
            .clear(false, &mut |_, _| true)
            .expect("cleared");
    });
    check("all but a pinned module evicted", (1, 0), |cache| {
        cache.admin().pin(&key(11), true).expect("pinned");
        let limits = Limits {
            max_entries: 1,
            ..nothing()
        };
        trim(cache, limits);
    });
    check("a pinned piece stays", (1, 1), |cache| {
        cache.admin().pin(&key(3), true).expect("pinned");
        let limits = Limits {
            max_bytes: 1,
            ..nothing()
        };
        trim(cache, limits);
    });
    check("imported", (5, 3), |cache| {
        let bundle = cache.path().join("bundle");
        let keys: Vec<Key> = [1, 2, 3, 10, 11].map(key).to_vec();
        let admin = cache.admin();
        admin
            .export(&bundle, &keys, &mut |_, _| true)
            .expect("exported");
        admin.clear(true, &mut |_, _| true).expect("cleared");
        let imported = admin.import(&bundle, &mut |_, _| true);
        assert_eq!(imported.expect("imported"), 5);
    });
}

/// A piece takes no module's place in a list or an explanation.
#[test]
fn modules_are_told_from_pieces() {
    let cache = edited();
    assert_eq!(cache.names(filter(false)), ["m", "m"]);
    let mut names = cache.names(filter(true));
    names.sort();
    assert_eq!(
        names,
        [1, 2, 3].map(|number| format!("m (piece with `f{number}`)"))
    );
    let admin = cache.admin();
    let told = |name: &str, number: u32, level| {
        let mut parts = manifest(name, key(number)).about.parts;
        parts.opt_level = level;
        explain(&admin, &key(number), name, &parts).expect("an explanation")
    };
    use crate::types::OptLevel;
    match told("m", 11, OptLevel::O2) {
        Explanation::Hit { pieces, .. } => {
            assert_eq!(pieces, [used(2, false, 2000), used(3, true, 4000)]);
        }
        other => panic!("{other:?}"),
    }
    let here = |level| match told("m", 99, level) {
        Explanation::Missing {
            verdict: Verdict::Differs(row),
            pieces,
        } => (row.pieces, pieces),
        other => panic!("{other:?}"),
    };
    assert_eq!(here(OptLevel::O2), (2, 2));
    admin.remove(&key(2)).expect("removed");
    assert_eq!(here(OptLevel::O2), (2, 1));
    // At another level, it has none of these pieces.
    assert_eq!(here(OptLevel::O3), (2, 0));
    // Whatever a module is called, no piece is the nearest entry.
    match told("m (piece with `f1`)", 99, OptLevel::O2) {
        Explanation::Missing {
            verdict: Verdict::Never(None),
            ..
        } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_piece_that_nobody_trusts_is_not_used() {
    let ours = Arc::new(signer(1));
    let cache = Cache::with(|options| options.signer = Some(ours.clone()));
    store_piece(&cache, 1, 1000);
    let trusting = cache.again(|options| options.trust = Some(Arc::new(trust(&[&ours]))));
    assert!(find(&trusting, 1));
    store_piece(&cache.again(|_| {}), 1, 1000);
    let found = trusting.store.find_for(&key(1), MACHINE, Purpose::Join);
    assert!(matches!(found, Found::Unusable(MissReason::Untrusted, _)));
    replace(&cache.path().join(entry_path(&key(1))), b"damaged");
    let found = trusting.store.find_for(&key(1), MACHINE, Purpose::Join);
    assert!(matches!(found, Found::Unusable(..)));
}
