//! The messages between a client and a compile server.
//!
//! A connection is a stream socket. Both sides first send a [`Hello`]. Then the client sends one [`Request`] at a
//! time, and the server answers with [`Reply::Started`] and one other [`Reply`]. If the request asks for it, the
//! server sends [`Reply::Identified`] in between and waits for a [`Decision`], and sends [`Reply::Progress`] every so
//! often. `transport` frames the messages. A large module takes several requests, see [`Step`].
//!
//! A shared server uses this protocol with its clients and, as a client, with its workers. It may also send
//! [`Reply::Progress`] before [`Reply::Started`], [`Reply::Elsewhere`] in its place, and [`Reply::Died`] when a
//! worker died; and it answers [`Request::Status`] and [`Request::Stop`].
//!
//! A request carries its inputs in a sealed memfd, see [`Input`]. A successful reply carries its output in another
//! one. The server is a pure function of the request: equal requests get byte-identical replies.

use crate::signature::Function;
use crate::types::{
    CodeOptions, CompileTimes, Emit, Input, OptLevel, Partition, Position, ProfileUse, Target,
};
use crate::version::{BUILD_ID, LLVM_VERSION, PACKAGE_VERSION};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How images spell the `@` of a symbol that is wanted or defined in one version (`memcpy@GLIBC_2.2.5`): linkers take
/// the character itself for their own business.
pub const VERSION_MARK: u8 = 1;

/// What the flags of an image's ELF header are if its functions may be switched to code of another level; else 0.
pub const SWITCHABLE_MARK: u32 = 1;

/// The version of this protocol. It is compared before anything else is read.
pub const PROTOCOL_VERSION: u32 = 11;

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    pub package: String,
    pub llvm: String,
    pub build: String,
}

impl Hello {
    /// The greeting of this build.
    pub fn ours() -> Hello {
        Hello {
            protocol: PROTOCOL_VERSION,
            package: PACKAGE_VERSION.to_owned(),
            llvm: LLVM_VERSION.to_owned(),
            build: BUILD_ID.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Compile(CompileRequest),
    Link(LinkRequest),
    /// Shared server only: asks for [`Reply::Status`], which comes at once.
    Status,
    /// Shared server only: take no more clients, answer the current requests, and end. [`Reply::Stopping`] comes at
    /// once; the connection closes when the server ends.
    Stop {
        /// End at once. Its clients turn to another server.
        force: bool,
    },
}

impl Request {
    /// What messages call what is made.
    pub fn name(&self) -> &str {
        match self {
            Request::Compile(request) => &request.name,
            Request::Link(request) => &request.name,
            Request::Status | Request::Stop { .. } => "",
        }
    }

    pub fn inputs(&self) -> &[Input] {
        match self {
            Request::Compile(request) => &request.inputs,
            Request::Link(request) => &request.inputs,
            Request::Status | Request::Stop { .. } => &[],
        }
    }

    /// Whether the server asks for a [`Decision`].
    pub fn identifies(&self) -> bool {
        matches!(
            self,
            Request::Compile(CompileRequest { identify: true, .. })
        )
    }
}

/// Inputs to compile into one module. The format of each is detected from its first bytes: IR text, bitcode, a
/// relocatable object or a static archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileRequest {
    /// What messages call the module.
    pub name: String,
    /// The cache's key; for the server's log only.
    pub key: [u8; 32],
    pub opt_level: OptLevel,
    /// Functions that name a CPU of their own are compiled for that one.
    pub target: Target,
    /// Whether the server is to send [`Reply::Identified`].
    pub identify: bool,
    /// Whether the server is to send [`Reply::Progress`].
    pub progress: bool,
    pub inputs: Vec<Input>,
    /// The symbols to export, sorted, each once. `None`: all external ones.
    pub keep: Option<Vec<String>>,
    pub emit: Emit,
    pub step: Step,
    /// Whether functions that others can see may be replaced later. Then nothing may rely on what they do, and each call of
    /// one and each address of one goes through the loader.
    pub replaceable: bool,
    /// Whether functions that others can see may be switched later to code of another level. So they are if the module has
    /// nothing that speaks against it, and its image is marked then: see [`SWITCHABLE_MARK`].
    pub switchable: bool,
    /// The memory limit in bytes, beyond what an idle server and the inputs take. 0: no limit. A server that exceeds
    /// it dies with a message.
    pub max_memory: u64,
}

/// Which part of a compile a request asks for. A large module is compiled by several requests: one cuts it, one for each
/// piece compiles that, and one joins the objects. Only [`Emit::Code`] has more than one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// All of it.
    Whole,
    /// All of it, or, if the module is to be compiled in pieces, [`Reply::Cut`].
    Cut(Partition),
    /// The input is a piece that a server has cut. The answer is [`Reply::Piece`]. Nothing is identified.
    Piece,
    /// The inputs are what [`Reply::Cut`] had behind the pieces; then so many of the compile's own inputs, which it named;
    /// then what [`Reply::Piece`] had for each piece, in the order of the pieces. The answer is [`Reply::Compiled`].
    /// Nothing is identified. `keep` is as for the other steps.
    Join { natives: u32 },
}

