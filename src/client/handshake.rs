//! Starts servers, and checks that they are of this library's version.

use super::spawn::{self, Launch, Server};
use crate::error::{Error, Status, reason};
use crate::protocol::last_words;
use crate::protocol::messages::Hello;
use crate::protocol::transport;
use std::path::Path;
use std::time::Instant;

/// Starts the program at `path`.
pub fn spawn(path: &Path, how: &Launch<'_>) -> Result<Server, Error> {
    spawn::start(path, how).map_err(|error| {
        Error::new(
            Status::ServerUnavailable,
            format!(
                "the {} {} cannot be started: {}",
                how.what,
                path.display(),
                reason(&error)
            ),
        )
    })
}

/// Starts the program at `path` and checks that it is one of this library's version.
pub fn start(path: &Path, how: &Launch<'_>) -> Result<Server, Error> {
    let server = spawn(path, how)?;
    let ours = Hello::ours();
    let socket = &server.socket;
    // With a deadline, because the program may be anything.
    let deadline = Instant::now() + how.handshake_timeout;
    let theirs: Result<(Hello, _), _> = transport::send(socket, &ours, None)
        .and_then(|()| transport::receive_by(socket, Some(deadline)));
    match theirs {
        Ok((theirs, _)) if theirs == ours => Ok(server),
        Ok((theirs, _)) => Err(mismatch(how.what, path, &ours, &theirs)),
        Err(error) => {
            let words = told(&server, path);
            Err(Error::new(
                Status::ServerUnavailable,
                format!(
                    "{} does not answer as a {} ({error}){words}",
                    path.display(),
                    how.what
                ),
            ))
        }
    }
}

/// The end of a message about the server at `path`, which has died.
pub fn tell(words: Option<&str>, path: &Path) -> String {
    match words {
        Some(words) => format!("; it said:\n{words}"),
        None => format!(
            "; {} said nothing, as when it is killed because memory runs out",
            path.display()
        ),
    }
}

/// The same, with the last words that the server left.
pub fn told(server: &Server, path: &Path) -> String {
    tell(last_words::read(&server.last_words).as_deref(), path)
}

pub fn mismatch(what: &str, path: &Path, ours: &Hello, theirs: &Hello) -> Error {
    let tell = |hello: &Hello| {
        format!(
            "version {} (protocol {}, LLVM {}, build {})",
            hello.package, hello.protocol, hello.llvm, hello.build
        )
    };
    Error::new(
        Status::ServerMismatch,
        format!(
            "the {what} {} is of {}, but this library is of {}: install the two together",
            path.display(),
            tell(theirs),
            tell(ours)
        ),
    )
}
