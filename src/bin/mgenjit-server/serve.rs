//! The conversation with one client.

use crate::compile::{Artifacts, Compiler, Job, Options};
use crate::crash::{self, Phase};
use crate::input::Input;
use crate::{isolate, memory, process, target};
use mgenjit::compile::protocol::{
    self, CompileRequest, Compiled, Decision, Failure, FailureKind, Hello, LLVM_VERSION, Reply,
    Request, Target,
};
use mgenjit::compile::transport::{self, TransportError};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Answers requests until the client closes the connection. An error is a connection that cannot go on. `files`: what
/// [`isolate::forbid_files`] has said.
pub fn serve(socket: &UnixStream, files: Result<(), String>) -> Result<(), String> {
    crash::install();
    memory::set_new_handler();
    let troubles = [files, isolate::forbid_calls()];
    let troubles: Vec<String> = troubles.into_iter().filter_map(Result::err).collect();
    let not_isolated = troubles.join("; ");
    let ours = Hello {
        llvm: target::llvm_version(),
        ..Hello::ours()
    };
    greet(socket, ours)?;
    let mut compiler = Compiler::new()?;
    loop {
        let answered = answer(socket, &mut compiler, &not_isolated);
        crash::enter(Phase::Wait);
        let (reply, payload) = match answered {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                process::give_back_memory();
                continue;
            }
            Err(TransportError::Closed) => return Ok(()),
            // The whole frame was read, so the next one can be.
            Err(error @ (TransportError::Malformed(_) | TransportError::TrailingBytes(_))) => {
                (Reply::Failed(protocol_failure(error.to_string())), None)
            }
            Err(error) => {
                let message = format!("the connection is out of step: {error}");
                // The client may not be there to hear it.
                let _ = send(
                    socket,
                    &Reply::Failed(protocol_failure(message.clone())),
                    None,
                );
                return Err(message);
            }
        };
        let sent = send(socket, &reply, payload);
        process::give_back_memory();
        match sent {
            Ok(()) => {}
            Err(TransportError::TooLong(len)) => {
                let message = format!("the reply would have {len} bytes: too many functions");
                send(socket, &Reply::Failed(protocol_failure(message)), None)
                    .map_err(|error| error.to_string())?;
            }
            Err(TransportError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                return Ok(());
            }
            Err(error) => return Err(format!("a reply could not be sent: {error}")),
        }
    }
}

/// Both sides say who they are, and neither goes on if the other is another build: the client trusts that
/// equal keys mean equal code.
pub fn greet(socket: &UnixStream, ours: Hello) -> Result<(), String> {
    transport::send(socket, &ours, None).map_err(|error| error.to_string())?;
    let refuse = |message: String| {
        // A client of another version may not understand even this; then our greeting tells it enough.
        let _ = send(
            socket,
            &Reply::Failed(protocol_failure(message.clone())),
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

/// Waits for a request and works on it. Nothing is the answer if the client wants none.
fn answer(
    socket: &UnixStream,
    compiler: &mut Compiler,
    not_isolated: &str,
) -> Result<Option<(Reply, Option<OwnedFd>)>, TransportError> {
    let (request, payload) = transport::receive::<Request>(socket)?;
    process::forget_last_words();
    // A client that is gone is noticed when something is awaited from it, or when the reply is sent.
    let started = Reply::Started {
        not_isolated: not_isolated.to_owned(),
    };
    let _ = send(socket, &started, None);
    crash::set_module_name(request.name());
    let Request::Compile(request) = request else {
        let failure = protocol_failure("not yet".to_owned());
        return Ok(Some((Reply::Failed(failure), None)));
    };
    let job = match read(compiler, &request, payload) {
        Ok(job) => job,
        Err(failure) => return Ok(Some((Reply::Failed(failure), None))),
    };
    if request.identify {
        let digest = job.digest();
        crash::enter(Phase::Wait);
        let _ = send(socket, &Reply::Identified { digest }, None);
        match transport::receive::<Decision>(socket)? {
            (Decision::Compile, _) => {}
            (Decision::Stop, _) => return Ok(None),
        }
    }
    Ok(Some(match compile(compiler, job) {
        Ok((compiled, payload)) => (Reply::Compiled(compiled), Some(payload)),
        Err(failure) => (Reply::Failed(failure), None),
    }))
}

fn read(
    compiler: &Compiler,
    request: &CompileRequest,
    payload: Option<OwnedFd>,
) -> Result<Job, Failure> {
    let inputs = inputs(&request.inputs, payload)?;
    let [input] = inputs.as_slice() else {
        return Err(protocol_failure("one input".to_owned()));
    };
    let Target::Host(cpu) = request.target else {
        return Err(protocol_failure("other target".to_owned()));
    };
    let options = Options {
        level: request.opt_level,
        cpu,
    };
    compiler.read(input, options)
}

/// Maps what came with a request.
fn inputs(inputs: &[protocol::Input], payload: Option<OwnedFd>) -> Result<Vec<Input>, Failure> {
    let (offsets, len) = protocol::layout(inputs)
        .ok_or_else(|| protocol_failure("the inputs would be larger than memory".to_owned()))?;
    let payload = transport::check_payload(payload, len)
        .map_err(|error| protocol_failure(error.to_string()))?;
    let map = |(input, offset): (&protocol::Input, u64)| {
        Input::map(&payload, offset, input.len)
            .map_err(|error| protocol_failure(format!("{} cannot be mapped: {error}", input.name)))
    };
    inputs.iter().zip(offsets).map(map).collect()
}

fn compile(compiler: &mut Compiler, job: Job) -> Result<(Compiled, OwnedFd), Failure> {
    let (compiled, Artifacts { image, object }) = compiler.compile(job)?;
    let payload = transport::seal(&[&image, &object])
        .map_err(|error| protocol_failure(format!("the result cannot be handed over: {error}")))?;
    Ok((compiled, payload))
}

fn send(
    socket: &UnixStream,
    reply: &Reply,
    payload: Option<OwnedFd>,
) -> Result<(), TransportError> {
    transport::send(socket, reply, payload.as_ref().map(AsFd::as_fd))
}

fn protocol_failure(message: String) -> Failure {
    Failure {
        kind: FailureKind::Protocol,
        message,
        input: None,
        position: None,
    }
}
