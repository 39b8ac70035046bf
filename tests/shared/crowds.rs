//! Many clients at once, of other processes: nobody is kept from being served, and what they take is bounded.

use crate::resources::Resources;
use crate::server::{Client, GOOD, Server, constant, slow};
use mgenjit::protocol::messages::Hello;
use mgenjit::protocol::transport;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

/// Tell a process of [`play`] what it is.
const ROLE: &str = "MGENJIT_TEST_ROLE";
const SOCKET: &str = "MGENJIT_TEST_SOCKET";

/// A process that plays a role until its standard input ends.
struct Player(Child);

impl Player {
    fn start(server: &Server, role: &str) -> Player {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crowds::play", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .env(SOCKET, &server.socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Player(child)
    }

    /// Waits until it says that it has done what it is there for.
    fn wait(&mut self) {
        let output = self.0.stdout.as_mut().unwrap();
        let ready = BufReader::new(output)
            .lines()
            .any(|line| line.unwrap().contains("ready"));
        assert!(ready, "it has ended");
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the processes of these tests do, each in a process of its own.
#[test]
#[ignore = "a part of the others"]
fn play() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let path = std::env::var_os(SOCKET).unwrap();
    let connect = || UnixStream::connect(&path);
    let ready = || println!("ready");
    // Until the test is over.
    let stay = || std::io::stdin().read_to_end(&mut Vec::new());
    match &*role {
        "crowd" => {
            let connections: Vec<_> = (0..CROWD / CROWDS)
                .map(|index| {
                    let socket = connect().unwrap();
                    // Some say who they are, some begin to, some say nothing. They may have been cut already.
                    let _ = match index % 3 {
                        0 => transport::send(&socket, &Hello::ours(), None).is_ok(),
                        1 => (&socket).write_all(&[9, 0]).is_ok(),
                        _ => true,
                    };
                    socket
                })
                .collect();
            ready();
            stay().unwrap();
            drop(connections);
        }
        "flood" => {
            let clients: Vec<Client> = (0..FLOOD)
                .map(|index| {
                    let socket = connect().unwrap();
                    transport::send(&socket, &Hello::ours(), None).unwrap();
                    let client = Client { socket };
                    for round in 0..3 {
                        let ir = slow(150);
                        client.ask("flood", &format!("{ir}\n; {index} {round}\n"));
                    }
                    client
                })
                .collect();
            ready();
            stay().unwrap();
            drop(clients);
        }
        other => panic!("{other}"),
    }
}

const CROWD: usize = 10_000;
const CROWDS: usize = 5;
const FLOOD: usize = 100;

#[test]
fn ten_thousand_connections_are_more_than_it_keeps() {
    let server = Server::start_with(&["--client-timeout", "60000"]);
    let steady = server.client();
    steady.check(GOOD, "i32 @good()");
    let before = Resources::of(&server);
    let mut crowds: Vec<Player> = (0..CROWDS)
        .map(|_| Player::start(&server, "crowd"))
        .collect();
    for value in 0..20 {
        steady.check(&constant(value), "i32 @f()");
        server.client().check(&constant(value), "i32 @f()");
    }
    crowds.iter_mut().for_each(Player::wait);
    let status = server.wait_for("all came", |status| status.accepted >= CROWD as u64);
    assert!(status.connections <= 1024, "{status:?}");
    let now = Resources::of(&server);
    assert!(now.descriptors <= 1024 + 60, "{now:?}");
    assert!(now.most_memory < before.memory + (64 << 10), "{now:?}");
    // The one with one connection was never chosen to go.
    steady.check(&constant(100), "i32 @f()");
    server.client().check(GOOD, "i32 @good()");
    drop(crowds);
    server.wait_for("all gone", |status| status.connections <= 2);
    before.wait_for_return(&server);
}

#[test]
fn a_flood_of_one_process_does_not_hold_up_another() {
    let server = Server::start_with(&["--workers", "1"]);
    let steady = server.client();
    steady.check(GOOD, "i32 @good()");
    let mut flood = Player::start(&server, "flood");
    flood.wait();
    for value in 0..4 {
        let before = server.wait_for("a full queue", |status| status.queued >= 60);
        steady.check(&constant(value), "i32 @f()");
        let after = server.status();
        // What was worked on, and what came between the status and the request.
        let others = after.compiled - before.compiled - 1;
        assert!(others <= 3, "{others} came first: {before:?} {after:?}");
    }
    drop(flood);
    let status = server.wait_for("the flood over", |status| {
        status.queued + status.running == 0 && status.connections == 2
    });
    assert_eq!(status.crashed, 0, "{status:?}");
    steady.check(GOOD, "i32 @good()");
}
