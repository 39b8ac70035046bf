//! The command-line tool for the shared server, `examples-c/server`, as its users run it.

mod support;

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use support::tools::{self, Ran};
use tempfile::TempDir;

fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("server-tool", &["server", "run"]))
}

/// A runtime folder of a test's own. Its server ends with it.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        // In /tmp: a socket's path is short.
        let folder = tempfile::Builder::new().prefix("server-tool-").tempdir();
        let place = Place(folder.expect("a temporary folder"));
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(place.0.path(), private).expect("private");
        place
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let output = std::process::Command::new(programs().join(program))
            .args(arguments)
            .current_dir(self.0.path())
            .env("XDG_RUNTIME_DIR", self.0.path())
            .env("MGENJIT_CACHE_DIR", self.0.path().join("cache"))
            .env("MGENJIT_SERVER", env!("CARGO_BIN_EXE_mgenjit-server"))
            .env("LC_ALL", "C")
            .env_remove("MGENJIT_SERVER_MODE")
            .env_remove("MGENJIT_SERVER_LOG")
            .output();
        output.expect("a tool").into()
    }

    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, parts: &[&str]) -> String {
        let ran = self.run("server", arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        let (text, empty) = match code {
            0 => (&ran.out, &ran.err),
            _ => (&ran.err, &ran.out),
        };
        assert_eq!(empty, "", "{arguments:?}: {ran:?}");
        for part in parts {
            assert!(text.contains(part), "{arguments:?}: no {part:?} in {ran:?}");
        }
        ran.out
    }

    #[track_caller]
    fn json(&self, command: &str) -> Value {
        serde_json::from_str(&self.check(&[command, "--json"], 0, &[])).expect("JSON")
    }

    /// Compiles a module with the shared server.
    #[track_caller]
    fn compile(&self, number: u32) {
        let name = format!("{number}.ll");
        let ir = format!("define i32 @f() {{\n  ret i32 {number}\n}}\n");
        std::fs::write(self.0.path().join(&name), ir).expect("a file");
        let ran = self.run(
            "run",
            &["--verbose", "--server", "shared", "--call", "f()", &name],
        );
        assert_eq!(ran.out, format!("{number}\n"), "{ran:?}");
        assert!(!ran.err.contains("shared compile server"), "{ran:?}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.run("server", &["stop", "--force"]);
    }
}

#[test]
fn wrong_usage() {
    let place = Place::new();
    let check = |arguments: &[&str], part: &str| {
        place.check(arguments, 2, &["server: ", part, "usage: server", "--help"]);
    };
    check(&[], "no command was given");
    check(&["start"], "no such command: start");
    check(&["--frob", "status"], "wrong option: --frob");
    check(&["-x", "status"], "wrong option: -x");
    check(&["status", "more"], "too many arguments: more");
    check(&["stop", "--timeout"], "a value is missing after --timeout");
    check(
        &["stop", "--timeout", "-1"],
        "not a number of milliseconds: -1",
    );
    check(&["stop", "--json"], "--json is for status and stats");
    check(&["status", "--force"], "are for stop");
    check(&["stats", "--timeout", "1"], "are for stop");
}

#[test]
fn help_and_version() {
    let place = Place::new();
    let help = place.check(&["--help"], 0, &["usage: server", "Exit status"]);
    for word in ["status", "stats", "stop", "--json", "--force", "--timeout"] {
        assert!(help.contains(word), "{word} in {help}");
    }
    assert!(help.lines().all(|line| line.len() <= 120), "{help}");
    place.check(
        &["--version"],
        0,
        &["server, with libmgenjit 0.", "LLVM 22"],
    );
}

#[test]
fn where_none_runs() {
    let place = Place::new();
    let folder = place.0.path().join("mgenjit");
    let folder = folder.to_str().expect("UTF-8");
    for arguments in [
        &["status"] as &[&str],
        &["status", "--json"],
        &["stats"],
        &["stop"],
        &["stop", "--force"],
    ] {
        place.check(
            arguments,
            1,
            &["no shared compile server of this build runs", folder],
        );
    }
}

#[test]
fn one_that_runs() {
    let place = Place::new();
    place.compile(1);
    place.compile(2);
    let status = place.json("status");
    assert_eq!(status["stopping"], false, "{status}");
    assert_eq!(status["connections"], 1, "{status}");
    assert_eq!(status["clients"], 1, "{status}");
    assert_eq!(status["queued"], 0, "{status}");
    assert_eq!(status["idle_timeout"], 600_000, "{status}");
    for name in ["max_workers", "memory", "uptime"] {
        assert!(status[name].as_u64() > Some(0), "{name} in {status}");
    }
    let socket = PathBuf::from(status["socket"].as_str().expect("a path"));
    assert!(socket.starts_with(place.0.path()), "{status}");
    let stats = place.json("stats");
    assert_eq!(stats["requests"], 2, "{stats}");
    assert_eq!(stats["compiled"], 2, "{stats}");
    for name in ["failed", "joined", "cancelled", "crashed", "refused"] {
        assert_eq!(stats[name], 0, "{name} in {stats}");
    }
    let process = format!("process         {}\n", status["process"]);
    assert_eq!(status["max_time"], 600_000, "{status}");
    assert_eq!(status["queue_timeout"], 10_000, "{status}");
    assert_eq!(status["private_servers"], 0, "{status}");
    assert!(status["max_memory"].as_u64() >= Some(1 << 30), "{status}");
    let limits = "10 min of processor time";
    place.check(
        &["status"],
        0,
        &[
            "running\n",
            &process,
            "ends",
            "10 min",
            limits,
            "uses a private server",
        ],
    );
    place.check(
        &["stats"],
        0,
        &["compiled        2\n", " started, 0 replaced"],
    );

    place.check(&["stop"], 0, &["ended\n"]);
    place.check(&["status"], 1, &["no shared compile server"]);
    // The next program that needs one starts it.
    place.compile(3);
    assert_ne!(place.json("status")["process"], status["process"]);
    place.check(&["stop", "--force", "--timeout", "10000"], 0, &["ended\n"]);
    place.check(&["stop"], 1, &["no shared compile server"]);
}

#[test]
fn a_stdout_that_takes_nothing() {
    let full = std::fs::File::options().write(true).open("/dev/full");
    let output = std::process::Command::new(programs().join("server"))
        .arg("--help")
        .stdout(full.expect("/dev/full"))
        .output()
        .expect("the tool");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
