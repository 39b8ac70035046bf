//! What the process that runs programs apart does when it is told nonsense: `mgenjit-helper run`.

use mgenjit::protocol::isolated::{Begin, Ended, Part, Program, Reply};
use mgenjit::protocol::messages::Hello;
use mgenjit::protocol::transport;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

/// A monitor, whose host this is.
struct Monitor {
    process: Child,
    socket: UnixStream,
}

impl Monitor {
    fn new() -> Monitor {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let process = Command::new(env!("CARGO_BIN_EXE_mgenjit-helper"))
            .arg("run")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .expect("the helper");
        transport::send(&ours, &Hello::ours(), None).expect("a greeting");
        let (theirs, _) = transport::receive::<Hello>(&ours).expect("a greeting");
        assert_eq!(theirs, Hello::ours());
        Monitor {
            process,
            socket: ours,
        }
    }

    fn begin(&self, begin: Begin) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        transport::send(&self.socket, &begin, Some(theirs.as_fd())).expect("begun");
        ours
    }

    /// Says bytes on a run of its own. Returns all that is said back.
    fn say(&self, bytes: &[u8]) -> Vec<Reply> {
        let run = self.begin(Begin::default());
        // It may have heard enough before.
        let _ = (&run).write_all(bytes);
        replies(&run)
    }
}

/// All up to the end.
fn replies(run: &UnixStream) -> Vec<Reply> {
    let mut all = Vec::new();
    while let Ok((reply, _)) = transport::receive::<Reply>(run) {
        all.push(reply);
    }
    all
}

fn ended(replies: &[Reply]) -> &Ended {
    match replies.last() {
        Some(Reply::Ended(ended)) => ended,
        other => panic!("{other:?}"),
    }
}

/// A whole program, but for its code.
fn conversation() -> Vec<u8> {
    let program = Program {
        arguments: vec![b"program".to_vec(), b"x".to_vec()],
        environment: vec![b"A=b".to_vec()],
        directory: b"/".to_vec(),
        ..Program::default()
    };
    [Part::Program(Box::new(program)), Part::Go]
        .iter()
        .flat_map(|part| transport::encode(part).expect("it encodes"))
        .collect()
}

#[test]
fn nonsense_is_refused_and_harms_nobody() {
    let mut monitor = Monitor::new();
    let whole = conversation();
    let refused = |replies: &[Reply], said: &str| {
        let Some(Reply::Failed(failure)) = replies.first() else {
            panic!("{replies:?}");
        };
        assert!(failure.message.contains(said), "{failure:?}");
        assert_eq!(ended(replies).fault, None);
    };
    refused(&monitor.say(&whole), "main");
    refused(&monitor.say(&[0xff; 64]), "nonsense");
    let stray = transport::encode(&Part::Stream(7)).expect("it encodes");
    refused(&monitor.say(&stray), "nonsense");
    let module = Part::Module {
        name: "m".to_owned(),
        manifest: vec![1, 2, 3],
        len: u64::MAX,
        at: Some(0),
    };
    refused(
        &monitor.say(&transport::encode(&module).expect("it encodes")),
        "nonsense",
    );
    // Each byte another one: refused, or a program without code. None is stopped, and none is left: its socket has ended.
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= flip;
            let run = monitor.begin(Begin::default());
            let _ = (&run).write_all(&changed);
            // It may wait for more: then it learns that there is none.
            run.shutdown(Shutdown::Write).expect("it is connected");
            ended(&replies(&run));
        }
    }
    // What a monitor itself is told: it goes on with what came before, and ends.
    refused(&monitor.say(&whole), "main");
    let run = monitor.begin(Begin::default());
    (&monitor.socket).write_all(&[0xff; 16]).expect("written");
    run.shutdown(Shutdown::Write).expect("it is connected");
    ended(&replies(&run));
    assert!(monitor.process.wait().expect("ended").success());
}

#[test]
fn a_run_that_says_nothing_has_an_end() {
    let mut monitor = Monitor::new();
    let run = monitor.begin(Begin {
        wall: 20,
        ..Begin::default()
    });
    let ended = *ended(&replies(&run));
    assert_eq!(ended.limit, Some(mgenjit::protocol::isolated::Limit::Wall));
    // One that is given up has one, too.
    let run = monitor.begin(Begin::default());
    drop(run);
    drop(monitor.socket);
    assert!(monitor.process.wait().expect("ended").success());
}
