//! How a cache of a million entries compares with one of a thousand. `make bench-scale` runs it.

use super::directory::{INDEX, Root};
use super::index::{Filter, Index};
use super::journal::{HitKind, Journal, Kind, Record};
use super::key::Key;
use super::maintain::{self, Maintenance};
use super::manifest::Manifest;
use super::options::{Limits, Options};
use super::store::{Found, Store};
use crate::cache::admin::Admin;
use crate::cache::explain::{Explanation, explain};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SMALL: u32 = 1000;

/// As many records as make a fold due.
const FOLD: u32 = 1024;

/// Entries are asked for at random, always in the same order.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32 % limit
    }
}

struct Cache {
    path: PathBuf,
    options: Options,
    store: Store,
    entries: u32,
    /// The number of the next entry that is put.
    next: u32,
}

fn key(number: u32) -> Key {
    Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn name(number: u32) -> String {
    // A quarter comes from programs that name nothing.
    if number.is_multiple_of(4) {
        "<memory>".to_owned()
    } else {
        format!("module {}", number / 10)
    }
}

impl Cache {
    fn open(path: PathBuf, entries: u32, limits: Limits) -> Cache {
        let options = Options {
            limits,
            ..Options::example()
        };
        Cache {
            store: Store::new(path.clone(), options.clone()),
            path,
            options,
            entries,
            next: entries,
        }
    }

    fn with_limits(&self, limits: Limits) -> Cache {
        let mut cache = Cache::open(self.path.clone(), self.entries, limits);
        cache.next = self.next;
        cache.store.create_journal();
        cache
    }

    /// As a program that compiles: a store, and the slice of maintenance that comes with it.
    fn put(&mut self) -> Duration {
        let number = self.next;
        self.next += 1;
        let mut manifest = Manifest::example(&name(number));
        manifest.about.parts.input = key(number).0;
        manifest.about.created = crate::clock::now();
        manifest.about.times.optimise = 1000 + u64::from(number % 5000);
        let start = Instant::now();
        self.store
            .publish(&key(number), &[7; 64], b"", b"", &mut manifest)
            .expect("it is stored");
        let stored = Instant::now();
        self.store.maintain().expect("no error");
        let slice = stored.elapsed();
        SLOWEST_SLICE.with(|slowest| slowest.set(slowest.get().max(slice)));
        start.elapsed()
    }

    /// `None` if it was evicted.
    fn find(&self, number: u32) -> Option<Duration> {
        let key = key(number);
        let start = Instant::now();
        let found = matches!(self.store.find(&key, "native 1"), Found::Entry(_));
        found.then(|| start.elapsed())
    }

    fn admin(&self) -> Admin {
        let store = Store::new(self.path.clone(), self.options.clone());
        Admin::new(Some(store)).expect("the administration")
    }

    fn root(&self) -> Arc<Root> {
        let root = self.store.directory().open().expect("trusted");
        root.expect("there")
    }

    fn journal(&self) -> Journal {
        let journal = Journal::open(&self.root()).expect("no error");
        journal.expect("a journal")
    }

    /// What is left over is folded, so that it is not measured with what comes next.
    fn settle(&self) {
        self.admin().stats().expect("statistics");
    }

    /// Removes what was put too many.
    fn shrink(&self) {
        let limits = Limits {
            max_entries: self.entries.into(),
            ..no_limits()
        };
        let trimmed = self.admin().trim(&limits, &mut |_, _| true);
        trimmed.expect("trimmed");
    }

    /// The time to fold what the journal has.
    fn fold(&self) -> Duration {
        let root = self.root();
        let _lock = Maintenance::acquire(&root, Duration::from_secs(9)).expect("no error");
        let start = Instant::now();
        let mut index = Index::open(self.store.directory(), &root).expect("an index");
        index.fold(&self.journal()).expect("folded");
        drop(index);
        start.elapsed()
    }

    fn append_hits(&self, random: &mut Random, count: u32, entries: u32) {
        let journal = self.journal();
        for _ in 0..count {
            let key = key(random.below(entries));
            let record = Record::now(Kind::Hit, HitKind::Direct as u8, 1, key);
            journal.append(&record).expect("appended");
        }
    }

    fn index_size(&self) -> u64 {
        let path = self.store.directory().path().join(INDEX);
        std::fs::metadata(path).map_or(0, |file| file.len())
    }
}

thread_local! {
    static SLOWEST_SLICE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn no_limits() -> Limits {
    Limits {
        max_bytes: 0,
        max_entries: 0,
        max_age: Duration::ZERO,
    }
}

/// Kilobytes of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    micros(times[(times.len() - 1) * percent / 100])
}

fn mean(times: &[Duration]) -> f64 {
    micros(times.iter().sum::<Duration>()) / times.len() as f64
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn row(what: &str, small: f64, big: f64) {
    println!("{what:<52} {small:>11.1} {big:>11.1} {:>7.2}x", big / small);
}

/// The same thing done to both caches in turns; how long it took each time.
fn in_turns(
    caches: &mut [Cache; 2],
    rounds: u32,
    mut body: impl FnMut(&mut Cache, u32) -> Vec<Duration>,
) -> [Vec<Duration>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for (cache, times) in caches.iter_mut().zip(&mut times) {
            times.extend(body(cache, round));
        }
    }
    times
}

fn fill(path: &Path, entries: u32) {
    let mut cache = Cache::open(path.to_owned(), 0, no_limits());
    cache.store.create_journal();
    let start = Instant::now();
    while cache.next < entries {
        cache.put();
        if cache.next.is_multiple_of(100_000) {
            println!(
                "  {} entries after {:.0} s; index {} MB, this process {} MB",
                cache.next,
                start.elapsed().as_secs_f64(),
                cache.index_size() >> 20,
                resident() >> 10
            );
        }
    }
}

#[test]
#[ignore = "it takes minutes, and 13 GB of disk: make bench-scale"]
fn a_million_entries_are_as_fast_as_a_thousand() {
    let big: u32 = std::env::var("MGENJIT_SCALE")
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(1_000_000);
    let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target"));
    let folder = folder.expect("a folder");
    let paths = [folder.path().join("small"), folder.path().join("big")];
    let kept = std::env::var_os("MGENJIT_SCALE_DIR").map(PathBuf::from);
    let paths = kept.map_or(paths, |kept| [kept.join("small"), kept.join("big")]);
    for (path, entries) in paths.iter().zip([SMALL, big]) {
        if !path.exists() {
            println!("filling a cache with {entries} entries");
            fill(path, entries);
        }
    }
    let [small_path, big_path] = paths;
    let mut caches = [
        Cache::open(small_path, SMALL, no_limits()),
        Cache::open(big_path, big, no_limits()),
    ];
    for cache in &mut caches {
        cache.store.create_journal();
        cache.next =
            cache.entries + 1000 * 1000 * 10 + (crate::clock::now() >> 20) as u32 % 1000 * 100_000;
    }
    println!(
        "{:<52} {SMALL:>11} {big:>11}   ratio",
        "microseconds, entries:"
    );
    measure(&mut caches);
}

fn measure(caches: &mut [Cache; 2]) {
    for cache in &*caches {
        cache.settle();
    }
    // What was filled is not written while it is measured.
    rustix::fs::sync();
    hits(caches);
    puts(caches);
    folds(caches);
    questions(caches);
    changes(caches);
}

fn hits(caches: &mut [Cache; 2]) {
    let mut random = Random(1);
    let some: Vec<[u32; 2]> = (0..SMALL)
        .map(|number| [number, random.below(caches[1].entries)])
        .collect();
    let mut turns = |what: &str, rounds| {
        let [mut small, mut big] = in_turns(caches, rounds, |cache, _| {
            let which = usize::from(cache.entries > SMALL);
            some.iter()
                .filter_map(|numbers| cache.find(numbers[which]))
                .collect()
        });
        if rounds > 1 {
            row(
                &format!("{what}, median"),
                percentile(&mut small, 50),
                percentile(&mut big, 50),
            );
            row(
                &format!("{what}, 99th percentile"),
                percentile(&mut small, 99),
                percentile(&mut big, 99),
            );
        }
    };
    turns("", 1);
    turns("hit, of 1000 entries in use", 30);
    let [mut small, mut big] = in_turns(caches, 30, |cache, _| {
        (0..SMALL)
            .filter_map(|_| cache.find(random.below(cache.entries)))
            .collect()
    });
    row(
        "hit, of all entries, median",
        percentile(&mut small, 50),
        percentile(&mut big, 50),
    );
    for cache in &*caches {
        cache.settle();
    }
}

fn puts(caches: &mut [Cache; 2]) {
    let turns = |caches: &mut [Cache; 2], what: &str, rounds| {
        SLOWEST_SLICE.with(|slowest| slowest.set(Duration::ZERO));
        let [mut small, mut big] = in_turns(caches, rounds, |cache, _| {
            (0..FOLD).map(|_| cache.put()).collect()
        });
        row(
            &format!("{what}, with its maintenance, mean"),
            mean(&small),
            mean(&big),
        );
        row(
            &format!("{what}, median"),
            percentile(&mut small, 50),
            percentile(&mut big, 50),
        );
        row(
            &format!("{what}, slowest"),
            percentile(&mut small, 100),
            percentile(&mut big, 100),
        );
    };
    // Few, so that the small cache stays small.
    turns(caches, "put", 2);
    for cache in &*caches {
        cache.shrink();
    }
    let mut limited = [0, 1].map(|which| {
        let cache = &caches[which];
        cache.with_limits(Limits {
            max_entries: cache.admin().stats().expect("statistics").entries,
            ..no_limits()
        })
    });
    turns(&mut limited, "put at the limit", 8);
    for (cache, limited) in caches.iter_mut().zip(&limited) {
        cache.next = limited.next;
        cache.settle();
    }
}

fn folds(caches: &mut [Cache; 2]) {
    let mut random = Random(2);
    let [mut small, mut big] = in_turns(caches, 8, |cache, _| vec![cache.fold()]);
    row(
        "open the index, fold nothing, close it",
        percentile(&mut small, 50),
        percentile(&mut big, 50),
    );
    for (what, entries) in [("1000 entries", SMALL), ("all entries", u32::MAX)] {
        let [mut small, mut big] = in_turns(caches, 8, |cache, _| {
            cache.append_hits(&mut random, FOLD, entries.min(cache.entries));
            vec![cache.fold()]
        });
        row(
            &format!("fold of 1024 hits of {what}"),
            percentile(&mut small, 50),
            percentile(&mut big, 50),
        );
    }
    let [mut small, mut big] = in_turns(caches, 8, |cache, _| {
        // Not through `put`, which folds.
        let options = Options {
            index: true,
            ..cache.options.clone()
        };
        let store = Store::new(cache.path.clone(), options);
        store.create_journal();
        for _ in 0..FOLD {
            let number = cache.next;
            cache.next += 1;
            let mut manifest = Manifest::example(&name(number));
            store
                .publish(&key(number), &[7; 64], b"", b"", &mut manifest)
                .expect("stored");
        }
        let time = cache.fold();
        cache.shrink();
        vec![time]
    });
    row(
        "fold of 1024 stores",
        percentile(&mut small, 50),
        percentile(&mut big, 50),
    );
    // What a program that only hits leaves behind is taken in by whoever stores next.
    let [small, big] = in_turns(caches, 1, |cache, _| {
        cache.append_hits(&mut random, 100 * FOLD, cache.entries);
        (0..FOLD).map(|_| cache.put()).collect()
    });
    row("put behind 102400 hits, mean", mean(&small), mean(&big));
    row(
        "put behind 102400 hits, slowest",
        percentile(&mut small.clone(), 100),
        percentile(&mut big.clone(), 100),
    );
    for cache in &*caches {
        cache.settle();
    }
}

fn questions(caches: &mut [Cache; 2]) {
    let mut random = Random(3);
    let mut turns = |what: &str, rounds, body: &mut dyn FnMut(&Cache, u32)| {
        let [mut small, mut big] = in_turns(caches, rounds, |cache, _| {
            let number = random.below(cache.entries);
            let start = Instant::now();
            body(cache, number);
            vec![start.elapsed()]
        });
        row(what, percentile(&mut small, 50), percentile(&mut big, 50));
    };
    turns("is_due", 100, &mut |cache, _| {
        maintain::is_due(&cache.journal(), &no_limits());
    });
    turns("statistics", 5, &mut |cache, _| {
        cache.admin().stats().expect("statistics");
    });
    turns("by key: resolve and row", 20, &mut |cache, number| {
        let key = cache.admin().resolve(&key(number).to_string()[..16]);
        // It may be evicted.
        if let Ok(key) = key {
            let index = cache.admin().index().expect("an index");
            index.entry(&key).expect("no error");
        }
    });
    turns("explain a miss", 5, &mut |cache, number| {
        let parts = Manifest::example("").about.parts;
        let missing = key(u32::MAX - number);
        let explanation = explain(&cache.admin(), &missing, "module 7", &parts);
        assert!(matches!(explanation, Ok(Explanation::Missing { .. })));
    });
    turns(
        "explain a miss of a name that a quarter has",
        5,
        &mut |cache, number| {
            let parts = Manifest::example("").about.parts;
            let missing = key(u32::MAX - number);
            let explanation = explain(&cache.admin(), &missing, "<memory>", &parts);
            assert!(matches!(explanation, Ok(Explanation::Missing { .. })));
        },
    );
    for cache in &*caches {
        let before = resident();
        let start = Instant::now();
        let mut iter = cache.admin().iter(Filter::default()).expect("a list");
        let (mut rows, mut most) = (0_u32, before);
        while iter.next().expect("a row").is_some() {
            rows += 1;
            if rows.is_multiple_of(10_000) {
                most = most.max(resident());
            }
        }
        let rate = f64::from(rows) / start.elapsed().as_secs_f64();
        println!(
            "list: {rows} rows, {rate:.0} a second, {} KB more memory",
            most - before
        );
    }
}

fn changes(caches: &mut [Cache; 2]) {
    let cache = &caches[1];
    let entries = cache.admin().stats().expect("statistics").entries;
    let start = Instant::now();
    let (mut last, mut slowest) = (start, Duration::ZERO);
    let limits = Limits {
        max_entries: entries * 9 / 10,
        ..no_limits()
    };
    cache
        .admin()
        .trim(&limits, &mut |_, _| {
            slowest = slowest.max(last.elapsed());
            last = Instant::now();
            true
        })
        .expect("trimmed");
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "trim of {} entries: {seconds:.1} s, slowest transaction {:.0} ms",
        entries / 10,
        micros(slowest) / 1e3
    );
    let start = Instant::now();
    let before = resident();
    cache.admin().rebuild(&mut |_, _| true).expect("rebuilt");
    println!(
        "rebuild: {:.1} s, index {} MB, {} KB more memory",
        start.elapsed().as_secs_f64(),
        cache.index_size() >> 20,
        resident().saturating_sub(before)
    );
    // A lost index is made anew by slices.
    Index::remove(&cache.root());
    SLOWEST_SLICE.with(|slowest| slowest.set(Duration::ZERO));
    let mut cache = cache.with_limits(no_limits());
    for _ in 0..20 {
        cache.append_hits(&mut Random(4), FOLD, cache.entries);
        cache.put();
    }
    println!(
        "slowest of 20 slices that make a lost index anew: {:.0} ms",
        micros(SLOWEST_SLICE.with(Cell::get)) / 1e3
    );
}
