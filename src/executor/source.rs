//! What is compiled into one module: IR, objects and archives, in memory or in files.

use crate::cache::key::digest_of_unit;
use crate::error::{Error, Status, reason};
use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// How much of a file is read and hashed at once.
const CHUNK_LEN: usize = 256 << 10;

pub struct Source<'a> {
    /// What messages call the module.
    pub name: Cow<'a, str>,
    pub inputs: Vec<Input<'a>>,
    /// The symbols that others are to see, sorted, each once; `None`: all that are external.
    pub keep: Option<Cow<'a, [String]>>,
}

pub struct Input<'a> {
    pub name: Cow<'a, str>,
    pub content: Content<'a>,
}

pub enum Content<'a> {
    Memory(Cow<'a, [u8]>),
    /// Read when it is compiled.
    File(Cow<'a, Path>),
}

impl<'a> Source<'a> {
    pub fn new(name: impl Into<Cow<'a, str>>) -> Source<'a> {
        Source {
            name: name.into(),
            inputs: Vec::new(),
            keep: None,
        }
    }

    /// One input in memory.
    pub fn memory(name: &'a str, bytes: &'a [u8]) -> Source<'a> {
        let mut source = Source::new(name);
        source.add(name, Content::Memory(Cow::Borrowed(bytes)));
        source
    }

    /// One input in a file, whose path is the module's name.
    pub fn file(path: &'a Path) -> Source<'a> {
        let mut source = Source::new(path.to_string_lossy());
        source.add(path.to_string_lossy(), Content::File(Cow::Borrowed(path)));
        source
    }

    pub fn add(&mut self, name: impl Into<Cow<'a, str>>, content: Content<'a>) {
        self.inputs.push(Input {
            name: name.into(),
            content,
        });
    }

    /// Keeps a symbol, and from then on only such.
    pub fn keep(&mut self, symbol: &str) {
        let keep = self.keep.get_or_insert_default().to_mut();
        if let Err(place) = keep.binary_search_by(|kept| kept.as_str().cmp(symbol)) {
            keep.insert(place, symbol.to_owned());
        }
    }

    /// The same, without copies.
    pub fn borrowed(&self) -> Source<'_> {
        let inputs = self.inputs.iter().map(|input| Input {
            name: Cow::Borrowed(&input.name),
            content: match &input.content {
                Content::Memory(bytes) => Content::Memory(Cow::Borrowed(bytes)),
                Content::File(path) => Content::File(Cow::Borrowed(path)),
            },
        });
        Source {
            name: Cow::Borrowed(&self.name),
            inputs: inputs.collect(),
            keep: self.keep.as_deref().map(Cow::Borrowed),
        }
    }

    /// The same, with copies of all.
    pub fn copied(&self) -> Source<'static> {
        let inputs = self.inputs.iter().map(|input| Input {
            name: Cow::Owned(input.name.clone().into_owned()),
            content: match &input.content {
                Content::Memory(bytes) => Content::Memory(Cow::Owned(bytes.to_vec())),
                Content::File(path) => Content::File(Cow::Owned(path.to_path_buf())),
            },
        });
        Source {
            name: Cow::Owned(self.name.clone().into_owned()),
            inputs: inputs.collect(),
            keep: self.keep.as_deref().map(|keep| Cow::Owned(keep.to_vec())),
        }
    }

    /// The digest that stands for it in its key. What can be read only once, a pipe, is held in memory from then on.
    pub fn digest(&mut self) -> Result<blake3::Hash, Error> {
        if self.inputs.is_empty() {
            return Err(Error::new(
                Status::InvalidArgument,
                format!("{} has no inputs: there is nothing to compile", self.name),
            ));
        }
        if let ([input], None) = (self.inputs.as_mut_slice(), &self.keep) {
            return input.digest();
        }
        let digests: Result<Vec<_>, _> = self.inputs.iter_mut().map(Input::digest).collect();
        Ok(digest_of_unit(&digests?, self.keep.as_deref()))
    }

    /// All bytes.
    pub fn read(&self) -> Result<Vec<Cow<'_, [u8]>>, Error> {
        self.inputs.iter().map(Input::read).collect()
    }

    /// As [`Source::digest`], of bytes that were read.
    pub fn digest_of(&self, bytes: &[Cow<'_, [u8]>]) -> blake3::Hash {
        match (bytes, &self.keep) {
            ([bytes], None) => blake3::hash(bytes),
            (bytes, keep) => {
                let digests: Vec<_> = bytes.iter().map(|bytes| blake3::hash(bytes)).collect();
                digest_of_unit(&digests, keep.as_deref())
            }
        }
    }

    /// Whether these bytes are those of its digest, because none was read from a file since.
    pub fn is(&self, bytes: &[Cow<'_, [u8]>]) -> bool {
        let inputs = self.inputs.iter().zip(bytes);
        self.inputs.len() == bytes.len()
            && inputs.into_iter().all(|(input, bytes)| {
                matches!(&input.content, Content::Memory(own) if own.as_ptr_range() == bytes.as_ptr_range())
            })
    }
}

impl Input<'_> {
    fn digest(&mut self) -> Result<blake3::Hash, Error> {
        let path = match &self.content {
            Content::Memory(bytes) => return Ok(blake3::hash(bytes)),
            Content::File(path) => path,
        };
        match hash_file(path) {
            Ok(FileHash::Digest(digest)) => Ok(digest),
            Ok(FileHash::Once(bytes)) => {
                let digest = blake3::hash(&bytes);
                self.content = Content::Memory(Cow::Owned(bytes));
                Ok(digest)
            }
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    fn read(&self) -> Result<Cow<'_, [u8]>, Error> {
        match &self.content {
            Content::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::File(path) => std::fs::read(path)
                .map(Cow::Owned)
                .map_err(|error| unreadable(path, &error)),
        }
    }
}

enum FileHash {
    Digest(blake3::Hash),
    /// Bytes that were read from something other than a regular file.
    Once(Vec<u8>),
}

fn hash_file(path: &Path) -> std::io::Result<FileHash> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        // Reading a folder fails here.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        return Ok(FileHash::Once(bytes));
    }
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK_LEN.min(metadata.len() as usize + 1)];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(FileHash::Digest(hasher.finalize())),
            Ok(read) => {
                hasher.update(&chunk[..read]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        Status::Io,
        format!("{} cannot be read: {}", path.display(), reason(error)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_same_from_a_file_and_from_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("input");
        let long = vec![b'x'; CHUNK_LEN + 1];
        for content in [b"".as_slice(), b"some", &long] {
            std::fs::write(&path, content).expect("written");
            let mut memory = Source::memory("name", content);
            let expect = memory.digest().expect("a digest");
            assert_eq!(expect, blake3::hash(content));
            assert_eq!(Source::file(&path).digest().expect("a digest"), expect);
            for keep in [None, Some(Cow::Owned(vec!["main".to_owned()]))] {
                let mut two = Source::new("two");
                two.add("a", Content::File(Cow::Borrowed(&path)));
                two.add("b", Content::Memory(Cow::Borrowed(content)));
                two.keep = keep;
                let digest = two.digest().expect("a digest");
                assert_ne!(digest, expect);
                let bytes = two.read().expect("bytes");
                assert_eq!(two.digest_of(&bytes), digest);
                assert!(!two.is(&bytes) && memory.is(&bytes[1..]));
                // The place of no bytes says nothing.
                assert!(content.is_empty() || !memory.is(&bytes[..1]));
                assert_eq!(two.borrowed().digest().expect("a digest"), digest);
            }
        }
    }
}
