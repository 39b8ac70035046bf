//! Maps code, to be added to the executor as a module.

use super::answer::{Answer, Mode};
use super::store::Code;
use super::work::Work;
use crate::cache::entry::{Entry, RawManifest};
use crate::cache::journal::MissReason;
use crate::cache::store::Found;
use crate::cache::warning::Warning;
use crate::clock::Stopwatch;
use crate::debug::{File, Label};
use crate::error::{Error, Status, reason};
use crate::event::EventKind;
use crate::executor::info::{Attachments, ModuleInfo, Origin};
use crate::executor::output::compare;
use crate::executor::perf;
use crate::image::Image;
use crate::image::map;
use crate::types::Target;
use std::borrow::Cow;
use std::os::fd::AsFd;
use std::sync::Arc;

/// What a source was compiled to.
pub struct Compiled {
    /// `None`: it is not for this machine's system.
    pub image: Option<Image>,
    pub info: Arc<ModuleInfo>,
}

/// What the cache had.
pub enum LookUp<'a> {
    Hit(Compiled),
    /// Nothing, or, if this is true, something that is of no use.
    Miss(Work<'a>, bool),
}

impl<'a> Work<'a> {
    /// Finds the code, or compiles it.
    pub fn run(self) -> Result<Compiled, Error> {
        let (mut work, unusable) = match self.look_up()? {
            LookUp::Hit(compiled) => return Ok(compiled),
            LookUp::Miss(work, unusable) => (work, unusable),
        };
        // What is there and cannot be run would not be compiled again in the background, where nobody runs it.
        if !unusable && let Some((first, _)) = &work.executor.first {
            return work.run_tiers(*first);
        }
        let inputs = work.source.read()?;
        work.digest_again(&inputs);
        work.compile(&inputs, unusable)
    }

    /// Compiles. `unusable`: what the cache has is of no use.
    pub fn compile(mut self, inputs: &[Cow<'_, [u8]>], unusable: bool) -> Result<Compiled, Error> {
        let (code, origin) = self.obtain(inputs, unusable)?;
        self.load(code, origin)
    }

    /// Looks in the cache, and maps what is there.
    pub fn look_up(mut self) -> Result<LookUp<'a>, Error> {
        let verify = self.executor.config.cache_verify;
        let mut unusable = false;
        if let Some(entry) = self.find() {
            if verify {
                let inputs = self.source.read()?;
                self.compare(&entry, &inputs)?;
                let code = Code::Stored { entry, image: None };
                return self.load(code, Origin::Cache).map(LookUp::Hit);
            }
            let code = Code::Stored { entry, image: None };
            match self.map(&code) {
                Ok(image) => return Ok(LookUp::Hit(self.add(image, code, Origin::Cache))),
                // To compile takes more of it, and ends in the same way.
                Err(error) if error.status == Status::Memory => return Err(error),
                // It is what was stored, but not what can be run.
                Err(error) => {
                    self.warn(&Warning(error.message));
                    self.missed = MissReason::Damaged;
                    unusable = true;
                }
            }
        }
        Ok(LookUp::Miss(self, unusable))
    }

