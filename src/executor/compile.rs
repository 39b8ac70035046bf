//! From IR to a mapped module: by the cache, or by a compile server.

use super::Executor;
use super::module::{Module, ModuleInfo, Origin};
use crate::cache::entry::{Entry, RawManifest};
use crate::cache::key::Key;
use crate::cache::lock::Outcome;
use crate::cache::manifest::Manifest;
use crate::cache::store::{Store, Trouble};
use crate::compile::client::Output;
use crate::compile::protocol::{BUILD_ID, Decision, LLVM_VERSION, PACKAGE_VERSION, Request};
use crate::config::CacheMode;
use crate::error::{Error, Status, reason};
use crate::event::{Event, EventKind, Stopwatch, Times};
use crate::image::Image;
use crate::image::map::Source;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

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
    key: Key,
    times: Times,
}

impl Executor {
    /// Compiles `ir`, or finds it in the cache, and adds it as a module that is still to be linked.
    pub fn compile(self: &Arc<Self>, name: &str, ir: &[u8]) -> Result<Module, Error> {
        self.check_cpu()?;
        let mut watch = Stopwatch::start();
        let key = self.keys.key(&blake3::hash(ir));
        let mut work = Work::new(self, name, key, watch.lap());
        if let Some(entry) = work.find()? {
            return work.load(self, Code::Stored(entry), Origin::Cache);
        }
        let (code, origin) = work.obtain(ir)?;
        work.load(self, code, origin)
    }

    /// As [`Executor::compile`], with the IR in a file, which is read whole only if it must be compiled.
    pub fn compile_file(self: &Arc<Self>, path: &Path) -> Result<Module, Error> {
        self.check_cpu()?;
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
        let key = self.keys.key(&hasher.finalize());
        let mut work = Work::new(self, &name, key, watch.lap());
        if let Some(entry) = work.find()? {
            return work.load(self, Code::Stored(entry), Origin::Cache);
        }
        // Hashed again: the file may have changed in between.
        let ir = std::fs::read(path).map_err(unreadable)?;
        work.key = self.keys.key(&blake3::hash(&ir));
        let (code, origin) = work.obtain(&ir)?;
        work.load(self, code, origin)
    }
}

impl<'a> Work<'a> {
    fn new(executor: &'a Executor, name: &'a str, key: Key, hash: u64) -> Work<'a> {
        Work {
            executor,
            name,
            key,
            times: Times {
                hash,
                ..Times::default()
            },
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
            Ok(Some(entry)) => Ok(Some(entry)),
            Ok(None) => {
                self.tell(EventKind::Miss, "", 0);
                Ok(None)
            }
            Err(trouble) => {
                self.trouble(&trouble);
                self.tell(EventKind::Miss, "its entry cannot be used", 0);
                Ok(None)
            }
        }
    }

    /// Looks in the cache, and tells of a hit.
    fn look(&mut self, store: &Store) -> Result<Option<Entry>, Trouble> {
        let mut watch = Stopwatch::start();
        let found = store.find(&self.key);
        self.times.find += watch.lap();
        if let Ok(Some(entry)) = &found {
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
            match store.lock(&self.key, self.executor.config.lock_timeout) {
                Ok(Outcome::Held(lock)) => {
                    held = Some(lock);
                    self.times.wait += watch.lap();
                    // Whoever held it before may have stored it.
                    if let Ok(Some(entry)) = self.look(store) {
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
        }
        let output = self.compile(ir)?;
        let code = self.keep(output, ir.len() as u64, store)?;
        drop(held);
        Ok((code, Origin::Compiled))
    }

    fn compile(&mut self, ir: &[u8]) -> Result<Output, Error> {
        let request = Request {
            name: self.name.to_owned(),
            opt_level: self.executor.config.opt_level,
            cpu: self.executor.config.cpu,
            identify: false,
            input_len: ir.len() as u64,
        };
        self.tell(EventKind::CompileStarted, "", request.input_len);
        let output = self
            .executor
            .pool
            .compile(&request, ir, &mut self.times, &mut |_| Decision::Compile)?
            .ok_or_else(|| self.bad_code("is missing", &"nobody asked the server to stop"))?;
        self.times.server = output.compiled.times;
        self.tell(EventKind::Compiled, "", output.compiled.image_len);
        Ok(output)
    }

    /// Stores a compiled module and opens it as every later run will; from memory if it cannot be stored.
    fn keep(
        &mut self,
        output: Output,
        input_len: u64,
        store: Option<&Store>,
    ) -> Result<Code, Error> {
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
        let mut manifest = self.manifest(output, input_len);

        if let Some(store) = store {
            let mut watch = Stopwatch::start();
            let stored = store.publish(&self.key, image, object, &mut manifest);
            self.times.store = watch.lap();
            match stored {
                Ok(len) => {
                    self.tell(EventKind::Stored, "", len);
                    match store.find(&self.key) {
                        Ok(Some(entry)) => return Ok(Code::Stored(entry)),
                        Ok(None) => {}
                        Err(trouble) => self.trouble(&trouble),
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
        Manifest {
            name: self.name.to_owned(),
            opt_level: self.executor.config.opt_level,
            input_len,
            triple: output.compiled.triple,
            cpu: output.compiled.cpu,
            features: output.compiled.features,
            llvm: LLVM_VERSION.to_owned(),
            package: PACKAGE_VERSION.to_owned(),
            build: BUILD_ID.to_owned(),
            created: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            times: output.compiled.times,
            functions: output.compiled.functions,
            object: None,
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
                    entry.image_len,
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
