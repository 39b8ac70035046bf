//! Layers, damaged and foreign files, and what killed processes left.

use super::support::*;
use crate::cache::directory::entry_path;
use crate::cache::index::Filter;
use crate::cache::journal::MissReason;
use crate::cache::key::{Key, KeyParts, Keys, digest_of_unit};
use crate::cache::maintain;
use crate::cache::manifest::Manifest;
use crate::cache::store::{Found, Store};
use crate::cpu::{Cpu, Level};
use crate::types::{CodeOptions, Input, OptLevel, Target, TargetSpec};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_layer_is_used_in_place() {
    let below = Cache::new();
    below.put(key(1), "m", 100, 1000);
    let cache = Cache::with(|options| options.layers = vec![below.path()]);
    assert!(cache.hit(&key(1)));
    cache.store.create_journal();
    assert!(cache.hit(&key(1)));
    assert!(!cache.hit(&key(2)));
    let stats = cache.stats();
    assert_eq!((stats.hits_in_layers, stats.entries), (1, 0));
    assert_eq!(stats.saved, 1000);
    assert_eq!(below.stats().hits, 0);
    std::fs::set_permissions(below.path(), PermissionsExt::from_mode(0o777)).expect("chmod");
    let again = Cache::with(|options| options.layers = vec![below.path()]);
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
    let old = make("v4/tmp/1-1", 2);
    let new = make("v4/tmp/1-2", 0);
    let lock = make(&format!("v4/locks/{}", key(7)), 2);
    let held = make(&format!("v4/locks/{}", key(8)), 2);
    let holder = std::fs::File::open(&held).expect("a lock");
    rustix::fs::flock(&holder, rustix::fs::FlockOperation::LockExclusive).expect("held");
    assert_eq!(maintain::sweep(&root, std::time::SystemTime::now()), 2);
    assert!(!old.exists() && new.exists() && !lock.exists() && held.exists());
}

#[test]
fn sources_go_when_their_entries_are_gone() {
    let cache = Cache::new();
    let publish = |folder: &str, number: u32| {
        let texts = [("a.ll".to_owned(), b"text".to_vec())];
        let published = cache.store.publish_sources(folder, &key(number), &texts);
        published.expect("published");
        assert!(cache.store.has_sources(folder, &key(number)));
    };
    // Two entries of the first, of which one is there.
    publish("1", 1);
    publish("1", 2);
    publish("2", 2);
    cache.put(key(1), "m", 100, 1000);
    assert!(!cache.store.has_sources("1", &key(3)));
    let root = cache.store.directory().open().expect("trusted");
    let root = root.expect("there");
    let is_there = |path: &str| cache.path().join("v4/ir").join(path).exists();
    // Those of an entry that is still to come are new.
    maintain::sweep(&root, std::time::SystemTime::now());
    assert!(is_there("1/a.ll") && is_there("2/a.ll"));
    let later = std::time::SystemTime::now() + std::time::Duration::from_hours(1);
    maintain::sweep(&root, later);
    assert!(is_there("1/a.ll") && !is_there("2"));
    root.unlink(&entry_path(&key(1))).expect("removed");
    maintain::sweep(&root, later);
    assert!(!is_there("1"));
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
        cache.admin().verify(&key(number)).expect_err("damaged");
    }
    cache.admin().rebuild(&mut |_, _| true).expect("rebuilt");
    assert!(!path(0).exists() && !path(1).exists() && path(3).exists());
    assert_eq!(cache.names(Filter::default()).len(), 2);
    assert_eq!(cache.stats().entries, 2);
}

/// Whole entries with digests that are right, whose content may be another module's: what an unsigned bundle can bring.
#[test]
fn an_entry_of_other_content_does_not_verify() {
    let native = Target::Host(Cpu::native());
    let level = Target::Host(Cpu::Level(Level::ALL[1]));
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
        let parts = KeyParts::new(OptLevel::O2, target, CodeOptions::default());
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
        let verify = |key| cache.admin().verify(key).map_err(|error| error.message);
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
        check("not those that its manifest lists");
        verify(&alias).expect_err("by an alias as well");
        put(&cache.store, &right, b"another length", &manifest);
        check("not those that its manifest lists");
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
        let without = cache.again(|options| options.keep_input = false).store;
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
    let folder = cache.path().join("v4/entries");
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
    for version in ["v1", "v3", "v4"] {
        std::fs::create_dir_all(cache.path().join(version).join("entries")).expect("a folder");
    }
    cache
        .admin()
        .clear(true, &mut |_, _| true)
        .expect("cleared");
    assert!(!cache.path().join("v1").exists());
    assert!(cache.path().join("v4/entries").exists());
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
