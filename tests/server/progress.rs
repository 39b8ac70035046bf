//! What a server says of a compile before it is done.

use crate::client::{Server, request};
use crate::inputs::GOOD;
use crate::slow::slow;
use mgenjit::protocol::messages::{
    CompileRequest, Decision, PROGRESS_INTERVAL, Phase, Progress, Reply, Request,
};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport;
use mgenjit::types::{Emit, OptLevel};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// Enough for a second of work or so.
const FUNCTIONS: u32 = 500;

fn send(server: &Server, ir: &str, about: CompileRequest) {
    let payload = payload::seal(&[ir.as_bytes()]).unwrap();
    transport::send(
        &server.socket,
        &Request::Compile(about),
        Some(payload.as_fd()),
    )
    .unwrap();
}

/// What comes before another reply, and that.
fn receive(server: &Server) -> (Vec<Progress>, Reply, Option<OwnedFd>) {
    let mut told = Vec::new();
    loop {
        match server.receive().unwrap() {
            (Reply::Progress(progress), None) => told.push(progress),
            (reply, payload) => return (told, reply, payload),
        }
    }
}

fn bytes(payload: Option<OwnedFd>) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::from(payload.expect("a payload"));
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn a_long_compile_says_how_far_it_is_and_makes_the_same_code() {
    let server = Server::start();
    for (emit, opt_level, functions) in [
        (Emit::Code, OptLevel::O2, FUNCTIONS),
        (Emit::Assembly, OptLevel::O2, FUNCTIONS),
        (Emit::Code, OptLevel::O0, 20 * FUNCTIONS),
    ] {
        let ir = slow(functions);
        let about = |progress| CompileRequest {
            emit,
            opt_level,
            progress,
            ..request("long", ir.len() as u64)
        };
        send(&server, &ir, about(true));
        let (told, reply, payload) = receive(&server);
        assert!(
            matches!(reply, Reply::Compiled(_) | Reply::Emitted { .. }),
            "{reply:?}"
        );
        assert!(!told.is_empty());
        let order = |phase| match phase {
            Phase::Queue => panic!("nothing else waits"),
            Phase::Parse => 0,
            Phase::Optimise => 1,
            Phase::Codegen => 2,
            Phase::Link => 3,
            Phase::Pieces => panic!("a server does not say this"),
        };
        for pair in told.windows(2) {
            assert!(order(pair[0].phase) <= order(pair[1].phase), "{told:?}");
            assert!(
                pair[0].phase != pair[1].phase || pair[0].done <= pair[1].done,
                "{told:?}"
            );
        }
        for progress in &told {
            let total = match progress.phase {
                Phase::Codegen => functions,
                _ => 0,
            };
            assert_eq!(progress.total, total, "{told:?}");
            assert!(progress.done <= total, "{told:?}");
        }
        let generating = |progress: &&Progress| progress.phase == Phase::Codegen;
        let last = told.iter().rfind(generating).expect("code is generated");
        assert!(last.done > 0, "{told:?}");

        // No one is told who did not ask, and the code is the same.
        send(&server, &ir, about(false));
        let (told, _, again) = receive(&server);
        assert_eq!(told, []);
        assert!(bytes(payload) == bytes(again));
    }
}

#[test]
fn a_short_compile_says_nothing() {
    let server = Server::start();
    for _ in 0..50 {
        let about = CompileRequest {
            progress: true,
            ..request("short", GOOD.len() as u64)
        };
        let started = Instant::now();
        send(&server, GOOD, about);
        let (told, reply, _) = receive(&server);
        assert!(matches!(reply, Reply::Compiled(_)), "{reply:?}");
        // A machine that is busy makes it long.
        if started.elapsed() < PROGRESS_INTERVAL {
            assert_eq!(told, []);
        }
    }
}

#[test]
fn nothing_is_said_while_a_decision_is_awaited() {
    let server = Server::start();
    let ir = slow(FUNCTIONS);
    for decision in [Decision::Stop, Decision::Compile] {
        let about = CompileRequest {
            progress: true,
            identify: true,
            ..request("identified", ir.len() as u64)
        };
        send(&server, &ir, about);
        let (_, reply, _) = receive(&server);
        assert!(matches!(reply, Reply::Identified { .. }), "{reply:?}");
        server
            .socket
            .set_read_timeout(Some(3 * PROGRESS_INTERVAL))
            .unwrap();
        let error = transport::receive::<Reply>(&server.socket).expect_err("silence");
        assert!(
            matches!(&error, transport::TransportError::Io(error) if error.kind() == ErrorKind::WouldBlock),
            "{error}"
        );
        server.decide(decision);
    }
    let (told, reply, _) = receive(&server);
    assert!(matches!(reply, Reply::Compiled(_)), "{reply:?}");
    assert!(!told.is_empty());
}
