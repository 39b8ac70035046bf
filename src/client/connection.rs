//! A connection to one compile server.

use super::deadlines::{Deadlines, WaitError};
use super::failures::{died, module_error, out_of_step, unresponsive, worker_died};
use super::handshake::{start, tell};
use super::limits::Limits;
use super::listener::Listener;
use super::spawn::{self, Launch, Server};
use crate::error::{Error, Status};
use crate::protocol::last_words;
use crate::protocol::messages::{Compiled, Cut, Decision, Reply, Request};
use crate::protocol::payload;
use crate::protocol::transport::TransportError;
use crate::types::CompileTimes;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a shared server that has a request may be silent. It reports every few seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that is ready for a request.
#[derive(Debug)]
pub struct Client {
    socket: UnixStream,
    whose: Whose,
    /// From the last [`Reply::Started`].
    pub not_isolated: String,
}

#[derive(Debug)]
enum Whose {
    /// Only for this client.
    Private { last_words: File, path: PathBuf },
    /// Of all the user's processes.
    Shared,
}

/// The result of a request.
#[derive(Debug)]
pub enum Answer {
    Compiled(Output),
    /// The module is to be compiled in pieces, which are in a sealed memfd.
    Cut(Cut, File),
    /// A piece's object in a sealed memfd, and how many bytes that is.
    Piece {
        file: File,
        len: u64,
        times: CompileTimes,
    },
    /// Bytes in a sealed memfd, and how many.
    Emitted(File, u64),
    /// The client stopped the compile, see [`Decision::Stop`].
    Stopped,
}

/// Why a request has no result.
#[derive(Debug)]
pub enum RequestError {
    /// The module is at fault, and the server is ready for the next request.
    Module(Error),
    /// The server is lost.
    Server(Error),
    /// The server is lost, but the request is not to blame: another server may get it.
    Lost(Error),
    /// The shared server had no free worker within this time. A private server may do it, for as long as this client lives.
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
    /// `background`: nobody waits for what it does.
    pub fn start(
        path: &Path,
        log: Option<BorrowedFd<'_>>,
        background: bool,
    ) -> Result<Client, Error> {
        let (arguments, handshake_timeout): (&[CString], _) = match background {
            true => (
                &[c"--background".to_owned()],
                spawn::BACKGROUND_HANDSHAKE_TIMEOUT,
            ),
            false => (&[], spawn::HANDSHAKE_TIMEOUT),
        };
        let Server { socket, last_words } = start(
            path,
            &Launch {
                arguments,
                log,
                handshake_timeout,
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

    /// Sends a request and waits for its result. `spent`: how much of the time limit has passed.
    pub fn request(
        &mut self,
        request: &Request,
        inputs: &[&[u8]],
        limits: &Limits,
        spent: Duration,
        listener: &mut dyn Listener,
    ) -> Result<Answer, RequestError> {
        let name = request.name();
        let mut deadlines = match self.whose {
            Whose::Private { .. } => Deadlines::new(limits.time, None),
            Whose::Shared => Deadlines::new(limits.time, Some(IDLE_TIMEOUT)),
        };
        let payload = payload::seal_inputs(inputs).map_err(|error| {
            let len: usize = inputs.iter().map(|input| input.len()).sum();
            RequestError::Module(Error::new(
                Status::Io,
                format!("{len} bytes of {name} cannot be handed to the compile server: {error}"),
            ))
        })?;
        let socket = &self.socket;
        deadlines.start(spent);
        let started = deadlines
            .send(socket, request, Some(payload.as_fd()))
            .and_then(|()| deadlines.receive(socket, listener));
        let mut reply = match started {
            Ok((Reply::Started { not_isolated }, _)) => {
                self.not_isolated = not_isolated;
                deadlines.receive(socket, listener)
            }
            Ok((Reply::Elsewhere { waited }, _)) if self.is_shared() => {
                return Err(RequestError::Elsewhere(Duration::from_millis(waited)));
            }
            Err(WaitError::TimeLimit) if self.is_shared() => {
                let error = limits.time_waited(name, "all workers of the shared compile server");
                return Err(RequestError::Server(error));
            }
            Err(WaitError::Transport(error)) if error.is_end() => {
                return Err(RequestError::Lost(self.lost(request, limits, &error)));
            }
            other => other,
        };
        if let Ok((Reply::Identified { digest }, _)) = &reply
            && request.identifies()
        {
            let decision = deadlines.pause(|| listener.identified(digest));
            let sent = deadlines.send(socket, &decision, None);
            if decision == Decision::Stop {
                // The next request notices if the server has died since.
                return Ok(Answer::Stopped);
            }
            reply = sent.and_then(|()| deadlines.receive(socket, listener));
        }
        let answer = match reply {
            Ok((Reply::Compiled(compiled), payload)) => compiled
                .payload_len()
                .ok_or(TransportError::TooLong(u64::MAX))
                .and_then(|len| payload::check_payload(payload, len))
                .map(|payload| Answer::Compiled(Output { compiled, payload })),
            Ok((Reply::Cut(cut), payload)) => cut
                .payload_len()
                .ok_or(TransportError::TooLong(u64::MAX))
                .and_then(|len| payload::check_payload(payload, len))
                .map(|payload| Answer::Cut(cut, payload)),
            Ok((Reply::Piece { len, times }, payload)) => {
                payload::check_payload(payload, len).map(|file| Answer::Piece { file, len, times })
            }
            Ok((Reply::Emitted { len }, payload)) => {
                payload::check_payload(payload, len).map(|file| Answer::Emitted(file, len))
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
            Err(WaitError::TimeLimit) => {
                return Err(RequestError::Server(limits.time_exceeded(name)));
            }
            Err(WaitError::Unresponsive) => {
                return Err(RequestError::Lost(unresponsive(name, IDLE_TIMEOUT)));
            }
            Err(WaitError::Transport(error)) => Err(error),
        };
        answer.map_err(|error| {
            let lost = self.lost(request, limits, &error);
            match self.whose {
                Whose::Shared if error.is_end() => RequestError::Lost(lost),
                _ => RequestError::Server(lost),
            }
        })
    }

    fn lost(&self, request: &Request, limits: &Limits, error: &TransportError) -> Error {
        let name = request.name();
        // The server is not to blame for an error of this process.
        if let TransportError::NoDescriptor | TransportError::Io(_) = error
            && !error.is_end()
        {
            return Error::new(
                Status::Io,
                format!("the compile server's answer about {name} cannot be received: {error}"),
            );
        }
        let what = if error.is_end() {
            "died".to_owned()
        } else {
            format!("cannot be understood ({error})")
        };
        let (words, told) = match &self.whose {
            Whose::Private {
                last_words: file,
                path,
            } => {
                let words = last_words::read(file);
                let told = tell(words.as_deref(), path);
                (words, told)
            }
            Whose::Shared => (None, "; it is shared with other processes".to_owned()),
        };
        died(request, limits, &what, words.as_deref(), &told)
    }
}

#[cfg(test)]
mod tests;
