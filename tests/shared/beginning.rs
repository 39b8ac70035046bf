//! How a shared server begins, whom it serves, and how it ends.

use crate::server::{Answer, GOOD, SERVER, SLOW, Server, kill, slow, spawn};
use crate::wait;
use mgenjit::protocol::messages::{Hello, Reply, Request};
use mgenjit::protocol::transport;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::process::Command;

#[test]
fn a_second_server_leaves_the_first_alone() {
    let server = Server::start();
    let (starter, mut second) = spawn(&server.socket, &[]);
    assert!(transport::receive::<Hello>(&starter).is_err());
    assert!(second.wait().unwrap().success());
    server.client().check(GOOD, "i32 @good()");
}

#[test]
fn what_a_killed_server_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    for _ in 0..2 {
        let (starter, mut child) = spawn(&socket, &[]);
        transport::receive::<Hello>(&starter).expect("it is ready");
        kill(i32::try_from(child.id()).unwrap(), libc::SIGKILL);
        child.wait().unwrap();
        assert!(socket.exists());
    }
    // Also if it is no socket.
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "a file").unwrap();
    let (starter, mut child) = spawn(&socket, &[]);
    transport::receive::<Hello>(&starter).expect("it is ready");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn it_ends_when_nobody_has_wanted_anything_for_long() {
    let mut server = Server::start_with(&["--idle-timeout", "700"]);
    let idle = server.client();
    // A compile that takes longer than that is no idle time.
    idle.ask("slow", &slow(1500));
    idle.answer().check(SLOW);
    server.wait();
    assert!(!server.socket.exists());
    // A client that only stays does not keep it.
    assert!(matches!(idle.answer(), Answer::Gone));
}

#[test]
fn it_ends_when_clients_cannot_find_it() {
    let mut server = Server::start();
    std::fs::remove_file(&server.socket).unwrap();
    server.wait();
    // Another one's socket is not removed.
    let mut server = Server::start();
    std::fs::remove_file(&server.socket).unwrap();
    let other = UnixListener::bind(&server.socket).unwrap();
    server.wait();
    assert!(server.socket.exists());
    drop(other);
}

#[test]
fn it_stops_when_it_has_answered_what_it_has() {
    let mut server = Server::start_with(&["--workers", "1"]);
    let clients: Vec<_> = (0..3)
        .map(|index| {
            let client = server.client();
            client.ask("slow", &slow(300 + index));
            client
        })
        .collect();
    let idle = server.client();
    let stopping = server.client();
    server.wait_for("all asked", |status| status.requests == 3);
    stopping.send(&Request::Stop { force: false }, None);
    assert!(matches!(stopping.receive(), Ok((Reply::Stopping, None))));
    assert!(!server.socket.exists());
    assert!(matches!(idle.answer(), Answer::Gone));
    for client in clients {
        client.answer().check(SLOW);
        // It goes on with another server.
        assert!(matches!(client.answer(), Answer::Gone));
    }
    assert!(matches!(stopping.answer(), Answer::Gone));
    server.wait();
}

#[test]
fn it_ends_at_once_when_it_is_told_to() {
    let mut server = Server::start();
    let client = server.client();
    client.ask("slow", &slow(20_000));
    client.wait_for_start();
    let stopping = server.client();
    stopping.send(&Request::Stop { force: true }, None);
    assert!(matches!(stopping.receive(), Ok((Reply::Stopping, None))));
    server.wait();
    assert!(matches!(client.answer(), Answer::Gone));
}

