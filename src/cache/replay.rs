//! What eviction saves on a recorded trace, beside other policies. `make bench-cache` prints the table.
//!
//! All have the same rule for when room is made, and how much. For one size ours is the whole of it as well: a real
//! index folds a real journal and unlinks files.

use super::directory::{Directory, Owner, Root, entry_path};
use super::entry;
use super::index::Index;
use super::journal::{HitKind, Journal, Kind, Record};
use super::key::Key;
use super::maintain;
use super::manifest::Manifest;
use super::options::Limits;
use super::policy;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// How it was recorded, and what is in it, it says at its start. The costs and sizes were measured; the order of the
/// requests is a simulated developer's.
const TRACE: &[u8] = include_bytes!("../../benches/eviction/trace.zst");

/// What a cache may hold, in percent of all that the trace stores.
const SIZES: [u64; 5] = [5, 10, 20, 40, 60];

/// For which of them the library's own index is asked as well.
const REAL: u64 = 10;

struct Module {
    /// Microseconds to compile it.
    cost: u64,
    /// Of its entry's file.
    bytes: u64,
}

struct Trace {
    modules: Vec<Module>,
    requests: Vec<usize>,
}

impl Trace {
    fn read() -> Trace {
        let text = zstd::decode_all(TRACE).expect("a trace");
        let text = String::from_utf8(text).expect("text");
        let mut trace = Trace {
            modules: Vec::new(),
            requests: Vec::new(),
        };
        let number = |word: &str| word.parse::<u64>().expect("a number");
        for line in text.lines() {
            let mut words = line.split(' ');
            match line.as_bytes()[0] {
                b'#' => {}
                b'+' => trace.modules.push(Module {
                    cost: words.nth(1).map_or(0, number),
                    bytes: words.next().map_or(0, number),
                }),
                _ => trace
                    .requests
                    .extend(words.map(|word| number(word) as usize)),
            }
        }
        trace
    }

    fn bytes(&self) -> u64 {
        self.modules.iter().map(|module| module.bytes).sum()
    }

