//! Clients whose conversations were changed: the server lives on, serves others, and keeps nothing of them.

use crate::frames::{Descriptor, Frame};
use crate::mutate::{Random, mutate};
use crate::resources::Resources;
use crate::server::{Server, constant, request};
use mgenjit::protocol::messages::{Decision, Hello, LinkOutput, LinkRequest, Request};
use mgenjit::protocol::transport;
use serde::Serialize;
use std::net::Shutdown;

const IR: &str = "define i32 @changed(i32 %x) {\n  ret i32 %x\n}\n";

fn frame<T: Serialize>(message: &T, descriptor: Descriptor) -> Frame {
    let frame = transport::encode(message).unwrap();
    Frame::new(frame[4..].to_vec(), descriptor)
}

/// Everything that a client may say, but that the server is to stop.
fn conversation() -> Vec<Frame> {
    let plain = request("changed", IR);
    let mut identified = plain.clone();
    identified.identify = true;
    let link = LinkRequest {
        name: "linked".to_owned(),
        target: plain.target.clone(),
        output: LinkOutput::Object,
        inputs: plain.inputs.clone(),
        libraries: 0,
    };
    vec![
        frame(&Hello::ours(), Descriptor::Nothing),
        frame(&Request::Compile(plain), Descriptor::Sealed),
        frame(&Request::Compile(identified), Descriptor::Sealed),
        frame(&Decision::Compile, Descriptor::Nothing),
        frame(&Request::Link(link), Descriptor::Sealed),
    ]
}

#[test]
fn changed_conversations_harm_nobody_else() {
    let server = Server::start_with(&["--client-timeout", "300", "--workers", "2"]);
    let steady = server.client();
    steady.check(&constant(0), "i32 @f()");
    let before = Resources::of(&server);
    let mut random = Random(31);
    let mut open = Vec::new();
    for round in 1..=400 {
        let mut frames = conversation();
        mutate(&mut frames, &mut random, true);
        let stranger = server.stranger();
        for frame in &frames {
            if !frame.send(&stranger.socket, IR.as_bytes()) {
                break;
            }
        }
        match random.below(3) {
            // It leaves at once, or when all is said, or it stays and reads nothing.
            0 => {}
            1 => stranger.socket.shutdown(Shutdown::Write).unwrap(),
            _ => open.push(stranger),
        }
        if open.len() > 50 {
            open.clear();
        }
        if round % 20 == 0 {
            steady.check(&constant(round), "i32 @f()");
        }
    }
    open.clear();
    steady.check(&constant(0), "i32 @f()");
    let status = server.status();
    assert!(
        status.requests > 100 && status.refused > 50,
        "this tests too little: {status:?}"
    );
    before.wait_for_return(&server);
}
