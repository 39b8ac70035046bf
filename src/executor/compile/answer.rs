//! Asks a server to compile, and checks its answer.

use super::work::Work;
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::lock::Lock;
use crate::cache::manifest::{About, Manifest, UsedPiece, describe_pieces};
use crate::cache::store::Store;
use crate::client::connection::{self, Output};
use crate::client::failures;
use crate::clock;
use crate::error::{Error, reason};
use crate::event::EventKind;
use crate::executor::core::Executor;
use crate::executor::listen::Listener;
use crate::executor::pieces::Pieces;
use crate::executor::{failed, output, reproducer};
use crate::protocol::messages::{CompileRequest, Request, Step};
use crate::types::{Emit, Input, Target};
use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How the cache takes part in a compile.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    /// Not at all: there is no cache, or its entry is of no use.
    Compile,
    /// It may have the canonical module. It is read-only.
    Look(&'a Store),
    /// It may have the canonical module, and stores the result. Waits for the canonical module's lock until then.
    Store(&'a Store, Instant),
    /// It may have the canonical module, and stores the result. Takes no lock, for which somebody could wait: at worst
    /// something is compiled twice.
    Background(&'a Store),
}

impl<'a> Mode<'a> {
    /// The cache that may have the canonical module.
    pub fn store(self) -> Option<&'a Store> {
        match self {
            Mode::Compile => None,
            Mode::Look(store) | Mode::Store(store, _) | Mode::Background(store) => Some(store),
        }
    }

    pub fn lock_until(self) -> Option<Instant> {
        match self {
            Mode::Store(_, until) => Some(until),
            Mode::Compile | Mode::Look(_) | Mode::Background(_) => None,
        }
    }
}

/// A server's answer.
pub enum Answer {
    Compiled {
        image: Vec<u8>,
        object: Vec<u8>,
        manifest: Box<Manifest>,
        /// Texts for debuggers, by the names of their files.
        sources: Vec<(String, Vec<u8>)>,
        /// Held until the code is stored.
        lock: Option<Lock>,
    },
    /// The canonical module is this entry's.
    Known(Box<Entry>),
}

impl Work<'_> {
    /// Asks a server to compile, which stops if the cache has the module under its canonical key.
    pub fn ask(&mut self, inputs: &[Cow<'_, [u8]>], mode: Mode<'_>) -> Result<Answer, Error> {
        let executor = self.executor;
        let about_inputs = self.about_inputs(inputs);
        let len = about_inputs.iter().map(|input| input.len).sum();
        let limits = executor.config.limits;
        if let Some(error) = failed::find(&self.key, &limits, &self.source.name) {
            return Err(error);
        }
        let request = Request::Compile(CompileRequest {
            name: self.source.name.clone().into_owned(),
            key: self.key.0,
            opt_level: self.level,
            target: executor.target.clone(),
            // Lines are not part of the canonical module, but of debug information.
            identify: mode.store().is_some() && !executor.config.debug_ir,
            progress: executor.config.hook.is_some(),
            inputs: about_inputs.clone(),
            keep: self.source.keep.as_deref().map(<[String]>::to_vec),
            emit: Emit::Code,
            step: Step::first(executor.config.code_options()),
            replaceable: executor.config.replaceable,
            switchable: executor.code_options(self.level).switchable,
            max_memory: 0,
        });
        self.tell(EventKind::CompileStarted, "", len);
        let inputs: Vec<&[u8]> = inputs.iter().map(|bytes| &**bytes).collect();
        let mut listener = Listener {
            executor,
            keys: executor.keys_at(self.level),
            name: &self.source.name,
            key: self.key,
            times: self.times,
            purpose: self.purpose,
            store: mode.store(),
            lock_until: mode.lock_until(),
            canonical: None,
            held: None,
            known: None,
            warning: None,
            told: self.told.borrow().clone(),
            remote: self
                .ask_for_canonical
                .then_some(executor.remote.as_deref())
                .flatten(),
            report: None,
        };
        let begun = Instant::now();
        let mut answer = executor.pool.request(
            &request,
            &inputs,
            Duration::ZERO,
            &mut self.times,
            self.cancel,
            &mut listener,
        );
        let mut pieces = Vec::new();
        if let (Ok(connection::Answer::Cut(cut, payload)), Request::Compile(asked)) =
            (&answer, &request)
        {
            let (pool, cancel) = (&executor.pool, self.cancel);
            let joined = Pieces::new(pool, asked, &inputs, cancel, begun, cut.clone(), payload)
                .and_then(|pieces| self.compile_pieces(&pieces, mode, &mut listener));
            answer = joined.map(|(output, used)| {
                pieces = used;
                connection::Answer::Compiled(output)
            });
            self.times.compile = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        }
        let Listener {
            canonical,
            held,
            known,
            warning,
            told,
            report,
            ..
        } = listener;
        *self.told.borrow_mut() = told;
        if let Some(report) = &report {
            self.note_report(report, mode.store());
        }
        if let Some(lacking) = executor.pool.not_isolated()
            && !executor.told_not_isolated.swap(true, Ordering::Relaxed)
        {
            self.tell(EventKind::NotIsolated, lacking, 0);
        }
        let answer = answer.map_err(|error| {
            let error = match &request {
                Request::Compile(request) => {
                    reproducible(executor, &self.key, request, &inputs, error)
                }
                _ => error,
            };
            if error.repeats {
                failed::remember(self.key, limits, &self.source.name, &error);
            }
            error
        })?;
        if let Some(warning) = warning {
            self.warn(&warning);
        }
        match (answer, known) {
            (connection::Answer::Compiled(output), _) => {
                self.check_answer(&output)?;
                if pieces.is_empty() {
                    self.times.server = output.compiled.times;
                }
                for warning in &output.compiled.warnings {
                    self.tell(EventKind::Warning, warning, 0);
                }
                let how = describe_pieces(&pieces);
                self.tell(EventKind::Compiled, &how, output.compiled.image_len);
                let (image, object) = output::read(&output)
                    .map_err(|error| self.bad_code("cannot be read", &error))?;
                let sources = output::sources(&output)
                    .map_err(|error| self.bad_code("has sources that cannot be read", &error))?;
                Ok(Answer::Compiled {
                    image,
                    object,
                    sources,
                    manifest: Box::new(self.manifest(output, about_inputs, canonical, pieces)),
                    lock: held,
                })
            }
            (connection::Answer::Stopped, Some(entry)) => {
                self.tell_hit("by its canonical module", &entry);
                Ok(Answer::Known(entry))
            }
            _ => Err(failures::out_of_step(&self.source.name)),
        }
    }

    /// Code for another CPU than was asked for could end the process.
    fn check_answer(&self, output: &Output) -> Result<(), Error> {
        let Target::Host(cpu) = &self.executor.target else {
            return Ok(());
        };
        let (name, features) = cpu.llvm_names();
        let compiled = &output.compiled;
        if (name, &features) == (&compiled.cpu, &compiled.features) {
            return Ok(());
        }
        Err(self.bad_code(
            "cannot be used",
            &format!(
                "the server compiled for the CPU \"{}\" with the features \"{}\", not for \"{name}\" with \"{features}\"",
                compiled.cpu, compiled.features
            ),
        ))
    }

    /// The inputs' names and lengths.
    fn about_inputs(&self, inputs: &[Cow<'_, [u8]>]) -> Vec<Input> {
        let inputs = self.source.inputs.iter().zip(inputs);
        let about = inputs.map(|(input, bytes)| Input {
            name: input.name.clone().into_owned(),
            len: bytes.len() as u64,
        });
        about.collect()
    }

    fn manifest(
        &self,
        output: Output,
        inputs: Vec<Input>,
        canonical: Option<Key>,
        pieces: Vec<UsedPiece>,
    ) -> Manifest {
        let compiled = output.compiled;
        Manifest {
            about: About {
                name: self.source.name.clone().into_owned(),
                parts: self.executor.key_parts(self.level).to_keep(&self.digest),
                canonical,
                target: self.executor.config.target.clone(),
                inputs,
                keep: self.source.keep.as_deref().map(<[String]>::to_vec),
                triple: compiled.triple,
                cpu: compiled.cpu,
                features: compiled.features,
                created: clock::now(),
                times: compiled.times,
                piece: None,
                pieces,
                object: None,
                input: None,
            },
            functions: compiled.functions,
        }
    }
}

/// Writes what reproduces an error, if that is wanted and possible, and says where.
pub fn reproducible(
    executor: &Executor,
    key: &Key,
    request: &CompileRequest,
    inputs: &[&[u8]],
    error: Error,
) -> Error {
    let Some(parent) = executor
        .config
        .reproducers
        .as_ref()
        .filter(|_| error.reproduces)
    else {
        return error;
    };
    let told = match reproducer::write(parent, key, request, inputs, &error) {
        Ok(folder) => format!("what reproduces it is in {}", folder.display()),
        Err(why) => format!(
            "what reproduces it could not be written to {}: {}",
            parent.display(),
            reason(&why)
        ),
    };
    Error {
        message: format!("{}\n{told}", error.message),
        reproduces: false,
        ..error
    }
}
