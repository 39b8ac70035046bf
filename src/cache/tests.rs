//! The cache as a whole, without a compiler: entries of arbitrary bytes.

use super::directory::{INDEX, JOURNAL, alias_path, entry_path};
use super::index::{Filter, Stats, Verdict, Why};
use super::journal::MissReason;
use super::key::{Key, KeyParts, Keys, digest_of_unit};
use super::manifest::{Manifest, Part};
use super::options::Limits;
use super::store::{Found, Store};
use crate::cache::admin::{Catalog, Explanation};
use crate::config::Config;
use crate::cpu::{Cpu, Level};
use crate::error::Status;
use crate::types::{Input, OptLevel, Target, TargetSpec};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

struct Cache {
    _folder: TempDir,
    config: Config,
    store: Store,
}

/// What the entries of [`Manifest::example`] are for.
const MACHINE: &str = "native 1";

impl Cache {
    fn new() -> Cache {
        Cache::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Cache {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config {
            cache_dir: Some(folder.path().join("cache")),
            ..Config::default()
        };
        change(&mut config);
        Cache {
            _folder: folder,
            store: config.store().expect("a cache"),
            config,
        }
    }

    fn path(&self) -> PathBuf {
        self.store.directory().path().to_owned()
    }

    fn catalog(&self) -> Catalog {
        Catalog::new(self.config.store()).expect("a catalog")
    }

    /// A miss, a compile of `cost` microseconds, and a store. The image has `len` bytes.
    fn put(&self, key: Key, name: &str, len: usize, cost: u64) {
        self.store.create_journal();
        self.store.record_miss(&key, MissReason::Absent);
        let mut manifest = manifest(name, key);
        manifest.about.times.optimise = cost;
        self.store
            .publish(&key, &vec![7; len], b"object", b"input", &mut manifest)
            .expect("it is stored");
        self.store.maintain().expect("no error");
    }

    fn hit(&self, key: &Key) -> bool {
        matches!(self.store.find(key, MACHINE), Found::Entry(_))
    }

    fn stats(&self) -> Stats {
        self.catalog().stats().expect("statistics")
    }

    fn names(&self, filter: Filter) -> Vec<String> {
        let mut iter = self.catalog().iter(filter).expect("a list");
        let mut names = Vec::new();
        while let Some(row) = iter.next().expect("an entry") {
            names.push(row.name);
        }
        names
    }
}

fn manifest(name: &str, key: Key) -> Manifest {
    let mut manifest = Manifest::example(name);
    manifest.about.parts.input = key.0;
    manifest
}

/// Puts a file of other bytes in the place of an entry, which is not to be written.
fn replace(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).expect("it was there");
    std::fs::write(path, bytes).expect("written");
}

fn key(number: u32) -> Key {
    // Spread over the folders.
    Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn nothing() -> Limits {
    Limits {
        max_bytes: 0,
        max_entries: 0,
        max_age: Duration::ZERO,
    }
}

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
    let details = cache.catalog().details(&key(9)).expect("details");
    assert_eq!(details.row.hits, 9);
    assert!(details.row.used > details.row.created);
}

