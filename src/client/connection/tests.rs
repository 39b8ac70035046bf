use super::*;
use crate::cpu::{Cpu, Level};
use crate::protocol::messages::{CompileRequest, Phase, Progress, Step};
use crate::protocol::transport;
use crate::types::{CompileTimes, Emit, Input, OptLevel, Target};
use std::sync::mpsc::channel;

const DIGEST: [u8; 32] = [7; 32];

fn request(identify: bool) -> Request {
    Request::Compile(CompileRequest {
        name: "test".to_owned(),
        key: [0; 32],
        opt_level: OptLevel::O2,
        target: Target::Host(Cpu::Level(Level::ALL[0])),
        identify,
        progress: false,
        inputs: vec![Input {
            name: "test".to_owned(),
            len: 2,
        }],
        keep: None,
        emit: Emit::Code,
        step: Step::Whole,
        replaceable: false,
        switchable: false,
        max_memory: 0,
    })
}

/// A client whose server does as `serve` says and then ends.
fn client(serve: impl FnOnce(&UnixStream) + Send + 'static) -> Client {
    let (socket, theirs) = UnixStream::pair().expect("a pair of sockets");
    std::thread::spawn(move || serve(&theirs));
    let words = rustix::fs::memfd_create("words", rustix::fs::MemfdFlags::CLOEXEC);
    Client {
        socket,
        whose: Whose::Private {
            last_words: words.expect("a memfd").into(),
            path: PathBuf::from("server"),
        },
        not_isolated: String::new(),
    }
}

/// Decides always so, and notes the digests.
struct Decide<'a>(Decision, &'a mut Vec<[u8; 32]>);

impl Listener for Decide<'_> {
    fn identified(&mut self, digest: &[u8; 32]) -> Decision {
        self.1.push(*digest);
        self.0
    }
}

fn started() -> Reply {
    Reply::Started {
        not_isolated: String::new(),
    }
}

fn send(socket: &UnixStream, reply: &Reply) {
    transport::send(socket, reply, None).expect("the client listens");
}

fn compiled(socket: &UnixStream) {
    let reply = Reply::Compiled(Compiled {
        image_len: 3,
        object_len: 2,
        triple: String::new(),
        cpu: String::new(),
        features: String::new(),
        functions: Vec::new(),
        warnings: Vec::new(),
        sources: Vec::new(),
        times: CompileTimes::default(),
    });
    let payload = payload::seal(&[b"image"]).expect("a memfd");
    transport::send(socket, &reply, Some(payload.as_fd())).expect("the client listens");
}

/// Receives a request, and identifies its module if that is asked for. Returns the decision.
fn hear(socket: &UnixStream) -> Option<Decision> {
    let (request, _) = transport::receive::<Request>(socket).expect("a request");
    send(socket, &started());
    request.identifies().then(|| {
        send(socket, &Reply::Identified { digest: DIGEST });
        transport::receive(socket).expect("a decision").0
    })
}

#[test]
fn a_client_that_says_stop_goes_on_with_its_next_request() {
    let mut client = client(|socket| {
        assert_eq!(hear(socket), Some(Decision::Stop));
        assert_eq!(hear(socket), Some(Decision::Compile));
        compiled(socket);
        assert_eq!(hear(socket), None);
        compiled(socket);
    });
    let mut digests = Vec::new();
    let mut compile = |identify, decision| {
        let mut decide = Decide(decision, &mut digests);
        let result = client.request(
            &request(identify),
            &[b"ir"],
            &Limits::default(),
            Duration::ZERO,
            &mut decide,
        );
        matches!(result.expect("no error"), Answer::Compiled(_))
    };
    assert!(!compile(true, Decision::Stop));
    assert!(compile(true, Decision::Compile));
    assert!(compile(false, Decision::Stop));
    assert_eq!(digests, [DIGEST; 2]);
}

