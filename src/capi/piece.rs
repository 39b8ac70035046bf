//! Pieces
//!
//! A large module is compiled in pieces, see mgenjit_config_set_partition. A module and its entry know which.
//!
//! ```c
//! for (size_t i = 0; i < mgenjit_module_piece_count(module); i++) {
//!     mgenjit_piece piece = {.size = sizeof piece};
//!     mgenjit_module_piece(module, i, &piece, NULL);
//!     printf("%s: %u functions, %s\n", piece.name, piece.functions, piece.compiled ? "compiled" : "found");
//! }
//! ```

use super::cache_entry::mgenjit_cache_entry;
use super::call::call;
use super::error::mgenjit_error;
use super::ffi::{self, SizedOut, SizedStruct, get};
use super::module::mgenjit_module;
use super::status::mgenjit_status;
use crate::cache::manifest::{About, UsedPiece};
use crate::error::{Error, Status};
use std::ffi::{CString, c_char};

/// A piece of a module. The strings belong to the module's or the entry's handle.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct mgenjit_piece {
    /// Set it to sizeof(mgenjit_piece); the library writes how many bytes it filled in.
    pub size: usize,
    /// A function that it has, or a variable if it has none.
    pub name: *const c_char,
    /// The key of its entry in the cache: 64 hexadecimal digits. The entry may be gone.
    pub key: *const c_char,
    /// The functions that it defines, and their IR instructions, before it was optimised.
    pub functions: u32,
    pub instructions: u32,
    /// Whether it was compiled for this module. Otherwise the cache had it.
    pub compiled: bool,
    /// What its compile took, whenever that was.
    pub compile_us: u64,
}

// SAFETY: it is `repr(C)`, `size` comes first, and all fields are numbers, pointers or `bool`.
unsafe impl SizedStruct for mgenjit_piece {}

/// The pieces of a module or an entry, with strings for C.
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
    pub(super) fn of_entry(about: &About, key: crate::cache::key::Key) -> CPieces {
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

    fn len(&self) -> usize {
        self.0.len()
    }

    fn write(&self, index: usize, place: SizedOut<mgenjit_piece>) -> Result<(), Error> {
        let (used, name, key) = self.0.get(index).ok_or_else(|| {
            Error::new(
                Status::NotFound,
                format!("there is no piece {index}: there are {}", self.len()),
            )
        })?;
        place.write(mgenjit_piece {
            size: size_of::<mgenjit_piece>(),
            name: name.as_ptr(),
            key: key.as_ptr(),
            functions: used.piece.functions,
            instructions: used.piece.instructions,
            compiled: used.compiled,
            compile_us: used.time,
        })
    }
}

/// How many pieces the module was made of when it was compiled, perhaps by another process. 0: it was compiled as one. 0 for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_piece_count(module: *const mgenjit_module) -> usize {
    // Why the pieces cannot be read is an error of mgenjit_module_piece.
    get!(module else 0 => module.pieces().map_or(0, CPieces::len))
}

/// Writes what is known of the module's piece at `index`. Set `piece->size` first.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND past the last, MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_module_piece(
    module: *const mgenjit_module,
    index: usize,
    piece: *mut mgenjit_piece,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle module, sized_out piece => module.pieces()?.write(index, piece))
}

/// How many pieces the entry's module was made of. 0: it was compiled as one. 1 if the entry is a piece: itself. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_piece_count(
    entry: *const mgenjit_cache_entry,
) -> usize {
    get!(entry else 0 => entry.pieces.len())
}

/// Writes what is known of the entry's piece at `index`. Set `piece->size` first.
///
/// Thread-safe. Errors: MGENJIT_STATUS_NOT_FOUND past the last, MGENJIT_STATUS_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgenjit_cache_entry_piece(
    entry: *const mgenjit_cache_entry,
    index: usize,
    piece: *mut mgenjit_piece,
    error: *mut *mut mgenjit_error,
) -> mgenjit_status {
    call!(error, handle entry, sized_out piece => entry.pieces.write(index, piece))
}
