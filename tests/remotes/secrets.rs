//! Nobody sees a password: not in what tools print, in logs, in files, or in what `ps` shows.

use crate::support::wait::until;
use crate::team::{PASSWORD, Team, check, free_port, has, redis};
use std::path::Path;

fn has_password(bytes: &[u8]) -> bool {
    bytes
        .windows(PASSWORD.len())
        .any(|part| part == PASSWORD.as_bytes())
}

/// All files below a folder.
fn look_into(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let kind = entry.file_type().expect("a kind");
        assert!(!has_password(entry.file_name().as_encoded_bytes()));
        if kind.is_dir() {
            look_into(&entry.path());
        } else if kind.is_file() {
            let bytes = std::fs::read(entry.path()).expect("a file");
            assert!(!has_password(&bytes), "{}", entry.path().display());
        }
    }
}

/// The command lines of all processes, as `ps` shows them, but of those that a user gave the password in their own: the
/// uploader and helpers are ours.
fn look_at_processes() {
    let mut ours = 0;
    for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let read = |name: &str| std::fs::read(process.path().join(name)).unwrap_or_default();
        let command = read("cmdline");
        let is = |name: &str| String::from_utf8_lossy(&command).contains(name);
        if is("mgenjit-remote") || is("mgenjit-helper") || is("mgenjit-server") {
            ours += 1;
            assert!(!has_password(&command) && !has_password(&read("comm")));
        }
    }
    assert!(ours >= 1);
}

#[test]
fn passwords_are_never_seen() {
    if !has("passwords_are_never_seen", &["redis-server"]) {
        return;
    }
    let port = free_port();
    let engine = redis(port);
    let mut team = Team::new(&format!("redis://user-of-it:{PASSWORD}@127.0.0.1:{port}"));
    let log = team.path("log");
    team.variables
        .push(("MGENJIT_SERVER_LOG", log.display().to_string()));
    let program = team.write("program.ll", 7);
    // No such user: the store says so, and an engine may repeat what it was told.
    let ran = team.run("wrong", "read-write|unsigned", &program);
    assert!(
        ran.code == 7 && ran.err.contains("remote warning"),
        "{ran:?}"
    );
    let url = format!("{}|read-write|unsigned", team.url);
    let ran = team.cache("wrong", &["remote", "status", "--remote", &url]);
    assert!(ran.code == 1 && ran.out.contains("127.0.0.1"), "{ran:?}");
    let push = ["remote", "push", "--all", "--json", "--remote", &url];
    assert_eq!(team.cache("wrong", &push).code, 69);
    let gc = ["remote", "gc", "--max-age", "1d", "--remote", &url];
    assert_eq!(team.cache("wrong", &gc).code, 69);
    let remote = format!("--remote={url}");
    let program = program.to_str().expect("UTF-8");
    let explain = ["explain", "-O3", &remote, program];
    assert_eq!(team.cache("wrong", &explain).code, 1);
    // What is no URL, and attributes that there are not.
    for wrong in [
        PASSWORD.to_owned(),
        format!("{url}|{PASSWORD}"),
        format!("{url}|password={PASSWORD}"),
    ] {
        let ran = team.cache("wrong", &["remote", "status", "--remote", &wrong]);
        assert_eq!(ran.code, 64, "{ran:?}");
    }
    team.url = format!("redis://:{PASSWORD}@127.0.0.1:{port}");
    check(&team);
    look_at_processes();
    drop(engine);
    let ran = team.run("gone", "read-write|unsigned", &team.write("gone.ll", 3));
    assert_eq!(ran.code, 3, "{ran:?}");
    until("puts that fail", || {
        team.stats("gone")["remote_put_errors"].as_u64() >= Some(1)
    });
    look_at_processes();
    look_into(team.folder.path());
}
