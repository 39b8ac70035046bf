//! The errors of failed requests.

use super::limits::Limits;
use crate::error::{Error, Status};
use crate::protocol::messages::{
    Cause, Death, Failure, FailureKind, LinkOutput, LinkRequest, Request,
};
use crate::protocol::profile;
use crate::types::{Input, Position};
use std::time::Duration;

/// The error for a server or worker that died. `words`: its last words.
pub fn died(
    request: &Request,
    limits: &Limits,
    what: &str,
    words: Option<&str>,
    told: &str,
) -> Error {
    let name = request.name();
    if let Some(error) = limits.memory_exceeded(name, told) {
        return error;
    }
    let did = did(request);
    let message = format!("the compile server {what} while {did} {name}{told}");
    Error {
        repeats: words.is_some_and(is_its_own_doing),
        // A server that was killed from outside leaves no last words.
        reproduces: words.is_some(),
        ..Error::new(Status::ServerCrashed, message)
    }
}

/// Whether these last words are of a compile that fails each time: LLVM gave up or crashed. Running out of memory is
/// different: the machine may have more another time. So is SIGBUS, a page that the machine could not provide.
fn is_its_own_doing(words: &str) -> bool {
    let crashed = words.contains("LLVM ERROR: ")
        || words.contains("mgenjit-server: signal ")
        || words.contains("mgenjit-server: stack overflow");
    let lacked = ["out of memory", "(SIGBUS)"];
    crashed && !lacked.iter().any(|lacked| words.contains(lacked))
}

/// The error for a shared server's worker that died.
pub fn worker_died(request: &Request, limits: &Limits, death: &Death) -> Error {
    let name = request.name();
    let words = Some(death.words.as_str()).filter(|words| !words.is_empty());
    let exceeded = |status, limit: String| Error {
        reproduces: true,
        ..Error::new(
            status,
            format!(
                "{name} exceeded the shared compile server's limit of {limit}: start the server with a higher one \
                 (mgenjit_config_set_server_limits), use a private server, or optimise less"
            ),
        )
    };
    let ended = |why: String| {
        let did = did(request);
        Error::new(
            Status::ServerCrashed,
            format!("the shared compile server ended its worker while {did} {name}: {why}"),
        )
    };
    match death.cause {
        Cause::Time(limit) => exceeded(Status::Timeout, format!("{limit} ms of processor time")),
        Cause::Memory(limit) => exceeded(Status::Memory, format!("{limit} bytes of memory")),
        Cause::Hung(time) => ended(format!(
            "it did nothing for {time} ms, because it was stopped or hung; try again"
        )),
        Cause::OutOfStep => ended("its messages could not be understood".to_owned()),
        Cause::Unknown => {
            let told = match (words, death.signal) {
                (Some(words), _) => format!("; it said:\n{words}"),
                (None, 0) => "; it said nothing".to_owned(),
                (None, signal) => format!(
                    "; it was killed by signal {signal} and said nothing, as when memory runs out"
                ),
            };
            died(request, limits, "died", words, &told)
        }
    }
}

fn did(request: &Request) -> &'static str {
    // LLVM's reader trusts what a profile says.
    let is_profile = |input: &Input| input.name == profile::NAME;
    match request {
        Request::Compile(_) if request.inputs().iter().any(is_profile) => {
            "compiling by a profile, which may be damaged,"
        }
        Request::Link(LinkRequest {
            output: LinkOutput::Profile,
            ..
        }) => "reading what may be damaged,",
        Request::Compile(_) => "compiling",
        Request::Link(_) | Request::Status | Request::Stop { .. } => "linking",
    }
}

/// The error for a shared server that is stopped or hangs.
pub fn unresponsive(name: &str, after: Duration) -> Error {
    Error::new(
        Status::ServerCrashed,
        format!(
            "the shared compile server has said nothing for {} s while compiling {name}",
            after.as_secs()
        ),
    )
}

/// The error for an answer that does not match the request.
pub fn out_of_step(name: &str) -> Error {
    Error::new(
        Status::ServerCrashed,
        format!(
            "the compile server answered the request for {name} with a message of the wrong kind"
        ),
    )
}

pub fn module_error(request: &Request, failure: Failure) -> Error {
    let status = match failure.kind {
        FailureKind::Parse => Status::Parse,
        FailureKind::Verify => Status::Verify,
        FailureKind::Target => Status::Target,
        FailureKind::Codegen => Status::Codegen,
        FailureKind::Link => Status::Link,
        FailureKind::NoSymbol => Status::NotFound,
        FailureKind::Unsupported => Status::Unsupported,
        FailureKind::Protocol => Status::ServerCrashed,
    };
    let input = failure.input.and_then(|index| {
        let input = request.inputs().get(index as usize)?;
        Some(input.name.as_str())
    });
    let name = input.unwrap_or(request.name());
    // As compilers write it, so that editors find the place.
    let place = match &failure.position {
        Some(Position {
            line, column: 0, ..
        }) => format!("{name}:{line}"),
        Some(Position { line, column, .. }) => format!("{name}:{line}:{column}"),
        None => name.to_owned(),
    };
    Error {
        position: failure.position,
        ..Error::new(status, format!("{place}: {}", failure.message))
    }
}
