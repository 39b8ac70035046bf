//! Conversations that were changed: the server answers the next good request, or has ended by itself and said why.

use crate::client::{Server, request};
use crate::frames::{Descriptor, Frame};
use crate::mutate::{Random, mutate};
use mgenjit::protocol::messages::{
    CompileRequest, Decision, Hello, LinkOutput, LinkRequest, Reply, Request, Step,
};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport;
use mgenjit::types::{Emit, Input, Partition};
use serde::Serialize;
use std::net::Shutdown;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;

const IR: &str = "define i32 @changed(i32 %x) {\n  ret i32 %x\n}\n";

fn frame<T: Serialize>(message: &T, descriptor: Descriptor) -> Frame {
    let frame = transport::encode(message).unwrap();
    Frame::new(frame[4..].to_vec(), descriptor)
}

fn compile(change: impl FnOnce(&mut CompileRequest)) -> Frame {
    let mut request = request("changed", IR.len() as u64);
    change(&mut request);
    frame(&Request::Compile(request), Descriptor::Sealed)
}

/// Requests of every kind and what belongs to them.
fn conversations() -> Vec<Vec<Frame>> {
    let link = Request::Link(LinkRequest {
        name: "linked".to_owned(),
        target: request("", 0).target,
        output: LinkOutput::Object,
        inputs: vec![Input {
            name: "input".to_owned(),
            len: IR.len() as u64,
        }],
        libraries: 0,
    });
    let decide = |decision: Decision| frame(&decision, Descriptor::Nothing);
    vec![
        vec![compile(|_| {}), compile(|request| request.progress = true)],
        vec![
            compile(|request| request.identify = true),
            decide(Decision::Compile),
            compile(|request| request.identify = true),
            decide(Decision::Stop),
        ],
        vec![
            compile(|request| request.keep = Some(vec!["changed".to_owned()])),
            compile(|request| request.emit = Emit::Assembly),
        ],
        vec![
            compile(|request| request.step = Step::Cut(Partition::Size(NonZeroU32::MIN))),
            compile(|request| request.step = Step::Piece),
            compile(|request| request.step = Step::Join { natives: 0 }),
        ],
        vec![
            compile(|request| request.max_memory = 1 << 30),
            frame(&link, Descriptor::Sealed),
        ],
    ]
}

fn say(server: &Server, frames: &[Frame]) {
    for frame in frames {
        if !frame.send(&server.socket, IR.as_bytes()) {
            return;
        }
    }
}

/// Asks for two more modules: the server may take the first request for a decision, and has to answer the second.
fn answers(server: &Server, round: u32) -> bool {
    let last = format!("last{round}");
    for name in ["first", &last] {
        let ir = format!("define i32 @{name}() {{\n  ret i32 7\n}}\n");
        let payload = payload::seal(&[ir.as_bytes()]).unwrap();
        let request = Request::Compile(request(name, ir.len() as u64));
        // It may have ended.
        let _ = transport::send(&server.socket, &request, Some(payload.as_fd()));
    }
    loop {
        match server.receive() {
            Ok((Reply::Compiled(compiled), _)) => {
                let first = compiled.functions.first();
                if first.is_some_and(|function| function.name == last) {
                    return true;
                }
            }
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// Waits for the end of a server that had a reason to end.
fn ended_by_itself(mut server: Server, frames: &[Frame]) {
    let (status, words) = server.wait();
    assert!(status.signal().is_none(), "{status}: {words}: {frames:?}");
    assert!(
        status.success() || !words.is_empty(),
        "{status}: {frames:?}"
    );
}

#[test]
fn changed_requests_leave_a_server_that_answers() {
    let mut random = Random(21);
    let mut server = Server::start();
    let mut answered = 0;
    for round in 0..150 {
        let mut frames = conversations()[random.below(5)].clone();
        mutate(&mut frames, &mut random, false);
        say(&server, &frames);
        if answers(&server, round) {
            answered += 1;
        } else {
            ended_by_itself(std::mem::replace(&mut server, Server::start()), &frames);
        }
    }
    assert!(
        answered > 120,
        "only {answered} were answered: this tests too little"
    );
}

#[test]
fn a_conversation_that_is_out_of_step_ends_the_server() {
    let mut random = Random(22);
    for _ in 0..60 {
        let mut frames = vec![frame(&Hello::ours(), Descriptor::Nothing)];
        frames.extend(conversations()[random.below(5)].clone());
        mutate(&mut frames, &mut random, true);
        let server = Server::spawn(Default::default());
        say(&server, &frames);
        server.socket.shutdown(Shutdown::Write).unwrap();
        ended_by_itself(server, &frames);
    }
}
