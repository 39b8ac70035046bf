//! What is said of an image when it is listed.

use std::path::Path;
use std::sync::Arc;

/// The dynamic symbols of an image, as addresses.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Symbols {
    pub table: usize,
    pub count: usize,
    pub strings: usize,
    pub strings_len: usize,
}

/// A mapped image, as whoever maps it knows it.
#[derive(Debug)]
pub struct Image {
    pub base: usize,
    pub len: usize,
    pub symbols: Symbols,
    /// The image's length in its file.
    pub file_len: u64,
    /// How much of its file can be read in memory too.
    pub loaded_len: u64,
}

/// A file with an image in it.
#[derive(Debug)]
pub struct File {
    pub directory: Arc<Path>,
    /// From the directory on.
    pub path: String,
    /// Its device and inode.
    pub identity: [u64; 2],
    /// Where in the file the image begins.
    pub at: u64,
}

/// Which debuggers are told of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    Never,
    /// If one is there.
    ToThoseHere,
    Always,
}

/// What an image is called, and where it comes from.
#[derive(Debug)]
pub struct Label {
    pub name: Arc<str>,
    pub key: [u8; 32],
    /// The executor, as a number.
    pub owner: usize,
    pub file: Option<File>,
    /// Without a file: the image's bytes.
    pub bytes: Vec<u8>,
    pub announce: Announce,
}
