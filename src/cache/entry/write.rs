//! Encodes entries and aliases.

use super::attachment::attach;
use super::manifest_format::RawManifest;
use super::tail::{Kind, TAIL_LEN, padding, tail};
use crate::cache::key::Key;
use crate::cache::manifest::Manifest;
use crate::cache::trust::Signer;

/// An entry's bytes behind its image.
pub struct Encoded {
    pub manifest: Vec<u8>,
    pub object: Vec<u8>,
    pub input: Vec<u8>,
    pub tail: [u8; TAIL_LEN],
}

impl Encoded {
    pub fn len(&self, image: &[u8]) -> u64 {
        let Encoded {
            manifest,
            object,
            input,
            tail,
        } = self;
        (image.len() + manifest.len() + object.len() + input.len() + tail.len()) as u64
    }
}

/// Encodes an entry. `manifest.about.object` and `.input` are filled in.
pub fn encode(
    key: &Key,
    image: &[u8],
    object: &[u8],
    input: Option<&[u8]>,
    manifest: &mut Manifest,
    signer: Option<&Signer>,
) -> std::io::Result<Encoded> {
    let (object, input) = attach(object, input, manifest)?;
    let mut manifest = RawManifest::encode(manifest)
        .map_err(std::io::Error::other)?
        .into_bytes();
    let manifest_len = manifest.len();
    manifest.resize(manifest_len + padding(image.len() + manifest_len), 0);
    let mut hasher = blake3::Hasher::new();
    hasher.update(image);
    hasher.update(&manifest);
    let lens = [image.len(), manifest_len, object.len(), input.len()];
    let tail = tail(Kind::Entry, key, lens, hasher.finalize(), signer);
    Ok(Encoded {
        manifest,
        object,
        input,
        tail,
    })
}

/// An alias file: `key` stands for `target`.
pub fn encode_alias(key: &Key, target: &Key, signer: Option<&Signer>) -> Vec<u8> {
    let lens = [0, target.0.len(), 0, 0];
    let tail = tail(Kind::Alias, key, lens, blake3::hash(&target.0), signer);
    [&target.0[..], &tail].concat()
}
