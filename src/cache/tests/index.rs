//! An index that is lost, broken or of another version, and caches that keep none.

use super::support::*;
use crate::cache::directory::{INDEX, JOURNAL, entry_path};
use crate::cache::explain::explain;
use crate::cache::index::Filter;
use crate::cache::options::Limits;
use crate::error::Status;
use std::path::Path;

/// What is in the cache, in the order of the keys, is the same after `harm` as before.
fn check_survives(harm: impl Fn(&Path)) {
    let cache = Cache::new();
    for number in 0..30 {
        cache.put(key(number), &format!("m{number}"), 100, 1000);
    }
    let before = cache.names(Filter::default());
    harm(&cache.path());
    assert_eq!(cache.names(Filter::default()), before);
    assert_eq!(cache.stats().entries, 30);
    cache.put(key(100), "new", 100, 1000);
    assert!(cache.hit(&key(100)) && cache.hit(&key(3)));
    assert_eq!(cache.stats().entries, 31);
}

#[test]
fn an_index_is_made_anew_when_it_is_lost_or_broken() {
    let index = |path: &Path| path.join(INDEX);
    check_survives(|_| {});
    check_survives(|path| std::fs::remove_file(index(path)).expect("removed"));
    check_survives(|path| std::fs::write(index(path), b"garbage").expect("written"));
    check_survives(|path| std::fs::write(index(path), []).expect("written"));
    check_survives(|path| {
        let bytes = std::fs::read(index(path)).expect("an index");
        std::fs::write(index(path), &bytes[..bytes.len() / 2]).expect("cut");
    });
    check_survives(|path| {
        let mut bytes = std::fs::read(index(path)).expect("an index");
        bytes[4096..].fill(0);
        std::fs::write(index(path), &bytes).expect("zeroed");
    });
    check_survives(|path| {
        // Somebody else's database.
        std::fs::remove_file(index(path)).expect("removed");
        let db = rusqlite::Connection::open(index(path)).expect("a database");
        db.execute_batch("CREATE TABLE entry (x)").expect("a table");
    });
    check_survives(|path| {
        let elsewhere = path.join("elsewhere");
        std::fs::rename(index(path), &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, index(path)).expect("a link");
    });
    check_survives(|path| {
        std::fs::remove_file(index(path)).expect("removed");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            index(path),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a FIFO");
    });
}

