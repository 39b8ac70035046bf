//! The pieces of a module or an entry, with strings for C.

use super::ffi;
use crate::cache::key::Key;
use crate::cache::manifest::{About, UsedPiece};
use crate::error::{Error, Status};
use std::ffi::CString;

pub(super) struct CPieces(Vec<(UsedPiece, CString, CString)>);

impl CPieces {
    pub(super) fn new(pieces: Vec<UsedPiece>) -> CPieces {
        let with_strings = pieces.into_iter().map(|used| {
            let name = ffi::c_string(used.piece.name.as_str());
            let key = ffi::c_string(used.key.to_string());
            (used, name, key)
        });
        CPieces(with_strings.collect())
    }

    /// Those of an entry, which may be a piece itself.
    pub(super) fn of_entry(about: &About, key: Key) -> CPieces {
        CPieces::new(match &about.piece {
            Some(piece) => vec![UsedPiece {
                piece: piece.clone(),
                key,
                compiled: true,
                time: about.times.total(),
            }],
            None => about.pieces.clone(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, index: usize) -> Result<&(UsedPiece, CString, CString), Error> {
        self.0.get(index).ok_or_else(|| {
            Error::new(
                Status::NotFound,
                format!("there is no piece {index}: there are {}", self.len()),
            )
        })
    }
}
