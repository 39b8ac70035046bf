//! How a server greets its client.

use super::messages::{Failure, FailureKind, Hello, Reply};
use super::transport;
use crate::version::LLVM_VERSION;
use std::os::unix::net::UnixStream;

/// Both sides say who they are, and neither goes on if the other is another build: the client trusts that
/// equal keys mean equal code.
pub fn greet(socket: &UnixStream, ours: Hello) -> Result<(), String> {
    transport::send(socket, &ours, None).map_err(|error| error.to_string())?;
    let refuse = |message: String| {
        // A client of another version may not understand even this; then our greeting tells it enough.
        let _ = transport::send(
            socket,
            &Reply::Failed(Failure::new(FailureKind::Protocol, message.clone())),
            None,
        );
        Err(message)
    };
    if ours.llvm != LLVM_VERSION {
        return refuse(format!(
            "the server was built with LLVM {LLVM_VERSION} and runs with LLVM {}: build it again",
            ours.llvm
        ));
    }
    let theirs = match transport::receive::<Hello>(socket) {
        Ok((hello, _)) => hello,
        Err(error) => return refuse(format!("the client did not say who it is: {error}")),
    };
    if theirs != ours {
        return refuse(format!(
            "the client is {} and the server is {}: install both from one build",
            describe(&theirs),
            describe(&ours)
        ));
    }
    Ok(())
}

fn describe(hello: &Hello) -> String {
    format!(
        "mgenjit {} (protocol {}, LLVM {}, build {})",
        hello.package, hello.protocol, hello.llvm, hello.build
    )
}