/// Whatever is wrong with an index, no answer fails for it: it is made anew.
#[test]
fn no_answer_fails_for_a_broken_index() {
    let cache = Cache::new();
    for number in 0..6 {
        cache.put(key(number), "m", 100, 1000);
    }
    cache
        .store
        .publish_alias(&key(50), &key(1))
        .expect("an alias");
    cache.admin().pin(&key(2), true).expect("pinned");
    cache.admin().remove(&key(5)).expect("removed");
    let path = cache.path().join(INDEX);
    let whole = std::fs::read(&path).expect("an index");
    let names = cache.names(Filter::default());
    let mut first = 0;
    let mut check = |harm: &str| {
        let admin = cache.admin();
        // A key in it may have become another one, which is then not found.
        let answered = |what: &str, error: Option<crate::error::Error>| {
            if let Some(error) = error.filter(|error| error.status != Status::NotFound) {
                panic!("{harm}: {what}: {error:?}");
            }
        };
        let list = || -> Result<(), crate::error::Error> {
            let mut iter = admin.iter(Filter::default())?;
            while iter.next()?.is_some() {}
            Ok(())
        };
        let wanted = manifest("m", key(9)).about.parts;
        // Which is asked first matters: it may be the one that notices.
        first += 1;
        for question in first..first + 6 {
            match question % 6 {
                0 => answered("list", list().err()),
                1 => answered("stats", admin.stats().err()),
                2 => answered("show", admin.details(&key(1)).err()),
                3 => answered("resolve", admin.resolve(&key(50).to_string()).err()),
                4 => answered("explain", explain(&admin, &key(9), "m", &wanted).err()),
                _ => answered("pin", admin.pin(&key(2), true).err()),
            }
        }
        answered("trim", admin.trim(&nothing(), &mut |_, _| true).err());
        answered("rebuild", admin.rebuild(&mut |_, _| true).err());
        assert_eq!(cache.names(Filter::default()), names, "{harm}");
        assert_eq!(cache.stats().pinned, 1, "{harm}");
    };

    for sql in [
        "UPDATE entry SET bytes = 'many'",
        "UPDATE entry SET bytes = -9223372036854775808",
        "UPDATE entry SET hits = 9223372036854775807, used = -1, cost = 9223372036854775807",
        "UPDATE entry SET name = x'ff00ff'",
        "UPDATE entry SET opt_level = 77",
        "UPDATE entry SET opt_level = 3.5",
        "UPDATE entry SET pinned = 'yes'",
        "UPDATE entry SET priority = 'first'",
        "UPDATE entry SET priority = -1e300",
        "UPDATE entry SET input = x'00'",
        "UPDATE entry SET key = CAST(substr(hex(key), 1, 31) AS BLOB)",
        "UPDATE entry SET key = hex(key)",
        "UPDATE compiler SET cpu = x'ff', llvm = 7",
        "DELETE FROM compiler",
        "UPDATE counter SET value = 9223372036854775807",
        "UPDATE counter SET value = 'x'",
        "UPDATE counter SET value = -5",
        "DELETE FROM counter",
        "UPDATE meta SET value = 'x'",
        "UPDATE meta SET value = NULL",
        "UPDATE meta SET value = 9223372036854775807",
        "UPDATE meta SET value = -9223372036854775808",
        "DELETE FROM meta",
        "UPDATE alias SET target = 'x'",
        "UPDATE gone SET why = 'x', time = 'y', name = x'ff'",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "DROP TABLE gone",
        "DROP TABLE alias; CREATE VIEW alias AS SELECT 1 AS key, 2 AS target",
        "DROP TABLE counter; CREATE TABLE counter (x)",
        "ALTER TABLE entry RENAME COLUMN hits TO hit",
        "CREATE TRIGGER evil AFTER INSERT ON entry BEGIN DELETE FROM entry; END",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 4",
        "PRAGMA user_version = -1",
        "PRAGMA user_version = 70000",
        "PRAGMA journal_mode = WAL",
    ] {
        std::fs::write(&path, &whole).expect("written");
        let db = rusqlite::Connection::open(&path).expect("an index");
        db.execute_batch(sql).expect(sql);
        drop(db);
        if sql.contains("user_version = 4") {
            // A later version's is not ours to change: all is answered from the files.
            assert_eq!(cache.names(Filter::default()), names);
            assert!(!cache.stats().has_history);
        } else {
            check(sql);
        }
    }

    let mut random = crate::cache::entry::fuzz::Random(11);
    for round in 0..80 {
        let mut broken = whole.clone();
        let header_only = round % 4 == 0;
        let bound = if header_only { 100 } else { broken.len() };
        for _ in 0..1 + round % 16 {
            let at = random.below(bound);
            // A version that may be a later one's: see above.
            if !(60..64).contains(&at) {
                broken[at] = random.below(256) as u8;
            }
        }
        std::fs::write(&path, &broken).expect("written");
        check(&format!("round {round}"));
    }
}

/// What lies there is told, whoever put it there or took it away.
#[test]
fn the_files_win_over_the_index() {
    let cache = Cache::new();
    for number in 0..4 {
        cache.put(key(number), "m", 100, 1000);
    }
    assert!(cache.hit(&key(0)));
    assert_eq!(cache.names(Filter::default()).len(), 4);
    let path = |number| cache.path().join(entry_path(&key(number)));
    let kept = std::fs::read(path(1)).expect("an entry");
    std::fs::remove_file(path(1)).expect("removed");
    std::fs::remove_dir_all(path(2).parent().expect("its folder")).expect("removed");
    assert_eq!(cache.names(Filter::default()).len(), 2);
    assert_eq!(cache.stats().entries, 2);
    cache
        .admin()
        .resolve(&key(1).to_string())
        .expect_err("it is gone");
    std::fs::write(path(1), kept).expect("copied there");
    assert_eq!(cache.names(Filter::default()).len(), 3);
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.stores, stats.hits), (3, 4, 1));
    assert!(stats.has_history);
}

#[test]
fn a_link_to_a_database_is_not_written() {
    let cache = Cache::new();
    cache.put(key(1), "m", 100, 1000);
    cache.stats();
    let victim = cache.path().join("victim");
    std::fs::write(&victim, b"precious").expect("written");
    std::fs::remove_file(cache.path().join(INDEX)).expect("removed");
    std::os::unix::fs::symlink(&victim, cache.path().join(INDEX)).expect("a link");
    assert_eq!(cache.stats().entries, 1);
    assert_eq!(std::fs::read(&victim).expect("it is there"), b"precious");
}

