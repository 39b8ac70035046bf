//! Compiles a module in pieces that the cache keeps.

use super::answer::{Mode, reproducible};
use super::fetch_pieces::Fetching;
use super::work::Work;
use crate::cache::entry::EntryError;
use crate::cache::journal::RemoteKind;
use crate::cache::key::{Key, KeyParts, Keys};
use crate::cache::lock::{Lock, Outcome};
use crate::cache::manifest::{self, About, Manifest, UsedPiece};
use crate::cache::store::{Found, Purpose, Store};
use crate::client::connection::Output;
use crate::client::listener::Listener;
use crate::clock;
use crate::error::Error;
use crate::event::{EventKind, Times};
use crate::executor::core::Executor;
use crate::executor::failed;
use crate::executor::pieces::{Object, Pieces};
use crate::protocol::messages::Piece;
use crate::remote::tier::Upload;
use crate::types::{Input, Target};
use std::time::Instant;

impl Work<'_> {
    /// Compiles those pieces that neither the cache nor a remote has, stores them, and has a server join all.
    pub fn compile_pieces(
        &mut self,
        pieces: &Pieces<'_>,
        mode: Mode<'_>,
        listener: &mut dyn Listener,
    ) -> Result<(Output, Vec<UsedPiece>), Error> {
        let executor = self.executor;
        let digests: Vec<blake3::Hash> = (0..pieces.len())
            .map(|index| blake3::hash(pieces.piece(index).1))
            .collect();
        let mut shelf = Shelf {
            executor,
            pieces,
            digests: &digests,
            mode,
            keys: executor.keys_at(self.level),
            parts: executor.key_parts(self.level),
            fetching: None,
        };
        let mut objects: Vec<Option<Object>> = Vec::with_capacity(pieces.len());
        for index in 0..pieces.len() {
            objects.push(shelf.find(index, listener));
        }
        let missing: Vec<usize> = (0..pieces.len())
            .filter(|index| objects[*index].is_none())
            .collect();
        if let (Mode::Store(..), Some(tier)) = (mode, self.readable())
            && !missing.is_empty()
        {
            // In the order in which they are compiled.
            let mut wanted: Vec<(usize, Key)> = missing
                .iter()
                .map(|index| (*index, shelf.key(*index)))
                .collect();
            wanted.sort_by_key(|(index, _)| std::cmp::Reverse(pieces.piece(*index).0.len));
            let begun = Instant::now();
            let fetching = Fetching::start(&tier, &wanted);
            self.times.remote += u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            shelf.fetching = Some(fetching);
        }
        if !missing.is_empty() {
            let obtain = |index, listener: &mut dyn Listener| shelf.obtain(index, listener);
            for (index, object) in pieces.obtain_all(&missing, &obtain, listener)? {
                objects[index] = Some(object);
            }
        }
        if let Some(fetching) = shelf.fetching.take() {
            for problem in fetching.problems() {
                self.tell(EventKind::RemoteWarning, &problem, 0);
            }
        }
        let objects: Vec<Object> = objects.into_iter().flatten().collect();
        let output = pieces.join(&objects, &mut self.times, listener)?;
        // The output's are those of all pieces.
        self.times.server = output.compiled.times;
        for object in objects.iter().filter(|object| !object.compiled) {
            self.times.server -= object.times;
        }
        let used = objects.iter().enumerate().map(|(index, object)| UsedPiece {
            piece: about(pieces.piece(index).0),
            key: shelf.key(index),
            compiled: object.compiled,
            time: object.times.total(),
        });
        Ok((output, used.collect()))
    }
}

/// What the threads that compile pieces share.
struct Shelf<'a> {
    executor: &'a Executor,
    pieces: &'a Pieces<'a>,
    digests: &'a [blake3::Hash],
    mode: Mode<'a>,
    keys: &'a Keys,
    parts: KeyParts<'a>,
    /// Those that remotes are asked for.
    fetching: Option<Fetching>,
}

