//! Runs a linker by the helper, which is not a child of the host.

use super::handshake;
use super::spawn::Launch;
use crate::error::{Error, Status};
use crate::protocol::external_linker::{DriverFailure, DriverReply, DriverRequest};
use crate::protocol::{payload, transport};
use std::os::fd::AsFd;
use std::path::Path;

/// The result of a link.
pub enum Outcome {
    Linked(Vec<u8>),
    /// With the linker's output.
    Failed(DriverFailure, Vec<u8>),
}

/// Starts the helper at `path`, which runs the linker. Messages call what is linked `name`.
pub fn run(
    path: &Path,
    name: &str,
    request: &DriverRequest,
    inputs: &[&[u8]],
) -> Result<Outcome, Error> {
    let failed = |what: String| Error::new(Status::Linker, format!("{name}: {what}"));
    let payload = payload::seal_inputs(inputs).map_err(|error| {
        Error::new(
            Status::Io,
            format!("the objects of {name} cannot be handed to the linker: {error}"),
        )
    })?;
    let helper = handshake::start(
        path,
        &Launch {
            what: "helper",
            arguments: &[c"link".to_owned()],
            ..Launch::default()
        },
    )?;
    let socket = &helper.socket;
    let reply = transport::send(socket, request, Some(payload.as_fd()))
        .and_then(|()| transport::receive(socket));
    let result = match reply {
        Ok((DriverReply::Failed { failure, output }, _)) => {
            return Ok(Outcome::Failed(failure, output));
        }
        Ok((DriverReply::Linked { len }, payload)) => payload::check_payload(payload, len)
            .and_then(|file| Ok(payload::read_payload(&file, len)?)),
        Err(error) if error.is_end() => {
            let words = handshake::told(&helper, path);
            return Err(failed(format!(
                "the process that runs the linker died{words}"
            )));
        }
        Err(error) => Err(error),
    };
    result
        .map(Outcome::Linked)
        .map_err(|error| failed(format!("the linked file cannot be received: {error}")))
}
