//! Equal requests of several clients are one.

use crate::server::{Answer, Client, GOOD, SLOW, Server, kill, request, slow};
use mgenjit::cpu::Cpu;
use mgenjit::protocol::messages::{CompileRequest, Decision, FailureKind, Reply};
use mgenjit::protocol::transport;
use mgenjit::types::Target;

/// Clients that have all asked for the same before any of them is answered.
fn ask_together(server: &Server, ir: &str, requests: &[CompileRequest]) -> Vec<Client> {
    let clients: Vec<Client> = requests
        .iter()
        .map(|request| {
            let client = server.client();
            client.ask_for(request.clone(), ir);
            client
        })
        .collect();
    let wanted = requests.len() as u64;
    server.wait_for("all asked", |status| status.requests >= wanted);
    clients
}

fn identified(name: &str, ir: &str) -> CompileRequest {
    CompileRequest {
        identify: true,
        ..request(name, ir)
    }
}

#[test]
fn what_many_want_is_compiled_once() {
    let server = Server::start();
    let ir = slow(300);
    let names = ["a", "b", "a", "c", "d"];
    let requests = names.map(|name| request(name, &ir));
    let clients = ask_together(&server, &ir, &requests);
    let answers: Vec<Vec<u8>> = clients
        .iter()
        .map(|client| client.answer().check(SLOW))
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let status = server.status();
    assert_eq!((status.compiled, status.joined), (1, 4), "{status:?}");
    // What differs is compiled for itself.
    let other = CompileRequest {
        opt_level: mgenjit::types::OptLevel::O0,
        ..request("a", &ir)
    };
    // So is code for a client that sees another CPU.
    let old = CompileRequest {
        target: Target::Host(Cpu::Native(postcard::from_bytes(&[0, 0]).unwrap())),
        ..request("a", &ir)
    };
    let clients = ask_together(&server, &ir, &[requests[0].clone(), other, old]);
    for client in clients {
        client.answer().check(SLOW);
    }
    assert_eq!(server.status().compiled, 4);
}

#[test]
fn errors_have_the_names_of_whoever_asked() {
    let server = Server::start();
    // The error is in the last line, so that all are there before it is met.
    let ir = format!("{}define i32 @bad() {{\n  ret i32 %x\n}}\n", slow(3000));
    let requests = ["a", "b", "a"].map(|name| request(name, &ir));
    let clients = [(); 3].map(|()| server.client());
    // The first one's answer must not come before the last one's question.
    server.stopped(|| {
        for (client, request) in clients.iter().zip(requests) {
            client.ask_for(request, &ir);
        }
    });
    for client in clients {
        match client.answer() {
            Answer::Failed(failure) => {
                assert_eq!(failure.kind, FailureKind::Parse, "{}", failure.message);
            }
            other => panic!("{other:?}"),
        }
    }
    let status = server.status();
    assert_eq!((status.failed, status.joined), (2, 1), "{status:?}");
}

#[test]
fn each_of_them_decides_for_itself() {
    fn check(decisions: &[Decision], compiled: u64) {
        let server = Server::start();
        let ir = slow(200);
        let requests: Vec<CompileRequest> =
            decisions.iter().map(|_| identified("m", &ir)).collect();
        let clients = ask_together(&server, &ir, &requests);
        let mut digests = Vec::new();
        // They are asked one after the other as long as they want no code.
        for (client, decision) in clients.iter().zip(decisions) {
            digests.push(client.digest());
            client.decide(*decision);
            if *decision == Decision::Compile {
                client.answer().check(SLOW);
            }
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]));
        // The connections are ready for more.
        for client in &clients {
            client.check(GOOD, "i32 @good()");
        }
        let status = server.status();
        assert_eq!(
            status.compiled,
            compiled + clients.len() as u64,
            "{status:?}"
        );
    }
    use Decision::{Compile, Stop};
    check(&[Compile], 1);
    check(&[Stop], 0);
    check(&[Compile, Compile, Stop], 1);
    check(&[Stop, Stop], 0);
    check(&[Stop, Compile, Compile], 1);
}

