//! The program `mgenjit`, which has the tools as its commands: what it says of itself, and `doctor`.

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use support::tools::{self, Place};

const COMMANDS: [&str; 6] = ["run", "build", "repl", "cache", "server", "doctor"];

fn programs() -> &'static PathBuf {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| tools::build("mgenjit-tool", &["mgenjit", "run", "server"]))
}

fn place() -> Place {
    Place::new(programs().join("mgenjit"))
}

const ANSWER: &str = "define i32 @main() {\n  ret i32 7\n}\n";

#[test]
fn commands_are_the_tools() {
    let place = place();
    place.write("answer.ll", ANSWER);
    assert_eq!(place.run(&["run", "answer.ll"]).code, 7);
    place.check(&["build", "-o", "answer.o", "answer.ll"], 0, &[]);
    assert!(place.path("answer.o").exists());
    place.check(&["cache", "list"], 0, &["1 entry", "answer.ll"]);
    // Messages begin with what was called.
    let wrong = [
        (
            vec!["run", "--none"],
            "mgenjit run: wrong option: --none\nusage: mgenjit run [options] FILE",
        ),
        (vec!["build", "x"], "mgenjit build: -o OUT is missing\n"),
        (
            vec!["cache", "none"],
            "mgenjit cache: no such command: none\n",
        ),
        (vec!["cache", "list", "x"], "Try mgenjit cache list --help."),
        (
            vec!["doctor", "x"],
            "mgenjit doctor: too many arguments: x\n",
        ),
        (vec!["none"], "mgenjit: no such command: none\n"),
        (vec!["help", "none"], "mgenjit: no such command: none\n"),
        (vec!["--none"], "mgenjit: wrong option: --none\n"),
        (vec![], "mgenjit: no command was given\n"),
    ];
    for (arguments, part) in wrong {
        place.check(&arguments, 64, &[part]);
    }
    let ran = place.run(&["server", "none"]);
    assert!(
        ran.code == 2 && ran.err.contains("       mgenjit server stop"),
        "{ran:?}"
    );
    // By a tool's name, it is that tool.
    let run = Place::new(programs().join("run"));
    run.check(
        &["--none"],
        64,
        &["run: wrong option: --none\nusage: run [options] FILE"],
    );
}

#[test]
fn help_in_every_way() {
    let place = place();
    let all = place.check(&["--help"], 0, &COMMANDS).out;
    assert!(all.lines().all(|line| line.chars().count() <= 120), "{all}");
    assert_eq!(place.check(&["-h"], 0, &[]).out, all);
    assert_eq!(place.check(&["help"], 0, &[]).out, all);
    for command in COMMANDS {
        let usage = format!("usage: mgenjit {command} ");
        let help = place
            .check(&[command, "--help"], 0, &[&usage, "Exit status"])
            .out;
        for line in help.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
        assert_eq!(place.check(&[command, "-h"], 0, &[]).out, help);
        assert_eq!(place.check(&["help", command], 0, &[]).out, help);
    }
    place.check(&["cache", "list", "-h"], 0, &["usage: mgenjit cache list"]);
}

#[test]
fn version() {
    let place = place();
    let version = env!("CARGO_PKG_VERSION");
    let server = env!("CARGO_BIN_EXE_mgenjit-server");
    let said = place.check(&["--version"], 0, &["LLVM     22.1"]).out;
    assert!(
        said.starts_with(&format!("mgenjit {version}\nlibrary  {version}, /")),
        "{said}"
    );
    let build = said
        .split("build    ")
        .nth(1)
        .and_then(|rest| rest.get(..16));
    let build = build.expect("a build");
    for part in [
        format!("server   {version}, build {build}, LLVM 22.1"),
        format!(", {server}\n"),
    ] {
        assert!(said.contains(&part), "{part} in {said}");
    }
    for command in COMMANDS {
        let line = format!("mgenjit {command}, with libmgenjit {version} and LLVM 22.1");
        place.check(&[command, "--version"], 0, &[&line]);
    }
    for (server, part) in [
        ("/nowhere", "server   not found"),
        ("/bin/true", "server   does not print its version"),
    ] {
        let mut command = place.tool(&["--version"]);
        let ran: tools::Ran = command
            .env("MGENJIT_SERVER", server)
            .output()
            .expect("run")
            .into();
        assert!(ran.code == 0 && ran.out.contains(part), "{ran:?}");
    }
}

