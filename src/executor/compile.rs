//! From IR to a mapped module: by the cache, or by a compile server.

use super::Executor;
use super::module::{Module, ModuleInfo, Origin};
use crate::cache::catalog::Catalog;
use crate::cache::entry::{Entry, RawManifest};
use crate::cache::journal::{self, MissReason};
use crate::cache::key::{Key, KeyParts, Keys};
use crate::cache::lock::Outcome;
use crate::cache::manifest::{About, Manifest, Parts};
use crate::cache::store::{Found, Store, Trouble};
use crate::compile::client::Output;
use crate::compile::protocol::Request;
use crate::config::{CacheMode, Config};
use crate::error::{Error, Status, reason};
use crate::event::{Event, EventKind, Stopwatch, Times};
use crate::fork;
use crate::image::Image;
use crate::image::map::Source;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// How much of a file is read and hashed at once.
const CHUNK_LEN: usize = 256 << 10;

/// Code that is ready to be mapped.
enum Code {
    /// An entry, verified just now.
    Stored(Entry),
    /// What a server has just compiled and the cache could not take.
    Unstored {
        image: Vec<u8>,
        manifest: RawManifest,
    },
}

/// One compile, and what is told of it.
struct Work<'a> {
    executor: &'a Executor,
    name: &'a str,
    /// BLAKE3 of the IR.
    digest: blake3::Hash,
    key: Key,
    times: Times,
    /// Why the cache had nothing.
    missed: MissReason,
}

impl Executor {
    /// Compiles `ir`, or finds it in the cache, and adds it as a module that is still to be linked.
    pub fn compile(self: &Arc<Self>, name: &str, ir: &[u8]) -> Result<Module, Error> {
        let mut watch = Stopwatch::start();
        let mut work = Work::new(self, name, blake3::hash(ir), &mut watch);
        if let Some(entry) = work.find()? {
            return work.load(self, Code::Stored(entry), Origin::Cache);
        }
        let (code, origin) = work.obtain(ir)?;
        work.load(self, code, origin)
    }

    /// As [`Executor::compile`], with the IR in a file, which is read whole only if it must be compiled.
    pub fn compile_file(self: &Arc<Self>, path: &Path) -> Result<Module, Error> {
        let name = path.to_string_lossy();
        let unreadable = |error: std::io::Error| {
            Error::new(
                Status::Io,
                format!("{} cannot be read: {}", path.display(), reason(&error)),
            )
        };
        let mut watch = Stopwatch::start();
        let mut file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            // A pipe can be read only once; reading a folder fails here.
            let mut ir = Vec::new();
            file.read_to_end(&mut ir).map_err(unreadable)?;
            return self.compile(&name, &ir);
        }
        let mut hasher = blake3::Hasher::new();
        let mut chunk = vec![0; CHUNK_LEN.min(metadata.len() as usize + 1)];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(&chunk[..read]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        drop(file);
        let mut work = Work::new(self, &name, hasher.finalize(), &mut watch);
        if let Some(entry) = work.find()? {
            return work.load(self, Code::Stored(entry), Origin::Cache);
        }
        // Hashed again: the file may have changed in between.
        let ir = std::fs::read(path).map_err(unreadable)?;
        work.digest = blake3::hash(&ir);
        work.key = self.keys.key(&work.digest);
        let (code, origin) = work.obtain(&ir)?;
        work.load(self, code, origin)
    }
}

/// The key of IR for an executor of this configuration, and what it is made of.
pub fn key_of(config: &Config, ir: &[u8]) -> (Key, Parts) {
    let parts = fork::guard(|| KeyParts::native(config.opt_level)).into_inner();
    let digest = blake3::hash(ir);
    (Keys::new(parts).key(&digest), parts.to_keep(&digest))
}

/// Compiles what an entry was compiled from once more, and compares.
pub fn recompile(_catalog: &Catalog, _key: &Key) -> Result<(), Error> {
    Ok(())
}

