//! What engines do wrong: whatever it is, the code is right, and nobody waits for ever.

use crate::proxy::Proxy;
use crate::support::wait::until;
use crate::team::{Engine, PASSWORD, Team, free_port, has, redis, redis_with};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

/// Redis' own protocol, to change what lies there.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn new(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let mut client = Client(BufReader::new(stream));
        client.ask(&[b"AUTH", PASSWORD.as_bytes()]);
        client
    }

    /// An answer's strings.
    pub fn ask(&mut self, words: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&request).expect("asked");
        let mut strings = Vec::new();
        self.read(&mut strings);
        strings
    }

    fn read(&mut self, strings: &mut Vec<Vec<u8>>) {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer");
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "*" => (0..rest.parse().expect("a count")).for_each(|_: usize| self.read(strings)),
            "$" if rest != "-1" => {
                let mut bytes = vec![0; rest.parse::<usize>().expect("a length") + 2];
                self.0.read_exact(&mut bytes).expect("a string");
                bytes.truncate(bytes.len() - 2);
                strings.push(bytes);
            }
            "-" => panic!("{line}"),
            _ => strings.push(rest.as_bytes().to_vec()),
        }
    }

    /// The names of all values of at least so many bytes: entries, and not their aliases.
    fn entries(&mut self) -> Vec<Vec<u8>> {
        let mut names = self.ask(&[b"KEYS", b"*"]);
        names.retain(|name| {
            let len = self.ask(&[b"STRLEN", name]);
            String::from_utf8_lossy(&len[0])
                .parse::<u64>()
                .expect("a length")
                > 1000
        });
        names.sort_unstable();
        names
    }
}

/// What lies there of an entry afterwards.
type Change<'a> = Box<dyn Fn(usize) -> Vec<u8> + 'a>;

fn signal(engine: &Engine, name: &str) {
    let id = engine.0.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .expect("kill")
            .success()
    );
}

