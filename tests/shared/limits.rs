//! What one request may take of the server, and what becomes of those that wait for one that takes long.

use crate::server::{Answer, Client, GOOD, Server, constant, kill, request, slow};
use crate::wait;
use mgenjit::cpu::Cpu;
use mgenjit::protocol::messages::{Cause, CompileRequest, LinkOutput, LinkRequest, Reply, Request};
use mgenjit::protocol::payload;
use mgenjit::types::{Input, Target};

/// More work than a test has time for.
fn endless() -> String {
    slow(20_000)
}

#[track_caller]
fn cause(client: &Client) -> Cause {
    match client.answer() {
        Answer::Died(death) => death.cause,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_sent_away(client: &Client) {
    match client.receive() {
        Ok((Reply::Elsewhere { waited }, None)) => assert!(waited > 0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_waits_for_too_long_may_go_elsewhere_one_after_the_other() {
    let server = Server::start_with(&["--workers", "1", "--queue-timeout", "1"]);
    let busy = server.client();
    busy.ask("busy", &endless());
    busy.wait_for_start();
    let (first, joined) = (server.client(), server.client());
    first.ask("first", GOOD);
    check_sent_away(&first);
    joined.ask("joined", GOOD);
    let second = server.client();
    second.ask("second", &constant(2));
    let status = server.wait_for("both wait", |status| status.queued == 2);
    assert_eq!(
        (
            status.private_servers,
            status.max_private_servers,
            status.sent_away
        ),
        (1, 1, 1),
        "{status:?}"
    );
    // Whoever has waited for longest is next.
    drop(first);
    check_sent_away(&joined);
    drop(joined);
    check_sent_away(&second);
    drop(second);
    let status = server.wait_for("all gone", |status| status.private_servers == 0);
    assert_eq!((status.sent_away, status.queued, status.running), (3, 0, 1));
    drop(busy);
    server.client().check(GOOD, "i32 @good()");
}

#[test]
fn without_a_limit_they_wait_on() {
    let server = Server::start_with(&["--workers", "1", "--queue-timeout", "0"]);
    let busy = server.client();
    busy.ask("busy", &slow(700));
    busy.wait_for_start();
    server.client().check(GOOD, "i32 @good()");
    assert_eq!(server.status().sent_away, 0);
}

#[test]
fn a_compile_that_takes_too_long_is_ended_for_all_that_wait_for_it() {
    let server = Server::start_with(&["--max-time", "300"]);
    let ir = endless();
    let clients = [server.client(), server.client()];
    for client in &clients {
        client.ask("long", &ir);
    }
    for client in &clients {
        assert_eq!(cause(client), Cause::Time(300));
        client.check(GOOD, "i32 @good()");
    }
    let status = server.status();
    assert_eq!(
        (status.limited, status.crashed, status.max_time),
        (1, 1, 300)
    );
}

#[test]
fn a_compile_that_takes_too_much_memory_is_ended() {
    const MEMORY: u64 = 32 << 20;
    let server = Server::start_with(&["--max-memory", &MEMORY.to_string()]);
    let client = server.client();
    let ir = slow(3000);
    client.ask("large", &ir);
    assert_eq!(cause(&client), Cause::Memory(MEMORY));
    // The client's own limit is the client's to tell of.
    let less = CompileRequest {
        max_memory: MEMORY / 2,
        ..request("large", &ir)
    };
    client.ask_for(less, &ir);
    assert_eq!(cause(&client), Cause::Unknown);
    client.check(GOOD, "i32 @good()");
    let status = server.status();
    assert_eq!((status.limited, status.max_memory), (1, MEMORY));
}

#[test]
fn a_worker_that_is_stopped_in_a_compile_is_replaced() {
    let server = Server::start_with(&["--workers", "1", "--hang-timeout", "3000"]);
    let client = server.client();
    client.ask("stopped", &endless());
    client.wait_for_start();
    for worker in server.workers() {
        kill(worker, libc::SIGSTOP);
    }
    assert!(matches!(cause(&client), Cause::Hung(time) if time >= 3000));
    client.check(GOOD, "i32 @good()");
    let status = server.status();
    assert!(status.hung_workers >= 1, "{status:?}");
    assert_eq!(status.limited, 0, "{status:?}");
}

/// Stops a process. Returns when none of its threads runs any more.
fn stop(process: i32) {
    kill(process, libc::SIGSTOP);
    wait::until("stopped", || {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
        tasks.flatten().all(|task| {
            let text = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // The state comes behind the name, which is in parentheses.
            text.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with('T'))
        })
    });
}

#[test]
fn a_worker_that_is_stopped_in_a_link_is_replaced() {
    let server = Server::start_with(&["--workers", "1", "--hang-timeout", "3000"]);
    let client = server.client();
    let object = match client.compile("test", GOOD) {
        Answer::Compiled(reply, bytes) => bytes[reply.image_len as usize..].to_vec(),
        other => panic!("{other:?}"),
    };
    server.wait_for("an idle worker", |status| status.idle_workers > 0);
    for worker in server.workers() {
        stop(worker);
    }
    let payload = payload::seal(&[&object]).unwrap();
    let link = LinkRequest {
        name: "linked".to_owned(),
        target: Target::Host(Cpu::native()),
        output: LinkOutput::SharedLibrary { soname: None },
        inputs: vec![Input {
            name: "good.o".to_owned(),
            len: object.len() as u64,
        }],
        libraries: 0,
    };
    client.send(&Request::Link(link), Some(&payload));
    match client.receive() {
        Ok((Reply::Emitted { len }, Some(_))) => assert!(len > 0),
        other => panic!("{other:?}"),
    }
    let status = server.status();
    assert!(status.hung_workers >= 1, "{status:?}");
}

/// The log says why a worker was ended.
#[test]
fn the_log_has_the_reason() {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    let log = tempfile::NamedTempFile::new().unwrap();
    let file = std::fs::File::options()
        .append(true)
        .open(log.path())
        .unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let descriptor = file.as_raw_fd().to_string();
    let server = Server::start_with(&["--max-time", "100", "--log", &descriptor]);
    let client = server.client();
    client.ask("long", &endless());
    assert_eq!(cause(&client), Cause::Time(100));
    let mut text = String::new();
    std::fs::File::open(log.path())
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let died = text.lines().find(|line| line.contains("\"died\"")).unwrap();
    assert!(
        died.contains("more than 100 ms of processor time"),
        "{died}"
    );
}
