//! A client of the server that may also misbehave.

use crate::inputs::slow_module;
use crate::wait;
use mgenjit::cpu::Cpu;
use mgenjit::protocol::messages::{
    CompileRequest, Compiled, Decision, FailureKind, Hello, Phase, Reply, Request, Step,
};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport::{self, TransportError};
use mgenjit::types::{Emit, Input, OptLevel, Target};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

pub const SERVER: &str = env!("CARGO_BIN_EXE_mgenjit-server");

pub const SEALS: rustix::fs::SealFlags = rustix::fs::SealFlags::SEAL
    .union(rustix::fs::SealFlags::SHRINK)
    .union(rustix::fs::SealFlags::GROW)
    .union(rustix::fs::SealFlags::WRITE);

#[derive(Default)]
pub struct Spawn<'a> {
    /// A shell script that runs the server as `"$0" "$@"`.
    pub script: Option<&'a str>,
    pub watch: Option<&'a OwnedFd>,
    pub stderr: Option<File>,
    /// How many bytes may wait for the client to read them; the kernel has a least value.
    pub send_buffer: Option<usize>,
}

pub struct Server {
    pub child: Child,
    pub socket: UnixStream,
    pub stderr: File,
}

#[derive(Debug)]
pub enum Outcome {
    Compiled(Box<Artifacts>),
    /// What is not code.
    Emitted(Vec<u8>),
    Failed(mgenjit::protocol::messages::Failure),
    Gone(ExitStatus, String),
}

pub struct Artifacts {
    pub reply: Compiled,
    pub image: Vec<u8>,
    pub object: Vec<u8>,
}

impl std::fmt::Debug for Artifacts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.reply.fmt(out)
    }
}

pub enum Expect<'a> {
    /// The first function, printed.
    Compiles(&'a str),
    Fails {
        kind: FailureKind,
        message: &'a str,
        position: Option<(u32, u32, &'a str)>,
    },
}

impl<'a> From<(FailureKind, &'a str)> for Expect<'a> {
    fn from((kind, message): (FailureKind, &'a str)) -> Self {
        Expect::Fails {
            kind,
            message,
            position: None,
        }
    }
}

impl<'a> From<(FailureKind, &'a str, u32, u32, &'a str)> for Expect<'a> {
    fn from(
        (kind, message, line, column, source_line): (FailureKind, &'a str, u32, u32, &'a str),
    ) -> Self {
        Expect::Fails {
            kind,
            message,
            position: Some((line, column, source_line)),
        }
    }
}

impl Outcome {
    pub fn unwrap_compiled(self) -> Artifacts {
        match self {
            Outcome::Compiled(artifacts) => *artifacts,
            other => panic!("{other:?}"),
        }
    }

