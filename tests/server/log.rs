//! What a server that compiles for one client writes to its log.

use crate::client::{Expect, Outcome, Server, Spawn, request};
use crate::fatal::fatal;
use crate::inputs::GOOD;
use crate::slow::slow;
use crate::wait;
use mgenjit::protocol::messages::{CompileRequest, Decision, FailureKind, Reply, Request, Step};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport;
use mgenjit::types::{OptLevel, Partition};
use serde_json::Value;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

fn start(log: &Path, send_buffer: Option<usize>) -> Server {
    let script = format!("exec \"$0\" \"$@\" --log 8 8>>'{}'", log.display());
    Server::start_with(Spawn {
        script: Some(&script),
        send_buffer,
        ..Spawn::default()
    })
}

fn read(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).expect("a log");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

#[test]
fn each_request_and_what_became_of_it() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut server = start(log.path(), None);
    let pid = server.child.id();
    let about = Request::Compile(CompileRequest {
        key: [0xa5; 32],
        ..request("good \"one\"", GOOD.len() as u64)
    });
    assert!(matches!(
        server.request(&about, &[GOOD.as_bytes()]),
        Outcome::Compiled(_)
    ));
    server.check("nonsense", Expect::from((FailureKind::Parse, "")));
    server.identify(GOOD.as_bytes());
    server.decide(Decision::Stop);
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    assert!(server.hang_up().success());

    let lines = read(log.path());
    let events: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect();
    let expect = [
        "started",
        "request",
        "compiled",
        "request",
        "failed",
        "request",
        "cancelled",
        "request",
        "compiled",
        "ended",
    ];
    assert_eq!(events, expect);
    for line in &lines {
        assert_eq!(line["pid"], pid);
        assert_eq!(line["client"], std::process::id());
    }
    for line in &lines[1..3] {
        assert_eq!(line["key"], "a5".repeat(32));
        assert_eq!(line["name"], "good \"one\"");
    }
    assert_eq!(lines[1]["inputs"], 1);
    assert_eq!(lines[1]["bytes"], GOOD.len());
    assert!(lines[2]["time_us"].as_u64() >= lines[2]["parse_us"].as_u64());
    assert!(lines[2]["image_bytes"].as_u64() > Some(0));
    assert_eq!(lines[4]["kind"], "parse");
    assert!(
        lines[4]["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert_eq!(lines[9]["reason"], "the client is gone");
}

/// A large module takes several requests.
#[test]
fn steps_of_a_compile_are_named() {
    const TWO: &str = "define i32 @one() { ret i32 1 }\ndefine i32 @two() { ret i32 2 }\n";
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut server = start(log.path(), None);
    let about = CompileRequest {
        step: Step::Cut(Partition::Size(NonZeroU32::MIN)),
        ..request("two", TWO.len() as u64)
    };
    let payload = payload::seal(&[TWO.as_bytes()]).unwrap();
    let cut = Request::Compile(about.clone());
    transport::send(&server.socket, &cut, Some(payload.as_fd())).unwrap();
    let (Reply::Cut(cut), _) = server.receive().unwrap() else {
        panic!("it is not cut");
    };
    assert_eq!(cut.pieces.len(), 2);
    for step in [Step::Piece, Step::Join { natives: 0 }, Step::Whole] {
        let about = Request::Compile(CompileRequest {
            step,
            ..about.clone()
        });
        server.request(&about, &[TWO.as_bytes()]);
    }
    assert!(server.hang_up().success());
    let lines = read(log.path());
    let requests = lines.iter().filter(|line| line["event"] == "request");
    let steps: Vec<Option<&str>> = requests.map(|line| line["step"].as_str()).collect();
    assert_eq!(steps, [Some("cut"), Some("piece"), Some("join"), None]);
    let done = lines.iter().find(|line| line["event"] == "cut").unwrap();
    assert_eq!((&done["step"], &done["pieces"]), (&"cut".into(), &2.into()));
    assert!(done["parse_us"].as_u64() > Some(0));
}

#[test]
fn a_death_is_the_last_line() {
    fn check(ir: &str, signal: Option<libc::c_int>, phase: &str) {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut server = start(log.path(), None);
        server.check(GOOD, Expect::Compiles("i32 @good()"));
        let outcome = server.compile("deadly", ir.as_bytes(), OptLevel::O2);
        let Outcome::Gone(status, _) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(status.signal(), signal);
        let lines = read(log.path());
        let last = lines.last().expect("a line");
        assert_eq!(last["event"], "died");
        assert_eq!(last["name"], "deadly");
        assert_eq!(last["phase"], phase);
        assert_eq!(last["signal"], signal.unwrap_or(0));
        // At its own time.
        assert!(last["time"].as_str() >= lines[lines.len() - 2]["time"].as_str());
    }
    check(&fatal("f"), None, "codegen");
    check(
        &format!("@x = global {}", "{".repeat(3_000_000)),
        Some(libc::SIGSEGV),
        "parse",
    );
}

/// Progress that has no room is dropped: the server does its work, whether its client listens or not.
#[test]
fn a_client_that_does_not_listen_holds_nothing_up() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let server = start(log.path(), Some(1));
    let ir = slow(2500);
    let about = Request::Compile(CompileRequest {
        progress: true,
        ..request("unheard", ir.len() as u64)
    });
    let payload = payload::seal(&[ir.as_bytes()]).unwrap();
    transport::send(&server.socket, &about, Some(payload.as_fd())).unwrap();
    wait::until("compiled without the client", || {
        (read(log.path()).iter()).any(|line| line["event"] == "compiled")
    });
    let told = read(log.path());
    let compiled = told
        .iter()
        .find(|line| line["event"] == "compiled")
        .unwrap();
    let mut progress = 0;
    let (reply, _) = loop {
        match server.receive().unwrap() {
            (Reply::Progress(_), _) => progress += 1,
            other => break other,
        }
    };
    assert!(matches!(reply, Reply::Compiled(_)), "{reply:?}");
    // Some did not fit.
    assert!(progress > 0 && progress * 100_000 < compiled["time_us"].as_u64().unwrap() / 2);
}
