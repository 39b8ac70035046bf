//! How the process starts, ends, and treats what it inherits.

use crate::client::{Expect, SERVER, Server, Spawn};
use crate::inputs::GOOD;
use mgenjit::protocol::messages::{Hello, Reply};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

#[test]
fn says_what_it_is() {
    let output = Command::new(SERVER).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let ours = Hello::ours();
    assert!(output.status.success());
    assert_eq!(
        text,
        format!(
            "mgenjit-server {}\nbuild {}\nLLVM {}\n",
            ours.package, ours.build, ours.llvm
        )
    );
}

#[test]
fn refuses_to_run_without_a_client() {
    fn check(arguments: &[&str], stdin: Stdio, expect: &str) {
        let output = Command::new(SERVER)
            .args(arguments)
            .stdin(stdin)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expect), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
    check(&[], Stdio::null(), "not a connected UNIX stream socket");
    check(&[], Stdio::piped(), "not a connected UNIX stream socket");
    check(&["--wach"], Stdio::null(), "--wach is not understood");
    check(&["--watch"], Stdio::null(), "--watch needs the number");
    check(&["--watch", "x"], Stdio::null(), "--watch needs the number");
    check(&["--watch", "1"], Stdio::null(), "--watch needs the number");
    let (ours, theirs) = UnixStream::pair().unwrap();
    check(
        &["--watch", "999"],
        OwnedFd::from(theirs).into(),
        "no such descriptor",
    );
    drop(ours);
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    check(
        &[],
        OwnedFd::from(udp).into(),
        "not a connected UNIX stream socket",
    );
}

#[test]
fn inherited_signals_are_reset() {
    // The shell ignores the signal, and what is ignored stays so across exec.
    let script = "trap '' TERM USR1 SEGV; exec \"$0\" \"$@\"";
    for signal in [libc::SIGTERM, libc::SIGUSR1, libc::SIGSEGV] {
        let mut server = Server::start_with(Spawn {
            script: Some(script),
            ..Spawn::default()
        });
        server.kill(signal);
        assert_eq!(server.wait().0.signal(), Some(signal));
    }
}

#[test]
fn nothing_is_inherited_but_the_connection() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
    let mut server = Server::start_with(Spawn {
        // Every descriptor that was left open goes along, as from a host that does not mark them.
        script: Some("MAKEFLAGS='-j --jobserver-auth=3,4' WILD_SAVE_DIR=x exec \"$0\" \"$@\""),
        ..Spawn::default()
    });
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    drop(writer);
    // The end of the file is there while the server lives.
    let mut text = String::new();
    File::from(reader).read_to_string(&mut text).unwrap();
    server.check(GOOD, Expect::Compiles("i32 @good()"));
}

#[test]
fn the_end_of_the_connection_ends_the_server() {
    let server = Server::start();
    assert_eq!(server.hang_up().code(), Some(0));

    // Also before the greeting, and with it half said.
    let server = Server::spawn(Spawn::default());
    assert!(server.hang_up().code().is_some());
    let server = Server::spawn(Spawn::default());
    (&server.socket).write_all(&[9, 0]).unwrap();
    assert!(server.hang_up().code().is_some());

    // And in the middle of a compile that takes far longer.
    let server = Server::start();
    server.start_slow_compile();
    assert_eq!(server.hang_up().code(), Some(0));
}

#[test]
fn the_end_of_the_client_ends_the_server() {
    for busy in [false, true] {
        let mut client = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&client);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        rustix::io::fcntl_setfd(&pidfd, rustix::io::FdFlags::empty()).unwrap();
        let mut server = Server::start_with(Spawn {
            watch: Some(&pidfd),
            ..Spawn::default()
        });
        server.check(GOOD, Expect::Compiles("i32 @good()"));
        if busy {
            server.start_slow_compile();
        }
        assert!(server.child.try_wait().unwrap().is_none());
        client.kill().unwrap();
        // The connection is still open, as it is in a forked child of the host.
        assert_eq!(server.wait().0.code(), Some(0));
        // In the middle of the compile: it did not answer.
        while let Ok((reply, _)) = server.receive() {
            assert!(matches!(reply, Reply::Progress(_)), "{reply:?}");
        }
        client.wait().unwrap();
    }
}

#[test]
fn last_words_do_not_pile_up() {
    let mut server = Server::start();
    // A feature that LLVM does not know: it complains on standard error and goes on.
    let ir = "define void @f() \"target-features\"=\"+nonsense\" { ret void }";
    server.check(ir, Expect::Compiles("void @f()"));
    let once = server.words();
    assert!(once.contains("nonsense"), "{once}");
    server.check(ir, Expect::Compiles("void @f()"));
    assert_eq!(server.words(), once);
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    assert_eq!(server.words(), "");
}

#[test]
fn a_log_file_as_standard_error_is_not_emptied() {
    let mut log = tempfile::NamedTempFile::new().unwrap();
    log.write_all(b"precious\n").unwrap();
    let stderr = std::fs::OpenOptions::new()
        .append(true)
        .open(log.path())
        .unwrap();
    let mut server = Server::start_with(Spawn {
        stderr: Some(stderr),
        ..Spawn::default()
    });
    server.check(GOOD, Expect::Compiles("i32 @good()"));
    let mut text = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(text, "precious\n");
}

/// A log that cannot be written ends no server: it starts, serves and goes on.
#[test]
fn a_log_that_takes_nothing_is_no_harm() {
    fn check(open: &str) {
        let script = format!(r#"{open}; exec "$0" "$@" --log 8"#);
        let mut server = Server::start_with(Spawn {
            script: Some(&script),
            ..Spawn::default()
        });
        server.check(GOOD, Expect::Compiles("i32 @good()"));
        server.check(GOOD, Expect::Compiles("i32 @good()"));
    }
    check("exec 8>/dev/full");
    // A pipe whose reader has gone.
    check("d=$(mktemp -d); mkfifo $d/p; exec 9<>$d/p 8>$d/p 9<&-; rm -r $d");
    // A file that is as long as files may be.
    check("f=$(mktemp); truncate -s 1M $f; exec 8>>$f; rm $f; ulimit -f 1024");
}
