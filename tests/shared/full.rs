//! A server that has as much to do as it takes: others wait for their turn, and it still answers.

use crate::resources::Resources;
use crate::server::{Client, GOOD, SLOW, Server, constant, kill, request, slow};
use mgenjit::protocol::messages::{CompileRequest, Phase, Reply, Request, ServerStatus};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport;
use mgenjit::types::Input;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

/// How many requests of one process may wait.
const EACH: usize = 64;

/// A server whose only worker is busy for long, and who keeps it so.
fn busy() -> (Server, Client) {
    let server = Server::start_with(&["--workers", "1", "--client-timeout", "60000"]);
    let busy = server.client();
    busy.ask("slow", &slow(20_000));
    busy.wait_for_start();
    (server, busy)
}

/// Each request came to one end.
fn check_counts(status: &ServerStatus) {
    let ends = [
        status.compiled,
        status.failed,
        status.joined,
        status.cancelled,
        status.crashed,
    ];
    assert_eq!(status.requests, ends.iter().sum::<u64>(), "{status:?}");
}

#[test]
fn more_than_may_wait_have_their_turn_when_the_others_leave() {
    let (server, busy) = busy();
    let ask = |value| {
        let client = server.client();
        client.ask("m", &constant(value));
        client
    };
    let waiting: Vec<Client> = (0..EACH as u32).map(ask).collect();
    server.wait_for("a full queue", |status| status.queued == EACH as u32);
    let held: Vec<Client> = (100..103).map(ask).collect();
    // It still says how it is, and those that are not in the queue hear of it.
    server.wait_for("all came", |status| status.queued == EACH as u32 + 3);
    for client in &held {
        match transport::receive(&client.socket) {
            Ok((Reply::Progress(progress), None)) => assert_eq!(progress.phase, Phase::Queue),
            other => panic!("{other:?}"),
        }
    }
    let mut held = held.into_iter();
    drop(held.next());
    // Nothing is given to a worker: all are gone at once.
    server.stopped(|| drop((busy, waiting)));
    for client in held {
        client.answer().check("i32 @f()");
        client.check(GOOD, "i32 @good()");
    }
    let status = server.wait_for("all gone", |status| status.connections == 1);
    assert_eq!(status.cancelled, 2 + EACH as u64, "{status:?}");
    check_counts(&status);
}

#[test]
fn a_full_server_can_be_stopped() {
    let (mut server, busy) = busy();
    let waiting: Vec<Client> = (0..EACH as u32 + 1)
        .map(|value| {
            let client = server.client();
            client.ask("m", &constant(value));
            client
        })
        .collect();
    let stopping = server.client();
    stopping.send(&Request::Stop { force: false }, None);
    assert!(matches!(stopping.receive(), Ok((Reply::Stopping, None))));
    drop(busy);
    // What came before is still done, also that which was not in the queue.
    for client in waiting {
        client.answer().check("i32 @f()");
    }
    server.wait();
}

#[test]
fn what_cannot_be_read_yet_is_not_owed() {
    let server = Server::start_with(&["--client-timeout", "300"]);
    let hasty = server.client();
    // The server finds both at once: the end of a long request, and the beginning of the next.
    kill(server.pid(), libc::SIGSTOP);
    hasty.ask(&"slow".repeat(10_000), &slow(400));
    let next = transport::encode(&Request::Status).unwrap();
    (&hasty.socket).write_all(&next[..3]).unwrap();
    kill(server.pid(), libc::SIGCONT);
    hasty.answer().check(SLOW);
    (&hasty.socket).write_all(&next[3..]).unwrap();
    match hasty.receive() {
        Ok((Reply::Status(status), None)) => assert_eq!(status.refused, 0, "{status:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_that_wait_take_a_bounded_memory() {
    let (server, _busy) = busy();
    // Twice in a request.
    let name = "x".repeat(30 << 20);
    let waiting: Vec<Client> = (0..8)
        .map(|value| {
            let client = server.client();
            let ir = constant(value);
            let asked = Request::Compile(request(&name, &ir));
            let payload = payload::seal(&[ir.as_bytes()]).unwrap();
            // It may be cut before all is sent.
            let _ = transport::send(&client.socket, &asked, Some(payload.as_fd()));
            client
        })
        .collect();
    let refused = |status: &ServerStatus| status.refused >= 4;
    server.wait_for("some are cut", refused);
    let most = Resources::of(&server).most_memory;
    assert!(most < 650 << 10, "{most} KiB");
    drop(waiting);
}

#[test]
fn long_inputs_are_not_compared_while_others_wait() {
    const LEN: u64 = 1 << 30;
    let (server, _busy) = busy();
    let before = Resources::of(&server).most_memory;
    let payload = || {
        use rustix::fs::{MemfdFlags, SealFlags};
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(rustix::fs::memfd_create("sparse", flags).unwrap());
        file.set_len(LEN).unwrap();
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        rustix::fs::fcntl_add_seals(&file, seals).unwrap();
        file.into()
    };
    let asked = CompileRequest {
        inputs: vec![Input {
            name: "sparse".to_owned(),
            len: LEN,
        }],
        ..request("sparse", "")
    };
    let waiting = [server.client(), server.client()];
    for client in &waiting {
        client.send(&Request::Compile(asked.clone()), Some(&payload()));
    }
    server.wait_for("both came", |status| status.queued >= 2);
    let most = Resources::of(&server).most_memory;
    assert!(most < before + (64 << 10), "{before} KiB became {most} KiB");
    drop(waiting);
}

#[test]
fn what_a_client_does_not_read_is_counted_once() {
    let server = Server::start();
    for value in 0..20 {
        let client = server.client();
        client.ask("m", &format!("{}; {value}\n", slow(60)));
        client.wait_for_start();
        // The answer cannot be sent.
        client.socket.shutdown(std::net::Shutdown::Read).unwrap();
        server.wait_for("it is over", |status| {
            status.connections == 1 && status.running == 0
        });
    }
    check_counts(&server.status());
}
