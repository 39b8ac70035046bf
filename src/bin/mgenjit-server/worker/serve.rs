//! Serves one client.

use crate::input::buffer::Input;
use crate::input::buffer::Named;
use crate::llvm::{probe, target};
use crate::process::crash::{self, Phase};
use crate::process::limits::DataSize;
use crate::process::progress::Teller;
use crate::process::record::Record;
use crate::process::{heap, isolate, limits, memory};
use crate::worker::compile::{Artifacts, Compiler, Job, Options, Output};
use crate::worker::link;
use crate::worker::pieces::{self, Cutting, Parts};
use inkwell::context::Context;
use inkwell::module::Module;
use mgenjit::protocol::greeting::greet;
use mgenjit::protocol::last_words;
use mgenjit::protocol::messages::{
    CompileRequest, Decision, Failure, FailureKind, Hello, LinkRequest, Reply, Request, Step,
};
use mgenjit::protocol::payload;
use mgenjit::protocol::transport::{self, TransportError};
use mgenjit::types::{self, Partition};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Answers requests until the client closes the connection. An error is a connection that cannot go on. `files`: what
/// [`isolate::forbid_files`] has said; `data`: what the process
/// has.
pub fn serve(
    socket: &UnixStream,
    teller: &Arc<Teller>,
    record: &Arc<Record>,
    files: Result<(), String>,
    data: &DataSize,
) -> Result<(), String> {
    crash::set_fatal_error(probe::give_up);
    crash::install();
    memory::set_new_handler();
    let lacking = [files, isolate::forbid_calls()];
    let lacking: Vec<String> = lacking.into_iter().filter_map(Result::err).collect();
    let not_isolated = lacking.join("; ");
    let ours = Hello {
        llvm: target::llvm_version(),
        ..Hello::ours()
    };
    greet(socket, ours)?;
    let (last, ending) = (teller.clone(), record.clone());
    probe::set_answer(move |message| {
        last.stop();
        let reply = Reply::Failed(target::target_failure(message));
        ending.end(Some(&reply));
        let _ = send(last.socket(), &reply, None);
        ending.finish(SPENT);
    });
    let mut compiler = Compiler::new()?;
    loop {
        // What is left of a large module that was cut.
        let mut left = None;
        let answered = answer(
            socket,
            teller,
            record,
            &mut compiler,
            &not_isolated,
            data,
            &mut left,
        );
        crash::enter(Phase::Wait);
        let (reply, payload) = match answered {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                record.end(None);
                heap::give_back();
                continue;
            }
            Err(TransportError::Closed) => return Ok(()),
            // The whole frame was read, so the next one can be.
            Err(error @ (TransportError::Malformed(_) | TransportError::TrailingBytes(_))) => {
                (Reply::Failed(protocol_failure(error.to_string())), None)
            }
            Err(error) => {
                let message = format!("the connection is out of step: {error}");
                // The client may be gone.
                let _ = send(
                    socket,
                    &Reply::Failed(protocol_failure(message.clone())),
                    None,
                );
                return Err(message);
            }
        };
        record.end(Some(&reply));
        let sent = send(socket, &reply, payload);
        if let Some(left) = left {
            // The client starts another server for the pieces sooner than this one could free the module.
            std::mem::forget(left);
            record.finish("it has cut a large module, which would take long to free");
            let _ = socket.shutdown(Shutdown::Both);
            return Ok(());
        }
        heap::give_back();
        match sent {
            // The client starts another one for its next request.
            Ok(()) if limits::is_running_out_of_time() => {
                record.finish(
                    "it has used much of the processor's time that its host's limit leaves it",
                );
                return Ok(());
            }
            // The next request starts another server.
            Ok(()) if probe::is_spent() => {
                record.finish(SPENT);
                return Ok(());
            }
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

/// Why a server ends although it answered.
const SPENT: &str = "LLVM lists the names that it knows once in a process";

/// Waits for a request and works on it. Nothing is the answer if the client wants none. `left`: of what was cut.
fn answer(
    socket: &UnixStream,
    teller: &Teller,
    record: &Record,
    compiler: &mut Compiler,
    not_isolated: &str,
    data: &DataSize,
    left: &mut Option<Context>,
) -> Result<Option<(Reply, Option<OwnedFd>)>, TransportError> {
    let (request, payload) = transport::receive::<Request>(socket)?;
    last_words::forget();
    record.begin(&request);
    // A client that is gone is noticed when something is awaited from it, or when the reply is sent.
    let started = Reply::Started {
        not_isolated: not_isolated.to_owned(),
    };
    let _ = send(socket, &started, None);
    crash::set_module_name(request.name());
    let request = match request {
        Request::Compile(request) => request,
        Request::Link(request) => {
            limits::limit_data(0);
            let linked = link(compiler, &request, payload);
            return Ok(Some(linked.unwrap_or_else(failed)));
        }
        Request::Status | Request::Stop { .. } => {
            let message = "this server is not shared: it has no status, and ends with its client";
            return Ok(Some(failed(protocol_failure(message.to_owned()))));
        }
    };
    limits::limit_data(match request.max_memory {
        0 => 0,
        max => {
            let inputs = request.inputs.iter().map(|input| input.len);
            let inputs = inputs.fold(0, u64::saturating_add);
            data.now().saturating_add(inputs).saturating_add(max)
        }
    });
    let mut telling = teller.start(request.progress);
    // A large module that cannot be cut is read twice.
    let spare = match request.step {
        Step::Cut(Partition::Automatic) => payload.as_ref().and_then(|one| one.try_clone().ok()),
        _ => None,
    };
    let work = match read(&request, payload) {
        Ok(work) => work,
        Err(failure) => return Ok(Some(failed(failure))),
    };
    let answer = match request.step {
        Step::Piece => piece(compiler, work.inputs, &work.options),
        Step::Join { natives } => compiler
            .join(work.inputs, natives, request.keep, &work.options)
            .and_then(output),
        Step::Whole | Step::Cut(_) => {
            let context = Context::create();
            let module = match read_module(compiler, &context, &request, work, spare) {
                Ok(module) => module,
                Err(failure) => return Ok(Some(failed(failure))),
            };
            if request.identify {
                let digest = match &module {
                    Read::Whole(job, _) => job.digest(),
                    Read::Pieces(parts) => parts.digest,
                };
                drop(telling);
                crash::enter(Phase::Wait);
                let _ = send(socket, &Reply::Identified { digest }, None);
                match transport::receive::<Decision>(socket)? {
                    (Decision::Compile, _) => telling = teller.start(request.progress),
                    (Decision::Stop, _) => return Ok(None),
                }
            }
            match module.cut(&context, request.step) {
                Cutting::Whole(job) => {
                    drop(context);
                    compiler.compile(*job).and_then(output)
                }
                Cutting::Pieces(parts) => {
                    *left = parts.are_many().then_some(context);
                    cut(parts)
                }
            }
        }
    };
    drop(telling);
    Ok(Some(answer.unwrap_or_else(failed)))
}

/// What was read: a module, and its canonical form; or, of a large module, its pieces.
enum Read<'context> {
    Whole(Box<Job>, Option<Module<'context>>),
    Pieces(Parts),
}

impl<'context> Read<'context> {
    /// Cuts it, if it is one that is cut after it was identified.
    fn cut(self, context: &'context Context, step: Step) -> Cutting {
        match (self, step) {
            (Read::Pieces(parts), _) => Cutting::Pieces(parts),
            (Read::Whole(job, module), Step::Cut(partition)) => {
                pieces::cut(context, *job, module, partition)
            }
            (Read::Whole(job, _), _) => Cutting::Whole(job),
        }
    }
}

/// `spare`: what the inputs are in, in case that they are to be read again.
fn read_module<'context>(
    compiler: &Compiler,
    context: &'context Context,
    request: &CompileRequest,
    work: Work,
    spare: Option<OwnedFd>,
) -> Result<Read<'context>, Failure> {
    let Work { inputs, options } = work;
    let keep = request.keep.clone();
    let (mut job, module) = compiler.read_module(context, inputs, keep, options)?;
    if spare.is_none() || !pieces::comes_first(&job, module.as_ref()) {
        job.write_canonical(context, module.as_ref());
        // Else it is not needed while the digest is looked up.
        let module = module.filter(|module| pieces::comes_later(&job, module, request.step));
        return Ok(Read::Whole(Box::new(job), module));
    }
    match pieces::cut(context, job, module, Partition::Automatic) {
        Cutting::Pieces(parts) => Ok(Read::Pieces(parts)),
        // What was read has been prepared for the cut.
        Cutting::Whole(_) => {
            let Work { inputs, options } = read(request, spare)?;
            let job = compiler.read(inputs, request.keep.clone(), options)?;
            Ok(Read::Whole(Box::new(job), None))
        }
    }
}

