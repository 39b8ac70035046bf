//! Peers that were made to harm, on both sides of a connection: none may do more than be refused. The tests here try
//! the same few thousand conversations each time; the targets below `fuzz/` look for others.

mod frames;
#[cfg(test)]
mod mutate;

use super::payload;
use super::transport::{self, TransportError};
use crate::client::connection::{Answer, Client, RequestError};
use crate::client::limits::Limits;
use crate::client::listener::Listener;
use crate::cpu::{Cpu, Level};
use crate::error::Status;
use crate::protocol::messages::{
    CompileRequest, Decision, Hello, LinkOutput, LinkRequest, Request, Step,
};
use crate::types::{Emit, Input, OptLevel, Target};
use frames::{Descriptor, Frame};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What the payloads are made of: an image of 3 bytes and an object of 2.
const PAYLOAD: &[u8] = b"image";

/// Reads frames from any bytes: of each, a byte for the descriptor, the length and the body, as far as it goes.
fn parse(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(([kind, len @ ..], rest)) = bytes.split_first_chunk::<5>() {
        let claimed = u32::from_le_bytes(*len);
        let (body, rest) = rest.split_at(rest.len().min(claimed as usize));
        frames.push(Frame {
            claimed,
            body: body.to_vec(),
            descriptor: Descriptor::ALL[*kind as usize % Descriptor::ALL.len()],
        });
        bytes = rest;
    }
    frames
}

/// Has a client ask a server that says these bytes: the first chooses the request, the others are read by [`parse`].
/// Returns how many requests were answered.
pub fn reply(bytes: &[u8]) -> usize {
    let Some((choice, rest)) = bytes.split_first() else {
        return 0;
    };
    ask(*choice, &parse(rest))
}

fn ask(choice: u8, frames: &[Frame]) -> usize {
    let request = request(choice);
    let (ours, _theirs) = said(frames);
    let mut client = Client::of_shared(ours);
    let mut answered = 0;
    // Each answer takes a frame, and then there is the end.
    for _ in 0..=frames.len() {
        let limits = Limits::default();
        let mut decide = Decide(match choice & 8 {
            0 => Decision::Compile,
            _ => Decision::Stop,
        });
        match client.request(&request, &[b"ir"], &limits, Duration::ZERO, &mut decide) {
            Ok(Answer::Compiled(output)) => {
                let compiled = &output.compiled;
                let len = compiled.payload_len().expect("it was checked");
                check_payload(&output.payload, len);
                answered += 1;
            }
            Ok(Answer::Cut(cut, payload)) => {
                check_payload(&payload, cut.payload_len().expect("it was checked"));
                answered += 1;
            }
            Ok(Answer::Piece { file, len, .. }) => {
                check_payload(&file, len);
                answered += 1;
            }
            Ok(Answer::Emitted(file, len)) => {
                check_payload(&file, len);
                answered += 1;
            }
            Ok(Answer::Stopped) => {}
            Err(RequestError::Module(error)) => {
                assert!(!error.message.is_empty());
                answered += 1;
            }
            Err(RequestError::Server(error) | RequestError::Lost(error)) => {
                assert!(error.message.contains("server") && error.message.contains("test"));
                assert!(matches!(error.status, Status::ServerCrashed | Status::Io));
                return answered;
            }
            // The connection is kept for its own sake.
            Err(RequestError::Elsewhere(_)) => return answered,
        }
    }
    panic!("more answers than frames: {frames:?}");
}

struct Decide(Decision);

impl Listener for Decide {
    fn identified(&mut self, _digest: &[u8; 32]) -> Decision {
        self.0
    }
}

fn check_payload(payload: &File, len: u64) {
    assert_eq!(payload.metadata().expect("it is open").len(), len);
    payload
        .set_len(len / 2)
        .expect_err("what is sealed does not shrink");
}

fn request(choice: u8) -> Request {
    let inputs = vec![Input {
        name: "test".to_owned(),
        len: 2,
    }];
    match choice & 1 {
        0 => Request::Compile(CompileRequest {
            name: "test".to_owned(),
            key: [3; 32],
            opt_level: OptLevel::O2,
            target: Target::Host(Cpu::Level(Level::ALL[0])),
            identify: choice & 2 != 0,
            progress: choice & 4 != 0,
            inputs,
            keep: Some(vec!["f".to_owned()]),
            emit: Emit::Code,
            step: Step::Whole,
            replaceable: false,
            switchable: false,
            max_memory: 0,
        }),
        _ => Request::Link(LinkRequest {
            name: "test".to_owned(),
            target: Target::Host(Cpu::Level(Level::ALL[0])),
            output: LinkOutput::SharedLibrary {
                soname: Some("test.so".to_owned()),
            },
            inputs,
            libraries: 0,
        }),
    }
}

/// A connection whose other side has said all this, still listens, and says no more.
fn said(frames: &[Frame]) -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    for frame in frames {
        if !frame.send(&theirs, PAYLOAD) {
            break;
        }
    }
    theirs.shutdown(Shutdown::Write).expect("it is connected");
    (ours, theirs)
}

/// Reads what a client says, read by [`parse`], as a server does. Returns how many requests came whole.
pub fn requests(bytes: &[u8]) -> usize {
    hear(&parse(bytes))
}

fn hear(frames: &[Frame]) -> usize {
    let (ours, _theirs) = said(frames);
    let mut whole = 0;
    if receive::<Hello>(&ours).is_err() {
        return whole;
    }
    loop {
        match receive::<Request>(&ours) {
            Ok((request, payload)) => {
                let Some((offsets, len)) = crate::types::layout(request.inputs()) else {
                    continue;
                };
                assert_eq!(offsets.len(), request.inputs().len());
                if let Ok(file) = payload::check_payload(payload, len) {
                    check_payload(&file, len);
                    whole += 1;
                }
                if request.identifies()
                    && let Err(error) = receive::<Decision>(&ours)
                    && !goes_on(&error)
                {
                    return whole;
                }
            }
            Err(error) if goes_on(&error) => {}
            Err(_) => return whole,
        }
    }
}

/// Whether the whole frame was read, so that the next one can be.
fn goes_on(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Malformed(_) | TransportError::TrailingBytes(_)
    )
}

/// Receives a message, which must be what its own frame says.
fn receive<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    socket: &UnixStream,
) -> Result<(T, Option<std::os::fd::OwnedFd>), TransportError> {
    let (message, payload) = transport::receive::<T>(socket)?;
    let frame = transport::encode(&message).expect("it came in a frame");
    let again: T = transport::decode(&frame[4..]).expect("it was encoded");
    assert_eq!(again, message);
    Ok((message, payload))
}

#[cfg(test)]
mod tests;
