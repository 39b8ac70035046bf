//! Compiles a module that a server has cut: its pieces side by side, then one request that joins them.

use crate::client::cancel::Cancel;
use crate::client::connection::{Answer, Output};
use crate::client::failures::out_of_step;
use crate::client::listener::Listener;
use crate::client::pool::Pool;
use crate::error::{Error, Status, reason};
use crate::event::Times;
use crate::protocol::messages::{CompileRequest, Cut, Phase, Piece, Progress, Request, Step};
use crate::protocol::payload;
use crate::threads;
use crate::types::{CompileTimes, Input};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Instant;

/// A module that was cut.
pub struct Pieces<'a> {
    pool: &'a Pool,
    /// The request that the pieces are the answer to.
    request: &'a CompileRequest,
    inputs: &'a [&'a [u8]],
    cancel: &'a Cancel,
    /// When the time limit began.
    begun: Instant,
    cut: Cut,
    /// The pieces, and behind them what the join needs.
    bytes: Vec<u8>,
    /// Where each piece is.
    ranges: Vec<Range<usize>>,
}

/// What a server made of a piece.
pub struct Object {
    pub bytes: Vec<u8>,
    pub times: CompileTimes,
    /// It was compiled just now. Else a cache had it.
    pub compiled: bool,
}

/// What a thread says.
enum Said {
    Warning(String),
    CacheWarning(String),
    Done(usize, Result<Object, Error>),
}

