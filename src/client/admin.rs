//! Asks the shared server for its status, and stops it.

use super::shared_server;
use crate::error::{Error, Status};
use crate::protocol::messages::{Reply, Request, ServerStatus};
use crate::protocol::transport::{self, TransportError};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a server may take to answer. A healthy one answers at once, however busy it is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The shared server's status. [`Status::NotFound`]: there is none.
pub fn status() -> Result<ServerStatus, Error> {
    let socket = shared_server::find()?.ok_or_else(none)?;
    match ask(&socket, &Request::Status, ANSWER_TIMEOUT) {
        Ok(Reply::Status(status)) => Ok(*status),
        Ok(_) => Err(out_of_step("its answer is of the wrong kind")),
        // It may have ended just now, or may refuse the request.
        Err(error) => Err(match error.is_end() && shared_server::find()?.is_none() {
            true => none(),
            false => unanswered(&error),
        }),
    }
}

/// How long to wait for a server to end.
pub enum Wait {
    No,
    For(Duration),
    ForEver,
}

/// Stops the shared server, at once or after its current requests, and waits until it has ended.
/// [`Status::NotFound`]: there is none.
pub fn stop(force: bool, wait: Wait) -> Result<(), Error> {
    let socket = shared_server::find()?.ok_or_else(none)?;
    match ask(&socket, &Request::Stop { force }, ANSWER_TIMEOUT) {
        Ok(Reply::Stopping) => {}
        Ok(_) => return Err(out_of_step("its answer is of the wrong kind")),
        Err(error) => {
            return match error.is_end() && shared_server::find()?.is_none() {
                true => Ok(()),
                false => Err(unanswered(&error)),
            };
        }
    }
    let timeout = match wait {
        Wait::No => return Ok(()),
        Wait::For(timeout) => Some(timeout),
        Wait::ForEver => None,
    };
    match wait_for_end(&socket, timeout) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(
            Status::Timeout,
            format!(
                "the shared compile server was told to stop, but has not stopped within {} ms: it takes no new clients, \
                 and stops when it has answered the ones it has; wait longer, or stop it by force",
                timeout.unwrap_or_default().as_millis()
            ),
        )),
        Err(error) => Err(unanswered(&error.into())),
    }
}

fn ask(socket: &UnixStream, request: &Request, timeout: Duration) -> Result<Reply, TransportError> {
    let deadline = Some(Instant::now() + timeout);
    transport::send_by(socket, request, None, deadline)?;
    Ok(transport::receive_by(socket, deadline)?.0)
}

/// Whether the connection has ended within that time; `None` is for ever.
fn wait_for_end(mut socket: &UnixStream, timeout: Option<Duration>) -> io::Result<bool> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let rest = rest.map(Timespec::try_from).transpose();
        // A time that is too long means for ever.
        let rest = rest.unwrap_or_default();
        let mut fds = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
        match rustix::event::poll(&mut fds, rest.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match socket.read(&mut [0; 64]) {
            Ok(0) => return Ok(true),
            // Whatever it still sends is ignored.
            Ok(_) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionReset => return Ok(true),
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                _ => return Err(error),
            },
        }
    }
}

fn none() -> Error {
    let place =
        shared_server::socket_path().map(|path| format!(": nothing answers at {}", path.display()));
    Error::new(
        Status::NotFound,
        format!(
            "no shared compile server of this build runs{}",
            place.unwrap_or_default()
        ),
    )
}

fn unanswered(error: &TransportError) -> Error {
    if !error.is_timeout() {
        return out_of_step(&error.to_string());
    }
    Error::new(
        Status::Timeout,
        format!(
            "the shared compile server{} does not answer: it was silent for {} s; kill its process, and the next client \
             starts another",
            at(),
            ANSWER_TIMEOUT.as_secs()
        ),
    )
}

fn out_of_step(why: &str) -> Error {
    Error::new(
        Status::ServerCrashed,
        format!("the shared compile server{} cannot be asked: {why}", at()),
    )
}

fn at() -> String {
    let path = shared_server::socket_path();
    path.map_or_else(|_| String::new(), |path| format!(" at {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const SHORT: Duration = Duration::from_millis(50);

    /// A connection whose other side does as `serve` says.
    fn connection(serve: impl FnOnce(UnixStream) + Send + 'static) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        std::thread::spawn(move || serve(theirs));
        ours
    }

    fn hear(socket: &UnixStream) -> Request {
        transport::receive(socket).expect("a request").0
    }

    #[test]
    fn a_server_is_asked_and_its_answer_returned() {
        let told = ServerStatus {
            process: 7,
            queued: 3,
            ..ServerStatus::default()
        };
        let reply = Reply::Status(Box::new(told));
        let expect = reply.clone();
        let socket = connection(move |socket| {
            assert_eq!(hear(&socket), Request::Status);
            transport::send(&socket, &reply, None).expect("sent");
        });
        let answer = ask(&socket, &Request::Status, ANSWER_TIMEOUT).expect("an answer");
        assert_eq!(answer, expect);
    }

    #[test]
    fn a_server_that_is_silent_is_not_waited_for() {
        let (socket, _theirs) = UnixStream::pair().expect("a pair of sockets");
        let error = ask(&socket, &Request::Status, SHORT).expect_err("no answer");
        assert!(!error.is_end(), "{error}");
        assert_eq!(unanswered(&error).status, Status::Timeout);
    }

    #[test]
    fn a_server_that_hangs_up_or_talks_nonsense_is_an_error() {
        let socket = connection(drop);
        let error = ask(&socket, &Request::Status, ANSWER_TIMEOUT).expect_err("an end");
        assert!(error.is_end(), "{error}");
        let socket = connection(|mut socket| {
            hear(&socket);
            socket.write_all(&[1, 0, 0, 0, 0xff]).expect("sent");
        });
        let error = ask(&socket, &Request::Status, ANSWER_TIMEOUT).expect_err("nonsense");
        assert!(!error.is_end(), "{error}");
        assert_eq!(unanswered(&error).status, Status::ServerCrashed);
    }

    #[test]
    fn the_end_of_a_server_is_the_end_of_its_connection() {
        let (socket, theirs) = UnixStream::pair().expect("a pair of sockets");
        assert!(!wait_for_end(&socket, Some(Duration::ZERO)).expect("no error"));
        assert!(!wait_for_end(&socket, Some(SHORT)).expect("no error"));
        // What it still says is not its end.
        (&theirs).write_all(&[0; 200]).expect("sent");
        assert!(!wait_for_end(&socket, Some(SHORT)).expect("no error"));
        drop(theirs);
        assert!(wait_for_end(&socket, Some(Duration::ZERO)).expect("no error"));
        assert!(wait_for_end(&socket, Some(Duration::MAX)).expect("no error"));
        assert!(wait_for_end(&socket, None).expect("no error"));
    }
}
