//! Many clients of one shared server and one cache, while they, the workers and the server are killed and the cache is
//! trimmed and emptied: every client ends with right answers, and nothing is left behind.
//!
//! Sizes are for two cores and half a minute. `MGENJIT_EXHAUSTIVE=1` has ten times as much killed.
//! `MGENJIT_LOAD_SEED` chooses another course; `-- --nocapture` shows what happened.

#[path = "../support/mod.rs"]
mod support;

mod chaos;
mod clients;
mod measure;
mod server;

use chaos::{Chaos, Kills};
use clients::Clients;
use measure::Resources;
use server::Server;
use std::path::Path;
use std::time::{Duration, SystemTime};
use support::workspace::Workspace;

const CLIENTS: usize = 64;

/// What each compiles, of how many different ones.
const MODULES: usize = 200;
const KINDS: usize = 400;

#[test]
fn clients_get_right_answers_and_nothing_is_left() {
    let seed = std::env::var("MGENJIT_LOAD_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let factor = match std::env::var_os("MGENJIT_EXHAUSTIVE") {
        Some(_) => 10,
        None => 1,
    };
    let mut workspace = Workspace::of(&support::source("tests/load/client.c"));
    workspace.set_servers("shared");
    let server = Server::new(&workspace);

    // What a server takes that has compiled a little.
    Clients::run_one(&workspace, &["work", "0", "20", "20"]);
    server.wait_until_idle();
    let before = Resources::of(&server);
    println!("before: {before}");

    let clients = Clients::start(&workspace, seed, CLIENTS, MODULES, KINDS);
    let kills = Chaos::new(&workspace, &server, &clients, seed).run(Kills::planned(factor));
    let totals = clients.wait();
    println!("{totals}\n{kills}");
    assert_eq!(totals.uses, CLIENTS * MODULES, "each module was used once");
    kills.check_all_happened();
    assert!(
        totals.crashed <= kills.workers,
        "{} compiles were lost, and {} workers killed",
        totals.crashed,
        kills.workers
    );

    server.wait_until_idle();
    let after = Resources::settled(&server, &before);
    println!("after: {after}");
    after.check_against(&before);
    server.stop();
    assert_eq!(server.files(), [".lock", ".start"]);

    make_old(&workspace.path("cache/v4/tmp"));
    make_old(&workspace.path("cache/v4/locks"));
    let entries = Clients::run_one(&workspace, &["check"]);
    println!("{entries}");
    assert_eq!(names_in(&workspace.path("cache/v4/tmp")), [""; 0]);
    assert_eq!(names_in(&workspace.path("cache/v4/locks")), [""; 0]);
}

/// What killed processes left is removed once it is certain that nobody works on it: by its age.
fn make_old(folder: &Path) {
    let hours_ago = SystemTime::now() - Duration::from_hours(2);
    for name in names_in(folder) {
        let file = std::fs::File::options()
            .write(true)
            .open(folder.join(name))
            .expect("a file of the cache");
        file.set_modified(hours_ago).expect("another time");
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder of the cache")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a UTF-8 name"))
        .collect();
    names.sort();
    names
}
