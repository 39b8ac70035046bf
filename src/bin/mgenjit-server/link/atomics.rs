//! What compilers call for atomic operations on AArch64, so that one program can use the instructions of newer CPUs on
//! those that have them (`-moutline-atomics`). Like the rest of a compiler's library that is static, each image has its own.

use crate::link::piece::Piece;

/// For each size in bytes an integer type, and for each suffix the orders of success and of failure.
macro_rules! pieces {
    ($($of:ident)+) => {
        [$(pieces!(@orders $of)),+].as_flattened().as_flattened()
    };
    (@orders $of:ident) => {
        [
            pieces!(@sizes $of "_relax" "monotonic" "monotonic"),
            pieces!(@sizes $of "_acq" "acquire" "acquire"),
            pieces!(@sizes $of "_rel" "release" "monotonic"),
            pieces!(@sizes $of "_acq_rel" "acq_rel" "acquire"),
            pieces!(@sizes $of "_sync" "seq_cst" "seq_cst"),
        ]
    };
    (@sizes $of:ident $suffix:literal $order:literal $failure:literal) => {
        [
            pieces!(@$of "1" "i8" $suffix $order $failure),
            pieces!(@$of "2" "i16" $suffix $order $failure),
            pieces!(@$of "4" "i32" $suffix $order $failure),
            pieces!(@$of "8" "i64" $suffix $order $failure),
            pieces!(@$of "16" "i128" $suffix $order $failure),
        ]
    };
    (@cas $size:literal $type:literal $suffix:literal $order:literal $failure:literal) => {
        pieces!(@piece concat!("__aarch64_cas", $size, $suffix), concat!(
            "define weak hidden ", $type, " @__aarch64_cas", $size, $suffix, "(", $type, " %expected, ", $type,
            " %desired, ptr %place) nounwind {\n",
            "%pair = cmpxchg ptr %place, ", $type, " %expected, ", $type, " %desired ", $order, " ", $failure, "\n",
            "%old = extractvalue { ", $type, ", i1 } %pair, 0\nret ", $type, " %old\n}\n"
        ))
    };
    (@swp $size:literal $type:literal $suffix:literal $order:literal $failure:literal) => {
        pieces!(@change "swp" "xchg" "%value" $size $type $suffix $order)
    };
    (@ldadd $size:literal $type:literal $suffix:literal $order:literal $failure:literal) => {
        pieces!(@change "ldadd" "add" "%value" $size $type $suffix $order)
    };
    (@ldclr $size:literal $type:literal $suffix:literal $order:literal $failure:literal) => {
        pieces!(@change "ldclr" "and" "%others" $size $type $suffix $order)
    };
    (@ldeor $size:literal $type:literal $suffix:literal $order:literal $failure:literal) => {
        pieces!(@change "ldeor" "xor" "%value" $size $type $suffix $order)
    };
    (@ldset $size:literal $type:literal $suffix:literal $order:literal $failure:literal) => {
        pieces!(@change "ldset" "or" "%value" $size $type $suffix $order)
    };
    (@change $name:literal $operation:literal $operand:literal $size:literal $type:literal $suffix:literal $order:literal) => {
        pieces!(@piece concat!("__aarch64_", $name, $size, $suffix), concat!(
            "define weak hidden ", $type, " @__aarch64_", $name, $size, $suffix, "(", $type, " %value, ptr %place) nounwind {\n",
            "%others = xor ", $type, " %value, -1\n",
            "%old = atomicrmw ", $operation, " ptr %place, ", $type, " ", $operand, " ", $order, "\nret ", $type, " %old\n}\n"
        ))
    };
    (@piece $name:expr, $function:expr) => {
        Piece {
            name: $name,
            needs: &[],
            ir: concat!("source_filename = \"mgenjit-crt\"\n", $function),
        }
    };
}

pub static PIECES: &[Piece] = pieces!(cas swp ldadd ldclr ldeor ldset);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_has_a_name_of_its_own() {
        let names: HashSet<&str> = PIECES.iter().map(|piece| piece.name).collect();
        assert_eq!(names.len(), 6 * 5 * 5);
        for name in [
            "__aarch64_cas16_acq_rel",
            "__aarch64_ldadd8_relax",
            "__aarch64_ldclr1_sync",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }
}
