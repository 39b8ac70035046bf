//! A connection to one compile server.

use super::limits::Limits;
use super::listener::Listener;
use super::spawn::{self, Launch, Server};
use crate::client::deadlines::{Patience, Silence};
use crate::error::{Error, Status, reason};
use crate::protocol::messages::{
    Cause, Compiled, Death, Decision, Failure, FailureKind, Hello, Reply, Request,
};
use crate::protocol::transport::{self, TransportError};
use crate::types::Position;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a new server may take until it speaks. It needs some 10 ms on an idle machine.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a shared server that has a request may say nothing. It says every few seconds that it is there.
const SILENCE: Duration = Duration::from_secs(30);

/// A server that is ready for a request.
#[derive(Debug)]
pub struct Client {
    socket: UnixStream,
    whose: Whose,
    /// What the server said of this last, see [`Reply::Started`].
    pub not_isolated: String,
}

#[derive(Debug)]
enum Whose {
    /// This client's alone.
    Private { last_words: File, path: PathBuf },
    /// Of all the user's processes.
    Shared,
}

/// What a request has become.
#[derive(Debug)]
pub enum Answer {
    Compiled(Output),
    /// Bytes in a sealed memfd, and how many.
    Emitted(File, u64),
    /// The client wanted no more, see [`Decision::Stop`].
    Stopped,
}

/// Why a request has no result.
#[derive(Debug)]
pub enum RequestError {
    /// The module is bad, and the server ready for the next one.
    Module(Error),
    /// The server is lost.
    Server(Error),
    /// The server was lost, and it is not the request's fault: it may be given to another one.
    Lost(Error),
    /// The shared server has had no worker for it for so long: a private server may do it, for as long as this client lives.
    Elsewhere(Duration),
}

/// A compiled module: what is known of it, and its image and object one after the other in a sealed memfd.
#[derive(Debug)]
pub struct Output {
    pub compiled: Compiled,
    pub payload: File,
}

impl Client {
    /// Starts the server at `path` and checks that it is one of this library's version.
    pub fn start(path: &Path, log: Option<BorrowedFd<'_>>) -> Result<Client, Error> {
        let Server { socket, last_words } = start(
            path,
            &Launch {
                log,
                ..Launch::default()
            },
        )?;
        Ok(Client {
            socket,
            whose: Whose::Private {
                last_words,
                path: path.to_owned(),
            },
            not_isolated: String::new(),
        })
    }

    /// On a connection to a shared server, see `shared`.
    pub fn of_shared(socket: UnixStream) -> Client {
        Client {
            socket,
            whose: Whose::Shared,
            not_isolated: String::new(),
        }
    }

    pub fn is_shared(&self) -> bool {
        matches!(self.whose, Whose::Shared)
    }

    pub fn connection(&self) -> &UnixStream {
        &self.socket
    }