    /// What a cache without limit saves, in microseconds.
    fn most(&self) -> u64 {
        let all = |requests: &mut dyn Iterator<Item = usize>| -> u64 {
            requests.map(|request| self.modules[request].cost).sum()
        };
        all(&mut self.requests.iter().copied()) - all(&mut (0..self.modules.len()))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Outcome {
    /// Microseconds.
    saved: u64,
    misses: u64,
}

fn limits(max_bytes: u64) -> Limits {
    Limits {
        max_bytes,
        max_entries: 0,
        max_age: Duration::ZERO,
    }
}

/// An order in which entries go, the least first.
trait Policy {
    fn rank(&mut self, module: &Module, state: &mut State, now: u64) -> f64;

    /// An entry of this rank was evicted.
    fn evicted(&mut self, _rank: f64) {}
}

#[derive(Default)]
struct State {
    uses: u64,
    rank: f64,
}

struct Lru;

impl Policy for Lru {
    fn rank(&mut self, _: &Module, _: &mut State, now: u64) -> f64 {
        now as f64
    }
}

struct Lfu;

impl Policy for Lfu {
    fn rank(&mut self, _: &Module, state: &mut State, _: u64) -> f64 {
        state.uses as f64
    }
}

/// The largest first.
struct Size;

impl Policy for Size {
    fn rank(&mut self, module: &Module, _: &mut State, _: u64) -> f64 {
        -(module.bytes as f64)
    }
}

/// GreedyDual-Size, or with `frequency` GreedyDual-Size-Frequency.
struct GreedyDual {
    clock: f64,
    frequency: bool,
}

impl Policy for GreedyDual {
    fn rank(&mut self, module: &Module, state: &mut State, _: u64) -> f64 {
        let uses = if self.frequency { state.uses } else { 1 };
        self.clock + uses as f64 * module.cost as f64 / module.bytes as f64
    }

    fn evicted(&mut self, rank: f64) {
        self.clock = self.clock.max(rank);
    }
}

struct Ours {
    clock: f64,
}

impl Policy for Ours {
    fn rank(&mut self, module: &Module, state: &mut State, _: u64) -> f64 {
        policy::priority(self.clock, state.uses, module.cost, module.bytes)
    }

    fn evicted(&mut self, rank: f64) {
        self.clock = self.clock.max(rank);
    }
}

/// Replays the trace with a policy in memory.
fn simulate(trace: &Trace, max_bytes: u64, policy: &mut dyn Policy) -> Outcome {
    let full = limits(max_bytes);
    let room = full.with_room();
    let mut entries: HashMap<usize, State> = HashMap::new();
    // The bits of a float are in its order once those of the sign are taken care of. Ties go to the oldest.
    let bits = |rank: f64| {
        let bits = rank.to_bits() as i64;
        bits ^ (((bits >> 63) as u64) >> 1) as i64
    };
    let mut order: BTreeSet<(i64, u64, usize)> = BTreeSet::new();
    let mut since: HashMap<usize, u64> = HashMap::new();
    let mut bytes = 0;
    let mut outcome = Outcome::default();
    for (now, request) in (0..).zip(&trace.requests) {
        let module = &trace.modules[*request];
        let hit = entries.contains_key(request);
        let state = entries.entry(*request).or_default();
        if hit {
            outcome.saved += module.cost;
            order.remove(&(bits(state.rank), since[request], *request));
        } else {
            outcome.misses += 1;
            bytes += module.bytes;
        }
        state.uses += 1;
        state.rank = policy.rank(module, state, now);
        order.insert((bits(state.rank), now, *request));
        since.insert(*request, now);
        if !full.are_exceeded(bytes, 0) {
            continue;
        }
        while room.are_exceeded(bytes, 0)
            && let Some((_, _, first)) = order.pop_first()
        {
            let state = entries.remove(&first).expect("an entry");
            policy.evicted(state.rank);
            bytes -= trace.modules[first].bytes;
        }
    }
    outcome
}

/// A cache whose entries are files that are as long as the trace says, with nothing in them but what the index reads.
struct Cache {
    _folder: tempfile::TempDir,
    root: Arc<Root>,
    journal: Journal,
    index: Index,
}

impl Cache {
    fn new() -> Cache {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path().join("cache"), Owner::User);
        let root = directory.create().expect("a cache");
        let journal = Journal::open_or_create(&root).expect("a journal");
        let index = Index::open(&Arc::new(directory), &root).expect("an index");
        Cache {
            _folder: folder,
            root,
            journal,
            index,
        }
    }

    fn has(&self, key: &Key) -> bool {
        let flags = rustix::fs::OFlags::RDONLY;
        self.root.open_file(&entry_path(key), flags).is_ok()
    }

    fn record(&self, kind: Kind, bytes: u64, key: &Key) {
        let record = Record::now(kind, HitKind::Direct as u8, bytes, *key);
        self.journal.append(&record).expect("recorded");
    }

    fn store(&self, key: &Key, module: &Module) {
        let mut manifest = Manifest::example("m");
        manifest.about.times.optimise = module.cost;
        // The index believes the tail of a file; what lies before it may be a hole. The object makes the length that
        // of the trace: bytes that cannot be compressed.
        let empty = encode(key, &[], b"", &mut manifest).len(&[]);
        let image_len = module.bytes.saturating_sub(empty) / 8192 * 8192;
        let mut object = vec![0; module.bytes.saturating_sub(empty + image_len) as usize];
        blake3::Hasher::new().finalize_xof().fill(&mut object);
        let entry = encode(key, &vec![0; image_len as usize], &object, &mut manifest);
        let path = entry_path(key);
        let (folder, _) = path.rsplit_once('/').expect("a folder");
        self.root.folder(folder).expect("a folder");
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CREATE;
        let file = self.root.open_file(&path, flags).expect("a file");
        let mut at = image_len;
        for part in [
            &entry.manifest,
            &entry.object,
            &entry.input,
            &entry.tail[..],
        ] {
            file.write_all_at(part, at).expect("written");
            at += part.len() as u64;
        }
        self.record(Kind::Store, at, key);
    }
}

fn encode(key: &Key, image: &[u8], object: &[u8], manifest: &mut Manifest) -> entry::Encoded {
    entry::encode(key, image, object, None, manifest, None).expect("encoded")
}

/// Replays the trace with the library's own journal, index and eviction.
fn replay(trace: &Trace, max_bytes: u64) -> Outcome {
    let mut cache = Cache::new();
    let full = limits(max_bytes);
    let room = full.with_room();
    let mut outcome = Outcome::default();
    for request in &trace.requests {
        let module = &trace.modules[*request];
        let key = Key(*blake3::hash(&request.to_le_bytes()).as_bytes());
        if cache.has(&key) {
            outcome.saved += module.cost;
            cache.record(Kind::Hit, 0, &key);
            continue;
        }
        outcome.misses += 1;
        cache.store(&key, module);
        // As `maintain::slice`, without its limit of time and without the rest of its work.
        if maintain::is_due(&cache.journal, &full) {
            cache.index.fold(&cache.journal).expect("folded");
            while cache.index.evict_some(&room).expect("evicted") {}
            cache.index.fold(&cache.journal).expect("folded");
        }
    }
    outcome
}

#[test]
fn eviction_saves_more_compile_time_than_lru() {
    let trace = Trace::read();
    let (bytes, most) = (trace.bytes(), trace.most());
    println!(
        "{} requests of {} keys, {} MB in all, compiled in {} s; of {} s, which a cache without limit saves, is lost:",
        trace.requests.len(),
        trace.modules.len(),
        bytes >> 20,
        trace.modules.iter().map(|module| module.cost).sum::<u64>() / 1_000_000,
        most / 1_000_000,
    );
    println!("cache        LRU        LFU       size        GDS       GDSF       ours");
    for size in SIZES {
        let max_bytes = bytes * size / 100;
        let greedy_dual = |frequency| GreedyDual {
            clock: 0.0,
            frequency,
        };
        let ours = simulate(&trace, max_bytes, &mut Ours { clock: 0.0 });
        let lru = simulate(&trace, max_bytes, &mut Lru);
        let all = [
            lru,
            simulate(&trace, max_bytes, &mut Lfu),
            simulate(&trace, max_bytes, &mut Size),
            simulate(&trace, max_bytes, &mut greedy_dual(false)),
            simulate(&trace, max_bytes, &mut greedy_dual(true)),
            ours,
        ];
        let lost = all.map(|outcome| format!("{:>9.1} s", (most - outcome.saved) as f64 / 1e6));
        println!("{size:>4} %{}", lost.concat());
        let misses = all.map(|outcome| format!("{:>11}", outcome.misses));
        println!("misses{}", misses.concat());
        if size == REAL {
            let real = replay(&trace, max_bytes);
            let lost = (most - real.saved) as f64 / (most - ours.saved) as f64;
            println!("  real {:>73.1} s", (most - real.saved) as f64 / 1e6);
            // Which of equals goes first is up to the index, and lengths differ by some bytes.
            assert!((0.8..1.2).contains(&lost), "{real:?}, {ours:?}");
            assert!(real.saved > lru.saved, "{real:?}, {lru:?}");
        }
        if lru.saved < most / 1000 * 999 {
            assert!(ours.saved > lru.saved, "{size} %: {ours:?}, {lru:?}");
        } else {
            // Nearly nothing is lost, by either.
            assert!(
                ours.saved > most / 1000 * 999,
                "{size} %: {ours:?}, {lru:?}"
            );
        }
    }
}
