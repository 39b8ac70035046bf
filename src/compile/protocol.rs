//! What a client and a compile server say to each other.
//!
//! A connection is a stream socket. Both sides first send a [`Hello`]; then the client sends one [`Request`] at
//! a time, and the server answers each with [`Reply::Started`] and then one other [`Reply`]. If the request asks
//! for it, the server says in between what it has read, [`Reply::Identified`], and waits for a [`Decision`], and
//! says now and then how far it is, [`Reply::Progress`]. `transport` frames the messages.
//!
//! A shared server speaks this with its clients and, as their client, with its workers. What it adds: it may say
//! [`Reply::Progress`] before [`Reply::Started`], [`Reply::Elsewhere`] in its place, [`Reply::Died`] when the worker died,
//! and it answers [`Request::Status`] and [`Request::Stop`].
//!
//! A request carries its inputs in a sealed memfd, see [`Input`]; a reply to a successful one carries what was made
//! in another. The server is a pure function of the request: equal requests get byte-identical replies.

use crate::cpu::Model;
use crate::signature::Function;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How images spell the `@` of a symbol that is wanted or defined in one version (`memcpy@GLIBC_2.2.5`): linkers take
/// the character itself for their own business.
pub const VERSION_MARK: u8 = 1;

/// The version of this protocol. It is compared before anything else is read.
pub const PROTOCOL_VERSION: u32 = 6;

/// This package's version, as both the library and the server were built with.
pub const PACKAGE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version of LLVM that the server was built with, `22.1.8`.
pub const LLVM_VERSION: &str = env!("MGENJIT_LLVM_VERSION");

/// A digest of the server's sources and of the dependencies' versions: two servers with equal build ids
/// produce equal code.
pub const BUILD_ID: &str = env!("MGENJIT_BUILD_ID");

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    pub package: String,
    pub llvm: String,
    pub build: String,
}

impl Hello {
    /// What this build says of itself.
    pub fn ours() -> Hello {
        Hello {
            protocol: PROTOCOL_VERSION,
            package: PACKAGE_VERSION.to_owned(),
            llvm: LLVM_VERSION.to_owned(),
            build: BUILD_ID.to_owned(),
        }
    }
}

/// The standard optimisation pipelines. The numbers are the C API's and part of every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OptLevel {
    O0 = 0,
    O1 = 1,
    O2 = 2,
    O3 = 3,
    Os = 4,
    Oz = 5,
}

impl OptLevel {
    pub const ALL: [OptLevel; 6] = [
        OptLevel::O0,
        OptLevel::O1,
        OptLevel::O2,
        OptLevel::O3,
        OptLevel::Os,
        OptLevel::Oz,
    ];

    /// As in a pipeline's name, `default<O2>`.
    pub fn name(self) -> &'static str {
        match self {
            OptLevel::O0 => "O0",
            OptLevel::O1 => "O1",
            OptLevel::O2 => "O2",
            OptLevel::O3 => "O3",
            OptLevel::Os => "Os",
            OptLevel::Oz => "Oz",
        }
    }
}

/// What code is generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cpu {
    /// The client's, with all that it can do: what the server itself runs on may be another one.
    Native(Model),
    /// Every machine of a level.
    Level(Level),
}

/// The levels of the x86-64 psABI, table 3.1, "Micro-Architecture Levels".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    V1,
    V2,
    V3,
    V4,
}

impl Cpu {
    /// As compilers call it after `-march=`.
    pub fn name(self) -> &'static str {
        match self {
            Cpu::Native(_) => "native",
            Cpu::Level(level) => level.name(),
        }
    }
}

impl Level {
    pub const ALL: [Level; 4] = [Level::V1, Level::V2, Level::V3, Level::V4];

    /// The psABI's name and LLVM's.
    pub fn name(self) -> &'static str {
        match self {
            Level::V1 => "x86-64",
            Level::V2 => "x86-64-v2",
            Level::V3 => "x86-64-v3",
            Level::V4 => "x86-64-v4",
        }
    }
}

/// The system and the machine that code is generated for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// This machine's system: the code is to run here.
    Host(Cpu),
    /// Any that LLVM knows: the code is to be exported.
    Other(TargetSpec),
}

/// A target by LLVM's names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TargetSpec {
    pub triple: String,
    /// Empty: the triple's generic CPU.
    pub cpu: String,
    /// As `+sve,-crc`; empty: those of the CPU.
    pub features: String,
}