impl<'a> Pieces<'a> {
    /// `payload`: what came with `cut`.
    pub fn new(
        pool: &'a Pool,
        request: &'a CompileRequest,
        inputs: &'a [&'a [u8]],
        cancel: &'a Cancel,
        begun: Instant,
        cut: Cut,
        payload: &File,
    ) -> Result<Pieces<'a>, Error> {
        let name = &request.name;
        let unreadable = |error: io::Error| {
            let why = reason(&error);
            let message = format!("the pieces of {name} cannot be read: {why}");
            Error::new(Status::Io, message)
        };
        // The payload has this length: the connection has made sure.
        let len = cut.payload_len().ok_or_else(|| out_of_step(name))?;
        let bytes = payload::read_payload(payload, len).map_err(unreadable)?;
        let mut ranges = Vec::with_capacity(cut.pieces.len());
        let mut start = 0;
        for piece in &cut.pieces {
            let end = start + piece.len as usize;
            ranges.push(start..end);
            start = end;
        }
        let known = |index: &u32| (*index as usize) < inputs.len();
        if cut.pieces.is_empty() || !cut.natives.iter().all(known) {
            return Err(out_of_step(name));
        }
        Ok(Pieces {
            pool,
            request,
            inputs,
            cancel,
            begun,
            cut,
            bytes,
            ranges,
        })
    }

    pub fn len(&self) -> usize {
        self.cut.pieces.len()
    }

    pub fn piece(&self, index: usize) -> (&Piece, &[u8]) {
        (
            &self.cut.pieces[index],
            &self.bytes[self.ranges[index].clone()],
        )
    }

    /// What messages call a piece.
    pub fn name(&self, index: usize) -> String {
        let piece = &self.cut.pieces[index].name;
        format!("{} (piece with `{piece}`)", self.request.name)
    }

    /// The request for a piece.
    pub fn request(&self, index: usize, key: [u8; 32]) -> CompileRequest {
        let name = self.name(index);
        CompileRequest {
            key,
            identify: false,
            inputs: vec![Input {
                name: name.clone(),
                len: self.cut.pieces[index].len,
            }],
            name,
            keep: None,
            step: Step::Piece,
            ..self.request.clone()
        }
    }

    /// Has a server compile a piece.
    pub fn compile(
        &self,
        index: usize,
        request: &CompileRequest,
        times: &mut Times,
        listener: &mut dyn Listener,
    ) -> Result<Object, Error> {
        let bytes = self.piece(index).1;
        let spent = self.begun.elapsed();
        let asked = Request::Compile(request.clone());
        let answer = self
            .pool
            .request(&asked, &[bytes], spent, times, self.cancel, listener)
            .map_err(|error| self.of_module(index, error))?;
        let Answer::Piece { len, times, file } = answer else {
            return Err(out_of_step(&request.name));
        };
        let bytes = payload::read_payload(&file, len).map_err(|error| {
            let why = reason(&error);
            let message = format!("the code of {} cannot be read: {why}", request.name);
            Error::new(Status::Io, message)
        })?;
        Ok(Object {
            bytes,
            times,
            compiled: true,
        })
    }

    /// The time limit is the module's, and so is its error.
    fn of_module(&self, index: usize, error: Error) -> Error {
        if error.status != Status::Timeout {
            return error;
        }
        Error {
            message: error.message.replace(&self.name(index), &self.request.name),
            ..error
        }
    }

    /// Has `obtain` get the objects of all pieces in `wanted`, by several threads. Once one failed, no other is begun,
    /// but those that are under way are finished. The error is that of the first piece that failed.
    pub fn obtain_all(
        &self,
        wanted: &[usize],
        obtain: &(dyn Fn(usize, &mut dyn Listener) -> Result<Object, Error> + Sync),
        listener: &mut dyn Listener,
    ) -> Result<Vec<(usize, Object)>, Error> {
        if let [index] = *wanted {
            return Ok(vec![(index, obtain(index, listener)?)]);
        }
        // The longest first, so that none is left over at the end.
        let mut wanted = wanted.to_vec();
        wanted.sort_by_key(|index| std::cmp::Reverse(self.cut.pieces[*index].len));
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let work = |sender: Sender<Said>| {
            while !failed.load(Ordering::Relaxed) {
                let Some(index) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    return;
                };
                let obtained = catch_unwind(AssertUnwindSafe(|| {
                    obtain(*index, &mut Teller(sender.clone()))
                }));
                let obtained = obtained.unwrap_or_else(|panic| Err(Error::of_panic(&*panic)));
                failed.fetch_or(obtained.is_err(), Ordering::Relaxed);
                let _ = sender.send(Said::Done(*index, obtained));
            }
        };
        let mut objects = Vec::with_capacity(wanted.len());
        let mut first: Option<(usize, Error)> = None;
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let mut running = 0;
            while running < self.pool.limit().min(wanted.len()) {
                let (work, sender) = (&work, sender.clone());
                let start = |builder: std::thread::Builder| {
                    builder.spawn_scoped(scope, move || work(sender))
                };
                // Those that are running, or this one, do the rest.
                if threads::start(start).is_err() {
                    break;
                }
                running += 1;
            }
            if running == 0 {
                work(sender);
            } else {
                drop(sender);
            }
            for said in receiver {
                match said {
                    Said::Warning(why) => listener.warning(&why),
                    Said::CacheWarning(why) => listener.cache_warning(&why),
                    Said::Done(index, Ok(object)) => {
                        objects.push((index, object));
                        let done = self.len() - wanted.len() + objects.len();
                        listener.progress(Progress {
                            phase: Phase::Pieces,
                            done: u32::try_from(done).unwrap_or(u32::MAX),
                            total: u32::try_from(self.len()).unwrap_or(u32::MAX),
                        });
                    }
                    Said::Done(index, Err(error)) => {
                        if first.as_ref().is_none_or(|(other, _)| index < *other) {
                            first = Some((index, error));
                        }
                    }
                }
            }
        });
        match first {
            None => Ok(objects),
            Some((_, error)) => Err(error),
        }
    }

    /// Has a server make the image and the object from the objects of all pieces, which are in the order of the pieces.
    pub fn join(
        &self,
        objects: &[Object],
        times: &mut Times,
        listener: &mut dyn Listener,
    ) -> Result<Output, Error> {
        let name = &self.request.name;
        let rest = &self.bytes[self.ranges.last().map_or(0, |range| range.end)..];
        let mut about = vec![Input {
            name: name.clone(),
            len: rest.len() as u64,
        }];
        let mut contents = vec![rest];
        for index in &self.cut.natives {
            about.push(self.request.inputs[*index as usize].clone());
            contents.push(self.inputs[*index as usize]);
        }
        for (index, object) in objects.iter().enumerate() {
            about.push(Input {
                name: self.name(index),
                len: object.bytes.len() as u64,
            });
            contents.push(&object.bytes);
        }
        let natives = u32::try_from(self.cut.natives.len()).unwrap_or(u32::MAX);
        let request = Request::Compile(CompileRequest {
            identify: false,
            inputs: about,
            step: Step::Join { natives },
            ..self.request.clone()
        });
        let spent = self.begun.elapsed();
        let answer = self
            .pool
            .request(&request, &contents, spent, times, self.cancel, listener)?;
        let Answer::Compiled(mut output) = answer else {
            return Err(out_of_step(name));
        };
        output.compiled.times += self.cut.times;
        for object in objects {
            output.compiled.times += object.times;
        }
        Ok(output)
    }
}

/// Hands on what a thread hears.
struct Teller(Sender<Said>);

impl Listener for Teller {
    fn cache_warning(&mut self, why: &str) {
        let _ = self.0.send(Said::CacheWarning(why.to_owned()));
    }

    fn warning(&mut self, why: &str) {
        let _ = self.0.send(Said::Warning(why.to_owned()));
    }
}