/// A team with one module on Redis.
fn filled(port: u16) -> Team {
    let team = Team::new(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"));
    let ran = team.run("first", "read-write|unsigned", &team.write("program.ll", 7));
    assert_eq!(ran.code, 7, "{ran:?}");
    team.wait_for_puts("first", 2);
    team
}

/// An engine that is stopped in the middle of everything: each start has its code, and after some nobody asks it any more.
#[test]
fn frozen() {
    if !has("frozen", &["redis-server"]) {
        return;
    }
    let port = free_port();
    let engine = redis(port);
    let team = filled(port);
    let program = team.path("program.ll");
    signal(&engine, "-STOP");
    let mut left_alone = false;
    for number in 0..6 {
        let machine = format!("frozen-{number}");
        let ran = team.run_with(&machine, "read|unsigned", &[], &program);
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(ran.err.contains("compiling"), "{}", ran.err);
        left_alone |= team.is_left_alone();
    }
    assert!(left_alone);
    // Its uploader gives up, and says so.
    let ran = team.run_with("writer", "write|unsigned", &[], &team.write("other.ll", 8));
    assert_eq!(ran.code, 8, "{ran:?}");
    signal(&engine, "-CONT");
    let mut number = 0;
    until("it is asked again", || {
        number += 1;
        let ran = team.run(&format!("thawed-{number}"), "read|unsigned", &program);
        assert_eq!(ran.code, 7);
        ran.err.contains("from a remote")
    });
}

#[test]
fn killed_and_restarted_under_load() {
    if !has("killed_and_restarted_under_load", &["redis-server"]) {
        return;
    }
    let port = free_port();
    let mut engine = redis(port);
    let team = filled(port);
    for number in 0..12 {
        let program = team.write(&format!("{number}.ll"), number);
        for machine in ["one", "two"] {
            let ran = team.run_with(machine, "read-write|unsigned", &[], &program);
            assert_eq!(ran.code, number as i32, "{ran:?}");
        }
        if number % 4 == 1 {
            drop(engine);
            engine = redis(port);
        }
    }
}

/// A store that is full, and one that takes no writes: reads go on.
#[test]
fn stores_that_take_nothing() {
    if !has("stores_that_take_nothing", &["redis-server"]) {
        return;
    }
    for (name, options) in [
        (
            "full",
            &["--maxmemory", "1", "--maxmemory-policy", "noeviction"][..],
        ),
        ("refusing", &["--min-replicas-to-write", "1"][..]),
    ] {
        let port = free_port();
        let _engine = redis_with(port, options);
        let team = Team::new(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"));
        let program = team.write("program.ll", 7);
        let ran = team.run("first", "read-write|unsigned", &program);
        assert_eq!(ran.code, 7, "{name}: {ran:?}");
        until("puts that fail", || {
            let stats = team.stats("first");
            assert_eq!(stats["remote_puts"], 0, "{name}");
            stats["remote_put_errors"].as_u64().expect("a number") >= 1
        });
        let ran = team.run("second", "read|unsigned", &program);
        assert_eq!(ran.code, 7, "{name}: {ran:?}");
    }
}

/// Bytes that changed there, an entry under another one's key, and values that are none.
#[test]
fn stores_that_say_something_else() {
    if !has("stores_that_say_something_else", &["redis-server"]) {
        return;
    }
    let port = free_port();
    let _engine = redis(port);
    let team = filled(port);
    let program = team.path("program.ll");
    let other = team.run("first", "read-write|unsigned", &team.write("other.ll", 9));
    assert_eq!(other.code, 9, "{other:?}");
    team.wait_for_puts("first", 4);
    let mut client = Client::new(port);
    let names = client.entries();
    assert_eq!(names.len(), 2);
    let values: Vec<Vec<u8>> = names
        .iter()
        .map(|name| client.ask(&[b"GET", name]).remove(0))
        .collect();
    let middle = values[0].len() / 2;
    let changes: [(&str, Change<'_>); 5] = [
        (
            "changed",
            Box::new(|which| {
                let mut value = values[which].clone();
                value[middle] ^= 1;
                value
            }),
        ),
        ("cut", Box::new(|which| values[which][..middle].to_vec())),
        ("replayed", Box::new(|which| values[1 - which].clone())),
        ("empty", Box::new(|_| Vec::new())),
        ("nonsense", Box::new(|_| b"<html>404</html>".repeat(1000))),
    ];
    for (what, change) in &changes {
        for (which, name) in names.iter().enumerate() {
            client.ask(&[b"SET", name, &change(which)]);
        }
        let ran = team.run(what, "read|unsigned", &program);
        assert_eq!(ran.code, 7, "{what}: {ran:?}");
        assert!(ran.err.contains("compiling"), "{what}: {}", ran.err);
        assert!(ran.err.contains("not used"), "{what}: {}", ran.err);
        let stats = team.stats(what);
        assert_eq!(
            (&stats["remote_hits"], &stats["remote_errors"]),
            (&0.into(), &1.into()),
            "{what}"
        );
    }
    for (name, value) in names.iter().zip(&values) {
        client.ask(&[b"SET", name, value]);
    }
    let ran = team.run("well", "read|unsigned", &program);
    assert!(
        ran.code == 7 && ran.err.contains("from a remote"),
        "{ran:?}"
    );
}

/// A network that is slow: 100 ms are too long to wait for, and short enough to be used while something longer is compiled; 5 s
/// are longer than any look-up may take.
#[test]
fn slow_networks() {
    if !has("slow_networks", &["redis-server"]) {
        return;
    }
    let port = free_port();
    let _engine = redis(port);
    let proxy = Proxy::start(port);
    let team = filled(proxy.port);
    let program = team.path("program.ll");
    for delay in [100, 5000] {
        proxy.delay(delay);
        for number in 0..4 {
            let machine = format!("slow-{delay}-{number}");
            let ran = team.run_with(&machine, "read|unsigned", &[], &program);
            assert_eq!(ran.code, 7, "{ran:?}");
        }
        assert!(team.is_left_alone(), "{delay}");
        // Then nobody asks.
        team.forget_failures();
        proxy.delay(0);
        until("the helper is through with it", || {
            let ran = team.cache(
                "first",
                &[
                    "remote",
                    "status",
                    "--remote",
                    &format!("{}|unsigned", team.url),
                ],
            );
            ran.code == 0
        });
        team.forget_failures();
    }
    assert!(proxy.answers() > 0);
    // Slow, and nothing else can be done.
    proxy.delay(100);
    let ran = team.run("patient", "read|unsigned", &program);
    assert!(
        ran.code == 7 && ran.err.contains("from a remote"),
        "{ran:?}"
    );
}
