//! What is said of an image when it is listed.

use std::path::Path;

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

/// What an image is called, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    pub name: &'a str,
    pub key: &'a [u8; 32],
    /// The executor, as a number.
    pub owner: usize,
    /// The file that starts with the image, with its device and inode.
    pub file: Option<(&'a Path, [u64; 2])>,
    /// Without a file: the image's bytes.
    pub bytes: &'a [u8],
    /// Announce it to debuggers, whether there is one or not.
    pub announce: bool,
}
