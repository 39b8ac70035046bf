//! The compile server: LLVM IR, objects and archives come in, a loadable image and a relocatable object go out.
//!
//! The library starts this program with a connected socket as standard input, and speaks
//! `mgenjit::protocol::messages` on it. Standard error holds the last words: the client reads them when the
//! connection closes where a reply was due.
//!
//! Architecture Invariant: a reply is a pure function of its request, this build and, if that is what is asked
//! for, this machine's CPU. The
//! server reads no file, no environment variable and no clock (but to measure), and keeps nothing of a request.

mod arguments;
mod input;
mod link;
mod llvm;
mod process;
mod supervisor;
mod worker;

use arguments::{Arguments, Mode, USAGE};

use mgenjit::version::{BUILD_ID, PACKAGE_VERSION};
use process::inherited::{self, Named};
use process::log::Log;
use process::progress::{self, Teller};
use process::record::{CLIENT_GONE, Record};
use process::{heap, isolate, limits, lower, memory, prefault, watch};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

/// Deeply nested IR makes LLVM recurse deeply. The memory is reserved, not used.
const COMPILE_STACK: usize = 256 << 20;

/// The stack of the thread that watches, and what both threads have beside their stacks.
const SMALL_STACKS: u64 = 2 << 20;

fn main() -> ExitCode {
    let Arguments { descriptors, mode } = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("mgenjit-server: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Mode::Version = mode {
        println!(
            "mgenjit-server {PACKAGE_VERSION}\nbuild {BUILD_ID}\nLLVM {}",
            llvm::target::llvm_version()
        );
        return ExitCode::SUCCESS;
    }
    let named = [("--watch", descriptors.client), ("--log", descriptors.log)]
        .map(|(option, number)| Named { option, number });
    // What another process of this program needs to start if LLVM is a shared library.
    let library_path = mgenjit::environment::variable(c"LD_LIBRARY_PATH");
    let (socket, [client, log]) = match inherited::set_up(named) {
        Ok(inherited) => inherited,
        Err(message) => {
            eprintln!("mgenjit-server: {message}");
            return ExitCode::from(2);
        }
    };
    let ended = match mode {
        Mode::Shared(options) => supervisor::run(socket, Log::new(log), options, library_path),
        Mode::ServeInBackground => {
            lower::lower();
            compile_for(socket, client, log)
        }
        Mode::Serve | Mode::Version => compile_for(socket, client, log),
    };
    match ended {
        Ok(()) => inherited::exit(0),
        Err(message) => {
            eprintln!("mgenjit-server: {message}");
            inherited::exit(1)
        }
    }
}

/// Compiles until the client is gone.
fn compile_for(
    socket: UnixStream,
    client: Option<OwnedFd>,
    log: Option<OwnedFd>,
) -> Result<(), String> {
    // Where there is no `getrandom`, the standard library opens /dev/urandom, once, when it first needs a seed.
    let _ = std::hash::RandomState::new();
    let data = limits::DataSize::new(COMPILE_STACK as u64 + SMALL_STACKS);
    // Before there is another thread, which it would not bind.
    let files = isolate::forbid_files();
    heap::set_up();
    let heap = prefault::grow_heap();
    let socket = Arc::new(socket);
    let teller = Arc::new(Teller::new(socket.clone()));
    let end = progress::End(teller.clone());
    let record = Arc::new(Record::new(Log::new(log), &socket));
    let kept = record.clone();
    let served = watch::start(&socket, client, record.clone()).and_then(|()| {
        std::thread::Builder::new()
            .name("compile".to_owned())
            .stack_size(COMPILE_STACK)
            .spawn(move || worker::serve::serve(&socket, &end.0, &record, files, &data))
    });
    // This thread has nothing else to do, and the other begins with what is there.
    prefault::provide(heap);
    // Until the other ends, or at once if it could not be started.
    teller.run();
    match served.map(std::thread::JoinHandle::join) {
        Ok(Ok(served)) => {
            kept.finish(served.as_ref().err().map_or(CLIENT_GONE, String::as_str));
            served
        }
        // The panic's message is on standard error already. A server that panicked is in no known state.
        Ok(Err(_)) => std::process::abort(),
        Err(error) => Err(format!("a thread could not be started: {error}")),
    }
}
