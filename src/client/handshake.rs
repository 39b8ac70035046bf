//! Starts servers, and checks that they are of this library's version.

use super::spawn::{self, Launch, Server};
use crate::error::{Error, Status, reason};
use crate::protocol::messages::Hello;
use crate::protocol::transport;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a new server may take until it speaks. It needs some 10 ms on an idle machine.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

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
