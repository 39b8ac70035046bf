//! Starts the uploader: `mgenjit-helper upload`.

use super::handshake;
use super::spawn::Launch;
use crate::error::{Error, Status};
use crate::protocol::messages::Hello;
use crate::protocol::transport;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Starts the helper at `path` to upload. It is not waited for: it reads who this is when it is ready, and outlives this
/// process by what it has to do.
pub fn start(path: &Path) -> Result<UnixStream, Error> {
    let helper = handshake::spawn(
        path,
        &Launch {
            what: "helper",
            arguments: &[c"upload".to_owned()],
            outlives: true,
            ..Launch::default()
        },
    )?;
    transport::send(&helper.socket, &Hello::ours(), None).map_err(|error| {
        Error::new(
            Status::ServerUnavailable,
            format!("the uploader {} ended at once: {error}", path.display()),
        )
    })?;
    Ok(helper.socket)
}