#[test]
fn whoever_leaves_takes_nothing_from_the_others() {
    let server = Server::start();
    let ir = slow(400);
    let requests = ["a", "b", "c"].map(|name| request(name, &ir));
    let mut clients = ask_together(&server, &ir, &requests);
    // The first, for which it is done, and one that waits.
    drop(clients.remove(0));
    drop(clients.remove(1));
    server.wait_for("two are gone", |status| status.cancelled == 2);
    clients[0].answer().check(SLOW);
    let status = server.status();
    assert_eq!((status.compiled, status.crashed), (1, 0), "{status:?}");
}

#[test]
fn a_client_that_dies_while_it_decides_is_not_waited_for() {
    let server = Server::start();
    let ir = slow(200);
    let requests = [identified("a", &ir), identified("b", &ir)];
    let mut clients = ask_together(&server, &ir, &requests);
    clients[0].digest();
    drop(clients.remove(0));
    clients[0].digest();
    clients[0].decide(Decision::Compile);
    clients[0].answer().check(SLOW);
    // And if nobody else wants it, the worker is free.
    let alone = server.client();
    alone.ask_for(identified("c", GOOD), GOOD);
    alone.digest();
    drop(alone);
    server.wait_for("all are free", |status| {
        status.running == 0 && status.idle_workers == status.workers
    });
}

/// What a server says up to the answer, progress left out.
fn told(client: &Client) -> Vec<Reply> {
    let mut told = Vec::new();
    loop {
        match transport::receive(&client.socket).unwrap().0 {
            Reply::Progress(_) => {}
            reply @ (Reply::Started { .. } | Reply::Identified { .. }) => {
                if matches!(reply, Reply::Identified { .. }) {
                    client.decide(Decision::Compile);
                }
                told.push(reply);
            }
            reply => {
                told.push(reply);
                return told;
            }
        }
    }
}

#[test]
fn whoever_is_given_to_another_job_hears_nothing_twice() {
    let server = Server::start();
    let bad = format!("{}define i32 @bad() {{\n  ret i32 %x\n}}\n", slow(3000));
    let requests = ["a", "b"].map(|name| request(name, &bad));
    for client in ask_together(&server, &bad, &requests) {
        let told = told(&client);
        assert!(
            matches!(told[..], [Reply::Started { .. }, Reply::Failed(_)]),
            "{told:?}"
        );
    }
    // One that has decided already, in a job with another's names.
    let bad = format!(
        "{}define void @bad() {{\n  call void asm sideeffect \"nonsense\", \"\"()\n  ret void\n}}\n",
        slow(200)
    );
    let requests = ["a", "b"].map(|name| identified(name, &bad));
    let clients = ask_together(&server, &bad, &requests);
    clients[0].digest();
    clients[0].decide(Decision::Stop);
    let told = told(&clients[1]);
    assert!(
        matches!(
            told[..],
            [
                Reply::Started { .. },
                Reply::Identified { .. },
                Reply::Failed(_)
            ]
        ),
        "{told:?}"
    );
    let status = server.status();
    assert_eq!((status.requests, status.failed), (4, 3), "{status:?}");
    assert_eq!(status.cancelled, 1, "{status:?}");
}

#[test]
fn whoever_takes_over_is_asked_too() {
    let server = Server::start();
    let ir = slow(400);
    let requests = [identified("a", &ir), identified("b", &ir)];
    let mut clients = ask_together(&server, &ir, &requests);
    clients[0].digest();
    clients[0].decide(Decision::Compile);
    drop(clients.remove(0));
    let told = told(&clients[0]);
    assert!(
        matches!(
            told[..],
            [
                Reply::Started { .. },
                Reply::Identified { .. },
                Reply::Compiled(_)
            ]
        ),
        "{told:?}"
    );
    let status = server.status();
    assert_eq!((status.compiled, status.cancelled), (1, 1), "{status:?}");
    assert_eq!(status.joined, 0, "{status:?}");
}

#[test]
fn one_that_asks_for_the_same_again_at_once_is_answered() {
    let server = Server::start();
    let client = server.client();
    client.ask_for(identified("m", GOOD), GOOD);
    client.digest();
    // The server finds both at once.
    kill(server.pid(), libc::SIGSTOP);
    client.decide(Decision::Stop);
    client.ask_for(identified("m", GOOD), GOOD);
    kill(server.pid(), libc::SIGCONT);
    client.digest();
    client.decide(Decision::Compile);
    client.answer().check("i32 @good()");
}
