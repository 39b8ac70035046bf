//! What compilers call for atomic operations on AArch64, so that one program can use the instructions of newer CPUs on
//! those that have them (`-moutline-atomics`). Like the rest of a compiler's library that is static, each image has its own.

use crate::link::piece::Piece;

/// For each size in bytes an integer type, and for each suffix the orders of success and of failure, and what follows. gcc's
/// `__sync` operations promise a full barrier, which is more than an order.
macro_rules! pieces {
    ($($of:ident)+) => {
        [$(pieces!(@orders $of)),+].as_flattened().as_flattened()
    };
    (@orders $of:ident) => {
        [
            pieces!(@sizes $of "_relax" "monotonic" "monotonic" ""),
            pieces!(@sizes $of "_acq" "acquire" "acquire" ""),
            pieces!(@sizes $of "_rel" "release" "monotonic" ""),
            pieces!(@sizes $of "_acq_rel" "acq_rel" "acquire" ""),
            pieces!(@sizes $of "_sync" "seq_cst" "seq_cst" "fence seq_cst\n"),
        ]
    };
    (@sizes $of:ident $suffix:literal $order:literal $failure:literal $fence:literal) => {
        [
            pieces!(@$of "1" "i8" $suffix $order $failure $fence),
            pieces!(@$of "2" "i16" $suffix $order $failure $fence),
            pieces!(@$of "4" "i32" $suffix $order $failure $fence),
            pieces!(@$of "8" "i64" $suffix $order $failure $fence),
            pieces!(@$of "16" "i128" $suffix $order $failure $fence),
        ]
    };
    (@cas $size:literal $type:literal $suffix:literal $order:literal $failure:literal $fence:literal) => {
        pieces!(@piece concat!("__aarch64_cas", $size, $suffix), concat!(
            "define weak hidden ", $type, " @__aarch64_cas", $size, $suffix, "(", $type, " %expected, ", $type,
            " %desired, ptr %place) nounwind {\n",
            "%pair = cmpxchg ptr %place, ", $type, " %expected, ", $type, " %desired ", $order, " ", $failure, "\n",
            "%old = extractvalue { ", $type, ", i1 } %pair, 0\n", $fence, "ret ", $type, " %old\n}\n"
        ))
    };
    (@swp $size:literal $type:literal $suffix:literal $order:literal $failure:literal $fence:literal) => {
        pieces!(@change "swp" "xchg" "%value" $size $type $suffix $order $fence)
    };
    (@ldadd $size:literal $type:literal $suffix:literal $order:literal $failure:literal $fence:literal) => {
        pieces!(@change "ldadd" "add" "%value" $size $type $suffix $order $fence)
    };
    (@ldclr $size:literal $type:literal $suffix:literal $order:literal $failure:literal $fence:literal) => {
        pieces!(@change "ldclr" "and" "%others" $size $type $suffix $order $fence)
    };
    (@ldeor $size:literal $type:literal $suffix:literal $order:literal $failure:literal $fence:literal) => {
        pieces!(@change "ldeor" "xor" "%value" $size $type $suffix $order $fence)
    };
    (@ldset $size:literal $type:literal $suffix:literal $order:literal $failure:literal $fence:literal) => {
        pieces!(@change "ldset" "or" "%value" $size $type $suffix $order $fence)
    };
    (@change $name:literal $operation:literal $operand:literal $size:literal $type:literal $suffix:literal $order:literal $fence:literal) => {
        pieces!(@piece concat!("__aarch64_", $name, $size, $suffix), concat!(
            "define weak hidden ", $type, " @__aarch64_", $name, $size, $suffix, "(", $type, " %value, ptr %place) nounwind {\n",
            "%others = xor ", $type, " %value, -1\n",
            "%old = atomicrmw ", $operation, " ptr %place, ", $type, " ", $operand, " ", $order, "\n", $fence, "ret ", $type, " %old\n}\n"
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

    #[test]
    fn those_of_sync_end_with_a_barrier() {
        for piece in PIECES {
            let fences = piece.ir.matches("\nfence seq_cst\nret ").count();
            let expected = usize::from(piece.name.ends_with("_sync"));
            assert_eq!(fences, expected, "{}", piece.ir);
        }
    }
}