#[test]
fn limits_hold_and_what_saved_most_stays() {
    let cache = Cache::with(|config| {
        config.cache_limits = Limits {
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
    let explanation = cache
        .catalog()
        .explain(&key(gone), "m", &manifest("m", key(gone)).about.parts)
        .expect("an explanation");
    assert!(
        matches!(&explanation, Explanation::Missing(Verdict::Gone(gone)) if gone.why == Why::Evicted),
        "{explanation:?}"
    );
}

#[test]
fn a_limit_of_bytes_holds() {
    let cache = Cache::with(|config| {
        config.cache_limits = Limits {
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
    let catalog = cache.catalog();
    catalog.pin(&key(0), true).expect("pinned");
    std::thread::sleep(Duration::from_millis(30));
    assert!(cache.hit(&key(1)));
    let limits = Limits {
        max_age: Duration::from_millis(20),
        ..nothing()
    };
    catalog.trim(&limits, &mut |_, _| true).expect("trimmed");
    let there: Vec<u32> = (0..6).filter(|number| cache.hit(&key(*number))).collect();
    assert_eq!(there, [0, 1]);
    let limits = Limits {
        max_bytes: 1,
        ..nothing()
    };
    catalog.trim(&limits, &mut |_, _| true).expect("trimmed");
    assert!(cache.hit(&key(0)) && !cache.hit(&key(1)));
    assert_eq!(cache.stats().pinned, 1);
    catalog.clear(false, &mut |_, _| true).expect("cleared");
    assert!(cache.hit(&key(0)));
    catalog.rebuild(&mut |_, _| true).expect("rebuilt");
    assert_eq!(cache.stats().pinned, 1);
    catalog.pin(&key(0), false).expect("not pinned");
    catalog.trim(&limits, &mut |_, _| true).expect("trimmed");
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
    let details = cache.catalog().details(&key(1)).expect("details");
    assert_eq!((details.row.hits, details.aliases), (1, vec![key(2)]));
    cache.catalog().remove(&key(1)).expect("removed");
    assert!(!cache.path().join(alias_path(&key(2))).exists());
    assert!(!cache.hit(&key(2)));
    // One that leads nowhere is nothing, and a rebuild removes it.
    cache
        .store
        .publish_alias(&key(2), &key(1))
        .expect("an alias");
    assert!(matches!(cache.store.find(&key(2), MACHINE), Found::Nothing));
    cache.catalog().rebuild(&mut |_, _| true).expect("rebuilt");
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
    let explain = |key: &Key, name: &str, parts: &super::manifest::Parts| {
        cache
            .catalog()
            .explain(key, name, parts)
            .expect("an explanation")
    };
    match explain(&key(3), "m", &wanted) {
        Explanation::Missing(Verdict::Differs(row)) => {
            assert_eq!(row.key, key(1));
            assert_eq!(wanted.differences(&row.parts), [Part::OptLevel]);
        }
        other => panic!("{other:?}"),
    }
    wanted.llvm = "99".to_owned();
    wanted.input = [0; 32];
    match explain(&key(3), "m", &wanted) {
        Explanation::Missing(Verdict::Differs(row)) => {
            assert_eq!(wanted.differences(&row.parts), [Part::Input, Part::Llvm]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        explain(&key(1), "m", &wanted),
        Explanation::Hit(_)
    ));
    let never = explain(&key(3), "other", &wanted);
    assert!(
        matches!(never, Explanation::Missing(Verdict::Never(None))),
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
    let catalog = cache.catalog();
    let digits = key(7).to_string();
    assert_eq!(catalog.resolve(&digits).expect("a key"), key(7));
    assert_eq!(catalog.resolve(&digits[..12]).expect("a key"), key(7));
    let shared = (0..16)
        .map(|digit| format!("{digit:x}"))
        .find(|digit| {
            (0..40)
                .filter(|number| key(*number).to_string().starts_with(digit))
                .count()
                > 1
        })
        .expect("40 keys share 16 first digits");
    let ambiguous = catalog.resolve(&shared).expect_err("several");
    assert!(ambiguous.message.contains("more than one"), "{ambiguous}");
    for wrong in ["", "xyz", "é"] {
        catalog.resolve(wrong).expect_err(wrong);
    }
}

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
    cache.catalog().pin(&key(2), true).expect("pinned");
    cache.catalog().remove(&key(5)).expect("removed");
    let path = cache.path().join(INDEX);
    let whole = std::fs::read(&path).expect("an index");
    let names = cache.names(Filter::default());
    let mut first = 0;
    let mut check = |harm: &str| {
        let catalog = cache.catalog();
        // A key in it may have become another one, which is then not found.
        let answered = |what: &str, error: Option<crate::error::Error>| {
            if let Some(error) = error.filter(|error| error.status != Status::NotFound) {
                panic!("{harm}: {what}: {error:?}");
            }
        };
        let list = || -> Result<(), crate::error::Error> {
            let mut iter = catalog.iter(Filter::default())?;
            while iter.next()?.is_some() {}
            Ok(())
        };
        let wanted = manifest("m", key(9)).about.parts;
        // Which is asked first matters: it may be the one that notices.
        first += 1;
        for question in first..first + 6 {
            match question % 6 {
                0 => answered("list", list().err()),
                1 => answered("stats", catalog.stats().err()),
                2 => answered("show", catalog.details(&key(1)).err()),
                3 => answered("resolve", catalog.resolve(&key(50).to_string()).err()),
                4 => answered("explain", catalog.explain(&key(9), "m", &wanted).err()),
                _ => answered("pin", catalog.pin(&key(2), true).err()),
            }
        }
        answered("trim", catalog.trim(&nothing(), &mut |_, _| true).err());
        answered("rebuild", catalog.rebuild(&mut |_, _| true).err());
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
        "PRAGMA user_version = 3",
        "PRAGMA user_version = -1",
        "PRAGMA user_version = 70000",
        "PRAGMA journal_mode = WAL",
    ] {
        std::fs::write(&path, &whole).expect("written");
        let db = rusqlite::Connection::open(&path).expect("an index");
        db.execute_batch(sql).expect(sql);
        drop(db);
        if sql.contains("user_version = 3") {
            // A later version's is not ours to change: all is answered from the files.
            assert_eq!(cache.names(Filter::default()), names);
            assert!(!cache.stats().has_history);
        } else {
            check(sql);
        }
    }

    let mut random = super::entry::fuzz::Random(11);
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
        .catalog()
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
    db.execute_batch("PRAGMA user_version = 3").expect("newer");
    drop(db);
    let index = std::fs::read(cache.path().join(INDEX)).expect("the index");
    // What the files tell is told all the same.
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.has_history), (1, false));
    assert_eq!(cache.names(Filter::default()), ["m"]);
    let error = cache.catalog().rebuild(&mut |_, _| true);
    let error = error.expect_err("it is newer");
    assert!(error.message.contains("later version"), "{error}");
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
    let without = Cache {
        _folder: tempfile::tempdir().expect("a folder"),
        config: Config {
            cache_index: false,
            ..cache.config.clone()
        },
        store: cache.config.store().expect("a cache"),
    };
    assert_eq!(without.names(Filter::default()), with_index);
    assert_eq!(without.stats().entries, 5);
    without.catalog().remove(&key(2)).expect("removed");
    assert!(!cache.hit(&key(2)));
    without
        .catalog()
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
    cache.catalog().rebuild(&mut |_, _| true).expect("rebuilt");
    assert_eq!(cache.stats().entries, 1);
}

#[test]
fn a_layer_is_used_in_place() {
    let below = Cache::new();
    below.put(key(1), "m", 100, 1000);
    let cache = Cache::with(|config| config.cache_layers = vec![below.path()]);
    assert!(cache.hit(&key(1)));
    cache.store.create_journal();
    assert!(cache.hit(&key(1)));
    assert!(!cache.hit(&key(2)));
    let stats = cache.stats();
    assert_eq!((stats.hits_in_layers, stats.entries), (1, 0));
    assert_eq!(stats.saved, 1000);
    assert_eq!(below.stats().hits, 0);
    std::fs::set_permissions(below.path(), PermissionsExt::from_mode(0o777)).expect("chmod");
    let again = Cache::with(|config| config.cache_layers = vec![below.path()]);
    assert!(matches!(
        again.store.find(&key(1), MACHINE),
        Found::Unusable(..)
    ));
}

#[test]
fn what_the_dead_left_goes_when_it_is_old() {
    use rustix::fs::{AtFlags, Timespec, Timestamps};
    let cache = Cache::new();
    cache.put(key(1), "m", 100, 1000);
    let root = cache
        .store
        .directory()
        .open()
        .expect("trusted")
        .expect("there");
    let make = |name: &str, hours: i64| {
        let path = cache.path().join(name);
        std::fs::write(&path, b"left").expect("written");
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let time = Timespec {
            tv_sec: now.as_secs() as i64 - hours * 3600,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(rustix::fs::CWD, &path, &times, AtFlags::empty()).expect("touched");
        path
    };
    let old = make("v3/tmp/1-1", 2);
    let new = make("v3/tmp/1-2", 0);
    let lock = make(&format!("v3/locks/{}", key(7)), 2);
    let held = make(&format!("v3/locks/{}", key(8)), 2);
    let holder = std::fs::File::open(&held).expect("a lock");
    rustix::fs::flock(&holder, rustix::fs::FlockOperation::LockExclusive).expect("held");
    assert_eq!(
        super::maintain::sweep(&root, std::time::SystemTime::now()),
        2
    );
    assert!(!old.exists() && new.exists() && !lock.exists() && held.exists());
}

/// Whoever wrote it: a hit would run instructions that the CPU may lack.
#[test]
fn code_for_another_machine_is_no_hit() {
    let cache = Cache::new();
    cache.put(key(1), "m", 10_000, 1000);
    cache
        .store
        .publish_alias(&key(2), &key(1))
        .expect("an alias");
    for number in [1, 2] {
        for machine in ["native 2", "native 10", "x86-64-v4", ""] {
            let found = cache.store.find(&key(number), machine);
            let Found::Unusable(MissReason::Damaged, warning) = found else {
                panic!("{machine}: {found:?}");
            };
            let said = format!("code for {MACHINE}, not for {machine}");
            assert!(warning.0.contains(&said), "{warning}");
        }
        assert!(cache.hit(&key(number)));
    }
    // No hit was counted but these two.
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.hits_by_alias), (1, 1));
}

#[test]
fn torn_entries_are_misses_and_go_with_a_scan() {
    let cache = Cache::new();
    for number in 0..4 {
        cache.put(key(number), "m", 10_000, 1000);
    }
    let path = |number| cache.path().join(entry_path(&key(number)));
    let whole = std::fs::read(path(0)).expect("an entry");
    replace(&path(0), &whole[..whole.len() - 1]);
    replace(&path(1), &vec![0; whole.len()]);
    let mut torn = std::fs::read(path(2)).expect("an entry");
    torn[4096..8192].fill(0);
    replace(&path(2), &torn);
    for number in 0..3 {
        assert!(matches!(
            cache.store.find(&key(number), MACHINE),
            Found::Unusable(MissReason::Damaged, _)
        ));
        cache.catalog().verify(&key(number)).expect_err("damaged");
    }
    cache.catalog().rebuild(&mut |_, _| true).expect("rebuilt");
    assert!(!path(0).exists() && !path(1).exists() && path(3).exists());
    assert_eq!(cache.names(Filter::default()).len(), 2);
    assert_eq!(cache.stats().entries, 2);
}

/// Whole entries with digests that are right, whose content may be another module's: what an unsigned bundle can bring.
#[test]
fn an_entry_of_other_content_does_not_verify() {
    let native = Target::Host(Cpu::native());
    let level = Target::Host(Cpu::Level(Level::V2));
    let other = Target::Other(TargetSpec {
        triple: "aarch64-linux-gnu".to_owned(),
        cpu: "generic".to_owned(),
        features: String::new(),
    });
    let keep: Option<Vec<String>> = Some(vec!["f".to_owned()]);
    for (target, inputs, keep) in [
        (&native, &[&b"one"[..]][..], &None),
        (&level, &[b"one"], &None),
        (&level, &[b"one"], &keep),
        (&other, &[b"one", b"two"], &None),
        (&other, &[b"one", b"two"], &keep),
    ] {
        let cache = Cache::new();
        let digests: Vec<_> = inputs.iter().map(|input| blake3::hash(input)).collect();
        let digest = match inputs {
            [_] if keep.is_none() => digests[0],
            _ => digest_of_unit(&digests, keep.as_deref()),
        };
        let parts = KeyParts::new(OptLevel::O2, target);
        let right = Keys::new(parts).key(&digest);
        let mut manifest = Manifest::example("m");
        manifest.about.parts = parts.to_keep(&digest);
        manifest.about.keep.clone_from(keep);
        if let Target::Other(spec) = target {
            manifest.about.target = Some(spec.clone());
        }
        manifest.about.inputs = inputs
            .iter()
            .map(|input| Input {
                name: "i".to_owned(),
                len: input.len() as u64,
            })
            .collect();
        let put = |store: &Store, key: &Key, input: &[u8], manifest: &Manifest| {
            let mut manifest = manifest.clone();
            store
                .publish(key, b"image", b"object", input, &mut manifest)
                .expect("it is stored");
        };
        let verify = |key| cache.catalog().verify(key).map_err(|error| error.message);
        let check = |expect: &str| {
            let message = verify(&right).expect_err("it is another's");
            assert!(message.contains(expect), "`{message}`: `{expect}`");
        };
        let input = inputs.concat();
        put(&cache.store, &right, &input, &manifest);
        verify(&right).expect("its own content");
        let alias = key(7);
        cache
            .store
            .publish_alias(&alias, &right)
            .expect("it is stored");
        verify(&alias).expect("its own content");

        put(&cache.store, &right, &b"sixsix"[..input.len()], &manifest);
        check("not those that it says");
        verify(&alias).expect_err("by an alias as well");
        put(&cache.store, &right, b"another length", &manifest);
        check("not those that it says");
        let mut changed = manifest.clone();
        changed.about.parts.opt_level = OptLevel::O1;
        put(&cache.store, &right, &input, &changed);
        check("has the key");
        changed = manifest.clone();
        changed.about.parts.llvm.push('1');
        put(&cache.store, &right, &input, &changed);
        check("has the key");
        put(&cache.store, &alias, &input, &manifest);
        verify(&alias).expect_err("an honest entry, renamed");

        // Without its inputs its options still tell.
        let mut config = cache.config.clone();
        config.cache_keep_input = false;
        let without = config.store().expect("a cache");
        put(&without, &right, b"", &manifest);
        verify(&right).expect("nothing is wrong that is there");
        changed = manifest.clone();
        changed.about.parts.input[3] ^= 1;
        put(&without, &right, b"", &changed);
        check("has the key");
        // Another machine's key cannot be told.
        changed.about.parts.machine = "native 0123456789abcdef".to_owned();
        changed.about.target = None;
        put(&without, &right, b"", &changed);
        verify(&right).expect("unknown");
    }
}

#[test]
fn a_folder_that_is_a_link_is_not_followed() {
    let cache = Cache::new();
    cache.put(key(1), "m", 100, 1000);
    let folder = cache.path().join("v3/entries");
    let elsewhere = cache.path().join("elsewhere");
    std::fs::rename(&folder, &elsewhere).expect("moved");
    std::os::unix::fs::symlink(&elsewhere, &folder).expect("a link");
    assert!(matches!(
        cache.store.find(&key(1), MACHINE),
        Found::Unusable(..)
    ));
    let mut manifest = manifest("m", key(2));
    cache
        .store
        .publish(&key(2), b"image", b"object", b"input", &mut manifest)
        .expect_err("not through a link");
}

#[test]
fn older_versions_go_with_a_clear_and_newer_ones_stay() {
    let cache = Cache::new();
    cache.put(key(1), "m", 100, 1000);
    for version in ["v1", "v3"] {
        std::fs::create_dir_all(cache.path().join(version).join("entries")).expect("a folder");
    }
    cache
        .catalog()
        .clear(true, &mut |_, _| true)
        .expect("cleared");
    assert!(!cache.path().join("v1").exists());
    assert!(cache.path().join("v3/entries").exists());
}

#[test]
fn many_threads_count_exactly() {
    let cache = Cache::new();
    cache.put(key(1), "m", 100, 1000);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..50 {
                    assert!(cache.hit(&key(1)));
                    if round % 10 == 0 {
                        cache.put(key(1000 + thread * 50 + round), "m", 100, 1000);
                        cache.stats();
                    }
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.stores, stats.entries), (400, 41, 41));
}

/// Whatever the bytes of the index are: nothing crashes, the entries are there, and new ones are stored.
fn check_index_bytes(cache: &Cache, bytes: &[u8], what: &dyn std::fmt::Display) {
    let _ = std::fs::remove_file(cache.path().join(format!("{INDEX}-journal")));
    std::fs::write(cache.path().join(INDEX), bytes).expect("written");
    let catalog = cache.catalog();
    // It may be wrong, or an error, but not for long.
    let _ = catalog.stats();
    if let Ok(mut iter) = catalog.iter(Filter::default()) {
        while let Ok(Some(_)) = iter.next() {}
    }
    let _ = catalog.explain(&key(77), "m", &manifest("m", key(77)).about.parts);
    let _ = catalog.trim(&nothing(), &mut |_, _| true);
    assert!(cache.hit(&key(1)), "{what}");
    catalog
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