fn failed(failure: Failure) -> (Reply, Option<OwnedFd>) {
    (Reply::Failed(failure), None)
}

/// What a request wants compiled, and how.
struct Work {
    inputs: Vec<Named>,
    options: Options,
}

fn read(request: &CompileRequest, payload: Option<OwnedFd>) -> Result<Work, Failure> {
    if request.inputs.is_empty() {
        return Err(protocol_failure("there are no inputs".to_owned()));
    }
    if request.identify && matches!(request.step, Step::Piece | Step::Join { .. }) {
        let message = "a piece of a module has no digest of its own".to_owned();
        return Err(protocol_failure(message));
    }
    let names = request.inputs.iter().map(|input| input.name.clone());
    let inputs = names
        .zip(inputs(&request.inputs, payload)?)
        .map(|(name, input)| Named { name, input })
        .collect();
    let options = Options {
        level: request.opt_level,
        target: request.target.clone(),
        emit: request.emit,
        replaceable: request.replaceable,
        switchable: request.switchable,
    };
    Ok(Work { inputs, options })
}

/// Maps what came with a request.
fn inputs(inputs: &[types::Input], payload: Option<OwnedFd>) -> Result<Vec<Input>, Failure> {
    let (offsets, len) = types::layout(inputs)
        .ok_or_else(|| protocol_failure("the inputs would be larger than memory".to_owned()))?;
    let payload = payload::check_payload(payload, len)
        .map_err(|error| protocol_failure(error.to_string()))?;
    let map = |(input, offset): (&types::Input, u64)| {
        Input::map(&payload, offset, input.len)
            .map_err(|error| protocol_failure(format!("{} cannot be mapped: {error}", input.name)))
    };
    inputs.iter().zip(offsets).map(map).collect()
}

