//! Stores what was compiled.

use super::answer::Answer;
use super::work::Work;
use crate::cache::entry::{self, Entry, RawManifest};
use crate::cache::store::Store;
use crate::cache::warning::Warning;
use crate::clock::Stopwatch;
use crate::error::{Error, reason};
use crate::event::EventKind;
use crate::executor::debug_ir;
use crate::executor::info::{Attachments, Origin};
use crate::remote::tier::Upload;
use std::borrow::Cow;
use std::path::Path;

/// Code that is ready to be mapped.
pub enum Code {
    /// An entry, verified just now.
    Stored {
        entry: Box<Entry>,
        /// The image, if it was compiled just now: the disk may have become unreadable.
        image: Option<Vec<u8>>,
    },
    /// Newly compiled code that the cache could not store.
    Unstored {
        manifest: RawManifest,
        attachments: Attachments,
    },
}

impl Work<'_> {
    /// Stores a compiled module and opens it as every later run will; from memory if it cannot be stored.
    pub fn keep(
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
                sources,
                lock,
            } => {
                self.keep_sources(inputs, &sources, store);
                (image, object, manifest, lock)
            }
            Answer::Known(entry) => {
                if let Some(store) = store
                    && let Err(warning) = store.publish_alias(&self.key, &entry.tail.key())
                {
                    self.warn(&warning);
                } else if let Some(store) = store {
                    self.upload(store, &[Upload::alias(&self.key)], None);
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
                    let canonical = manifest.about.canonical;
                    let mut files = vec![Upload::entry(&self.key, len)];
                    // An alias must not come before its entry.
                    files.extend(canonical.iter().map(Upload::alias));
                    self.upload(store, &files, None);
                    match store.reopen(&self.key) {
                        Ok(Some(entry)) => {
                            let entry = Box::new(entry);
                            let image = Some(image);
                            return Ok((Code::Stored { entry, image }, Origin::Compiled));
                        }
                        Ok(None) => {}
                        Err((_, warning)) => self.warn(&warning),
                    }
                }
                Err(warning) => self.warn(&warning),
            }
        }
        let kept = Some(&*input).filter(|_| self.executor.config.cache_keep_input);
        let attachments = entry::attach(&object, kept, &mut manifest)
            .map(|(object, input)| Attachments {
                image,
                object,
                input,
            })
            .map_err(|error| self.bad_code("cannot be kept", &error))?;
        let manifest = RawManifest::encode(&manifest)
            .map_err(|error| self.bad_code("cannot be described", &error))?;
        let code = Code::Unstored {
            manifest,
            attachments,
        };
        Ok((code, Origin::Compiled))
    }

    /// Writes the texts that debug information refers to. Without them, debuggers show no source.
    fn keep_sources(
        &self,
        inputs: &[Cow<'_, [u8]>],
        texts: &[(String, Vec<u8>)],
        store: Option<&Store>,
    ) {
        let Some(paths) = debug_ir::paths(inputs).filter(|_| self.executor.config.debug_ir) else {
            return;
        };
        let written = match store {
            Some(store) => store.publish_sources(debug_ir::folder_name(&paths), &self.key, texts),
            None => debug_ir::write(Path::new(&paths.folder), texts)
                .map_err(|error| Warning(format!("{}: {}", paths.folder, reason(&error)))),
        };
        if let Err(warning) = written {
            self.warn(&warning);
        }
    }
}
