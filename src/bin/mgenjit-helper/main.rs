//! The helper: what the library needs another process for, and no LLVM. The first argument says which job it does; each
//! job has a file here.
//!
//! The library starts this program as it starts the compile server: with a connected socket as standard input, on which
//! both sides first say who they are, and with a file for last words as standard error.
//!
//! It is small and starts in a millisecond, which is why it is no mode of the server.

#[path = "../mgenjit-server/process/inherited.rs"]
mod inherited;
mod link;
mod upload;

use inherited::Named;
use mgenjit::version::{BUILD_ID, PACKAGE_VERSION};
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::process::ExitCode;

const USAGE: &str = "usage: mgenjit-helper link [--watch PIDFD]
       mgenjit-helper upload
       mgenjit-helper --version
libmgenjit starts this program by itself: link runs a linker, upload puts entries into remote stores.";

enum Mode {
    Link,
    Upload,
    Version,
}

struct Arguments {
    mode: Mode,
    /// A pidfd: the helper ends when this process ends.
    client: Option<RawFd>,
}

fn main() -> ExitCode {
    let failed = |message: String| {
        eprintln!("mgenjit-helper: {message}");
        ExitCode::from(2)
    };
    let Arguments { mode, client } = match parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => return failed(format!("{message}\n{USAGE}")),
    };
    let job: fn(&_, Option<&_>) -> _ = match mode {
        Mode::Link => link::serve,
        Mode::Upload => upload::serve,
        Mode::Version => {
            println!("mgenjit-helper {PACKAGE_VERSION}\nbuild {BUILD_ID}");
            return ExitCode::SUCCESS;
        }
    };
    let watched = Named {
        option: "--watch",
        number: client,
    };
    let (socket, [client]) = match inherited::set_up([watched]) {
        Ok(inherited) => inherited,
        Err(message) => return failed(message),
    };
    match job(&socket, client.as_ref()) {
        Ok(()) => inherited::exit(0),
        Err(message) => {
            eprintln!("mgenjit-helper: {message}");
            inherited::exit(1)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Arguments, String> {
    let first = arguments.next().unwrap_or_default();
    let mode = match first.to_str() {
        Some("link") => Mode::Link,
        Some("upload") => Mode::Upload,
        Some("--version") => Mode::Version,
        _ if first.is_empty() => return Err("no job was named".to_owned()),
        _ => return Err(format!("{} is no job of this program", first.display())),
    };
    let mut client = None;
    while let Some(option) = arguments.next() {
        match option.to_str() {
            Some("--watch") => {
                let value = arguments.next().unwrap_or_default();
                client = Some(inherited::descriptor("--watch", &value)?);
            }
            _ => return Err(format!("{} is not understood", option.display())),
        }
    }
    Ok(Arguments { mode, client })
}