impl TargetSpec {
    /// For people: `aarch64-linux-gnu cortex-a72 +sve`.
    pub fn describe(&self) -> String {
        let TargetSpec {
            triple,
            cpu,
            features,
        } = self;
        let parts = [triple, cpu, features].map(String::as_str);
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    Compile(CompileRequest),
    Link(LinkRequest),
    /// Of a shared server alone: what it does. The answer is [`Reply::Status`], at once.
    Status,
    /// Of a shared server alone: to take no more clients, and to end when it has answered the requests that it has.
    /// The answer is [`Reply::Stopping`], at once, and then the end of the connection when the server ends.
    Stop {
        /// To end at once: its clients turn to another server.
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

/// One of a request's inputs. They lie in one memfd, each from a multiple of [`INPUT_ALIGNMENT`] on, with at least
/// one zero behind each but the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What messages call it: a path, or a name that the caller chose.
    pub name: String,
    pub len: u64,
}

/// A page: the server maps each input by itself.
pub const INPUT_ALIGNMENT: u64 = 4096;

/// Where each input begins, and the length of all; `None` if there is no such file.
pub fn layout(inputs: &[Input]) -> Option<(Vec<u64>, u64)> {
    let mut offsets = Vec::with_capacity(inputs.len());
    let mut end = 0_u64;
    for (index, input) in inputs.iter().enumerate() {
        let start = match index {
            0 => 0,
            _ => end
                .checked_add(1)?
                .checked_next_multiple_of(INPUT_ALIGNMENT)?,
        };
        offsets.push(start);
        end = start.checked_add(input.len)?;
    }
    Some((offsets, end))
}

/// Inputs to compile into one module. What each is, IR text, bitcode, a relocatable object or a static archive, its
/// first bytes tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileRequest {
    /// What messages call the module.
    pub name: String,
    /// What the cache calls it; for the server's log alone.
    pub key: [u8; 32],
    pub opt_level: OptLevel,
    /// Functions that name a CPU of their own are compiled for that one.
    pub target: Target,
    /// Whether the server is to send [`Reply::Identified`].
    pub identify: bool,
    /// Whether the server is to send [`Reply::Progress`].
    pub progress: bool,
    pub inputs: Vec<Input>,
    /// The symbols that others are to see, sorted, each once; `None`: all that are external.
    pub keep: Option<Vec<String>>,
    pub emit: Emit,
    /// How many bytes of memory the compile may take beyond what an idle server has and what holds the inputs; 0: as
    /// many as there are. A server that needs more dies, and says so.
    pub max_memory: u64,
}

/// What a compile is to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Emit {
    /// The image and the object. The image is empty if the target is not this machine's system.
    Code,
    /// The assembly text of what the IR among the inputs becomes.
    Assembly,
    /// The IR after the optimiser, as bitcode or as text.
    Bitcode,
    Ir,
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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The request has arrived. If the server dies after this, it may be the request's fault; before, it is not.
    Started {
        /// What keeps the server from being isolated as it should be; empty if it is.
        not_isolated: String,
    },
    /// What the module is, whatever its names, its layout and its comments: code depends on this digest and the
    /// request's options alone. The client says what is to be done.
    Identified {
        digest: [u8; 32],
    },
    /// The request is being worked on, or waits for that. It comes every [`PROGRESS_INTERVAL`] or so; a request that
    /// takes less than that has none.
    Progress(Progress),
    Compiled(Compiled),
    /// The answer to a request for anything but code. It follows as a sealed memfd.
    Emitted {
        len: u64,
    },
    Failed(Failure),
    /// The worker that had the request died. A private server cannot say that of itself.
    Died(Death),
    /// The request has waited for a worker for so many milliseconds: the client may have a private server do it, for as
    /// long as it keeps the connection open. Nothing more is sent for this request.
    Elsewhere {
        waited: u64,
    },
    Status(Box<ServerStatus>),
    Stopping,
}

/// How often a server says how far it is.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub phase: Phase,
    /// How many functions of the module, or requests before this one, are done, of how many; 0 of 0 if that is not
    /// known.
    pub done: u32,
    pub total: u32,
}

/// What is being done for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It waits for a worker.
    Queue,
    /// Read and verify the inputs, and make the module canonical.
    Parse,
    Optimise,
    Codegen,
    Link,
}

impl Phase {
    /// As events tell it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Queue => "queue",
            Phase::Parse => "parse",
            Phase::Optimise => "optimise",
            Phase::Codegen => "codegen",
            Phase::Link => "link",
        }
    }
}

/// How a worker ended in the middle of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The signal that ended it; 0 if it exited.
    pub signal: i32,
    /// What it, or LLVM in it, said last; empty if nothing.
    pub words: String,
    pub cause: Cause,
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// By itself, or by something that the server knows nothing of.
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

/// A successful compile. The image and then the object follow as one sealed memfd.
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
    pub times: CompileTimes,
}

/// Microseconds that the phases of a compile took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileTimes {
    /// Parse, verify, make canonical.
    pub parse: u64,
    /// The optimisation pipeline.
    pub optimise: u64,
    /// Generate the object.
    pub codegen: u64,
    /// Link the object into an image.
    pub link: u64,
}

impl CompileTimes {
    /// What a hit saves.
    pub fn total(&self) -> u64 {
        let CompileTimes {
            parse,
            optimise,
            codegen,
            link,
        } = *self;
        parse
            .saturating_add(optimise)
            .saturating_add(codegen)
            .saturating_add(link)
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

/// A place in IR text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1; 0 if only the line is known.
    pub column: u32,
    /// The line's text, without its end.
    pub source_line: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_lie_on_pages_of_their_own_with_a_zero_between() {
        fn check(lens: &[u64], expect: Option<(&[u64], u64)>) {
            let inputs: Vec<Input> = lens
                .iter()
                .map(|len| Input {
                    name: String::new(),
                    len: *len,
                })
                .collect();
            let expect = expect.map(|(offsets, end)| (offsets.to_vec(), end));
            assert_eq!(layout(&inputs), expect, "{lens:?}");
        }
        check(&[], Some((&[], 0)));
        check(&[10], Some((&[0], 10)));
        check(&[0, 0], Some((&[0, 4096], 4096)));
        check(&[4095, 1], Some((&[0, 4096], 4097)));
        check(&[4096, 4096, 5], Some((&[0, 8192, 16384], 16389)));
        check(&[u64::MAX], Some((&[0], u64::MAX)));
        check(&[u64::MAX, 1], None);
        check(&[1, u64::MAX - 100], None);
    }
}
