//! From IR to a mapped module: by the cache, or by a compile server.

use super::core::Executor;
use super::info::{Attachments, ModuleInfo, Origin};
use super::listen::{Listener, too_long};
use super::module::Module;
use super::output::{self, compare};
use super::source::Source;
use super::{failed, reproducer};
use crate::cache::entry::{self, Entry, EntryError, RawManifest};
use crate::cache::journal::{self, MissReason};
use crate::cache::key::{Key, KeyParts, Keys};
use crate::cache::lock::{Lock, Outcome};
use crate::cache::manifest::{About, Manifest, Parts};
use crate::cache::store::{Found, Purpose, Store, Trouble};
use crate::client::cancel::Cancel;
use crate::client::connection::{self, Output};
use crate::config::{self, CacheMode, Config};
use crate::error::{Error, Status, reason};
use crate::event::{Event, EventKind, Stopwatch, Times};
use crate::fork;
use crate::image::Image;
use crate::image::map;
use crate::protocol::messages::{CompileRequest, Request};
use crate::types::{Emit, Input, Target};
use std::borrow::Cow;
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Code that is ready to be mapped.
enum Code {
    /// An entry, verified just now.
    Stored {
        entry: Box<Entry>,
        /// The image, if it was compiled just now: the disk may have become unreadable.
        image: Option<Vec<u8>>,
    },
    /// What a server has just compiled and the cache could not take.
    Unstored {
        image: Vec<u8>,
        manifest: RawManifest,
        attachments: Attachments,
    },
}

/// What a server answered.
enum Answer {
    Compiled {
        image: Vec<u8>,
        object: Vec<u8>,
        manifest: Box<Manifest>,
        /// Held until the code is stored.
        _lock: Option<Lock>,
    },
    /// The module differs from this entry's in nothing that matters.
    Known(Box<Entry>),
}

/// One compile, and what is told of it.
struct Work<'a> {
    executor: &'a Arc<Executor>,
    source: &'a Source<'a>,
    cancel: &'a Cancel,
    /// [`Source::digest`]
    digest: blake3::Hash,
    key: Key,
    purpose: Purpose,
    times: Times,
    /// Why the cache had nothing.
    missed: MissReason,
    /// The trouble that was told last: one that is met again and again is told once.
    told: RefCell<String>,
}

impl Executor {
    /// Compiles a source, or finds it in the cache, and adds it as a module that is still to be linked. A file is
    /// read whole only if it must be compiled.
    pub fn compile(self: &Arc<Self>, source: Source<'_>) -> Result<Module, Error> {
        self.compile_unless(source, &Cancel::default())
    }

    /// As [`Executor::compile`], until it is cancelled.
    pub fn compile_unless(
        self: &Arc<Self>,
        mut source: Source<'_>,
        cancel: &Cancel,
    ) -> Result<Module, Error> {
        self.check_cpu()?;
        let mut watch = Stopwatch::start();
        let digest = source.digest()?;
        Work::new(self, &source, digest, &mut watch, cancel).run()
    }

    /// Has the cache keep what a source is compiled to, and adds nothing. What it has already is not used by this.
    pub fn fill_cache(self: &Arc<Self>, mut source: Source<'_>) -> Result<(), Error> {
        let mut watch = Stopwatch::start();
        let digest = source.digest()?;
        let cancel = Cancel::default();
        let mut work = Work::new(self, &source, digest, &mut watch, &cancel);
        work.purpose = Purpose::Fill;
        if work.find().is_some() {
            return Ok(());
        }
        let inputs = source.read()?;
        work.digest_again(&inputs);
        work.obtain(&inputs, false).map(drop)
    }
}

/// The key of a source for an executor of this configuration, and what it is made of.
pub fn key_of(config: &Config, mut source: Source<'_>) -> Result<(Key, Parts), Error> {
    let target = config.target();
    let parts = fork::guard(|| KeyParts::new(config.opt_level, &target)).into_inner();
    let digest = source.digest()?;
    Ok((Keys::new(parts).key(&digest), parts.to_keep(&digest)))
}

