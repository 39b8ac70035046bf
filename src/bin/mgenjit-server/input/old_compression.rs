//! Debug information that is compressed as before ELF said how, as in `.zdebug_info`.

/// How long a section of this name and content is when it is decompressed, and the stream to decompress. `None`: it is not
/// compressed so.
pub fn parts<'a>(name: &[u8], content: &'a [u8]) -> Option<(u64, &'a [u8])> {
    name.strip_prefix(b".zdebug_")?;
    let (len, stream) = content.strip_prefix(b"ZLIB")?.split_first_chunk()?;
    Some((u64::from_be_bytes(*len), stream))
}
