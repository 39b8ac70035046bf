//! What the library says to the process that runs compiled code apart from its host: `mgenjit-helper run`.
//!
//! It is framed as the compile server's protocol is, and begins with the same
//! [`Hello`](crate::protocol::messages::Hello)s. Then the library sends one [`Begin`] for each run, with one end of a socket that is
//! this run's own. On that it sends [`Part`]s, of which the last is [`Part::Go`] or [`Part::Serve`], and gets [`Reply`]s. To shut down its own side of
//! the socket ends the run.
//!
//! The monitor starts a process for the run, and that process reads the parts. It closes the socket before it runs any code of the
//! program. So a reply is the word of this library's own code, whatever the program does.

use crate::error::{Error, Status};
pub use crate::outcome::Missing;
use serde::{Deserialize, Serialize};

/// To the monitor, with the run's socket. Milliseconds; 0: as long as it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    pub wall: u64,
    pub cpu: u64,
    /// It is to make calls: [`Part::Page`] is in its socket already.
    pub calls: bool,
    /// It may start processes.
    pub several: bool,
}

/// What a run is made of, in any order; the program comes first, and [`Part::Go`] or
/// [`Part::Serve`] last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    Program(Box<Program>),
    /// With the file that has the image.
    Module {
        name: String,
        manifest: Vec<u8>,
        /// The image's length.
        len: u64,
        /// Where it is in a file of a cache, which is mapped. `None`: it is all of some sealed memory, which is copied.
        at: Option<u64>,
    },
    /// What becomes this descriptor, 0 to 2. Without it, it is /dev/null.
    Stream(u8),
    /// Memory that the host has at the same address, with its file.
    Shared {
        address: u64,
        len: u64,
    },
    /// The page by which calls are asked for, with its file. The monitor reads this, and wakes the host by that page.
    Page,
    /// Get ready, and wait for [`Part::Go`] or [`Part::Serve`] before any code runs.
    Wait,
    /// Run `main`.
    Go,
    /// Make calls.
    Serve,
}

/// Strings are those of C, without their ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub arguments: Vec<Vec<u8>>,
    /// Each as `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// Empty: `/`.
    pub directory: Vec<u8>,
    /// Shared libraries, loaded before access is taken away.
    pub libraries: Vec<String>,
    pub access: Access,
    pub limits: Limits,
    /// Its modules were compiled as replaceable ones.
    pub replaceable: bool,
    /// What the kernel lacks is an error.
    pub require: bool,
}

/// What the program may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// All files, as the host.
    pub all_files: bool,
    /// Files and folders.
    pub read: Vec<Vec<u8>>,
    pub write: Vec<Vec<u8>>,
    /// The network, and sockets of other programs, as the host.
    pub network: bool,
}

/// What the process itself is limited to; 0: as the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of address space of each process beyond what it starts with.
    pub memory: u64,
    /// Bytes of each file that is written.
    pub file: u64,
    /// Open descriptors.
    pub files: u64,
    /// Seconds of processor time: the kernel's own limit, behind the monitor's.
    pub cpu: u64,
    /// Processes and threads together; 0 and 1: one process.
    pub processes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The program is about to run.
    Ready {
        /// Where its modules' images are, in their order.
        bases: Vec<u64>,
        missing: Missing,
    },
    /// It was not run. [`Reply::Ended`] follows.
    Failed(Failure),
    Ended(Ended),
}

/// Why a program was not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub status: Status,
    pub message: String,
    pub symbols: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// As `wait` tells it.
    pub status: i32,
    pub limit: Option<Limit>,
    /// Microseconds of processor time in the program and in the kernel, and between start and end.
    pub user: u64,
    pub system: u64,
    pub wall: u64,
    /// The most bytes that were in memory.
    pub memory: u64,
    pub fault: Option<Fault>,
}

/// The limit that ended a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    Wall,
    Cpu,
    Memory,
    File,
}

/// Where a signal met the program. It is the program's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub signal: i32,
    /// What it wanted to reach.
    pub address: u64,
    /// The instruction.
    pub instruction: u64,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure {
            status: error.status,
            message: error.message,
            symbols: error.symbols,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error {
            symbols: failure.symbols,
            ..Error::new(failure.status, failure.message)
        }
    }
}

impl Failure {
    pub fn io(message: String) -> Failure {
        Error::new(Status::Io, message).into()
    }

    pub fn invalid(message: String) -> Failure {
        Error::new(Status::InvalidArgument, message).into()
    }

    pub fn unsupported(message: String) -> Failure {
        Error::new(Status::Unsupported, message).into()
    }
}