#[test]
fn a_client_of_another_build_is_told_so() {
    let server = Server::start();
    let stranger = server.stranger();
    let hello = Hello {
        build: "another".to_owned(),
        ..Hello::ours()
    };
    stranger.send(&hello, None);
    transport::receive::<Hello>(&stranger.socket).unwrap();
    match stranger.answer() {
        Answer::Failed(failure) => {
            assert!(
                failure.message.contains("build another"),
                "{}",
                failure.message
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(stranger.answer(), Answer::Gone));
    server.client().check(GOOD, "i32 @good()");
    assert_eq!(server.status().refused, 1);
}

#[test]
fn clients_that_stop_in_the_middle_are_cut() {
    let server = Server::start_with(&["--client-timeout", "1500"]);
    // One that waits between its requests is not, though it waits as long as they do.
    let waiting = server.client();
    waiting.check(GOOD, "i32 @good()");
    let silent = server.stranger();
    let half = server.client();
    (&half.socket).write_all(&[200, 0, 0, 0, 1, 2, 3]).unwrap();
    transport::receive::<Hello>(&silent.socket).unwrap();
    assert!(matches!(silent.answer(), Answer::Gone));
    assert!(matches!(half.answer(), Answer::Gone));
    waiting.check(GOOD, "i32 @good()");
    assert_eq!(server.status().refused, 2);
}

#[test]
fn it_runs_on_all_cores_whoever_starts_it() {
    // This process itself may be confined to some of them.
    let cores = std::thread::spawn(|| {
        let mut all = rustix::thread::CpuSet::new();
        (0..rustix::thread::CpuSet::MAX_CPU).for_each(|core| all.set(core));
        rustix::thread::sched_setaffinity(None, &all).unwrap();
        std::thread::available_parallelism().unwrap().get()
    });
    let cores = cores.join().unwrap();
    let mut taskset = Command::new("taskset");
    taskset.args(["1", SERVER]);
    let server = Server::start_by(taskset, &[]);
    assert_eq!(server.status().max_workers as usize, cores);
}

#[test]
fn a_limit_of_whoever_starts_it_is_nobody_elses() {
    fn check(limit: &str, starts: bool) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let (starter, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let script = format!("ulimit {limit} && exec \"$0\" --shared \"$1\"");
        let mut child = Command::new("bash")
            .args(["-c", &script, SERVER])
            .arg(&socket)
            .stdin(std::os::fd::OwnedFd::from(theirs))
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let ready = transport::receive::<Hello>(&starter).is_ok();
        assert_eq!(ready, starts, "{limit}");
        let _ = child.kill();
        child.wait().unwrap();
    }
    check("-S -n 20", true);
    check("-n 20", false);
    check("-S -t 100", true);
    check("-t 100", false);
    check("-v 4000000", false);
    check("-d 4000000", false);
    check("-f 4000000", false);
}

/// Has a server have no more open files than it has now. Returns what it might have had.
fn limit_files(server: &Server, files: libc::rlim_t) -> libc::rlim_t {
    // SAFETY: the limits are written before they are read, and the process is this test's.
    unsafe {
        let mut before: libc::rlimit = std::mem::zeroed();
        let mut limit: libc::rlimit = std::mem::zeroed();
        let none = std::ptr::null_mut();
        assert_eq!(
            libc::prlimit(server.pid(), libc::RLIMIT_NOFILE, none, &raw mut before),
            0
        );
        limit.rlim_max = before.rlim_max;
        limit.rlim_cur = files;
        let set = libc::prlimit(
            server.pid(),
            libc::RLIMIT_NOFILE,
            &raw const limit,
            none.cast(),
        );
        assert_eq!(set, 0);
        before.rlim_cur
    }
}

/// Clock ticks of processor time that a process has taken.
fn time_of(process: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn one_that_may_open_no_more_files_waits_and_keeps_what_it_works_on() {
    let server = Server::start();
    let client = server.client();
    client.ask("slow", &slow(2500));
    client.wait_for_start();
    server.wait_for("a spare worker", |status| status.idle_workers > 0);
    let before = limit_files(&server, 3);
    // Nobody can be cut for it.
    let stranger = server.stranger();
    // A server that looked again and again would take as much of the processor as its worker, on any machine.
    let work = || -> u64 { server.workers().into_iter().map(time_of).sum() };
    let (used, worked) = (time_of(server.pid()), work());
    wait::until("much work done", || work() >= worked + 60);
    let used = time_of(server.pid()) - used;
    assert!(used < 15, "{used} ticks for nothing");
    limit_files(&server, before);
    client.answer().check(SLOW);
    transport::receive::<Hello>(&stranger.socket).expect("it is taken");
    server.client().check(GOOD, "i32 @good()");
}
