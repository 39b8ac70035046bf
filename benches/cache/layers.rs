//! What a hit in a layer of ten thousand entries costs, in a folder and in a bundle. `make bench-layers` runs it.

use super::bundle::export;
use super::directory::{Directory, Owner, entry_path};
use super::entry;
use super::file;
use super::key::Key;
use super::manifest::Manifest;
use super::options::Options;
use super::store::{Found, Store};
use super::tests::support::MACHINE;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const ENTRIES: u32 = 10_000;
const ROUNDS: usize = 5;

fn key(number: u32) -> Key {
    Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn store(above: &Path, layer: &Path) -> Store {
    let options = Options {
        layers: vec![layer.to_owned()],
        index: false,
        ..Options::example()
    };
    Store::new(above.to_owned(), options)
}

fn find(store: &Store, number: u32) -> Duration {
    let start = Instant::now();
    let found = store.find(&key(number), MACHINE);
    let took = start.elapsed();
    assert!(matches!(black_box(found), Found::Entry(_)));
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[ignore = "it measures: make bench-layers"]
fn a_bundle_costs_no_more_than_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let [above, below, bundle] = ["above", "below", "bundle"].map(|name| folder.path().join(name));
    let root = Directory::new(below.clone(), Owner::User)
        .create()
        .expect("a cache");
    let keys: Vec<Key> = (0..ENTRIES).map(key).collect();
    for key in &keys {
        let mut image = vec![0; 8000];
        blake3::Hasher::new()
            .update(&key.0)
            .finalize_xof()
            .fill(&mut image);
        let mut manifest = Manifest::example("m");
        let encoded =
            entry::encode(key, &image, b"object", None, &mut manifest, None).expect("encoded");
        let parts: [&[u8]; 5] = [
            &image,
            &encoded.manifest,
            &encoded.object,
            &encoded.input,
            &encoded.tail,
        ];
        file::publish(&root, &entry_path(key), &parts, false).expect("written");
    }
    let exported =
        export(&root, &keys, &[], None, None, &bundle, &mut |_, _| true).expect("exported");
    println!(
        "{} entries, a bundle of {} MB",
        exported.entries,
        exported.bytes >> 20
    );
    let mut all = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for which in [round % 2, 1 - round % 2] {
            let store = store(&above, [&below, &bundle][which]);
            let first = find(&store, 0);
            // Each once, far from the last one.
            let times: Vec<Duration> = (1..ENTRIES)
                .map(|number| find(&store, number * 7919 % ENTRIES))
                .collect();
            let sum: Duration = times.iter().sum();
            println!(
                "{}: the first hit {:6.1} us, the others {:5.2} us, at most {:6.1} us",
                ["folder", "bundle"][which],
                first.as_secs_f64() * 1e6,
                sum.as_secs_f64() * 1e6 / f64::from(ENTRIES - 1),
                times.iter().max().expect("some").as_secs_f64() * 1e6
            );
            all[which].push(median(times));
        }
    }
    let [folder, bundle] = all.map(median);
    let ratio = bundle.as_secs_f64() / folder.as_secs_f64();
    println!("median hit: folder {folder:?}, bundle {bundle:?}: {ratio:.2} of it");
}