#[test]
fn a_server_that_ends_is_lost_or_has_heard_nothing() {
    fn check(
        serve: impl FnOnce(&UnixStream) + Send + 'static,
        decision: Decision,
        expect: fn(&Result<Answer, RequestError>) -> bool,
    ) {
        let mut decide = Decide(decision, &mut Vec::new());
        let result = client(serve).request(
            &request(true),
            &[b"ir"],
            &Limits::default(),
            Duration::ZERO,
            &mut decide,
        );
        assert!(expect(&result), "{result:?}");
    }
    fn identify(socket: &UnixStream) {
        transport::receive::<Request>(socket).expect("a request");
        send(socket, &started());
        send(socket, &Reply::Identified { digest: DIGEST });
    }
    check(
        |_| {},
        Decision::Compile,
        |result| matches!(result, Err(RequestError::Lost(_))),
    );
    check(
        |socket| {
            transport::receive::<Request>(socket).expect("a request");
            send(socket, &started());
        },
        Decision::Compile,
        |result| matches!(result, Err(RequestError::Server(_))),
    );
    check(identify, Decision::Compile, |result| {
        matches!(result, Err(RequestError::Server(_)))
    });
    // It has said what it was asked, and no more was wanted.
    check(identify, Decision::Stop, |result| {
        matches!(result, Ok(Answer::Stopped))
    });
    // Twice is once too often.
    check(
        |socket| {
            hear(socket);
            send(socket, &Reply::Identified { digest: DIGEST });
            let _ = transport::receive::<Request>(socket);
        },
        Decision::Compile,
        |result| matches!(result, Err(RequestError::Server(_))),
    );
}

/// Notes what is told, and each time does as the function says.
struct Note<F>(Vec<Progress>, F);

impl<F: FnMut()> Listener for Note<F> {
    fn progress(&mut self, progress: Progress) {
        self.0.push(progress);
        (self.1)();
    }
}

fn tick(socket: &UnixStream, phase: Phase, done: u32) -> Result<(), TransportError> {
    let progress = Progress {
        phase,
        done,
        total: 9,
    };
    transport::send(socket, &Reply::Progress(progress), None)
}

#[test]
fn progress_is_told_before_and_after_the_start() {
    let (tell, told) = channel();
    let mut client = client(move |socket| {
        let tick = |phase, done| {
            tick(socket, phase, done).expect("the client listens");
            told.recv().expect("the listener hears it");
        };
        transport::receive::<Request>(socket).expect("a request");
        tick(Phase::Queue, 2);
        tick(Phase::Queue, 1);
        send(socket, &started());
        tick(Phase::Parse, 0);
        send(socket, &Reply::Identified { digest: DIGEST });
        transport::receive::<Decision>(socket).expect("a decision");
        tick(Phase::Codegen, 3);
        compiled(socket);
    });
    let mut note = Note(Vec::new(), || tell.send(()).expect("the server waits"));
    let answer = client.request(
        &request(true),
        &[b"ir"],
        &Limits::default(),
        Duration::ZERO,
        &mut note,
    );
    assert!(matches!(answer, Ok(Answer::Compiled(_))), "{answer:?}");
    let heard: Vec<_> = note.0.iter().map(|one| (one.phase, one.done)).collect();
    let expect = [
        (Phase::Queue, 2),
        (Phase::Queue, 1),
        (Phase::Parse, 0),
        (Phase::Codegen, 3),
    ];
    assert_eq!(heard, expect);
}

#[test]
fn a_slow_listener_misses_progress_and_gets_the_answer() {
    let (tell, told) = channel();
    let mut client = client(move |socket| {
        hear(socket);
        for done in 0..9 {
            tick(socket, Phase::Optimise, done).expect("the client listens");
        }
        compiled(socket);
        tell.send(()).expect("the listener waits");
    });
    let mut note = Note(Vec::new(), || told.recv().expect("the server sends"));
    let answer = client.request(
        &request(false),
        &[b"ir"],
        &Limits::default(),
        Duration::ZERO,
        &mut note,
    );
    assert!(matches!(answer, Ok(Answer::Compiled(_))), "{answer:?}");
    assert!(note.0.len() <= 1, "{:?}", note.0);
}

#[test]
fn progress_does_not_make_the_time_limit_longer() {
    /// `in_step`: the server says something new whenever the client has heard what it said last. Else all the time.
    fn check(in_step: bool) {
        let (tell, told) = channel();
        let mut client = client(move |socket| {
            hear(socket);
            // Until the client is gone.
            while tick(socket, Phase::Optimise, 0).is_ok() {
                if in_step && told.recv().is_err() {
                    break;
                }
            }
        });
        let limits = Limits {
            time: Duration::from_millis(20),
            ..Limits::default()
        };
        let mut note = Note(Vec::new(), || tell.send(()).unwrap_or_default());
        let answer = client.request(
            &request(false),
            &[b"ir"],
            &limits,
            Duration::ZERO,
            &mut note,
        );
        let Err(RequestError::Server(error)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(error.status, Status::Timeout, "{}", error.message);
    }
    check(true);
    check(false);
}
