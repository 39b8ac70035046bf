//! The limits of one compile, and the errors for exceeding them.

use crate::error::{Error, Status};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// From the request to the reply; starting a server does not count.
    pub time: Duration,
    /// Bytes of memory, on top of those of an idle server and of the inputs.
    pub memory: u64,
    /// Bytes of all inputs together.
    pub input: u64,
}

impl Limits {
    pub fn check_input(&self, name: &str, len: u64) -> Result<(), Error> {
        if self.input == 0 || len <= self.input {
            return Ok(());
        }
        Err(Error::new(
            Status::TooLarge,
            format!(
                "{name} has {len} bytes, more than the limit of {}: raise the limit with \
                 mgenjit_config_set_compile_limits, or split the module",
                self.input
            ),
        ))
    }

    pub fn time_exceeded(&self, name: &str) -> Error {
        let message = format!(
            "{name} took longer to compile than the limit of {} ms, and was stopped: raise the limit with \
             mgenjit_config_set_compile_limits, or optimise less",
            self.time.as_millis()
        );
        Error {
            reproduces: true,
            ..Error::new(Status::Timeout, message)
        }
    }

    /// The request got no worker in time: `busy` were busy, as in "all workers of the shared compile server".
    pub fn time_waited(&self, name: &str, busy: &str) -> Error {
        let message = format!(
            "{name} was not compiled within the limit of {} ms: {busy} were busy all that time. Try again, or raise the \
             limit with mgenjit_config_set_compile_limits",
            self.time.as_millis()
        );
        Error::new(Status::Timeout, message)
    }

    /// The error for a server that died with these last words, if it exceeded the memory limit.
    pub fn memory_exceeded(&self, name: &str, words: &str) -> Option<Error> {
        let is_it = self.memory > 0 && words.to_ascii_lowercase().contains("out of memory");
        is_it.then(|| {
            let message = format!(
                "{name} took more memory to compile than the limit of {} bytes: raise the limit with \
                 mgenjit_config_set_compile_limits, or optimise less{words}",
                self.memory
            );
            Error {
                repeats: true,
                reproduces: true,
                ..Error::new(Status::Memory, message)
            }
        })
    }
}