impl Step {
    /// What logs call it; `None`: it is the only one.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Step::Whole => None,
            Step::Cut(_) => Some("cut"),
            Step::Piece => Some("piece"),
            Step::Join { .. } => Some("join"),
        }
    }

    /// The step that a compile begins with.
    pub fn first(options: CodeOptions) -> Step {
        match options.partition {
            Partition::Off => Step::Whole,
            // Pieces are compiled with what they import of each other.
            _ if options.replaceable => Step::Whole,
            // A module has one table of what it counts.
            _ if options.profile == ProfileUse::Generate => Step::Whole,
            partition => Step::Cut(partition),
        }
    }
}

/// Objects to link for export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRequest {
    /// What messages call what is made.
    pub name: String,
    pub target: Target,
    pub output: LinkOutput,
    /// Relocatable objects, or archives of such, of which every member is linked; the last `libraries` are shared
    /// libraries, of which those that are used become needed.
    pub inputs: Vec<Input>,
    pub libraries: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkOutput {
    /// A shared library as it is installed, which no image is.
    SharedLibrary { soname: Option<String> },
    /// One relocatable object.
    Object,
    /// An indexed profile. The inputs are profiles, raw, indexed or as text.
    Profile,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The request was received. If the server dies before this, the request isn't to blame.
    Started {
        /// Why the server isn't fully isolated; empty if it is.
        not_isolated: String,
    },
    /// A digest of the canonical module, without names, layout and comments. Code depends on it and the request's
    /// options only. The client answers with a [`Decision`].
    Identified {
        digest: [u8; 32],
    },
    /// The request is in progress, or queued. Sent about every [`PROGRESS_INTERVAL`]; a shorter request gets none.
    Progress(Progress),
    Compiled(Compiled),
    /// The module is to be compiled in pieces.
    Cut(Cut),
    /// A piece was compiled. What [`Step::Join`] needs of it follows as a sealed memfd of this length.
    Piece {
        len: u64,
        times: CompileTimes,
    },
    /// The answer to a request for something other than code. It follows as a sealed memfd.
    Emitted {
        len: u64,
    },
    Failed(Failure),
    /// The worker that had the request died. A private server cannot send this.
    Died(Death),
    /// The request has waited this many milliseconds for a worker. The client may use a private server as long as it
    /// keeps the connection open. Nothing more is sent for this request.
    Elsewhere {
        waited: u64,
    },
    Status(Box<ServerStatus>),
    Stopping,
}

/// How often a server sends progress.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The progress of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub phase: Phase,
    /// `done` of `total` functions of the module, or of requests before this one. 0 of 0: unknown.
    pub done: u32,
    pub total: u32,
}

/// The phase that a request is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It waits for a worker.
    Queue,
    /// Read and verify the inputs, and make the module canonical.
    Parse,
    Optimise,
    Codegen,
    Link,
    /// Servers compile the module's pieces. No server says this.
    Pieces,
}

impl Phase {
    /// The name that events use.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Queue => "queue",
            Phase::Parse => "parse",
            Phase::Optimise => "optimise",
            Phase::Codegen => "codegen",
            Phase::Link => "link",
            Phase::Pieces => "pieces",
        }
    }
}

/// How a worker ended in the middle of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The signal that ended it; 0 if it exited.
    pub signal: i32,
    /// Its last message, or LLVM's; empty if there was none.
    pub words: String,
    pub cause: Cause,
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// By itself, or for a reason that the server does not know.
    #[default]
    Unknown,
    /// The server ended it: it took more milliseconds of processor time than one request may.
    Time(u64),
    /// It took more bytes of memory than the server lets one request have.
    Memory(u64),
    /// The server ended it: it took no processor time for so many milliseconds, because it was stopped or hung.
    Hung(u64),
    /// The server ended it: it could not be understood.
    OutOfStep,
}