    /// Has the server do what is requested. `spent`: how much of the time limit has passed.
    pub fn request(
        &mut self,
        request: &Request,
        inputs: &[&[u8]],
        limits: &Limits,
        spent: Duration,
        listener: &mut dyn Listener,
    ) -> Result<Answer, RequestError> {
        let name = request.name();
        let mut patience = match self.whose {
            Whose::Private { .. } => Patience::new(limits.time, None),
            Whose::Shared => Patience::new(limits.time, Some(SILENCE)),
        };
        let payload = transport::seal_inputs(inputs).map_err(|error| {
            let len: usize = inputs.iter().map(|input| input.len()).sum();
            RequestError::Module(Error::new(
                Status::Io,
                format!("{len} bytes of {name} cannot be handed to the compile server: {error}"),
            ))
        })?;
        let socket = &self.socket;
        patience.start(spent);
        let started = patience
            .send(socket, request, Some(payload.as_fd()))
            .and_then(|()| patience.receive(socket, listener));
        let mut reply = match started {
            Ok((Reply::Started { not_isolated }, _)) => {
                self.not_isolated = not_isolated;
                patience.receive(socket, listener)
            }
            Ok((Reply::Elsewhere { waited }, _)) if self.is_shared() => {
                return Err(RequestError::Elsewhere(Duration::from_millis(waited)));
            }
            Err(Silence::TimeLimit) if self.is_shared() => {
                let error = limits.time_waited(name, "all workers of the shared compile server");
                return Err(RequestError::Server(error));
            }
            Err(Silence::Transport(error)) if is_end(&error) => {
                return Err(RequestError::Lost(self.lost(request, limits, &error)));
            }
            other => other,
        };
        if let Ok((Reply::Identified { digest }, _)) = &reply
            && request.identifies()
        {
            let decision = patience.pause(|| listener.identified(digest));
            let sent = patience.send(socket, &decision, None);
            if decision == Decision::Stop {
                // A server that has died since is noticed by the next request.
                return Ok(Answer::Stopped);
            }
            reply = sent.and_then(|()| patience.receive(socket, listener));
        }
        let answer = match reply {
            Ok((Reply::Compiled(compiled), payload)) => compiled
                .image_len
                .checked_add(compiled.object_len)
                .ok_or(TransportError::TooLong(u64::MAX))
                .and_then(|len| transport::check_payload(payload, len))
                .map(|payload| Answer::Compiled(Output { compiled, payload })),
            Ok((Reply::Emitted { len }, payload)) => {
                transport::check_payload(payload, len).map(|file| Answer::Emitted(file, len))
            }
            Ok((Reply::Failed(failure), _)) => {
                return Err(RequestError::Module(module_error(request, failure)));
            }
            Ok((Reply::Died(death), _)) => {
                return Err(RequestError::Module(worker_died(request, limits, &death)));
            }
            Ok((_, _)) => {
                return Err(RequestError::Server(out_of_step(name)));
            }
            Err(Silence::TimeLimit) => {
                return Err(RequestError::Server(limits.time_exceeded(name)));
            }
            Err(Silence::Hangs) => {
                return Err(RequestError::Lost(hangs(name)));
            }
            Err(Silence::Transport(error)) => Err(error),
        };
        answer.map_err(|error| {
            let lost = self.lost(request, limits, &error);
            match self.whose {
                Whose::Shared if is_end(&error) => RequestError::Lost(lost),
                _ => RequestError::Server(lost),
            }
        })
    }

    fn lost(&self, request: &Request, limits: &Limits, error: &TransportError) -> Error {
        let name = request.name();
        // The server is not to blame for what this process could not do.
        if let TransportError::NoDescriptor | TransportError::Io(_) = error
            && !is_end(error)
        {
            return Error::new(
                Status::Io,
                format!("the compile server's answer about {name} cannot be received: {error}"),
            );
        }
        let what = if is_end(error) {
            "died".to_owned()
        } else {
            format!("cannot be understood ({error})")
        };
        let (words, told) = match &self.whose {
            Whose::Private {
                last_words: file,
                path,
            } => {
                let words = last_words(file);
                let told = tell(words.as_deref(), path);
                (words, told)
            }
            Whose::Shared => (None, "; it is shared with other processes".to_owned()),
        };
        died(request, limits, &what, words.as_deref(), &told)
    }
}

/// Of a server or worker that is gone, with what it said last.
fn died(request: &Request, limits: &Limits, what: &str, words: Option<&str>, told: &str) -> Error {
    let name = request.name();
    if let Some(error) = limits.memory_exceeded(name, told) {
        return error;
    }
    let did = did(request);
    let message = format!("the compile server {what} while it {did} {name}{told}");
    Error {
        repeats: words.is_some_and(is_its_own_doing),
        // One that was killed from outside has no last words.
        reproduces: words.is_some(),
        ..Error::new(Status::ServerCrashed, message)
    }
}

/// Whether what a server said last is of a compile that ends so each time: LLVM gave up, or crashed. The machine may have
/// more memory another time, and SIGBUS is a page that it could not provide.
fn is_its_own_doing(words: &str) -> bool {
    let crashed = words.contains("LLVM ERROR: ")
        || words.contains("mgenjit-server: signal ")
        || words.contains("mgenjit-server: stack overflow");
    let lacked = ["out of memory", "(SIGBUS)"];
    crashed && !lacked.iter().any(|lacked| words.contains(lacked))
}