impl<'a> Work<'a> {
    fn new(
        executor: &'a Arc<Executor>,
        source: &'a Source<'a>,
        digest: blake3::Hash,
        watch: &mut Stopwatch,
        cancel: &'a Cancel,
    ) -> Work<'a> {
        Work {
            executor,
            source,
            cancel,
            digest,
            key: executor.keys.key(&digest),
            purpose: Purpose::Run,
            times: Times {
                hash: watch.lap(),
                ..Times::default()
            },
            missed: MissReason::Absent,
            told: RefCell::default(),
        }
    }

    fn run(mut self) -> Result<Module, Error> {
        let verify = self.executor.config.cache_verify;
        let mut unusable = false;
        if let Some(entry) = self.find() {
            if verify {
                let inputs = self.source.read()?;
                self.compare(&entry, &inputs)?;
                return self.load(Code::Stored { entry, image: None }, Origin::Cache);
            }
            let code = Code::Stored { entry, image: None };
            match self.map(&code) {
                Ok(image) => return Ok(self.add(image, code, Origin::Cache)),
                // To compile takes more of it, and ends in the same way.
                Err(error) if error.status == Status::Memory => return Err(error),
                // It is what was stored, but not what can be run.
                Err(error) => {
                    self.trouble(&Trouble(error.message));
                    self.missed = MissReason::Damaged;
                    unusable = true;
                }
            }
        }
        let inputs = self.source.read()?;
        self.digest_again(&inputs);
        let (code, origin) = self.obtain(&inputs, unusable)?;
        self.load(code, origin)
    }

    /// A file may have changed since it was hashed.
    fn digest_again(&mut self, inputs: &[Cow<'_, [u8]>]) {
        let digest = self.source.digest_of(inputs);
        if digest != self.digest {
            self.digest = digest;
            self.key = self.executor.keys.key(&digest);
        }
    }

    /// The entry in the cache, if it can be used.
    fn find(&mut self) -> Option<Box<Entry>> {
        let Some(store) = &self.executor.store else {
            let off = self.executor.config.cache_mode == CacheMode::Off;
            self.tell(
                EventKind::Miss,
                if off {
                    "the cache is off"
                } else {
                    config::no_default_cache_dir()
                },
                0,
            );
            return None;
        };
        match self.look(store) {
            Found::Entry(entry) => return Some(entry),
            Found::Nothing => self.tell(EventKind::Miss, "", 0),
            Found::Unusable(reason, trouble) => {
                self.missed = reason;
                self.trouble(&trouble);
                self.tell(EventKind::Miss, "its entry cannot be used", 0);
            }
        }
        None
    }

    /// Looks in the cache, and tells of a hit.
    fn look(&mut self, store: &Store) -> Found {
        let mut watch = Stopwatch::start();
        let found = store.find_for(&self.key, &self.executor.machine, self.purpose);
        self.times.find += watch.lap();
        if let Found::Entry(entry) = &found {
            self.tell_hit("", entry);
        }
        found
    }

    fn tell_hit(&self, how: &str, entry: &Entry) {
        if self.purpose == Purpose::Run {
            self.tell(EventKind::Hit, how, entry.len);
        }
    }

    /// Compiles, unless somebody else does so first, and stores. `anew`: what the cache has is of no use.
    fn obtain(&mut self, inputs: &[Cow<'_, [u8]>], anew: bool) -> Result<(Code, Origin), Error> {
        let writable = self.executor.config.cache_mode == CacheMode::ReadWrite;
        let executor = self.executor;
        let store = executor.store.as_ref();
        let Some(writable) = store.filter(|_| writable) else {
            let answer = self.ask(inputs, store.filter(|_| !anew), None)?;
            return self.keep(answer, inputs, None);
        };
        writable.create_journal();
        let mut watch = Stopwatch::start();
        // Both locks together are waited for no longer than one.
        let patience = Instant::now() + executor.config.lock_timeout;
        let mut held = None;
        match writable.lock(&self.key, executor.config.lock_timeout) {
            Ok(Outcome::Held(lock)) => {
                held = Some(lock);
                self.times.wait += watch.lap();
                // Whoever held it before may have stored it.
                if !anew && let Found::Entry(entry) = self.look(writable) {
                    return Ok((Code::Stored { entry, image: None }, Origin::Cache));
                }
            }
            Ok(Outcome::TimedOut) => {
                self.times.wait += watch.lap();
                self.trouble(&too_long());
            }
            // Compiled without the lock: at worst twice.
            Err(trouble) => self.trouble(&trouble),
        }
        let answer = self.ask(inputs, Some(writable).filter(|_| !anew), Some(patience));
        if !matches!(answer, Ok(Answer::Known(_))) {
            writable.record_miss(&self.key, self.missed);
        }
        let kept = self.keep(answer?, inputs, Some(writable))?;
        drop(held);
        if let Err(trouble) = writable.maintain() {
            self.trouble(&trouble);
        }
        Ok(kept)
    }

    /// Has a server compile, unless it turns out that the cache, if there is one to look into, knows the module by
    /// another key. `lock_until`: the canonical module's lock is waited for until then; `None`: it is not taken.
    fn ask(
        &mut self,
        inputs: &[Cow<'_, [u8]>],
        store: Option<&Store>,
        lock_until: Option<Instant>,
    ) -> Result<Answer, Error> {
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
            opt_level: executor.config.opt_level,
            target: executor.target.clone(),
            identify: store.is_some(),
            progress: executor.config.hook.is_some(),
            inputs: about_inputs.clone(),
            keep: self.source.keep.as_deref().map(<[String]>::to_vec),
            emit: Emit::Code,
            max_memory: 0,
        });
        self.tell(EventKind::CompileStarted, "", len);
        let inputs: Vec<&[u8]> = inputs.iter().map(|bytes| &**bytes).collect();
        let mut listener = Listener {
            executor,
            name: &self.source.name,
            key: self.key,
            times: self.times,
            purpose: self.purpose,
            store,
            lock_until,
            canonical: None,
            held: None,
            known: None,
            trouble: None,
        };
        let answer = executor.pool.request(
            &request,
            &inputs,
            &mut self.times,
            self.cancel,
            &mut listener,
        );
        let Listener {
            canonical,
            held,
            known,
            trouble,
            ..
        } = listener;
        if let Some(lacking) = executor.pool.not_isolated()
            && !executor.told_not_isolated.swap(true, Ordering::Relaxed)
        {
            self.tell(EventKind::NotIsolated, lacking, 0);
        }
        let answer = answer.map_err(|error| {
            let error = match error.reproduces {
                true => self.reproducible(&request, &inputs, error),
                false => error,
            };
            if error.repeats {
                failed::remember(self.key, limits, &self.source.name, &error);
            }
            error
        })?;
        if let Some(trouble) = trouble {
            self.trouble(&trouble);
        }
        match (answer, known) {
            (connection::Answer::Compiled(output), _) => {
                self.check_answer(&output)?;
                self.times.server = output.compiled.times;
                for warning in &output.compiled.warnings {
                    self.tell(EventKind::Warning, warning, 0);
                }
                self.tell(EventKind::Compiled, "", output.compiled.image_len);
                let (image, object) = self.unpack(&output)?;
                Ok(Answer::Compiled {
                    image,
                    object,
                    manifest: Box::new(self.manifest(output, about_inputs, canonical)),
                    _lock: held,
                })
            }
            (connection::Answer::Stopped, Some(entry)) => {
                self.tell_hit("by its canonical module", &entry);
                Ok(Answer::Known(entry))
            }
            _ => Err(connection::out_of_step(&self.source.name)),
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

    /// Writes what reproduces an error, if that is wanted, and says where.
    fn reproducible(&self, request: &Request, inputs: &[&[u8]], error: Error) -> Error {
        let (Some(parent), Request::Compile(request)) =
            (&self.executor.config.reproducers, request)
        else {
            return error;
        };
        let told = match reproducer::write(parent, &self.key, request, inputs, &error) {
            Ok(folder) => format!("what reproduces it is in {}", folder.display()),
            Err(why) => format!(
                "what reproduces it could not be written to {}: {}",
                parent.display(),
                reason(&why)
            ),
        };
        Error {
            message: format!("{}\n{told}", error.message),
            ..error
        }
    }

    /// What is told of the inputs, without their bytes.
    fn about_inputs(&self, inputs: &[Cow<'_, [u8]>]) -> Vec<Input> {
        let inputs = self.source.inputs.iter().zip(inputs);
        let about = inputs.map(|(input, bytes)| Input {
            name: input.name.clone().into_owned(),
            len: bytes.len() as u64,
        });
        about.collect()
    }

    /// The image and the object.
    fn unpack(&self, output: &Output) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let mut image = vec![0; output.compiled.image_len as usize];
        let mut object = vec![0; output.compiled.object_len as usize];
        // The lengths were checked against the memfd's. Its position is wherever the server left it.
        output
            .payload
            .read_exact_at(&mut image, 0)
            .and_then(|()| {
                output
                    .payload
                    .read_exact_at(&mut object, output.compiled.image_len)
            })
            .map_err(|error| self.bad_code("cannot be read", &error))?;
        Ok((image, object))
    }

    /// Stores a compiled module and opens it as every later run will; from memory if it cannot be stored.
    fn keep(
        &mut self,
        answer: Answer,
        inputs: &[Cow<'_, [u8]>],
        store: Option<&Store>,
    ) -> Result<(Code, Origin), Error> {
        let (image, object, mut manifest, _lock) = match answer {
            Answer::Compiled {
                image,
                object,
                manifest,
                _lock,
            } => (image, object, manifest, _lock),
            Answer::Known(entry) => {
                if let Some(store) = store
                    && let Err(trouble) = store.publish_alias(&self.key, &entry.tail.key())
                {
                    self.trouble(&trouble);
                }
                return Ok((Code::Stored { entry, image: None }, Origin::Cache));
            }
        };
        let input = match inputs {
            [input] => Cow::Borrowed(&**input),
            inputs => Cow::Owned(inputs.concat()),
        };
        if let Some(store) = store {
            let mut watch = Stopwatch::start();
            let stored = store.publish(&self.key, &image, &object, &input, &mut manifest);
            self.times.store = watch.lap();
            match stored {
                Ok(len) => {
                    self.tell(EventKind::Stored, "", len);
                    match store.reopen(&self.key) {
                        Ok(Some(entry)) => {
                            let entry = Box::new(entry);
                            let image = Some(image);
                            return Ok((Code::Stored { entry, image }, Origin::Compiled));
                        }
                        Ok(None) => {}
                        Err((_, trouble)) => self.trouble(&trouble),
                    }
                }
                Err(trouble) => self.trouble(&trouble),
            }
        }
        let kept = Some(&*input).filter(|_| self.executor.config.cache_keep_input);
        let attachments = entry::attach(&object, kept, &mut manifest)
            .map(|(object, input)| Attachments { object, input })
            .map_err(|error| self.bad_code("cannot be kept", &error))?;
        let manifest = RawManifest::encode(&manifest)
            .map_err(|error| self.bad_code("cannot be described", &error))?;
        let code = Code::Unstored {
            image,
            manifest,
            attachments,
        };
        Ok((code, Origin::Compiled))
    }

    /// Compiles what was found, and compares.
    fn compare(&mut self, entry: &Entry, inputs: &[Cow<'_, [u8]>]) -> Result<(), Error> {
        let Answer::Compiled { image, object, .. } = self.ask(inputs, None, None)? else {
            return Ok(());
        };
        let result = compare(entry, &image, &object);
        if let Err(error) = &result {
            self.tell(EventKind::Different, &error.message, entry.tail.image_len);
        }
        result.map_err(|error| Error {
            message: format!("{}: {}", self.source.name, error.message),
            ..error
        })
    }

    fn bad_code(&self, what: &str, why: &dyn std::fmt::Display) -> Error {
        Error::new(
            Status::Load,
            format!("the compiled code of {} {what}: {why}", self.source.name),
        )
    }

    fn manifest(&self, output: Output, inputs: Vec<Input>, canonical: Option<Key>) -> Manifest {
        let compiled = output.compiled;
        Manifest {
            about: About {
                name: self.source.name.clone().into_owned(),
                parts: self.executor.key_parts().to_keep(&self.digest),
                canonical,
                target: self.executor.config.target.clone(),
                inputs,
                keep: self.source.keep.as_deref().map(<[String]>::to_vec),
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

    /// Maps the code and adds it to the executor.
    fn load(mut self, code: Code, origin: Origin) -> Result<Module, Error> {
        let mapped = match self.map(&code) {
            Err(error) => {
                let Code::Stored {
                    image: Some(bytes), ..
                } = &code
                else {
                    return Err(error);
                };
                if error.status == Status::Memory {
                    return Err(error);
                }
                self.trouble(&Trouble(error.message));
                Some(Image::map(
                    map::Source::Memory(bytes),
                    bytes,
                    bytes.len() as u64,
                )?)
            }
            Ok(image) => image,
        };
        Ok(self.add(mapped, code, origin))
    }

    /// `None`: it is not for this machine's system.
    fn map(&mut self, code: &Code) -> Result<Option<Image>, Error> {
        if let Target::Other(_) = self.executor.target {
            return Ok(None);
        }
        let mut watch = Stopwatch::start();
        let image = match code {
            Code::Stored { entry, .. } => {
                let file = entry.file.as_fd();
                let source = match &entry.copy {
                    Some(image) => map::Source::Copied { file, image },
                    None => map::Source::File(file),
                };
                Image::map(source, &entry.header, entry.tail.image_len)
            }
            Code::Unstored { image, .. } => {
                Image::map(map::Source::Memory(image), image, image.len() as u64)
            }
        };
        self.times.map = watch.lap();
        image.map(Some).map_err(|error| match error.status {
            Status::Memory => Error {
                message: format!("{}: {}", self.source.name, error.message),
                ..error
            },
            _ => error,
        })
    }

    fn add(self, image: Option<Image>, code: Code, origin: Origin) -> Module {
        let (manifest, attachments) = match code {
            Code::Stored { entry, .. } => (entry.manifest, None),
            Code::Unstored {
                manifest,
                attachments,
                ..
            } => (manifest, Some(attachments)),
        };
        if let Some(image) = &image {
            self.tell(EventKind::Loaded, "", image.mapped_len() as u64);
        }
        let info = Arc::new(ModuleInfo::new(
            &self.source.name,
            self.key,
            origin,
            self.times,
            manifest,
            attachments,
        ));
        let id = image.map(|image| self.executor.lock().add(image, info.clone()));
        Module::new(self.executor.clone(), id, info)
    }

    fn trouble(&self, trouble: &Trouble) {
        if *self.told.borrow() != trouble.0 {
            self.told.borrow_mut().clone_from(&trouble.0);
            self.tell(EventKind::CacheTrouble, &trouble.0, 0);
        }
    }

    fn tell(&self, kind: EventKind, message: &str, bytes: u64) {
        if let Some(hook) = &self.executor.config.hook {
            hook(&Event {
                kind,
                key: self.key,
                name: &self.source.name,
                message,
                bytes,
                times: &self.times,
                progress: None,
            });
        }
    }
}
