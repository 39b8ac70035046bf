//! Functions that LLVM calls and that a compiler's own library has only from some version on (libgcc: 13, and some never).
//! They go with the module that needs them, into its image and whatever it is exported to.

use crate::input::symbols::Symbols;
use crate::link::cpu_features;
use crate::link::piece::Piece;
use crate::llvm::names::{Format, Names};
use std::collections::HashSet;

/// Whether code for a target may call for what is here, and objects are linked for it.
pub fn may_be_lacking(names: &Names) -> bool {
    names.format() == Format::Elf
        && matches!(names.architecture(), "x86_64" | "aarch64" | "riscv64")
}

/// What is undefined in these, of what is here.
pub fn needed(names: &Names, all: &[&Symbols]) -> Vec<&'static Piece> {
    let undefined: HashSet<&str> = all
        .iter()
        .flat_map(|symbols| symbols.undefined.iter().map(|one| one.name.as_str()))
        .collect();
    let is_defined = |name: &str| {
        let mut defined = all.iter().flat_map(|symbols| &symbols.defined);
        defined.any(|one| one.name == name)
    };
    let is_needed = |name: &str| undefined.contains(name) && !is_defined(name);
    let mut pieces: Vec<_> = PIECES.iter().filter(|one| is_needed(one.name)).collect();
    if names.architecture() == "aarch64" && cpu_features::NAMES.into_iter().any(is_needed) {
        pieces.push(&cpu_features::PIECE);
    }
    pieces
}

/// All that a piece of here defines, by its name.
pub fn defined_by(piece: &str) -> Vec<&str> {
    match piece == cpu_features::PIECE.name {
        true => cpu_features::NAMES.to_vec(),
        false => vec![piece],
    }
}

/// The upper half of a float, rounded to the nearest, ties to even; a NaN is made quiet and stays one.
macro_rules! round {
    () => {
        "
  %lowest = lshr i32 %bits, 16
  %odd = and i32 %lowest, 1
  %half = add i32 %odd, 32767
  %sum = add i32 %bits, %half
  %quiet = or i32 %bits, 4194304
  %magnitude = and i32 %bits, 2147483647
  %nan = icmp ugt i32 %magnitude, 2139095040
  %rounded = select i1 %nan, i32 %quiet, i32 %sum
  %upper = lshr i32 %rounded, 16
  %result = trunc i32 %upper to i16
  %bfloat = bitcast i16 %result to bfloat
  ret bfloat %bfloat
}
"
    };
}

/// From a larger type. Rounding twice may be off by one: so it is rounded to odd first, which keeps what was lost visible
/// in the last bit. The neighbour with an odd last bit is the one towards the exact value.
macro_rules! from_larger {
    ($name:literal, $type:literal, $integer:literal) => {
        Piece {
            name: $name,
            needs: &[],
            ir: concat!(
                "source_filename = \"mgenjit-helpers\"
define weak hidden bfloat @",
                $name,
                "(",
                $type,
                " %x) nounwind {
  %float = fptrunc ",
                $type,
                " %x to float
  %nearest = bitcast float %float to i32
  %size = and i32 %nearest, 2147483647
  %finite = icmp ult i32 %size, 2139095040
  %back = fpext float %float to ",
                $type,
                "
  %below = fcmp olt ",
                $type,
                " %back, %x
  %above = fcmp ogt ",
                $type,
                " %back, %x
  %inexact = or i1 %below, %above
  %last = and i32 %nearest, 1
  %even = icmp eq i32 %last, 0
  %sign = bitcast ",
                $type,
                " %x to ",
                $integer,
                "
  %negative = icmp slt ",
                $integer,
                " %sign, 0
  %outwards = xor i1 %below, %negative
  %step = select i1 %outwards, i32 1, i32 -1
  %moved = add i32 %nearest, %step
  %near = and i1 %inexact, %even
  %move = and i1 %near, %finite
  %bits = select i1 %move, i32 %moved, i32 %nearest",
                round!()
            ),
        }
    };
}

static PIECES: [Piece; 4] = [
    Piece {
        name: "__truncsfbf2",
        needs: &[],
        ir: concat!(
            "source_filename = \"mgenjit-helpers\"
define weak hidden bfloat @__truncsfbf2(float %x) nounwind {
  %bits = bitcast float %x to i32",
            round!()
        ),
    },
    from_larger!("__truncdfbf2", "double", "i64"),
    from_larger!("__truncxfbf2", "x86_fp80", "i80"),
    from_larger!("__trunctfbf2", "fp128", "i128"),
];
