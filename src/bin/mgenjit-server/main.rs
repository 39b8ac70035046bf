//! The compile server: LLVM IR, objects and archives come in, a loadable image and a relocatable object go out.
//!
//! The library starts this program with a connected socket as standard input, and speaks
//! `mgenjit::compile::protocol` on it. Standard error holds the last words: the client reads them when the
//! connection closes where a reply was due.
//!
//! Architecture Invariant: a reply is a pure function of its request, this build and, if that is what is asked
//! for, this machine's CPU. The
//! server reads no file, no environment variable and no clock (but to measure), and keeps nothing of a request.

mod archive;
mod blame;
mod bundle;
mod canonical;
mod codegen;
mod compile;
mod conflicts;
mod crash;
mod crt;
mod diagnostics;
mod driver;
mod entry_point;
mod globals;
mod image;
mod input;
mod internalise;
mod isolate;
mod link;
mod log;
mod memory;
mod names;
mod natives;
mod object_file;
mod other_targets;
mod parse;
mod prefault;
mod prepare;
mod process;
mod rebind;
mod serve;
mod shared;
mod signatures;
mod symbols;
mod target;
mod tls;
mod unit;
mod verify;
mod watch;

use log::Log;
use mgenjit::compile::protocol::{BUILD_ID, PACKAGE_VERSION};
use process::{Descriptors, Inherited};
use std::os::fd::RawFd;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

/// Deeply nested IR makes LLVM recurse deeply. The memory is reserved, not used.
const COMPILE_STACK: usize = 256 << 20;

/// The stack of the thread that watches, and what both threads have beside their stacks.
const SMALL_STACKS: u64 = 1 << 20;

const USAGE: &str = "usage: mgenjit-server [--linker] [--watch PIDFD] [--log FD] | --version";

fn main() -> ExitCode {
    let (descriptors, runs_linker) = match parse_arguments() {
        Ok(Command::Serve(descriptors)) => (descriptors, false),
        Ok(Command::Linker(descriptors)) => (descriptors, true),
        Ok(Command::Version) => {
            println!(
                "mgenjit-server {PACKAGE_VERSION}\nbuild {BUILD_ID}\nLLVM {}",
                target::llvm_version()
            );
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("mgenjit-server: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Inherited {
        socket,
        client,
        log,
    } = match process::set_up(&descriptors) {
        Ok(inherited) => inherited,
        Err(message) => {
            eprintln!("mgenjit-server: {message}");
            return ExitCode::from(2);
        }
    };
    if runs_linker {
        return match driver::serve(&socket, client.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                eprintln!("mgenjit-server: {message}");
                ExitCode::FAILURE
            }
        };
    }
    // Where there is no `getrandom`, the standard library opens /dev/urandom, once, when it first needs a seed.
    let _ = std::hash::RandomState::new();
    let data = process::data_size(COMPILE_STACK as u64 + SMALL_STACKS);
    // Before there is another thread, which it would not bind.
    let files = isolate::forbid_files();
    process::set_up_heap();
    let heap = prefault::grow_heap();
    let served = watch::start(&socket, client).and_then(|()| {
        std::thread::Builder::new()
            .name("compile".to_owned())
            .stack_size(COMPILE_STACK)
            .spawn(move || serve::serve(&socket, &Log::new(log), files, data))
    });
    // This thread has nothing else to do, and the other begins with what is there.
    prefault::provide(heap);
    match served.map(|thread| thread.join()) {
        Ok(Ok(Ok(()))) => process::exit(0),
        Ok(Ok(Err(message))) => {
            eprintln!("mgenjit-server: {message}");
            process::exit(1)
        }
        // The panic's message is on standard error already. A server that panicked is in no known state.
        Ok(Err(_)) => std::process::abort(),
        Err(error) => {
            eprintln!("mgenjit-server: a thread could not be started: {error}");
            process::exit(1)
        }
    }
}

enum Command {
    Serve(Descriptors),
    /// Run a linker, see `driver`.
    Linker(Descriptors),
    Version,
}

fn parse_arguments() -> Result<Command, String> {
    let mut arguments = std::env::args_os().skip(1);
    let mut descriptors = Descriptors::default();
    let mut runs_linker = false;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--version") => return Ok(Command::Version),
            Some("--linker") => runs_linker = true,
            Some(option @ ("--watch" | "--log")) => {
                let fd: Option<RawFd> = arguments
                    .next()
                    .and_then(|value| value.to_str()?.parse().ok())
                    .filter(|fd| *fd > 2);
                let fd =
                    fd.ok_or_else(|| format!("{option} needs the number of a descriptor above 2"))?;
                match option {
                    "--watch" => descriptors.client = Some(fd),
                    _ => descriptors.log = Some(fd),
                }
            }
            _ => return Err(format!("{} is not understood", argument.to_string_lossy())),
        }
    }
    Ok(match runs_linker {
        true => Command::Linker(descriptors),
        false => Command::Serve(descriptors),
    })
}
