//! What engines do wrong: whatever it is, the code is right, and nobody waits for ever.

use crate::proxy::Proxy;
use crate::support::tools::Ran;
use crate::support::wait::until;
use crate::team::{Engine, PASSWORD, Team, end_helpers, free_port, has, redis, redis_with};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
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
    if has("stores_that_say_something_else", &["redis-server"]) {
        check_changes(Team::write);
    }
}

/// As before, of entries that are written into a file while they come.
#[test]
fn long_entries_that_are_something_else() {
    if has("long_entries_that_are_something_else", &["redis-server"]) {
        check_changes(Team::write_long);
    }
}

fn check_changes(write: impl Fn(&Team, &str, usize) -> PathBuf) {
    let port = free_port();
    let _engine = redis(port);
    let team = Team::new(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"));
    let program = write(&team, "program.ll", 7);
    for (program, code) in [(&program, 7), (&write(&team, "other.ll", 9), 9)] {
        let ran = team.run("first", "read-write|unsigned", program);
        assert_eq!(ran.code, code, "{ran:?}");
    }
    team.wait_for_puts("first", 4);
    let mut client = Client::new(port);
    let names = client.entries();
    assert_eq!(names.len(), 2);
    let values: Vec<Vec<u8>> = names
        .iter()
        .map(|name| client.ask(&[b"GET", name]).remove(0))
        .collect();
    let len = |which: usize| values[which].len();
    let change_at = |which: usize, at: usize| {
        let mut value = values[which].clone();
        value[at] ^= 1;
        value
    };
    let changes: [(&str, Change<'_>); 8] = [
        (
            "changed",
            Box::new(|which| change_at(which, len(which) / 2)),
        ),
        // The object, or the input.
        (
            "attachment",
            Box::new(|which| change_at(which, len(which) - 400)),
        ),
        ("tail", Box::new(|which| change_at(which, len(which) - 100))),
        (
            "cut",
            Box::new(|which| values[which][..len(which) - 1].to_vec()),
        ),
        (
            "longer",
            Box::new(|which| [&values[which][..], b"x"].concat()),
        ),
        ("replayed", Box::new(|which| values[1 - which].clone())),
        ("empty", Box::new(|_| Vec::new())),
        (
            "nonsense",
            Box::new(|which| b"<html>404</html>".repeat(len(which) / 16)),
        ),
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
        assert_eq!(temporaries(&team, what), 0, "{what}");
    }
    // As they were, and in compressed form.
    for level in [None, Some(3)] {
        for (name, value) in names.iter().zip(&values) {
            let frame = level.map(|level| zstd::bulk::compress(value, level).expect("a frame"));
            client.ask(&[b"SET", name, frame.as_ref().unwrap_or(value)]);
        }
        let machine = format!("well at {level:?}");
        let ran = team.run(&machine, "read|unsigned", &program);
        assert!(
            ran.code == 7 && ran.err.contains("from a remote"),
            "{ran:?}"
        );
        assert_eq!(temporaries(&team, &machine), 0);
        // What was stored is the entry, byte by byte.
        let verified = team.cache(&machine, &["verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
        let again = team.run(&machine, "read|unsigned", &program);
        assert!(again.err.contains("in the cache:"), "{again:?}");
    }
}

/// How many files lie where they are written before they have a name.
fn temporaries(team: &Team, machine: &str) -> usize {
    let folder = team.path(machine).join("v4/tmp");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// A machine that cannot store a long entry uses it all the same.
#[test]
fn long_entries_where_there_is_no_room() {
    if !has("long_entries_where_there_is_no_room", &["redis-server"]) {
        return;
    }
    let port = free_port();
    let _engine = redis(port);
    let team = Team::new(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"));
    let program = team.write_long("program.ll", 7);
    let ran = team.run("first", "read-write|unsigned", &program);
    assert_eq!(ran.code, 7, "{ran:?}");
    team.wait_for_puts("first", 2);
    let run = |machine: &str| {
        let url = format!("{}|read|unsigned", team.url);
        let mut command = team.command("run", machine);
        command.args(["--verbose", "--remote-wait", "60", "--remote", &url]);
        command.arg(&program);
        command
    };
    // This process may write no long file; in the second round, its helper may not either.
    for round in 0..2 {
        let mut limited = run("limited");
        // SAFETY: setrlimit may be called between fork and exec.
        unsafe {
            limited.pre_exec(|| {
                let limit = libc::rlimit {
                    rlim_cur: 100_000,
                    rlim_max: 100_000,
                };
                match libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let ran = Ran::from(limited.output().expect("it runs"));
        assert!(
            ran.code == 7 && ran.err.contains("from a remote"),
            "{ran:?}"
        );
        if round == 0 {
            end_helpers(&team.path("mgenjit"));
        }
    }
    let ran = team.run("free", "read|unsigned", &program);
    assert!(
        ran.code == 7 && ran.err.contains("from a remote"),
        "{ran:?}"
    );
    let again = team.run("free", "read|unsigned", &program);
    assert!(again.err.contains("in the cache:"), "{again:?}");
    assert_eq!(temporaries(&team, "free"), 0);
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