    /// Compiles again, and compares with the entry.
    fn compare(&mut self, entry: &Entry, inputs: &[Cow<'_, [u8]>]) -> Result<(), Error> {
        let Answer::Compiled { image, object, .. } = self.ask(inputs, Mode::Compile)? else {
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

    /// Maps the code, and lets debuggers see it.
    fn load(mut self, code: Code, origin: Origin) -> Result<Compiled, Error> {
        let mapped = match self.map(&code) {
            Err(error) => {
                let Code::Stored { entry, image } = &code else {
                    return Err(error);
                };
                if error.status == Status::Memory {
                    return Err(error);
                }
                let read;
                let bytes = match image {
                    Some(bytes) => bytes,
                    None => {
                        let Ok(bytes) = entry.image() else {
                            return Err(error);
                        };
                        read = bytes;
                        &read
                    }
                };
                self.warn(&Warning(error.message));
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

    /// Maps what is there under the work's key.
    pub fn map_again(mut self) -> Result<Image, Error> {
        let store = self.executor.store.as_ref();
        let found =
            store.map(|store| store.find_for(&self.key, &self.executor.machine, self.purpose));
        let why = match found {
            Some(Found::Entry(entry)) => {
                let code = Code::Stored { entry, image: None };
                match self.map(&code)? {
                    Some(mut image) => {
                        let name: Arc<str> = Arc::from(&*self.source.name);
                        self.show(Some(&mut image), code, &name);
                        return Ok(image);
                    }
                    None => "it is for another system".to_owned(),
                }
            }
            Some(Found::Unusable(_, warning)) => warning.0,
            Some(Found::Nothing) | None => "it is not in the cache any more".to_owned(),
        };
        Err(self.bad_code("cannot be used", &why))
    }

    /// `None`: it is not for this machine's system.
    fn map(&mut self, code: &Code) -> Result<Option<Image>, Error> {
        if let Target::Other(_) = self.executor.target {
            return Ok(None);
        }
        let mut watch = Stopwatch::start();
        let image = match code {
            Code::Stored { entry, .. } => {
                let (file, at) = (entry.part.file.as_fd(), entry.part.at);
                let source = match &entry.copy {
                    Some(image) => map::Source::Copied { file, at, image },
                    None => map::Source::File {
                        file,
                        at,
                        start: &entry.header,
                    },
                };
                Image::map(source, &entry.header, entry.tail.image_len)
            }
            Code::Unstored { attachments, .. } => {
                let image = &attachments.image;
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

    fn add(self, mut image: Option<Image>, code: Code, origin: Origin) -> Compiled {
        let name: Arc<str> = Arc::from(&*self.source.name);
        let (manifest, attachments) = self.show(image.as_mut(), code, &name);
        if let Some(image) = &image {
            self.tell(EventKind::Loaded, "", image.mapped_len() as u64);
        }
        let info = Arc::new(ModuleInfo::new(
            name,
            self.key,
            origin,
            self.level,
            self.times,
            manifest,
            attachments,
        ));
        Compiled { image, info }
    }

    /// Lets debuggers and profilers see the code. Returns what else is kept of it.
    fn show(
        &self,
        image: Option<&mut Image>,
        code: Code,
        name: &Arc<str>,
    ) -> (RawManifest, Option<Attachments>) {
        if let Some(image) = &image
            && perf::wants(self.executor.perf, image)
        {
            self.tell_perf(image, &code);
        }
        let (manifest, attachments, file, bytes) = match code {
            Code::Stored { entry, .. } => {
                let Entry {
                    manifest,
                    directory,
                    path,
                    part,
                    ..
                } = *entry;
                let file = directory.map(|directory| File {
                    directory,
                    path,
                    identity: part.identity,
                    at: part.at,
                });
                (manifest, None, file, Vec::new())
            }
            Code::Unstored {
                manifest,
                attachments,
            } => {
                let bytes = attachments.image.clone();
                (manifest, Some(attachments), None, bytes)
            }
        };
        if let Some(image) = image {
            image.show(Label {
                name: name.clone(),
                key: self.key.0,
                owner: std::ptr::from_ref(self.executor) as usize,
                file,
                bytes,
                announce: self.executor.announce,
            });
        }
        (manifest, attachments)
    }

    /// Tells `perf` of code that it cannot find by itself.
    fn tell_perf(&self, image: &Image, code: &Code) {
        let read;
        let bytes = match code {
            Code::Unstored { attachments, .. } => &attachments.image,
            Code::Stored {
                image: Some(image), ..
            } => image,
            Code::Stored { entry, .. } => {
                read = entry.image().unwrap_or_default();
                &read
            }
        };
        if let Err(why) = perf::tell(self.executor.perf.kind, image, bytes) {
            let name = &self.source.name;
            let message = format!("perf is not told of {name}: {}", reason(&why));
            self.tell(EventKind::Warning, &message, 0);
        }
    }
}
