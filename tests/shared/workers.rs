//! Workers are many, warm, and can be lost.

use crate::server::{Answer, GOOD, SLOW, Server, constant, kill, request, slow};
use crate::wait;
use mgenjit::protocol::messages::{CompileRequest, Decision};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::AsFd;

#[test]
fn a_worker_that_dies_costs_one_compile() {
    let server = Server::start();
    let (first, second) = (server.client(), server.client());
    let ir = slow(20_000);
    first.ask("slow", &ir);
    second.ask("slow", &ir);
    first.wait_for_start();
    second.wait_for_start();
    let status = server.wait_for("one compile", |status| status.requests == 2);
    assert_eq!(status.running, 1, "{status:?}");
    for worker in server.workers() {
        kill(worker, libc::SIGKILL);
    }
    for client in [&first, &second] {
        match client.answer() {
            Answer::Died(death) => assert_eq!((death.signal, &*death.words), (libc::SIGKILL, "")),
            other => panic!("{other:?}"),
        }
        // The connection and the server go on.
        client.check(GOOD, "i32 @good()");
    }
    let status = server.status();
    assert_eq!((status.crashed, status.compiled), (1, 2), "{status:?}");
}

#[test]
fn a_crash_is_told_with_last_words() {
    fn check(ir: &str, signal: libc::c_int, expect: &str) {
        let server = Server::start();
        let client = server.client();
        match client.compile("the module", ir) {
            Answer::Died(death) => {
                assert_eq!(death.signal, signal, "{}", death.words);
                for part in [expect, "the module"] {
                    assert!(death.words.contains(part), "{part}: {}", death.words);
                }
            }
            other => panic!("{other:?}"),
        }
        client.check(GOOD, "i32 @good()");
    }
    check(
        &format!("@x = global {}", "{".repeat(3_000_000)),
        libc::SIGSEGV,
        "stack overflow",
    );
    check(
        "define void @f(<vscale x 4 x i32> %x, ptr %p) {
           store <vscale x 4 x i32> %x, ptr %p\n  ret void\n}",
        0,
        "LLVM ERROR: ",
    );
}

#[test]
fn what_a_lost_worker_had_not_begun_is_given_to_another() {
    let server = Server::start();
    for round in 0..20 {
        // An idle worker is killed; the server may notice before or after it gives it the next request.
        server.wait_for("an idle worker", |status| status.idle_workers > 0);
        let client = server.client();
        for worker in server.workers() {
            kill(worker, libc::SIGKILL);
        }
        client.check(&constant(round), "i32 @f()");
    }
    assert_eq!(server.status().crashed, 0);
}

#[test]
fn one_is_kept_warm_and_as_many_work_as_may() {
    let server = Server::start_with(&["--workers", "2"]);
    server.wait_for("a warm worker", |status| {
        (status.workers, status.idle_workers) == (1, 1)
    });
    let clients: Vec<_> = (0..4)
        .map(|index| {
            let client = server.client();
            client.ask("slow", &slow(700 + index));
            client
        })
        .collect();
    let status = server.wait_for("two work and two wait", |status| {
        (status.running, status.queued) == (2, 2)
    });
    assert!(status.workers <= 3, "{status:?}");
    // The queue says where one is in it.
    for client in clients {
        client.answer().check(SLOW);
    }
    let status = server.status();
    assert_eq!((status.queued, status.running, status.compiled), (0, 0, 4));
}

#[test]
fn a_worker_that_waits_for_a_decision_takes_no_place() {
    let server = Server::start_with(&["--workers", "1"]);
    let identified = |ir: &str| CompileRequest {
        identify: true,
        ..request("m", ir)
    };
    let undecided: Vec<_> = (0..3)
        .map(|index| {
            let ir = constant(index);
            let client = server.client();
            client.ask_for(identified(&ir), &ir);
            client.digest();
            client
        })
        .collect();
    server.client().check(GOOD, "i32 @good()");
    for client in undecided {
        client.decide(Decision::Compile);
        client.answer().check("i32 @f()");
    }
}

#[test]
fn a_worker_is_stopped_when_nobody_wants_its_result() {
    let server = Server::start_with(&["--workers", "1"]);
    let client = server.client();
    client.ask("slow", &slow(20_000));
    client.wait_for_start();
    drop(client);
    // It would take much longer than this test may.
    server.client().check(GOOD, "i32 @good()");
    let status = server.wait_for("nothing runs", |status| status.running == 0);
    assert_eq!((status.cancelled, status.crashed), (1, 0), "{status:?}");
}

#[test]
fn a_worker_with_much_memory_is_replaced() {
    let server = Server::start_with(&["--worker-memory", "1"]);
    let client = server.client();
    for value in 0..5 {
        client.check(&constant(value), "i32 @f()");
    }
    let status = server.wait_for("all are replaced", |status| status.recycled_workers == 5);
    assert!(status.started_workers >= 5, "{status:?}");
    assert_eq!(status.crashed, 0);
}

#[test]
fn code_is_the_same_whoever_compiles_it() {
    let ir = slow(20);
    let compile = |server: &Server| server.client().check(&ir, SLOW);
    let (one, other) = (
        Server::start(),
        Server::start_with(&["--worker-memory", "1"]),
    );
    let expect = compile(&one);
    for server in [&one, &other, &other, &one] {
        // Whatever a worker had before.
        server.client().check(GOOD, "i32 @good()");
        assert!(compile(server) == expect);
    }
}

#[test]
fn workers_end_with_the_server() {
    let mut server = Server::start();
    server.wait_for("a worker", |status| status.idle_workers > 0);
    let client = server.client();
    client.ask("slow", &slow(20_000));
    client.wait_for_start();
    let workers: Vec<_> = (server.workers().into_iter())
        .map(|pid| pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap())
        .collect();
    assert!(!workers.is_empty());
    kill(server.pid(), libc::SIGKILL);
    server.wait();
    assert!(matches!(client.answer(), Answer::Gone));
    for worker in workers {
        assert!(
            wait::has_ended(worker.as_fd(), wait::TIMEOUT),
            "a worker lives on"
        );
    }
}

#[test]
fn a_worker_that_dies_while_a_client_decides_leaves_the_client_in_step() {
    let server = Server::start();
    let client = server.client();
    for decision in [Decision::Compile, Decision::Stop] {
        let asked = CompileRequest {
            identify: true,
            ..request("undecided", GOOD)
        };
        client.ask_for(asked, GOOD);
        client.digest();
        let before = server.status().crashed;
        for worker in server.workers() {
            kill(worker, libc::SIGKILL);
        }
        server.wait_for("it is known", |status| status.crashed > before);
        client.decide(decision);
        if decision == Decision::Compile {
            assert!(matches!(client.answer(), Answer::Died(_)));
        }
        // What it says next is a request again, with its own inputs.
        client.check(GOOD, "i32 @good()");
    }
}

#[test]
fn a_worker_that_does_not_begin_is_replaced() {
    let server = Server::start_with(&["--hang-timeout", "10000"]);
    server.wait_for("an idle worker", |status| status.idle_workers > 0);
    for worker in server.workers() {
        kill(worker, libc::SIGSTOP);
    }
    server.client().check(GOOD, "i32 @good()");
    assert_eq!(server.status().crashed, 0);
}