impl<'a> Work<'a> {
    fn new(
        executor: &'a Executor,
        name: &'a str,
        digest: blake3::Hash,
        watch: &mut Stopwatch,
    ) -> Work<'a> {
        Work {
            executor,
            name,
            digest,
            key: executor.keys.key(&digest),
            times: Times {
                hash: watch.lap(),
                ..Times::default()
            },
            missed: MissReason::Absent,
        }
    }

    /// The entry in the cache, if it can be used.
    fn find(&mut self) -> Result<Option<Entry>, Error> {
        let Some(store) = &self.executor.store else {
            let off = self.executor.config.cache_mode == CacheMode::Off;
            self.tell(
                EventKind::Miss,
                if off {
                    "the cache is off"
                } else {
                    "there is no cache directory: set MGENJIT_CACHE_DIR, XDG_CACHE_HOME or HOME"
                },
                0,
            );
            return Ok(None);
        };
        match self.look(store) {
            Found::Entry(entry) => Ok(Some(entry)),
            Found::Nothing => {
                self.tell(EventKind::Miss, "", 0);
                Ok(None)
            }
            Found::Unusable(reason, trouble) => {
                self.missed = reason;
                self.trouble(&trouble);
                self.tell(EventKind::Miss, "its entry cannot be used", 0);
                Ok(None)
            }
        }
    }

    /// Looks in the cache, and tells of a hit.
    fn look(&mut self, store: &Store) -> Found {
        let mut watch = Stopwatch::start();
        let found = store.find(&self.key);
        self.times.find += watch.lap();
        if let Found::Entry(entry) = &found {
            self.tell(EventKind::Hit, "", entry.len);
        }
        found
    }

    /// Compiles, unless somebody else does so first, and stores.
    fn obtain(&mut self, ir: &[u8]) -> Result<(Code, Origin), Error> {
        let writable = self.executor.config.cache_mode == CacheMode::ReadWrite;
        let store = self.executor.store.as_ref().filter(|_| writable);
        let mut watch = Stopwatch::start();
        let mut held = None;
        if let Some(store) = store {
            store.create_journal();
            match store.lock(&self.key, self.executor.config.lock_timeout) {
                Ok(Outcome::Held(lock)) => {
                    held = Some(lock);
                    self.times.wait += watch.lap();
                    // Whoever held it before may have stored it.
                    if let Found::Entry(entry) = self.look(store) {
                        return Ok((Code::Stored(entry), Origin::Cache));
                    }
                }
                Ok(Outcome::TimedOut) => {
                    self.times.wait += watch.lap();
                    self.trouble(&Trouble(
                        "another thread or process has been compiling this for so long that it is compiled \
                         here as well"
                            .to_owned(),
                    ));
                }
                // Compiled without the lock: at worst twice.
                Err(trouble) => self.trouble(&trouble),
            }
            store.record_miss(&self.key, self.missed);
        }
        let output = self.compile(ir)?;
        let code = self.keep(output, ir, store)?;
        drop(held);
        if let Some(store) = store
            && let Err(trouble) = store.maintain()
        {
            self.trouble(&trouble);
        }
        Ok((code, Origin::Compiled))
    }

    fn compile(&mut self, ir: &[u8]) -> Result<Output, Error> {
        let request = Request {
            name: self.name.to_owned(),
            opt_level: self.executor.config.opt_level,
            input_len: ir.len() as u64,
        };
        self.tell(EventKind::CompileStarted, "", request.input_len);
        let output = self.executor.pool.compile(&request, ir, &mut self.times)?;
        self.times.server = output.compiled.times;
        self.tell(EventKind::Compiled, "", output.compiled.image_len);
        Ok(output)
    }

    /// Stores a compiled module and opens it as every later run will; from memory if it cannot be stored.
    fn keep(&mut self, output: Output, ir: &[u8], store: Option<&Store>) -> Result<Code, Error> {
        let image_len = output.compiled.image_len as usize;
        // The lengths were checked against the memfd's. Its position is wherever the server left it.
        let mut payload = vec![0; image_len + output.compiled.object_len as usize];
        output
            .payload
            .read_exact_at(&mut payload, 0)
            .map_err(|error| self.bad_code("cannot be read", &error))?;
        let (image, object) = payload
            .split_at_checked(image_len)
            .ok_or_else(|| self.bad_code("is cut short", &"the server sent less than it said"))?;
        let mut manifest = self.manifest(output, ir.len() as u64);

        if let Some(store) = store {
            let mut watch = Stopwatch::start();
            let stored = store.publish(&self.key, image, object, ir, &mut manifest);
            self.times.store = watch.lap();
            match stored {
                Ok(len) => {
                    self.tell(EventKind::Stored, "", len);
                    match store.reopen(&self.key) {
                        Ok(Some(entry)) => return Ok(Code::Stored(entry)),
                        Ok(None) => {}
                        Err((_, trouble)) => self.trouble(&trouble),
                    }
                }
                Err(trouble) => self.trouble(&trouble),
            }
        }
        payload.truncate(image_len);
        let manifest = RawManifest::encode(&manifest)
            .map_err(|error| self.bad_code("cannot be described", &error))?;
        Ok(Code::Unstored {
            image: payload,
            manifest,
        })
    }

    fn bad_code(&self, what: &str, why: &dyn std::fmt::Display) -> Error {
        Error::new(
            Status::Load,
            format!("the compiled code of {} {what}: {why}", self.name),
        )
    }

    fn manifest(&self, output: Output, input_len: u64) -> Manifest {
        let compiled = output.compiled;
        Manifest {
            about: About {
                name: self.name.to_owned(),
                parts: self.executor.parts.to_keep(&self.digest),
                canonical: None,
                input_len,
                triple: compiled.triple,
                cpu: compiled.cpu,
                features: compiled.features,
                created: journal::now(),
                times: compiled.times,
                object: None,
                input: None,
            },
            functions: compiled.functions,
        }
    }

    /// Maps an entry's image and adds it to the executor.
    fn load(
        mut self,
        executor: &Arc<Executor>,
        code: Code,
        origin: Origin,
    ) -> Result<Module, Error> {
        let mut watch = Stopwatch::start();
        let (image, manifest) = match code {
            Code::Stored(entry) => (
                Image::map(
                    Source::File(entry.file.as_fd()),
                    &entry.header,
                    entry.tail.image_len,
                )?,
                entry.manifest,
            ),
            Code::Unstored { image, manifest } => (
                Image::map(Source::Memory(&image), &image, image.len() as u64)?,
                manifest,
            ),
        };
        self.times.map = watch.lap();
        self.tell(EventKind::Loaded, "", image.mapped_len() as u64);
        let info = Arc::new(ModuleInfo::new(
            self.name, self.key, origin, self.times, manifest,
        ));
        let id = executor.lock().add(image, info.clone());
        Ok(Module::new(executor.clone(), id, info))
    }

    fn trouble(&self, trouble: &Trouble) {
        self.tell(EventKind::CacheTrouble, &trouble.0, 0);
    }

    fn tell(&self, kind: EventKind, message: &str, bytes: u64) {
        if let Some(hook) = &self.executor.config.hook {
            hook(&Event {
                kind,
                key: self.key,
                name: self.name,
                message,
                bytes,
                times: &self.times,
            });
        }
    }
}
