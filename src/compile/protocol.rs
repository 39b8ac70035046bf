//! What a client and a compile server say to each other.
//!
//! A connection is a stream socket. Both sides first send a [`Hello`]; then the client sends one [`Request`] at
//! a time, and the server answers each with [`Reply::Started`] and then one other [`Reply`]. If the request asks
//! for it, the server says in between what it has read, [`Reply::Identified`], and waits for a [`Decision`].
//! `transport` frames the messages.
//!
//! A request carries the IR as a sealed memfd; a reply to a successful one carries the image and the object,
//! one after the other, as a sealed memfd. The server is a pure function of the request: equal requests get
//! byte-identical images and objects.

use crate::signature::Function;
use serde::{Deserialize, Serialize};

/// The version of this protocol. It is compared before anything else is read.
pub const PROTOCOL_VERSION: u32 = 2;

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
    /// This machine, with all that it can do.
    Native,
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
    pub const ALL: [Cpu; 5] = [
        Cpu::Native,
        Cpu::Level(Level::V1),
        Cpu::Level(Level::V2),
        Cpu::Level(Level::V3),
        Cpu::Level(Level::V4),
    ];

    /// As compilers call it after `-march=`.
    pub fn name(self) -> &'static str {
        match self {
            Cpu::Native => "native",
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

/// A module to compile. The IR follows as a sealed memfd of `input_len` bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What messages call the input: a path, or a name that the caller chose.
    pub name: String,
    pub opt_level: OptLevel,
    /// Functions that name a CPU of their own are compiled for that one.
    pub cpu: Cpu,
    /// Whether the server is to send [`Reply::Identified`].
    pub identify: bool,
    pub input_len: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The request has arrived. If the server dies after this, it may be the request's fault; before, it is not.
    Started,
    /// What the module is, whatever its names, its layout and its comments: code depends on this digest and the
    /// request's options alone. The client says what is to be done.
    Identified {
        digest: [u8; 32],
    },
    Compiled(Compiled),
    Failed(Failure),
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
    pub object_len: u64,
    /// The target that LLVM generated code for.
    pub triple: String,
    pub cpu: String,
    pub features: String,
    /// The functions that the image exports, in the module's order.
    pub functions: Vec<Function>,
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
    /// The object could not be linked into an image.
    Link,
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