fn output(output: Output) -> Result<(Reply, Option<OwnedFd>), Failure> {
    match output {
        Output::Code(
            compiled,
            Artifacts {
                image,
                object,
                sources,
            },
        ) => {
            let mut parts = vec![&image[..], &object];
            parts.extend(sources.iter().map(Vec::as_slice));
            let payload = seal(&parts)?;
            Ok((Reply::Compiled(*compiled), Some(payload)))
        }
        Output::Emitted(bytes) => emitted(&bytes),
    }
}

fn cut(parts: Parts) -> Result<(Reply, Option<OwnedFd>), Failure> {
    let payload: Vec<&[u8]> = parts.payload.iter().map(Vec::as_slice).collect();
    let payload = seal(&payload)?;
    Ok((Reply::Cut(parts.cut), Some(payload)))
}

fn piece(
    compiler: &Compiler,
    inputs: Vec<Named>,
    options: &Options,
) -> Result<(Reply, Option<OwnedFd>), Failure> {
    let [input] = <[Named; 1]>::try_from(inputs)
        .map_err(|_| protocol_failure("a piece is one input".to_owned()))?;
    let ([facts, object], times) = compiler.piece(input, options)?;
    let len = (facts.len() + object.len()) as u64;
    Ok((Reply::Piece { len, times }, Some(seal(&[&facts, &object])?)))
}

fn link(
    compiler: &mut Compiler,
    request: &LinkRequest,
    payload: Option<OwnedFd>,
) -> Result<(Reply, Option<OwnedFd>), Failure> {
    let inputs = inputs(&request.inputs, payload)?;
    emitted(&link::link(compiler, request, &inputs)?)
}

fn emitted(bytes: &[u8]) -> Result<(Reply, Option<OwnedFd>), Failure> {
    let len = bytes.len() as u64;
    Ok((Reply::Emitted { len }, Some(seal(&[bytes])?)))
}

fn seal(parts: &[&[u8]]) -> Result<OwnedFd, Failure> {
    payload::seal(parts)
        .map_err(|error| protocol_failure(format!("the result cannot be handed over: {error}")))
}

fn send(
    socket: &UnixStream,
    reply: &Reply,
    payload: Option<OwnedFd>,
) -> Result<(), TransportError> {
    transport::send(socket, reply, payload.as_ref().map(AsFd::as_fd))
}

fn protocol_failure(message: String) -> Failure {
    Failure::new(FailureKind::Protocol, message)
}
