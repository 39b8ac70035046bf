//! The command line. The library writes it; people need `--version` alone.

use crate::process::inherited::descriptor;
use crate::supervisor;
use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub const USAGE: &str = "usage: mgenjit-server [--watch PIDFD] [--log FD] [--background]
       mgenjit-server --shared SOCKET [--idle-timeout MS] [--workers N] [--worker-memory BYTES] [--client-timeout MS]
                      [--max-time MS] [--max-memory BYTES] [--queue-timeout MS] [--hang-timeout MS] [--log FD]
       mgenjit-server --version";

/// The numbers of descriptors that the command line names.
#[derive(Clone, Copy, Default)]
pub struct Descriptors {
    /// A pidfd: the server ends when this process ends.
    pub client: Option<RawFd>,
    pub log: Option<RawFd>,
}

pub struct Arguments {
    pub descriptors: Descriptors,
    pub mode: Mode,
}

pub enum Mode {
    /// Compile for the process at the other end of standard input.
    Serve,
    /// The same, but nobody waits for it.
    ServeInBackground,
    /// Serve many, see `supervisor`.
    Shared(supervisor::Options),
    Version,
}

pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, String> {
    let mut arguments = arguments;
    let mut descriptors = Descriptors::default();
    let mut mode = Mode::Serve;
    while let Some(argument) = arguments.next() {
        let option = argument.to_string_lossy().into_owned();
        let mut value = || arguments.next().unwrap_or_default();
        match (option.as_str(), &mut mode) {
            ("--version", _) => mode = Mode::Version,
            ("--shared", _) => {
                let socket = PathBuf::from(value());
                if socket.as_os_str().is_empty() {
                    return Err(format!("{option} needs the path of a socket"));
                }
                mode = Mode::Shared(supervisor::Options {
                    socket,
                    ..supervisor::Options::default()
                });
            }
            ("--background", Mode::Serve) => mode = Mode::ServeInBackground,
            ("--watch", _) => descriptors.client = Some(descriptor(&option, &value())?),
            ("--log", _) => descriptors.log = Some(descriptor(&option, &value())?),
            ("--idle-timeout", Mode::Shared(options)) => {
                options.idle_timeout = Duration::from_millis(number(&option, &value())?);
            }
            ("--client-timeout", Mode::Shared(options)) => {
                options.client_timeout = Duration::from_millis(number(&option, &value())?);
            }
            ("--max-time", Mode::Shared(options)) => {
                options.max_time = Duration::from_millis(number(&option, &value())?);
            }
            ("--max-memory", Mode::Shared(options)) => {
                options.max_memory = number(&option, &value())?;
            }
            ("--queue-timeout", Mode::Shared(options)) => {
                options.queue_timeout = Duration::from_millis(number(&option, &value())?);
            }
            ("--hang-timeout", Mode::Shared(options)) => {
                options.hang_timeout = Duration::from_millis(number(&option, &value())?);
            }
            ("--workers", Mode::Shared(options)) => options.workers = number(&option, &value())?,
            ("--worker-memory", Mode::Shared(options)) => {
                options.worker_memory = number(&option, &value())?;
            }
            _ => return Err(format!("{option} is not understood")),
        }
    }
    Ok(Arguments { descriptors, mode })
}

fn number<T: FromStr>(option: &str, value: &OsStr) -> Result<T, String> {
    value
        .to_str()
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| format!("{option} needs a number, and not \"{}\"", value.display()))
}