impl Shelf<'_> {
    fn key(&self, index: usize) -> Key {
        self.keys.piece(&self.digests[index])
    }

    /// The object of a piece that the cache has.
    fn find(&self, index: usize, listener: &mut dyn Listener) -> Option<Object> {
        let store = self.mode.store()?;
        let mut read = || -> Result<Option<Object>, EntryError> {
            let found = store.find_for(&self.key(index), &self.executor.machine, Purpose::Join);
            let entry = match found {
                Found::Entry(entry) => entry,
                Found::Nothing => return Ok(None),
                Found::Unusable(_, warning) => {
                    listener.cache_warning(&warning.0);
                    return Ok(None);
                }
            };
            let about = entry.manifest.decode_about()?;
            Ok(Some(Object {
                bytes: entry.object(&about)?,
                times: about.times,
                compiled: false,
            }))
        };
        read().unwrap_or_else(|error| {
            let name = self.pieces.name(index);
            listener.cache_warning(&format!("the entry of {name} cannot be used: {error}"));
            None
        })
    }

    /// Compiles a piece and stores it, unless somebody else does so first.
    fn obtain(&self, index: usize, listener: &mut dyn Listener) -> Result<Object, Error> {
        let (store, deadline) = match self.mode {
            Mode::Store(store, deadline) => (store, deadline),
            Mode::Background(store) => {
                let object = self.compile(index, listener)?;
                self.publish(store, index, &object, listener);
                return Ok(object);
            }
            Mode::Compile | Mode::Look(_) => return self.compile(index, listener),
        };
        let timeout = deadline.saturating_duration_since(Instant::now());
        // Whoever holds a piece's lock waits for no other lock.
        let _lock: Option<Lock> = match store.lock(&self.key(index), timeout) {
            Ok(Outcome::Held(lock)) => {
                if let Some(object) = self.find(index, listener) {
                    return Ok(object);
                }
                Some(lock)
            }
            // At worst it is compiled twice.
            Ok(Outcome::TimedOut) => None,
            Err(warning) => {
                listener.cache_warning(&warning.0);
                None
            }
        };
        if let Some(object) = self.fetched(store, index, listener) {
            return Ok(object);
        }
        let object = self.compile(index, listener)?;
        self.publish(store, index, &object, listener);
        Ok(object)
    }

    /// What a remote had of a piece. It is stored, and found as any other.
    fn fetched(&self, store: &Store, index: usize, listener: &mut dyn Listener) -> Option<Object> {
        let report = self.fetching.as_ref()?.take(index)?;
        let (found, fetched) = (report.found?, report.fetched?);
        let took = u64::try_from(report.took.as_micros()).unwrap_or(u64::MAX);
        let saved = found.cost.saturating_sub(took);
        store.record_remote(&self.key(index), RemoteKind::Hit, found.len, saved);
        match store.promote(fetched.entry, None) {
            Ok(_) => self.find(index, listener),
            Err((warning, _)) => {
                listener.cache_warning(&warning.0);
                None
            }
        }
    }

    fn compile(&self, index: usize, listener: &mut dyn Listener) -> Result<Object, Error> {
        let key = self.key(index);
        let request = self.pieces.request(index, key.0);
        let limits = self.executor.config.limits;
        if let Some(error) = failed::find(&key, &limits, &request.name) {
            return Err(error);
        }
        let compiled = self
            .pieces
            .compile(index, &request, &mut Times::default(), listener);
        compiled.map_err(|error| {
            if error.repeats {
                failed::remember(key, limits, &request.name, &error);
            }
            let inputs = [self.pieces.piece(index).1];
            reproducible(self.executor, &key, &request, &inputs, error)
        })
    }

    fn publish(&self, store: &Store, index: usize, object: &Object, listener: &mut dyn Listener) {
        let name = self.pieces.name(index);
        let (cpu, features) = match &self.executor.target {
            Target::Host(cpu) => {
                let (name, features) = cpu.llvm_names();
                (name.to_owned(), features)
            }
            Target::Other(target) => (target.cpu.clone(), target.features.clone()),
        };
        let piece = self.pieces.piece(index).0;
        let mut manifest = Manifest {
            about: About {
                parts: self.parts.to_keep(&self.digests[index]),
                canonical: None,
                target: self.executor.config.target.clone(),
                inputs: vec![Input {
                    name: name.clone(),
                    len: piece.len,
                }],
                name,
                keep: None,
                triple: String::new(),
                cpu,
                features,
                created: clock::now(),
                times: object.times,
                piece: Some(about(piece)),
                pieces: Vec::new(),
                object: None,
                input: None,
            },
            functions: Vec::new(),
        };
        let key = self.key(index);
        match store.publish_piece(&key, &object.bytes, &mut manifest) {
            // What cannot be put is told when the module is.
            Ok(len) => {
                if let Some(tier) = &self.executor.remote
                    && !self.executor.config.debug_ir
                {
                    tier.upload(store.directory().path(), &[Upload::entry(&key, len)], None);
                }
            }
            Err(warning) => listener.cache_warning(&warning.0),
        }
    }
}

fn about(piece: &Piece) -> manifest::Piece {
    manifest::Piece {
        name: piece.name.clone(),
        functions: piece.functions,
        instructions: piece.instructions,
    }
}
