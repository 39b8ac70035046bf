//! A shared server, and clients of it.

use crate::wait;
use mgenjit::cpu::Cpu;
use mgenjit::protocol::messages::{
    CompileRequest, Compiled, Death, Decision, Failure, Hello, Reply, Request, ServerStatus, Step,
};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport::{self, TransportError};
use mgenjit::types::{Emit, Input, OptLevel, Target};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const SERVER: &str = env!("CARGO_BIN_EXE_mgenjit-server");

/// How long anything may take: much longer than it does.
pub const TIMEOUT: Duration = Duration::from_mins(5);

/// Ends with this value.
pub struct Server {
    pub child: Child,
    pub socket: PathBuf,
    /// What it was started with: it says there when it is ready.
    pub starter: UnixStream,
    _folder: tempfile::TempDir,
}

pub struct Client {
    pub socket: UnixStream,
}

/// What a request comes to.
pub enum Answer {
    /// And the image and the object.
    Compiled(Box<Compiled>, Vec<u8>),
    Failed(Failure),
    Died(Death),
    /// The connection has ended.
    Gone,
}

impl Server {
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// With more options on the command line. Clients wait for as long as the machine takes, if these do not say otherwise.
    pub fn start_with(options: &[&str]) -> Server {
        Server::start_by(Command::new(SERVER), options)
    }

    /// By a command that gets the server's arguments.
    pub fn start_by(command: Command, options: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let options = [&["--queue-timeout", "0"], options].concat();
        let (starter, child) = spawn_by(command, &socket, &options);
        let server = Server {
            child,
            socket,
            starter,
            _folder: folder,
        };
        let (hello, _) = transport::receive::<Hello>(&server.starter).expect("it is ready");
        assert_eq!(hello, Hello::ours());
        server
    }

    /// A client that has been greeted.
    pub fn client(&self) -> Client {
        let client = self.stranger();
        client.send(&Hello::ours(), None);
        assert_eq!(
            transport::receive::<Hello>(&client.socket).unwrap().0,
            Hello::ours()
        );
        client
    }

    /// A client that has said nothing yet.
    pub fn stranger(&self) -> Client {
        let socket = UnixStream::connect(&self.socket).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        Client { socket }
    }

    pub fn status(&self) -> ServerStatus {
        let client = self.client();
        client.send(&Request::Status, None);
        match client.receive() {
            Ok((Reply::Status(status), None)) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the status is as wanted.
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&ServerStatus) -> bool) -> ServerStatus {
        wait::until_ok(what, || {
            let status = self.status();
            if is_so(&status) {
                Ok(status)
            } else {
                Err(Box::new(status))
            }
        })
    }