/// The state of each check by its name, and all that was said.
fn doctor(
    place: &Place,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> (i32, Vec<(String, String)>, String) {
    let mut command = place.tool(&[&["doctor", "--json"], arguments].concat());
    command
        .envs(variables.iter().copied())
        .env("XDG_RUNTIME_DIR", place.path(""));
    let ran: tools::Ran = command.output().expect("run").into();
    let states = ran.out.lines().map(|line| {
        let finding: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| finding[name].as_str().expect("a text").to_owned();
        assert!(!text("found").is_empty(), "{line}");
        // What is wrong can be mended.
        assert_eq!(text("state") == "ok", text("advice").is_empty(), "{line}");
        (text("name"), text("state"))
    });
    (ran.code, states.collect(), ran.out)
}

#[test]
fn doctor_finds_all_well() {
    let place = place();
    place.write("answer.ll", ANSWER);
    place.run(&["run", "answer.ll"]);
    let (code, states, said) = doctor(&place, &[], &[]);
    assert_eq!(code, 0, "{said}");
    let names: Vec<&str> = states.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "library",
            "server",
            "compile",
            "isolation",
            "cpu",
            "cache",
            "shared"
        ]
    );
    for (name, state) in &states {
        // A kernel may lack Landlock, and a disk room.
        assert!(
            state == "ok" || ["isolation", "cache"].contains(&name.as_str()),
            "{said}"
        );
        assert_ne!(state, "problem", "{said}");
    }
    // It leaves nothing of its own.
    place.check(&["cache", "list"], 0, &["1 entry"]);
    // The same for people.
    let mut command = place.tool(&["doctor"]);
    command.env("XDG_RUNTIME_DIR", place.path(""));
    let ran: tools::Ran = command.output().expect("run").into();
    assert!(
        ran.code == 0 && ran.out.starts_with("ok       library    libmgenjit"),
        "{ran:?}"
    );
}

#[test]
fn doctor_finds_what_is_wrong() {
    let place = place();
    let check = |variables: &[(&str, &str)], arguments: &[&str], name: &str, part: &str| {
        let (code, states, said) = doctor(&place, variables, arguments);
        assert_eq!(code, 1, "{said}");
        let state = states.iter().find(|(other, _)| other == name);
        assert_eq!(
            state.map(|(_, state)| state.as_str()),
            Some("problem"),
            "{said}"
        );
        assert!(said.contains(part), "{part} in {said}");
    };
    check(
        &[("MGENJIT_SERVER", "/nowhere")],
        &[],
        "server",
        "/nowhere ($MGENJIT_SERVER)",
    );
    check(
        &[("MGENJIT_SERVER", "/nowhere")],
        &[],
        "compile",
        "/nowhere ($MGENJIT_SERVER)",
    );
    check(
        &[("MGENJIT_SERVER", "/bin/true")],
        &[],
        "server",
        "is not a compile server",
    );
    place.write("file", "");
    check(
        &[],
        &["--cache-dir", "file"],
        "cache",
        "it is not a directory",
    );
    let open = place.path("open");
    std::fs::create_dir(&open).expect("a folder");
    std::fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("open to all");
    check(&[], &["--cache-dir", "open"], "cache", "chmod go-w");
    let nowhere = [
        ("MGENJIT_CACHE_DIR", ""),
        ("XDG_CACHE_HOME", ""),
        ("HOME", ""),
    ];
    check(&nowhere, &[], "cache", "set $MGENJIT_CACHE_DIR");
}
