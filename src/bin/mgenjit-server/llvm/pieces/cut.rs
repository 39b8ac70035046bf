//! From a module to its pieces.

use super::facts::Cutter;
use super::names::SUFFIX;
use super::plan::{Sizes, plan};
use crate::llvm::canonical;
use crate::llvm::target::Machine;
use crate::llvm::values;
use inkwell::module::Module;
use mgenjit::types::{OptLevel, Partition};

/// A part of a module.
pub struct Piece {
    /// Its first function, or what else it has.
    pub name: String,
    /// How many functions it defines, and how many instructions these have.
    pub functions: u32,
    pub instructions: u32,
    /// A module like any other. Equal pieces have equal bytes, whatever else is in the modules that they come from.
    pub bitcode: Vec<u8>,
}

/// The target for the instructions of a piece, if none is asked for.
const PIECE: u32 = 4000;

/// What inlining a function that is imported may add, in instructions. The inliner's own limit at O2 is 45.
const IMPORT: u32 = 45;

/// A module with fewer instructions than this is not cut, unless that is asked for: there would be one piece. With two, a compile
/// on two cores takes 0.6 to 0.7 of the time (`benches/pieces.py`, part `t`).
const LEAST: u32 = 2 * PIECE;

/// Whether a module is cut where no size of pieces is asked for, if it can be cut.
pub fn is_large(module: &Module<'_>) -> bool {
    let mut all = 0;
    // SAFETY: the module is valid, and so are its functions.
    unsafe {
        values::functions(module.as_mut_ptr())
            .into_iter()
            .any(|function| {
                all += values::instructions(function).len();
                all >= LEAST as usize
            })
    }
}

/// Cuts a verified module, if it is to be cut and can be. Nothing but the module's digest and its pieces may be asked of
/// it afterwards: its types have no names any more.
///
/// How the objects of the pieces become one:
///
/// - Symbols whose names end in [`SUFFIX`](super::SUFFIX) become local. Pieces define each once, hidden. It is the symbol
///   of a local, behind its name, or a second one, behind `.direct`, of a symbol that the module reaches without the
///   GOT. Pieces reach it directly.
/// - Every other symbol has the linkage and the visibility that it had in the module, where it is defined. Pieces that
///   do not define it declare it with default visibility, so the definition's counts. They reach it as they would reach
///   what another module defines, as the module itself would.
/// - The objects come in the order of the pieces, which is the module's. So does what is in sections that keep their
///   order, `.init_array` above all.
pub fn cut(
    module: &Module<'_>,
    level: OptLevel,
    machine: &Machine,
    partition: Partition,
) -> Option<Vec<Piece>> {
    let (piece, least) = match partition {
        Partition::Off => return None,
        Partition::Automatic => (PIECE, LEAST),
        Partition::Size(size) => (size.get(), 0),
    };
    // Objects of other targets cannot be made one.
    machine.names.emulation()?;
    canonical::strip(module);
    let mut cutter = Cutter::new(module);
    let facts = cutter.facts();
    let all: u64 = facts
        .globals
        .iter()
        .map(|global| u64::from(global.instructions))
        .sum();
    // Such a name would be taken for one of the cutter's.
    let mut names = facts.globals.iter().map(|global| &global.name);
    let is_taken = names.any(|name| name.ends_with(SUFFIX.as_bytes()));
    if facts.refusal.is_some() || is_taken || all < u64::from(least) {
        return None;
    }
    let import = if level == OptLevel::O0 { 0 } else { IMPORT };
    let parts = plan(&facts, Sizes { piece, import });
    if parts.len() < 2 {
        return None;
    }
    let count = parts.len();
    let pieces = parts.into_iter().enumerate().map(|(index, part)| Piece {
        bitcode: cutter.write(&part.items, index == 0, index + 1 == count),
        name: part.name,
        functions: part.functions,
        instructions: part.instructions,
    });
    Some(pieces.collect())
}
