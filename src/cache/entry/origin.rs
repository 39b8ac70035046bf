//! Checks an entry's content against its key.

use super::error::EntryError;
use super::read::Entry;
use crate::cache::key::{KeyParts, Keys, digest_of_unit};
use crate::cache::manifest::About;
use crate::types::Target;

/// Checks that the inputs and options of an entry have the entry's key, as far as possible: inputs may not have been kept,
/// and of another machine's CPU only a digest is known.
pub fn check_origin(entry: &Entry, about: &About) -> Result<(), EntryError> {
    if about.input.is_some() {
        let all = entry.input(about)?;
        let inputs = about.split_input(&all).ok_or(EntryError::OtherInput)?;
        let digests: Vec<_> = inputs.iter().map(|input| blake3::hash(input)).collect();
        let digest = match (&digests[..], &about.keep) {
            ([digest], None) => *digest,
            (digests, keep) => digest_of_unit(digests, keep.as_deref()),
        };
        if *digest.as_bytes() != about.parts.input {
            return Err(EntryError::OtherInput);
        }
    }
    let target = about.compiled_for();
    let Some(options) = about.parts.code_options() else {
        return Ok(());
    };
    let parts = KeyParts {
        llvm: &about.parts.llvm,
        package: &about.parts.package,
        build: &about.parts.build,
        ..KeyParts::new(about.parts.opt_level, &target, options)
    };
    if parts.target.describe() != about.parts.machine && matches!(target, Target::Host(_)) {
        return Ok(());
    }
    let input = blake3::Hash::from_bytes(about.parts.input);
    let keys = Keys::new(parts);
    let key = match about.piece {
        Some(_) => keys.piece(&input),
        None => keys.key(&input),
    };
    if key != entry.tail.key() {
        return Err(EntryError::OtherContent(key));
    }
    Ok(())
}
