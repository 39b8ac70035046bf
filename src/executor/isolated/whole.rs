//! Runs an executor's modules as a program in a process of its own.

use super::capture;
use super::options::Options;
use super::run::{Begun, outcome};
use super::spares::Spares;
use crate::error::{Error, Status};
use crate::executor::core::Executor;
use crate::outcome::Outcome;
use crate::protocol::isolated::Part;
use std::time::Instant;

impl Executor {
    /// Runs `main` in a process of its own, with its constructors. Nothing of it runs here.
    pub fn run_isolated(&self, options: &Options, spares: &Spares) -> Result<Outcome, Error> {
        let spare = match options.pool {
            0 => None,
            _ => spares.take(&self.present(), options),
        };
        // The monitor counts from when it was made.
        let was_spare = spare.is_some();
        let limit = (was_spare && !options.wall.is_zero()).then_some(options.wall);
        let begun = match spare {
            Some(begun) => begun,
            None => self.begin_isolated(options, options.wall, None)?,
        };
        let started = Instant::now();
        begun.send(&Part::Go, None)?;
        if options.pool != 0 {
            // If that fails, the next run says why.
            let _ = spares.fill(self, options);
        }
        let Begun {
            socket,
            held,
            outputs,
            ..
        } = begun;
        let captured = capture::follow(&socket, outputs, options.output, limit)
            .map_err(|error| Error::new(Status::ServerCrashed, capture::lost(&error)))?;
        let held: Vec<_> = held.into_iter().map(Some).collect();
        let outcome = outcome(captured, &held)?;
        Ok(match was_spare {
            true => Outcome {
                wall: started.elapsed(),
                ..outcome
            },
            false => outcome,
        })
    }
}
