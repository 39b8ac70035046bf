//! Clients that misbehave: the server cuts or refuses them, serves the others, and has no more than before.

use crate::frames::{Descriptor, Frame};
use crate::resources::Resources;
use crate::server::{Answer, Client, GOOD, SLOW, Server, TIMEOUT, constant, request, slow};
use mgenjit::protocol::messages::{CompileRequest, FailureKind, Reply, Request};
use mgenjit::protocol::transport::{self, MAX_BODY_LEN};
use mgenjit::types::OptLevel;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::AsFd;

/// One that has shown that it serves, and what it has then.
fn start(options: &[&str]) -> (Server, Resources) {
    let server = Server::start_with(options);
    server.client().check(GOOD, "i32 @good()");
    server.wait_for("idle", |status| status.idle_workers > 0);
    let resources = Resources::of(&server);
    (server, resources)
}

/// Whether the server ends a connection, whatever it says before.
fn is_cut(client: &Client) -> bool {
    let mut rest = Vec::new();
    // A timeout is an error of its own kind.
    match (&client.socket).read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn what_is_no_greeting_is_cut() {
    fn check(bytes: &[u8]) {
        let (server, before) = start(&["--client-timeout", "300"]);
        let stranger = server.stranger();
        let _ = (&stranger.socket).write_all(bytes);
        assert!(is_cut(&stranger), "{bytes:?}");
        server.client().check(GOOD, "i32 @good()");
        assert_eq!(server.status().refused, 1, "{bytes:?}");
        before.wait_for_return(&server);
    }
    check(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    check(&[0; 4]);
    check(&[0xff; 5000]);
    check(&MAX_BODY_LEN.to_le_bytes());
    check(&(MAX_BODY_LEN + 1).to_le_bytes());
    // A request instead of it.
    let request = Request::Compile(request("early", GOOD));
    check(&transport::encode(&request).unwrap());
}

#[test]
fn one_that_sends_a_byte_now_and_then_is_cut() {
    let (server, before) = start(&["--client-timeout", "300"]);
    let steady = server.client();
    let slow_writers = [server.stranger(), server.client()];
    for writer in &slow_writers {
        writer.socket.shutdown(Shutdown::Read).unwrap();
        (&writer.socket)
            .write_all(&MAX_BODY_LEN.to_le_bytes())
            .unwrap();
    }
    let mut gone = 0;
    let mut value = 0;
    while gone < slow_writers.len() {
        gone = slow_writers
            .iter()
            .filter(|writer| (&writer.socket).write_all(&[1]).is_err())
            .count();
        value += 1;
        steady.check(&constant(value), "i32 @f()");
    }
    assert_eq!(server.status().refused, 2);
    drop(slow_writers);
    before.wait_for_return(&server);
}

/// IR whose reply is larger than a socket holds: a signature is said for each function.
fn talkative() -> String {
    let name = "f".repeat(400);
    (0..1500)
        .map(|index| format!("define void @{name}{index}() {{\n  ret void\n}}\n"))
        .collect()
}

#[test]
fn one_that_reads_nothing_is_cut() {
    let (server, before) = start(&["--client-timeout", "300"]);
    let ir = talkative();
    let reader = server.client();
    let mute = server.client();
    for client in [&reader, &mute] {
        let request = CompileRequest {
            opt_level: OptLevel::O0,
            ..request("talkative", &ir)
        };
        client.ask_for(request, &ir);
    }
    assert!(matches!(reader.answer(), Answer::Compiled(..)));
    // It asks and asks, and reads no answer.
    let curious = server.client();
    let question = transport::encode(&Request::Status).unwrap();
    curious.socket.set_write_timeout(Some(TIMEOUT)).unwrap();
    let end = loop {
        if let Err(error) = (&curious.socket).write_all(&question) {
            break error.kind();
        }
    };
    // A timeout is another one.
    assert!(
        matches!(end, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
        "{end}"
    );
    server.wait_for("cut", |status| status.refused == 2);
    server.client().check(GOOD, "i32 @good()");
    drop((mute, curious, reader));
    before.wait_for_return(&server);
}

#[test]
fn frames_that_never_become_whole_take_a_bounded_memory() {
    const EACH: usize = 60 << 20;
    let (server, before) = start(&["--client-timeout", "2000"]);
    let part = vec![0; 1 << 20];
    let writers: Vec<Client> = (0..7).map(|_| server.client()).collect();
    for writer in &writers {
        let _ = (&writer.socket).write_all(&(EACH as u32 + 100).to_le_bytes());
        for _ in 0..EACH / part.len() {
            if (&writer.socket).write_all(&part).is_err() {
                break;
            }
        }
        server.client().check(GOOD, "i32 @good()");
    }
    // 256 MiB are kept, and a buffer that grows is there twice for a moment.
    let most = Resources::of(&server).most_memory;
    assert!(most < 450 << 10, "{most} KiB");
    server.wait_for("all cut", |status| status.refused == 7);
    drop(writers);
    before.wait_for_return(&server);
}

#[test]
fn payloads_that_may_change_are_refused() {
    let (server, before) = start(&[]);
    let client = server.client();
    let compile = Request::Compile(request("payload", GOOD));
    let body = transport::encode(&compile).unwrap()[4..].to_vec();
    for (descriptor, expect) in [
        (Descriptor::Nothing, "none came"),
        (Descriptor::Short, "it has"),
        (Descriptor::Sparse, "it has 1099511627776 bytes"),
        (Descriptor::Unsealed, "not sealed"),
        (Descriptor::HalfSealed, "not sealed"),
        (Descriptor::NoMemfd, "not a memfd"),
    ] {
        assert!(Frame::new(body.clone(), descriptor).send(&client.socket, GOOD.as_bytes()));
        match client.answer() {
            Answer::Failed(failure) => {
                assert_eq!(failure.kind, FailureKind::Protocol);
                assert!(failure.message.contains(expect), "{}", failure.message);
            }
            other => panic!("{descriptor:?}: {other:?}"),
        }
    }
    // The connection goes on.
    client.check(GOOD, "i32 @good()");
    drop(client);
    before.wait_for_return(&server);
}

#[test]
fn descriptors_that_nobody_asked_for_are_closed() {
    const MOST: usize = 250;
    let (server, before) = start(&[]);
    let (reader, writer) = std::io::pipe().unwrap();
    let fds = [writer.as_fd(); MOST];
    for greeted in [false, true] {
        for _ in 0..20 {
            let client = match greeted {
                true => server.client(),
                false => server.stranger(),
            };
            // A frame that is never whole, of which each byte brings as many descriptors as the kernel passes on.
            let header = 1000_u32.to_le_bytes();
            for byte in header.iter().chain(&[0; 60]) {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
                let sent = rustix::net::sendmsg(
                    &client.socket,
                    &[IoSlice::new(&[*byte])],
                    &mut control,
                    SendFlags::NOSIGNAL,
                );
                if sent.is_err() {
                    break;
                }
            }
            assert!(is_cut(&client));
            let now = Resources::of(&server).descriptors;
            assert!(now < before.descriptors + 100, "{now} descriptors");
        }
    }
    server.client().check(GOOD, "i32 @good()");
    before.wait_for_return(&server);
    // No copy is left anywhere: the pipe is at its end.
    drop(writer);
    let mut rest = Vec::new();
    (&reader).read_to_end(&mut rest).unwrap();
}

#[test]
fn clients_that_vanish_are_forgotten() {
    let (server, before) = start(&["--workers", "2"]);
    let ir = slow(20_000);
    for round in 0..10 {
        let clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
        for (index, client) in clients.iter().enumerate() {
            client.ask("slow", &format!("{ir}\n; {round} {index}\n"));
        }
        clients[0].wait_for_start();
        drop(clients);
        server.client().check(&constant(round), "i32 @f()");
    }
    let status = server.wait_for("all forgotten", |status| {
        status.queued + status.running == 0 && status.connections == 1
    });
    assert_eq!((status.cancelled, status.crashed), (80, 0), "{status:?}");
    before.wait_for_return(&server);
}

#[test]
fn one_that_asks_before_it_has_its_answer_waits() {
    let (server, _) = start(&["--workers", "1"]);
    let hasty = server.client();
    hasty.ask("slow", &slow(300));
    for value in 0..50 {
        hasty.ask("next", &constant(value));
    }
    // It has one request at a time.
    let status = server.status();
    assert!(status.queued + status.running <= 1, "{status:?}");
    hasty.answer().check(SLOW);
    for _ in 0..50 {
        hasty.answer().check("i32 @f()");
    }
    assert!(matches!(
        (hasty.send(&Request::Status, None), hasty.receive()),
        ((), Ok((Reply::Status(_), None)))
    ));
}