/// What a shared server does, and what it has done since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The server's process.
    pub process: u32,
    /// Milliseconds since it started.
    pub uptime: u64,
    /// Milliseconds without a request after which it ends.
    pub idle_timeout: u64,
    /// Whether it takes no more clients.
    pub stopping: bool,
    /// Connections now, the asking one included, and the processes that have them.
    pub connections: u32,
    pub clients: u32,
    /// Requests that wait for a worker, and that are worked on.
    pub queued: u32,
    pub running: u32,
    /// Workers now, how many of these wait for a request, and how many may work at once.
    pub workers: u32,
    pub idle_workers: u32,
    pub max_workers: u32,
    /// Bytes of memory of the server and of all workers together, as far as /proc tells.
    pub memory: u64,
    pub worker_memory: u64,
    /// Requests that came, and what became of them: a result, an error of the module, a result of another client's
    /// equal request, a client that was gone or wanted no more, a worker that died.
    pub requests: u64,
    pub compiled: u64,
    pub failed: u64,
    pub joined: u64,
    pub cancelled: u64,
    pub crashed: u64,
    /// Connections that came, and that were refused or cut: too many, too slow, or not understood.
    pub accepted: u64,
    pub refused: u64,
    /// Workers that were started, and that were replaced because they had taken much memory.
    pub started_workers: u64,
    pub recycled_workers: u64,
    /// What one request may take: milliseconds of processor time and bytes of memory. 0: no limit.
    pub max_time: u64,
    pub max_memory: u64,
    /// Milliseconds that a request waits for a worker until its client may use a private server; 0: for ever. How many
    /// clients do so now, and how many may.
    pub queue_timeout: u64,
    pub private_servers: u32,
    pub max_private_servers: u32,
    /// Requests that took more than one may, workers that were ended because they were stopped or hung, and requests that
    /// waited so long that their clients were sent to a private server.
    pub limited: u64,
    pub hung_workers: u64,
    pub sent_away: u64,
}

/// The client's answer to [`Reply::Identified`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    Compile,
    /// The client has the code already. Nothing more is sent for this request.
    Stop,
}

/// A successful compile. The image, the object and then the sources follow as one sealed memfd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiled {
    pub image_len: u64,
    /// Of a relocatable object, or of a GNU archive if objects were among what was linked.
    pub object_len: u64,
    /// The target that LLVM generated code for.
    pub triple: String,
    pub cpu: String,
    pub features: String,
    /// The functions that the image exports, in the module's order.
    pub functions: Vec<Function>,
    /// What is odd about the inputs, and no error.
    pub warnings: Vec<String>,
    /// Texts that debug information refers to and that are in no file yet: see `source_paths`.
    pub sources: Vec<Input>,
    pub times: CompileTimes,
}

impl Compiled {
    /// The length of all that follows.
    pub fn payload_len(&self) -> Option<u64> {
        let lens = self.sources.iter().map(|source| source.len);
        [self.image_len, self.object_len]
            .into_iter()
            .chain(lens)
            .try_fold(0_u64, u64::checked_add)
    }
}

/// What a module was cut into. The pieces follow as one sealed memfd, one after the other, and then what [`Step::Join`]
/// needs beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    pub pieces: Vec<Piece>,
    pub rest_len: u64,
    /// The inputs that [`Step::Join`] needs, by their indices: those that are not IR.
    pub natives: Vec<u32>,
    pub times: CompileTimes,
}

/// A piece of a module: bitcode, of which code is a pure function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its first function, or what else it has.
    pub name: String,
    pub functions: u32,
    /// Without those of functions that are only imported.
    pub instructions: u32,
    pub len: u64,
}

impl Cut {
    /// The length of all that follows.
    pub fn payload_len(&self) -> Option<u64> {
        let lens = self.pieces.iter().map(|piece| piece.len);
        lens.chain([self.rest_len])
            .try_fold(0_u64, u64::checked_add)
    }
}

/// Why a module could not be compiled. The server goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
    /// The input that is at fault, by its index, if it is one alone.
    pub input: Option<u32>,
    /// Where in the input, if LLVM knows.
    pub position: Option<Position>,
}

impl Failure {
    /// One of no single input, and of no place in one.
    pub fn new(kind: FailureKind, message: String) -> Failure {
        Failure {
            kind,
            message,
            input: None,
            position: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The input is neither IR text nor bitcode that this LLVM can read.
    Parse,
    /// The IR breaks a rule of the language.
    Verify,
    /// The input asks for a target or data layout other than the one that is compiled for.
    Target,
    /// LLVM could not generate code for it.
    Codegen,
    /// The inputs contradict each other, or could not be linked into an image.
    Link,
    /// No input defines a symbol that is to be kept.
    NoSymbol,
    /// The target cannot have what was asked for.
    Unsupported,
    /// The request itself was malformed.
    Protocol,
}
