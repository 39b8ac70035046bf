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
use super::ffi::{SizedOut, SizedStruct, get};
use super::module::mgenjit_module;
use super::piece_strings::CPieces;
use super::status::mgenjit_status;
use crate::error::Error;
use std::ffi::c_char;

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

fn write(pieces: &CPieces, index: usize, place: SizedOut<mgenjit_piece>) -> Result<(), Error> {
    let (used, name, key) = pieces.get(index)?;
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
    call!(error, handle module, sized_out piece => write(module.pieces()?, index, piece))
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
    call!(error, handle entry, sized_out piece => write(&entry.pieces, index, piece))
}