/// Of a shared server's worker that is gone.
fn worker_died(request: &Request, limits: &Limits, death: &Death) -> Error {
    let name = request.name();
    let words = Some(death.words.as_str()).filter(|words| !words.is_empty());
    let exceeded = |status, took: String| Error {
        reproduces: true,
        ..Error::new(
            status,
            format!(
                "to compile {name} took more than {took}, the shared compile server's limit: start the server with a \
                 higher one (mgenjit_config_set_server_limits), use a private server, or optimise less"
            ),
        )
    };
    let ended = |why: String| {
        let did = did(request);
        Error::new(
            Status::ServerCrashed,
            format!("the shared compile server ended its worker while it {did} {name}: {why}"),
        )
    };
    match death.cause {
        Cause::Time(limit) => exceeded(Status::Timeout, format!("{limit} ms of processor time")),
        Cause::Memory(limit) => exceeded(Status::Memory, format!("{limit} bytes of memory")),
        Cause::Hung(time) => ended(format!(
            "it did nothing for {time} ms, because it was stopped or hung; try again"
        )),
        Cause::OutOfStep => ended("what it said could not be understood".to_owned()),
        Cause::Unknown => {
            let told = match (words, death.signal) {
                (Some(words), _) => format!("; it said:\n{words}"),
                (None, 0) => "; it said nothing".to_owned(),
                (None, signal) => format!(
                    "; it was killed by signal {signal} and said nothing, as for want of memory"
                ),
            };
            died(request, limits, "died", words, &told)
        }
    }
}

fn did(request: &Request) -> &'static str {
    match request {
        Request::Compile(_) => "compiled",
        Request::Link(_) | Request::Status | Request::Stop { .. } => "linked",
    }
}

/// Of a shared server that is stopped, or has lost its way.
fn hangs(name: &str) -> Error {
    Error::new(
        Status::ServerCrashed,
        format!(
            "the shared compile server has said nothing for {} s while it had {name}",
            SILENCE.as_secs()
        ),
    )
}

/// Starts the server at `path`.
pub fn spawn(path: &Path, how: &Launch<'_>) -> Result<Server, Error> {
    spawn::start(path, how).map_err(|error| {
        Error::new(
            Status::ServerUnavailable,
            format!(
                "the compile server {} cannot be started: {}",
                path.display(),
                reason(&error)
            ),
        )
    })
}

/// Starts the server at `path` and checks that it is one of this library's version.
pub fn start(path: &Path, how: &Launch<'_>) -> Result<Server, Error> {
    let server = spawn(path, how)?;
    let ours = Hello::ours();
    let socket = &server.socket;
    // Bounded, because what was started may be any program.
    let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
    let theirs: Result<(Hello, _), _> = transport::send(socket, &ours, None)
        .and_then(|()| transport::receive_by(socket, Some(deadline)));
    match theirs {
        Ok((theirs, _)) if theirs == ours => Ok(server),
        Ok((theirs, _)) => Err(mismatch(path, &ours, &theirs)),
        Err(error) => {
            let words = told(&server, path);
            Err(Error::new(
                Status::ServerUnavailable,
                format!(
                    "{} does not answer as a compile server ({error}){words}",
                    path.display()
                ),
            ))
        }
    }
}

/// What a server wrote to its standard error last, if anything.
pub fn last_words(mut file: &File) -> Option<String> {
    const MAX: u64 = 4096;
    let mut bytes = Vec::new();
    let len = file.metadata().map_or(0, |metadata| metadata.len());
    file.seek(SeekFrom::Start(len.saturating_sub(MAX)))
        .and_then(|_| file.take(MAX).read_to_end(&mut bytes))
        .ok()?;
    let words = String::from_utf8_lossy(&bytes);
    Some(words.trim().to_owned()).filter(|words| !words.is_empty())
}

