//! Arrows point one way.

use crate::arrows::{Arrows, arrows};
use std::collections::{BTreeMap, BTreeSet};

/// The rooms of the library from top to bottom. Those of one line do not know each other.
const LIBRARY: &[&[&str]] = &[
    &["lib"],
    &["capi", "isolating", "storing"],
    &["export"],
    &["executor"],
    &["config"],
    &["remote"],
    &["cache", "client", "image"],
    &["debug"],
    &["event"],
    &["protocol"],
    &["error"],
    &["outcome", "prototype", "types"],
    &["cpu", "signature", "version"],
    &[
        "archive",
        "clock",
        "environment",
        "fork",
        "page",
        "process_limits",
        "threads",
    ],
    &["sanitizer"],
    &["arch"],
];

/// Those of the server.
const SERVER: &[&[&str]] = &[
    &["main"],
    &["arguments"],
    &["supervisor", "worker"],
    &["link"],
    &["llvm"],
    &["input"],
    &["process"],
];

/// The first part of a file's path below its crate's folder.
fn room(name: &str) -> (&str, &str) {
    let (krate, rest) = match name
        .strip_prefix("src/bin/")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((program, rest)) => (program, rest),
        None => ("mgenjit", name.trim_start_matches("src/")),
    };
    let first = rest.split('/').next().unwrap_or_default();
    (krate, first.trim_end_matches(".rs"))
}

#[test]
fn they_go_down() {
    let place = |name: &str| -> Option<usize> {
        let (krate, room) = room(name);
        let layers = match krate {
            "mgenjit" => LIBRARY,
            "mgenjit-server" => SERVER,
            _ => return None,
        };
        let found = layers.iter().position(|layer| layer.contains(&room));
        assert!(
            found.is_some(),
            "{name} is in no layer: give it one, here and in ARCHITECTURE.md"
        );
        found
    };
    let mut wrong = Vec::new();
    for (from, needs) in arrows() {
        for to in needs {
            let (one, other) = (room(&from), room(&to));
            let goes_up = place(&from)
                .zip(place(&to))
                .is_some_and(|(from, to)| from >= to);
            if one.0 == other.0 && one != other && goes_up {
                wrong.push(format!("{from} needs {to}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that go up, or across:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn what_the_server_shares_with_the_library_is_known() {
    const SHARED: [&str; 8] = [
        "arch",
        "archive",
        "cpu",
        "environment",
        "protocol",
        "signature",
        "types",
        "version",
    ];
    for (from, needs) in arrows() {
        for to in needs {
            let (program, (library, shared)) = (room(&from).0, room(&to));
            if program != "mgenjit" && library == "mgenjit" {
                // The helper does with orders what the library does with sources, and runs what the library would run.
                let is_job =
                    program == "mgenjit-helper" && ["isolating", "storing"].contains(&shared);
                assert!(SHARED.contains(&shared) || is_job, "{from} needs {to}");
            }
        }
    }
}

#[test]
fn no_files_go_in_a_circle() {
    assert_eq!(circles(&arrows()), Vec::<Vec<String>>::new());
}

#[test]
fn no_folders_go_in_a_circle() {
    // What lies side by side in one folder: files, and folders with all that is in them.
    let mut rooms = Arrows::new();
    for (from, needs) in arrows() {
        for to in needs {
            let one: Vec<&str> = from.split('/').collect();
            let other: Vec<&str> = to.split('/').collect();
            let common = one
                .iter()
                .zip(&other)
                .take_while(|(one, other)| one == other)
                .count();
            let cut = |parts: &[&str]| parts[..(common + 1).min(parts.len())].join("/");
            rooms.entry(cut(&one)).or_default().insert(cut(&other));
        }
    }
    assert_eq!(circles(&rooms), Vec::<Vec<String>>::new());
}

#[test]
fn circles_are_found() {
    fn check(arrows: &[(&str, &str)], expect: &[&[&str]]) {
        let mut all = Arrows::new();
        for (from, to) in arrows {
            all.entry((*from).to_owned())
                .or_default()
                .insert((*to).to_owned());
        }
        assert_eq!(circles(&all), expect, "{arrows:?}");
    }
    check(&[], &[]);
    check(&[("a", "b"), ("b", "c"), ("a", "c")], &[]);
    check(&[("a", "b"), ("b", "a")], &[&["a", "b"]]);
    check(
        &[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")],
        &[&["b", "c"]],
    );
    check(
        &[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")],
        &[&["a", "b"], &["c", "d"]],
    );
}

/// The groups of files each of which leads to each other one.
fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = arrows
        .keys()
        .map(|from| (from, reached(from, arrows)))
        .collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (from, to) in &reach {
        let back = |other: &&&String| reach.get(**other).is_some_and(|all| all.contains(from));
        let circle: Vec<String> = to.iter().filter(back).map(|one| (**one).clone()).collect();
        if !circle.is_empty() {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reached<'a>(from: &String, arrows: &'a Arrows) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&String> = arrows.get(from).into_iter().flatten().collect();
    while let Some(one) = next.pop() {
        if found.insert(one) {
            next.extend(arrows.get(one).into_iter().flatten());
        }
    }
    found
}
