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
mod run;
mod store;
mod upload;

use inherited::Named;
use mgenjit::environment;
use mgenjit::version::{BUILD_ID, PACKAGE_VERSION};
use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: mgenjit-helper link [--watch PIDFD]
       mgenjit-helper upload
       mgenjit-helper run [--watch PIDFD]
       mgenjit-helper store --at SOCKET
       mgenjit-helper --version
libmgenjit starts this program by itself: link runs a linker, upload puts entries into remote stores,\n\
store compiles and stores what nobody waits for,\n\
run runs programs in processes of their own.";

enum Mode {
    Link,
    Run,
    Upload,
    Store,
    Version,
}

const KEPT: [&CStr; 3] = [c"LD_LIBRARY_PATH", c"XDG_RUNTIME_DIR", c"TMPDIR"];

struct Arguments {
    mode: Mode,
    /// A pidfd: the helper ends when this process ends.
    client: Option<RawFd>,
    /// The path of the socket at which others find it.
    at: PathBuf,
}

fn main() -> ExitCode {
    let failed = |message: String| {
        eprintln!("mgenjit-helper: {message}");
        ExitCode::from(2)
    };
    let Arguments { mode, client, at } = match parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => return failed(format!("{message}\n{USAGE}")),
    };
    if let Mode::Version = mode {
        println!("mgenjit-helper {PACKAGE_VERSION}\nbuild {BUILD_ID}");
        return ExitCode::SUCCESS;
    }
    // What the servers need that it starts, and what says where their sockets are.
    let kept = KEPT.map(|name| Some((name, environment::variable(name)?)));
    let watched = Named {
        option: "--watch",
        number: client,
    };
    let (socket, [client]) = match inherited::set_up([watched]) {
        Ok(inherited) => inherited,
        Err(message) => return failed(message),
    };
    let ended = match mode {
        Mode::Link => link::serve(&socket, client.as_ref()),
        Mode::Run => run::serve(&socket, client.as_ref()),
        Mode::Upload | Mode::Version => upload::serve(&socket),
        Mode::Store => {
            for (name, value) in kept.into_iter().flatten() {
                // SAFETY: no other thread runs yet.
                unsafe { std::env::set_var(OsStr::from_bytes(name.to_bytes()), value) };
            }
            store::serve(socket, &at)
        }
    };
    match ended {
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
        Some("run") => Mode::Run,
        Some("upload") => Mode::Upload,
        Some("store") => Mode::Store,
        Some("--version") => Mode::Version,
        _ if first.is_empty() => return Err("no job was named".to_owned()),
        _ => return Err(format!("{} is no job of this program", first.display())),
    };
    let mut client = None;
    let mut at = PathBuf::new();
    while let Some(option) = arguments.next() {
        match option.to_str() {
            Some("--watch") => {
                let value = arguments.next().unwrap_or_default();
                client = Some(inherited::descriptor("--watch", &value)?);
            }
            Some("--at") => at = arguments.next().unwrap_or_default().into(),
            _ => return Err(format!("{} is not understood", option.display())),
        }
    }
    if matches!(mode, Mode::Store) && at.as_os_str().is_empty() {
        return Err("store needs --at and the path of a socket".to_owned());
    }
    Ok(Arguments { mode, client, at })
}