/// The end of a message about the server at `path`, which is gone.
pub fn tell(words: Option<&str>, path: &Path) -> String {
    match words {
        Some(words) => format!("; it said:\n{words}"),
        None => format!(
            "; {} said nothing, as when it is killed, for example for want of memory",
            path.display()
        ),
    }
}

/// The end of a message about a process of the server's program, which is gone.
pub fn told(server: &Server, path: &Path) -> String {
    tell(last_words(&server.last_words).as_deref(), path)
}

/// Whether the other side is gone.
pub fn is_end(error: &TransportError) -> bool {
    match error {
        TransportError::Closed | TransportError::Truncated => true,
        TransportError::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        ),
        _ => false,
    }
}

pub fn mismatch(path: &Path, ours: &Hello, theirs: &Hello) -> Error {
    let tell = |hello: &Hello| {
        format!(
            "version {} (protocol {}, LLVM {}, build {})",
            hello.package, hello.protocol, hello.llvm, hello.build
        )
    };
    Error::new(
        Status::ServerMismatch,
        format!(
            "the compile server {} is of {}, this library of {}: install the two together",
            path.display(),
            tell(theirs),
            tell(ours)
        ),
    )
}

/// The server has answered something else than what it was asked for.
pub fn out_of_step(name: &str) -> Error {
    Error::new(
        Status::ServerCrashed,
        format!("the compile server is out of step while it compiles {name}"),
    )
}

fn module_error(request: &Request, failure: Failure) -> Error {
    let status = match failure.kind {
        FailureKind::Parse => Status::Parse,
        FailureKind::Verify => Status::Verify,
        FailureKind::Target => Status::Target,
        FailureKind::Codegen => Status::Codegen,
        FailureKind::Link => Status::Link,
        FailureKind::NoSymbol => Status::NotFound,
        FailureKind::Unsupported => Status::Unsupported,
        FailureKind::Protocol => Status::ServerCrashed,
    };
    let input = failure.input.and_then(|index| {
        let input = request.inputs().get(index as usize)?;
        Some(input.name.as_str())
    });
    let name = input.unwrap_or(request.name());
    // As compilers write it, so that editors find the place.
    let place = match &failure.position {
        Some(Position {
            line, column: 0, ..
        }) => format!("{name}:{line}"),
        Some(Position { line, column, .. }) => format!("{name}:{line}:{column}"),
        None => name.to_owned(),
    };
    Error {
        position: failure.position,
        ..Error::new(status, format!("{place}: {}", failure.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Cpu, Level};
    use crate::protocol::messages::{CompileRequest, Phase, Progress};
    use crate::types::{CompileTimes, Emit, Input, OptLevel, Target};
    use std::sync::mpsc::channel;

    const DIGEST: [u8; 32] = [7; 32];

    fn request(identify: bool) -> Request {
        Request::Compile(CompileRequest {
            name: "test".to_owned(),
            key: [0; 32],
            opt_level: OptLevel::O2,
            target: Target::Host(Cpu::Level(Level::V1)),
            identify,
            progress: false,
            inputs: vec![Input {
                name: "test".to_owned(),
                len: 2,
            }],
            keep: None,
            emit: Emit::Code,
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
            times: CompileTimes::default(),
        });
        let payload = transport::seal(&[b"image"]).expect("a memfd");
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
        fn check(pause: Option<Duration>) {
            let mut client = client(move |socket| {
                hear(socket);
                // Until the client is gone.
                while tick(socket, Phase::Optimise, 0).is_ok() {
                    if let Some(pause) = pause {
                        std::thread::sleep(pause);
                    }
                }
            });
            let limits = Limits {
                time: Duration::from_millis(20),
                ..Limits::default()
            };
            let answer =
                client.request(&request(false), &[b"ir"], &limits, Duration::ZERO, &mut ());
            let Err(RequestError::Server(error)) = answer else {
                panic!("{answer:?}");
            };
            assert_eq!(error.status, Status::Timeout, "{}", error.message);
        }
        check(Some(Duration::from_millis(1)));
        check(None);
    }
}