#[test]
fn a_journal_that_is_lost_or_broken_costs_what_it_told() {
    check_survives(|path| std::fs::remove_file(path.join(JOURNAL)).expect("removed"));
    check_survives(|path| std::fs::write(path.join(JOURNAL), b"").expect("emptied"));
    check_survives(|path| std::fs::write(path.join(JOURNAL), [0xff; 1000]).expect("garbage"));
    check_survives(|path| {
        std::fs::remove_file(path.join(JOURNAL)).expect("removed");
        std::os::unix::fs::symlink("/dev/null", path.join(JOURNAL)).expect("a link");
    });
}

#[test]
fn a_newer_index_is_left_alone() {
    let cache = Cache::new();
    cache.put(key(1), "m", 100, 1000);
    cache.stats();
    let db = rusqlite::Connection::open(cache.path().join(INDEX)).expect("the index");
    db.execute_batch("PRAGMA user_version = 4").expect("newer");
    drop(db);
    let index = std::fs::read(cache.path().join(INDEX)).expect("the index");
    // What the files tell is told all the same.
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.has_history), (1, false));
    assert_eq!(cache.names(Filter::default()), ["m"]);
    let error = cache.admin().rebuild(&mut |_, _| true);
    let error = error.expect_err("it is newer");
    assert!(error.message.contains("a newer libmgenjit"), "{error}");
    assert!(cache.hit(&key(1)));
    let after = std::fs::read(cache.path().join(INDEX)).expect("the index");
    assert_eq!(index, after);
}

#[test]
fn a_cache_of_root_or_on_a_read_only_disk_is_listed_from_its_files() {
    let cache = Cache::new();
    for number in 0..5 {
        cache.put(key(number), &format!("m{number}"), 100, 1000);
    }
    let with_index = cache.names(Filter::default());
    let without = cache.again(|options| options.index = false);
    assert_eq!(without.names(Filter::default()), with_index);
    assert_eq!(without.stats().entries, 5);
    without.admin().remove(&key(2)).expect("removed");
    assert!(!cache.hit(&key(2)));
    without
        .admin()
        .trim(
            &Limits {
                max_entries: 1,
                ..nothing()
            },
            &mut |_, _| true,
        )
        .expect("trimmed");
    assert_eq!(without.stats().entries, 1);
    // The index learns of it in time; a rebuild at once.
    cache.admin().rebuild(&mut |_, _| true).expect("rebuilt");
    assert_eq!(cache.stats().entries, 1);
}

/// Whatever the bytes of the index are: nothing crashes, the entries are there, and new ones are stored.
fn check_index_bytes(cache: &Cache, bytes: &[u8], what: &dyn std::fmt::Display) {
    let _ = std::fs::remove_file(cache.path().join(format!("{INDEX}-journal")));
    std::fs::write(cache.path().join(INDEX), bytes).expect("written");
    let admin = cache.admin();
    // It may be wrong, or an error, but not for long.
    let _ = admin.stats();
    if let Ok(mut iter) = admin.iter(Filter::default()) {
        while let Ok(Some(_)) = iter.next() {}
    }
    let _ = explain(&admin, &key(77), "m", &manifest("m", key(77)).about.parts);
    let _ = admin.trim(&nothing(), &mut |_, _| true);
    assert!(cache.hit(&key(1)), "{what}");
    admin
        .rebuild(&mut |_, _| true)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(cache.names(Filter::default()).len(), 3, "{what}");
}

#[test]
fn an_index_of_any_bytes_does_no_harm() {
    let cache = Cache::new();
    for number in 0..3 {
        cache.put(key(number), "m", 100, 1000);
    }
    cache.stats();
    let whole = std::fs::read(cache.path().join(INDEX)).expect("the index");
    let exhaustive = std::env::var_os("MGENJIT_EXHAUSTIVE").is_some();
    // A step that meets every byte of a page and every bit of a byte.
    let step = if exhaustive { 1 } else { 8 * 4096 / 11 + 1 };
    for bit in (0..whole.len() * 8).step_by(step) {
        let mut broken = whole.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        check_index_bytes(&cache, &broken, &format_args!("bit {bit}"));
    }
    let step = if exhaustive { 1 } else { whole.len() / 11 };
    for len in (0..whole.len()).step_by(step) {
        check_index_bytes(&cache, &whole[..len], &format_args!("cut to {len}"));
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    for round in 0..if exhaustive { 5000 } else { 30 } {
        let mut broken = whole.clone();
        for _ in 0..1 + next() % 40 {
            let at = next() % broken.len();
            broken[at] = next() as u8;
        }
        check_index_bytes(&cache, &broken, &format_args!("round {round}"));
    }
}