    pub fn unwrap_emitted(self) -> Vec<u8> {
        match self {
            Outcome::Emitted(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    pub fn unwrap_failed(self) -> mgenjit::protocol::messages::Failure {
        match self {
            Outcome::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

impl Server {
    /// A server that has been greeted.
    pub fn start() -> Server {
        Server::start_with(Spawn::default())
    }

    pub fn start_with(spawn: Spawn<'_>) -> Server {
        let server = Server::spawn(spawn);
        server.greet(&Hello::ours());
        transport::receive::<Hello>(&server.socket).unwrap();
        server
    }

    pub fn spawn(spawn: Spawn<'_>) -> Server {
        let (socket, theirs) = UnixStream::pair().unwrap();
        if let Some(bytes) = spawn.send_buffer {
            rustix::net::sockopt::set_socket_send_buffer_size(&theirs, bytes).unwrap();
        }
        let stderr = spawn.stderr.unwrap_or_else(|| {
            rustix::fs::memfd_create("last-words", rustix::fs::MemfdFlags::CLOEXEC)
                .unwrap()
                .into()
        });
        let mut command = match spawn.script {
            Some(script) => {
                let mut command = Command::new("bash");
                command.args(["-c", script, SERVER]);
                command
            }
            None => Command::new(SERVER),
        };
        if let Some(pidfd) = spawn.watch {
            command.args(["--watch", &pidfd.as_raw_fd().to_string()]);
        }
        let child = command
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap();
        Server {
            child,
            socket,
            stderr,
        }
    }

    pub fn greet(&self, hello: &Hello) {
        transport::send(&self.socket, hello, None).unwrap();
    }

    pub fn check(&mut self, ir: impl AsRef<[u8]>, expect: Expect<'_>) {
        let ir = ir.as_ref();
        let shown = String::from_utf8_lossy(&ir[..ir.len().min(500)]).into_owned();
        let outcome = self.compile("test", ir, OptLevel::O2);
        match (outcome, expect) {
            (Outcome::Compiled(artifacts), Expect::Compiles(expect)) => {
                let first = artifacts.reply.functions.first().map(ToString::to_string);
                assert_eq!(first.as_deref(), Some(expect), "{shown}");
            }
            (
                Outcome::Failed(failure),
                Expect::Fails {
                    kind,
                    message,
                    position,
                },
            ) => {
                assert_eq!(failure.kind, kind, "{shown}: {failure:?}");
                assert!(failure.message.contains(message), "{shown}: {failure:?}");
                assert!(!failure.message.contains("<ir>"), "{failure:?}");
                if let Some((line, column, source_line)) = position {
                    let found = failure.position.expect(&shown);
                    assert_eq!(
                        (found.line, found.column, found.source_line.as_str()),
                        (line, column, source_line),
                        "{shown}: {}",
                        failure.message
                    );
                }
            }
            (outcome, _) => panic!("{shown}: {outcome:?}"),
        }
    }

    pub fn compile(&mut self, name: &str, ir: &[u8], opt_level: OptLevel) -> Outcome {
        self.compile_for(name, ir, opt_level, Cpu::native())
    }

    pub fn compile_for(&mut self, name: &str, ir: &[u8], opt_level: OptLevel, cpu: Cpu) -> Outcome {
        self.compile_to(Target::Host(cpu), name, ir, opt_level)
    }

    pub fn compile_to(
        &mut self,
        target: Target,
        name: &str,
        ir: &[u8],
        opt_level: OptLevel,
    ) -> Outcome {
        let payload = payload::seal(&[ir]).unwrap();
        let request = Request::Compile(CompileRequest {
            opt_level,
            target,
            ..request(name, ir.len() as u64)
        });
        transport::send(&self.socket, &request, Some(payload.as_fd())).unwrap();
        self.outcome()
    }

    /// Makes any request.
    pub fn request(&mut self, request: &Request, inputs: &[&[u8]]) -> Outcome {
        let payload = payload::seal_inputs(inputs).unwrap();
        transport::send(&self.socket, request, Some(payload.as_fd())).unwrap();
        self.outcome()
    }

    /// Has the server identify a module, and leaves it waiting for a decision.
    pub fn identify(&self, ir: &[u8]) -> [u8; 32] {
        let payload = payload::seal(&[ir]).unwrap();
        let request = Request::Compile(CompileRequest {
            identify: true,
            ..request("identified", ir.len() as u64)
        });
        transport::send(&self.socket, &request, Some(payload.as_fd())).unwrap();
        match self.receive() {
            Ok((Reply::Identified { digest }, None)) => digest,
            other => panic!("{}: {other:?}", String::from_utf8_lossy(ir)),
        }
    }

    pub fn decide(&self, decision: Decision) {
        transport::send(&self.socket, &decision, None).unwrap();
    }

    /// What comes of a request.
    pub fn outcome(&mut self) -> Outcome {
        match self.receive() {
            Ok((Reply::Compiled(reply), payload)) => {
                let len = reply.image_len + reply.object_len;
                let file = payload::check_payload(payload, len).unwrap();
                let mut image = vec![0; usize::try_from(reply.image_len).unwrap()];
                let mut object = vec![0; usize::try_from(reply.object_len).unwrap()];
                file.read_exact_at(&mut image, 0).unwrap();
                file.read_exact_at(&mut object, reply.image_len).unwrap();
                Outcome::Compiled(Box::new(Artifacts {
                    reply,
                    image,
                    object,
                }))
            }
            Ok((Reply::Emitted { len }, payload)) => {
                let file = payload::check_payload(payload, len).unwrap();
                let mut bytes = vec![0; usize::try_from(len).unwrap()];
                file.read_exact_at(&mut bytes, 0).unwrap();
                Outcome::Emitted(bytes)
            }
            Ok((Reply::Failed(failure), None)) => Outcome::Failed(failure),
            Ok(other) => panic!("{other:?}"),
            Err(TransportError::Closed | TransportError::Io(_)) => {
                let (status, words) = self.wait();
                Outcome::Gone(status, words)
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn send_request(&self, name: &str, input_len: u64, payload: Option<&OwnedFd>) {
        let request = Request::Compile(request(name, input_len));
        transport::send(&self.socket, &request, payload.map(AsFd::as_fd)).unwrap();
    }

    /// Asks for a compile that takes far longer than any test, and returns when the server is in the middle of it.
    pub fn start_slow_compile(&self) {
        let ir = slow_module();
        let request = Request::Compile(CompileRequest {
            progress: true,
            ..request("slow", ir.len() as u64)
        });
        let payload = payload::seal(&[ir.as_bytes()]).unwrap();
        transport::send(&self.socket, &request, Some(payload.as_fd())).unwrap();
        loop {
            match self.receive() {
                Ok((Reply::Progress(progress), None)) if progress.phase == Phase::Parse => {}
                Ok((Reply::Progress(_), None)) => return,
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn send_frame(&self, len: u32, body: &[u8]) {
        // At once: a server that refuses the length reads no further.
        let frame = [&len.to_le_bytes(), body].concat();
        (&self.socket).write_all(&frame).unwrap();
    }

    pub fn receive(&self) -> Result<(Reply, Option<OwnedFd>), TransportError> {
        self.socket
            .set_read_timeout(Some(Duration::from_mins(5)))
            .unwrap();
        loop {
            match transport::receive(&self.socket) {
                Ok((Reply::Started { .. }, None)) => {}
                other => return other,
            }
        }
    }

    pub fn expect_protocol_failure(&self, expect: &str) {
        match self.receive() {
            Ok((Reply::Failed(failure), None)) => {
                assert_eq!(failure.kind, FailureKind::Protocol);
                assert!(failure.message.contains(expect), "{}", failure.message);
            }
            other => panic!("{expect}: {other:?}"),
        }
    }

    pub fn kill(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: the child was not waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Sends a signal to the thread of this name.
    pub fn kill_thread(&self, name: &str, signal: libc::c_int) {
        let pid = self.child.id();
        let thread = std::fs::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .map(|thread| thread.unwrap())
            .find(|thread| {
                std::fs::read_to_string(thread.path().join("comm"))
                    .unwrap()
                    .trim()
                    == name
            })
            .expect(name);
        let id: libc::pid_t = thread.file_name().to_str().unwrap().parse().unwrap();
        // SAFETY: the process was not waited for, so the numbers are still its own.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, pid as libc::pid_t, id, signal) };
        assert_eq!(sent, 0);
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> (ExitStatus, String) {
        (wait::for_child(&mut self.child), self.words())
    }

    pub fn hang_up(mut self) -> ExitStatus {
        let (mut other, _) = UnixStream::pair().unwrap();
        std::mem::swap(&mut self.socket, &mut other);
        drop(other);
        self.wait().0
    }

    pub fn words(&self) -> String {
        let mut bytes = vec![0; usize::try_from(self.stderr.metadata().unwrap().len()).unwrap()];
        self.stderr.read_exact_at(&mut bytes, 0).unwrap();
        // Of a signal, an emulator says more.
        String::from_utf8_lossy(&bytes)
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("qemu: "))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn request(name: &str, input_len: u64) -> CompileRequest {
    CompileRequest {
        name: name.to_owned(),
        key: [0; 32],
        opt_level: OptLevel::O2,
        target: Target::Host(Cpu::native()),
        identify: false,
        progress: false,
        inputs: vec![Input {
            name: name.to_owned(),
            len: input_len,
        }],
        keep: None,
        emit: Emit::Code,
        step: Step::Whole,
        replaceable: false,
        switchable: false,
        max_memory: 0,
    }
}

pub fn memfd(len: u64, bytes: &[u8], sealed: bool) -> OwnedFd {
    use rustix::fs::MemfdFlags;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create("test", flags).unwrap());
    (&file).write_all(bytes).unwrap();
    file.set_len(len).unwrap();
    if sealed {
        rustix::fs::fcntl_add_seals(&file, SEALS).unwrap();
    }
    file.into()
}