    /// Does something of which the server hears all at once.
    pub fn stopped(&self, act: impl FnOnce()) {
        kill(self.pid(), libc::SIGSTOP);
        act();
        kill(self.pid(), libc::SIGCONT);
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// The processes of its workers.
    pub fn workers(&self) -> Vec<i32> {
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        children
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) {
        wait::for_child(&mut self.child);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server at a socket.
pub fn spawn(socket: &std::path::Path, options: &[&str]) -> (UnixStream, Child) {
    spawn_by(Command::new(SERVER), socket, options)
}

fn spawn_by(
    mut command: Command,
    socket: &std::path::Path,
    options: &[&str],
) -> (UnixStream, Child) {
    let (starter, theirs) = UnixStream::pair().unwrap();
    starter.set_read_timeout(Some(TIMEOUT)).unwrap();
    let child = command
        .arg("--shared")
        .arg(socket)
        .args(options)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    (starter, child)
}

pub fn kill(pid: i32, signal: libc::c_int) {
    // SAFETY: a signal to a process of this test.
    unsafe { libc::kill(pid, signal) };
}

impl Client {
    pub fn send<T: serde::Serialize>(&self, message: &T, payload: Option<&OwnedFd>) {
        transport::send(&self.socket, message, payload.map(AsFd::as_fd)).unwrap();
    }

    /// What comes next, progress and the start left out.
    pub fn receive(&self) -> Result<(Reply, Option<OwnedFd>), TransportError> {
        loop {
            match transport::receive(&self.socket) {
                Ok((Reply::Started { .. } | Reply::Progress(_), None)) => {}
                other => return other,
            }
        }
    }

    /// Asks for IR to be compiled, and does not wait.
    pub fn ask(&self, name: &str, ir: &str) {
        self.ask_for(request(name, ir), ir);
    }

    pub fn ask_for(&self, request: CompileRequest, ir: &str) {
        let payload = payload::seal(&[ir.as_bytes()]).unwrap();
        self.send(&Request::Compile(request), Some(&payload));
    }

    /// Waits until the server has begun with what was asked for.
    pub fn wait_for_start(&self) {
        loop {
            match transport::receive(&self.socket).unwrap() {
                (Reply::Started { .. }, None) => return,
                (Reply::Progress(_), None) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn digest(&self) -> [u8; 32] {
        match self.receive() {
            Ok((Reply::Identified { digest }, None)) => digest,
            other => panic!("{other:?}"),
        }
    }

    pub fn decide(&self, decision: Decision) {
        self.send(&decision, None);
    }

    pub fn answer(&self) -> Answer {
        match self.receive() {
            Ok((Reply::Compiled(reply), payload)) => {
                let len = reply.image_len + reply.object_len;
                let file = payload::check_payload(payload, len).unwrap();
                let mut bytes = vec![0; usize::try_from(len).unwrap()];
                file.read_exact_at(&mut bytes, 0).unwrap();
                Answer::Compiled(Box::new(reply), bytes)
            }
            Ok((Reply::Failed(failure), None)) => Answer::Failed(failure),
            Ok((Reply::Died(death), None)) => Answer::Died(death),
            Ok(other) => panic!("{other:?}"),
            Err(TransportError::Closed | TransportError::Truncated | TransportError::Io(_)) => {
                Answer::Gone
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn compile(&self, name: &str, ir: &str) -> Answer {
        self.ask(name, ir);
        self.answer()
    }

    /// Compiles, and expects a function of this signature first.
    pub fn check(&self, ir: &str, expect: &str) -> Vec<u8> {
        self.compile("test", ir).check(expect)
    }
}

impl Answer {
    /// The artifacts of a module whose first function has this signature.
    pub fn check(self, expect: &str) -> Vec<u8> {
        match self {
            Answer::Compiled(reply, bytes) => {
                let first = reply.functions.first().map(ToString::to_string);
                assert_eq!(first.as_deref(), Some(expect));
                bytes
            }
            other => panic!("{expect}: {other:?}"),
        }
    }
}

pub fn request(name: &str, ir: &str) -> CompileRequest {
    CompileRequest {
        name: name.to_owned(),
        key: [7; 32],
        opt_level: OptLevel::O2,
        target: Target::Host(Cpu::native()),
        identify: false,
        progress: false,
        inputs: vec![Input {
            name: name.to_owned(),
            len: ir.len() as u64,
        }],
        keep: None,
        emit: Emit::Code,
        step: Step::Whole,
        replaceable: false,
        switchable: false,
        max_memory: 0,
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Compiled(reply, bytes) => write!(out, "{reply:?} and {} bytes", bytes.len()),
            Answer::Failed(failure) => failure.fmt(out),
            Answer::Died(death) => death.fmt(out),
            Answer::Gone => out.write_str("the connection has ended"),
        }
    }
}

pub const GOOD: &str = "define i32 @good() {\n  ret i32 42\n}\n";

/// A module with one function that returns this.
pub fn constant(value: u32) -> String {
    format!("define i32 @f() {{\n  ret i32 {value}\n}}\n")
}

pub use crate::slow::slow;

/// Of [`slow`]'s first function.
pub const SLOW: &str = "i64 @f0(ptr, i64)";
