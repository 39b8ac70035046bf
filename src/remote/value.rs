//! What lies under a key: an entry's or alias's file as it is, or as one zstd frame.

use crate::cache::entry::ALIAS_LEN;
use crate::error::reason;
use crate::protocol::storage::upload::MAX_VALUE_LEN;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How many times longer than its frame a file may be.
const MAX_RATIO: u64 = 256;

/// The value in a file, if it is compressed.
pub fn compressed(file: &File) -> Result<Option<Vec<u8>>, String> {
    let unreadable = |error| format!("it cannot be read: {}", reason(&error));
    let mut magic = [0; ZSTD_MAGIC.len()];
    file.read_exact_at(&mut magic, 0).map_err(unreadable)?;
    if magic != ZSTD_MAGIC {
        return Ok(None);
    }
    let mut value = magic.to_vec();
    let mut rest = file;
    rest.seek(SeekFrom::Start(magic.len() as u64))
        .and_then(|_| rest.read_to_end(&mut value))
        .map_err(unreadable)?;
    Ok(Some(value))
}

/// The file that a value is.
pub fn unpack(value: Vec<u8>) -> Result<Vec<u8>, String> {
    // An entry begins with an ELF file or a name. An alias begins with a key, which can be any bytes, and is never compressed.
    // How a value ends says nothing: the last bytes of a file often stand at the end of its frame as they are.
    if value.len() as u64 == ALIAS_LEN || !value.starts_with(&ZSTD_MAGIC) {
        return Ok(value);
    }
    let unreadable = || "its compressed form cannot be read".to_owned();
    let len = zstd::zstd_safe::get_frame_content_size(&value)
        .ok()
        .flatten()
        .ok_or_else(unreadable)?;
    if len > MAX_VALUE_LEN || len / MAX_RATIO > value.len() as u64 {
        return Err(format!(
            "{} bytes are said to be {len} when they are decompressed",
            value.len()
        ));
    }
    let mut file = Vec::new();
    file.try_reserve_exact(len as usize)
        .map_err(|_| "there is no memory for it".to_owned())?;
    let mut decompressor = zstd::bulk::Decompressor::new().map_err(|_| unreadable())?;
    decompressor
        .decompress_to_buffer(&value, &mut file)
        .map_err(|_| unreadable())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unpacked() {
        let check =
            |value: &[u8], expect: Result<&[u8], &str>| match (unpack(value.to_vec()), expect) {
                (Ok(file), Ok(expect)) => assert!(file == expect),
                (Err(error), Err(expect)) => assert!(error.contains(expect), "{error}"),
                (got, _) => panic!("{got:?}"),
            };
        let file: Vec<u8> = (0..100_000_u32)
            .map(|byte| ((byte * byte) >> 7) as u8)
            .collect();
        let frame = zstd::bulk::compress(&file, 3).expect("a frame");
        check(&file, Ok(&file));
        check(&frame, Ok(&file));
        check(&frame[..frame.len() - 1], Err("cannot be read"));
        check(&frame[..6], Err(""));
        check(b"", Ok(b""));
        // An alias is one, whatever it begins with.
        let alias = [&ZSTD_MAGIC[..], &[7; ALIAS_LEN as usize - 4]].concat();
        check(&alias, Ok(&alias));
        // The end of a file that does not shrink stands in its frame as it is.
        let noise: Vec<u8> = (0..40_000_u64)
            .flat_map(|at| blake3::hash(&at.to_ne_bytes()).as_bytes().to_owned())
            .chain(*b"MGENJIT\n")
            .collect();
        let frame = zstd::bulk::compress(&noise, 3).expect("a frame");
        assert!(frame.ends_with(b"MGENJIT\n"));
        check(&frame, Ok(&noise));
        // A megabyte of zeros is 50 bytes, and more than 256 times as long.
        let zeros = zstd::bulk::compress(&vec![0; 1 << 20], 19).expect("a frame");
        check(&zeros, Err("when they are decompressed"));
    }
}
