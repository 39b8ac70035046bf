//! An executor in a process that is not the host's: it is given images, and runs their `main`.
//!
//! So a program means here what it means in its host: the same code maps, resolves, links and calls.

use crate::cache::entry::RawManifest;
use crate::cache::key::Key;
use crate::cache::options::CacheMode;
use crate::config::Config;
use crate::error::{Error, Status, reason};
use crate::event::Times;
use crate::executor::core::Executor;
use crate::executor::entries::{Entries, Unresolved};
use crate::executor::info::{ModuleInfo, Origin};
use crate::executor::main_call::MainCall;
use crate::executor::main_call::check_main;
use crate::executor::{builtins, main_call};
use crate::executor::{resolve, state};
use crate::image::Image;
use crate::image::map::Source;
use crate::protocol::isolated::Failure;
use crate::types::OptLevel;
use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much of an image's file is read to find its segments, and to copy what is small: as much as a hit reads.
const START_LEN: u64 = 256 << 10;

/// A program that has not begun.
pub struct Program {
    pub(super) executor: Arc<Executor>,
    /// Its modules, in the order in which they were added.
    added: Mutex<Vec<u64>>,
}

impl Program {
    /// It opens no file of the program's: a process that has made one can be forked for each program.
    pub fn new() -> Program {
        // So that the libraries are loaded that any code may count on.
        builtins::fallback(c"sin");
        Program {
            executor: Executor::new(Config {
                cache_mode: CacheMode::Off,
                ..Config::default()
            }),
            added: Mutex::default(),
        }
    }

    /// Has a name mean its newest definition everywhere. Before there is any module.
    pub fn set_replaceable(&self) {
        self.executor.lock().entries = Some(Entries::new());
    }

    pub fn load_library(&self, path: &str) -> Result<(), Failure> {
        self.executor.load_library(path).map_err(Failure::from)
    }

    /// Adds a module, whose image has `len` bytes of a file: from `at` on, where the file may be mapped, else from its start. Returns
    /// where it lies in memory.
    pub fn add(
        &self,
        name: &str,
        manifest: Vec<u8>,
        file: &File,
        len: u64,
        at: Option<u64>,
    ) -> Result<u64, Failure> {
        let kept = match at {
            Some(_) => len.min(START_LEN),
            None => len,
        };
        let mut start = vec![0; kept as usize];
        file.read_exact_at(&mut start, at.unwrap_or(0))
            .map_err(|error| {
                let why = reason(&error);
                Error::new(Status::Load, format!("{name} cannot be read: {why}"))
            })?;
        let source = match at {
            Some(at) => Source::File {
                file: file.as_fd(),
                at,
                start: &start,
            },
            None => Source::Memory(&start),
        };
        Ok(self.insert(name, manifest, source, &start, len)?)
    }

    /// As [`Program::add`], of an image that lies in memory.
    pub(super) fn add_copy(&self, name: &str, manifest: &[u8], image: &[u8]) -> Result<u64, Error> {
        let len = image.len() as u64;
        self.insert(name, manifest.to_vec(), Source::Memory(image), image, len)
    }

    fn insert(
        &self,
        name: &str,
        manifest: Vec<u8>,
        source: Source<'_>,
        start: &[u8],
        len: u64,
    ) -> Result<u64, Error> {
        let image = Image::map(source, start, len).map_err(|error| Error {
            message: format!("{name}: {}", error.message),
            ..error
        })?;
        let base = image.range().start as u64;
        let info = ModuleInfo::new(
            name.into(),
            Key([0; 32]),
            Origin::Cache,
            OptLevel::O2,
            Times::default(),
            RawManifest::new(manifest),
            None,
        );
        let id = self.executor.lock().add(image, Arc::new(info));
        self.added().push(id);
        Ok(base)
    }

    /// Removes the module that was added at this place of all.
    pub(super) fn remove(&self, place: usize) {
        let Some(id) = self.added().get(place).copied() else {
            return;
        };
        let (unused, unresolved) = {
            let mut state = self.executor.lock();
            (state.remove(id), state.take_unresolved())
        };
        unresolved.into_iter().for_each(Unresolved::resolve);
        state::unload(unused.unwrap_or_default());
    }

    fn added(&self) -> MutexGuard<'_, Vec<u64>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out what is wrong with its `main` before any of its code runs.
    pub fn check_main(&self) -> Result<(), Failure> {
        let main = self
            .executor
            .find_function("main", Some(main_call::usual_main()))?;
        check_main(main.signature())?;
        let (_, report) = resolve::plan(&self.executor.lock(), &HashMap::new());
        report.error().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Links it, which runs its constructors.
    pub fn prepare(&self, arguments: &[&CStr]) -> Result<MainCall, Failure> {
        // Its constructors get them.
        self.executor.set_arguments(arguments);
        self.executor.prepare_main(None).map_err(Failure::from)
    }
}

impl Default for Program {
    fn default() -> Program {
        Program::new()
    }
}
