//! What functions of several versions (`target_clones`) and `__builtin_cpu_supports` ask on AArch64. It is in LLVM's
//! compiler-rt, and in libgcc from version 14 on. Like the rest of a compiler's library that is static, each image has its
//! own.

use crate::link::piece::Piece;

/// All that the piece defines.
pub const NAMES: [&str; 3] = [
    "__aarch64_cpu_features",
    "__init_cpu_features",
    "__init_cpu_features_resolver",
];

/// A resolver calls with its own arguments (System V ABI for AArch64, "GNU indirect functions"): the auxiliary vector's
/// `AT_HWCAP`, whose bit 62 says that the second argument points to its own size, `AT_HWCAP`, and `AT_HWCAP2`. All others
/// must call after the constructor, as with compiler-rt, and may have given anything.
///
/// `@table` has pairs: a bit of `AT_HWCAP`, or from 64 on of `AT_HWCAP2` (Linux, `asm/hwcap.h`), and the feature that it
/// stands for (LLVM, `AArch64CPUFeatures.inc`). Feature 63 says that the others are known.
pub static PIECE: Piece = Piece {
    name: NAMES[2],
    needs: &[],
    ir: "source_filename = \"mgenjit-helpers\"
@__aarch64_cpu_features = weak hidden global { i64 } zeroinitializer
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] \
    [{ i32, ptr, ptr } { i32 90, ptr @__init_cpu_features, ptr null }]
@table = internal constant [90 x i8] [
    i8 0, i8 8, i8 0, i8 9, i8 4, i8 15, i8 6, i8 12, i8 7, i8 10, i8 8, i8 7, i8 9, i8 16, i8 12, i8 6, \
    i8 13, i8 20, i8 14, i8 21, i8 15, i8 22, i8 16, i8 18, i8 17, i8 13, i8 19, i8 5, i8 20, i8 4, \
    i8 22, i8 30, i8 23, i8 3, i8 24, i8 17, i8 26, i8 23, i8 27, i8 1, i8 28, i8 49, i8 29, i8 46, \
    i8 64, i8 19, i8 65, i8 36, i8 67, i8 38, i8 68, i8 39, i8 69, i8 40, i8 70, i8 41, i8 71, i8 2, \
    i8 72, i8 24, i8 74, i8 34, i8 75, i8 35, i8 77, i8 26, i8 78, i8 27, i8 80, i8 0, i8 81, i8 50, \
    i8 82, i8 44, i8 87, i8 42, i8 88, i8 56, i8 89, i8 55, i8 95, i8 54, i8 98, i8 11, i8 101, i8 57, \
    i8 107, i8 59, i8 110, i8 58]
declare extern_weak i64 @getauxval(i64)

define weak hidden void @__init_cpu_features() nounwind {
  %features = load atomic i64, ptr @__aarch64_cpu_features monotonic, align 8
  %known = icmp ne i64 %features, 0
  br i1 %known, label %done, label %unknown
unknown:
  %can_ask = icmp ne ptr @getauxval, null
  br i1 %can_ask, label %ask, label %none
ask:
  %hwcap = call i64 @getauxval(i64 16)
  %hwcap2 = call i64 @getauxval(i64 26)
  call void @set(i64 %hwcap, i64 %hwcap2)
  ret void
none:
  call void @set(i64 0, i64 0)
  ret void
done:
  ret void
}

define weak hidden void @__init_cpu_features_resolver(i64 %hwcap, ptr %more) nounwind {
  %features = load atomic i64, ptr @__aarch64_cpu_features monotonic, align 8
  %known = icmp ne i64 %features, 0
  br i1 %known, label %done, label %unknown
unknown:
  %flag = and i64 %hwcap, 4611686018427387904
  %has_more = icmp ne i64 %flag, 0
  br i1 %has_more, label %two, label %one
two:
  %place = getelementptr i8, ptr %more, i64 16
  %hwcap2 = load i64, ptr %place, align 8
  call void @set(i64 %hwcap, i64 %hwcap2)
  ret void
one:
  call void @set(i64 %hwcap, i64 0)
  ret void
done:
  ret void
}

define internal void @set(i64 %hwcap, i64 %hwcap2) nounwind noinline minsize optsize {
  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %next, %loop ]
  %sum = phi i64 [ -9223372036854775808, %0 ], [ %more, %loop ]
  %bit_place = getelementptr i8, ptr @table, i64 %i
  %bit = load i8, ptr %bit_place
  %is_second = icmp uge i8 %bit, 64
  %word = select i1 %is_second, i64 %hwcap2, i64 %hwcap
  %within = and i8 %bit, 63
  %shift = zext i8 %within to i64
  %moved = lshr i64 %word, %shift
  %has = and i64 %moved, 1
  %feature_at = add i64 %i, 1
  %feature_place = getelementptr i8, ptr @table, i64 %feature_at
  %feature = load i8, ptr %feature_place
  %position = zext i8 %feature to i64
  %flag = shl i64 %has, %position
  %more = or i64 %sum, %flag
  %next = add i64 %i, 2
  %end = icmp eq i64 %next, 90
  br i1 %end, label %done, label %loop
done:
  store atomic i64 %more, ptr @__aarch64_cpu_features monotonic, align 8
  ret void
}
",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_features_are_pairs() {
        let (_, table) = PIECE.ir.split_once("@table").expect("the table");
        let (_, table) = table.split_once("] [").expect("its start");
        let (table, _) = table.split_once(']').expect("its end");
        let mut numbers = table.split(',').map(|one| {
            let number = one.trim().strip_prefix("i8 ").expect("a type");
            number.parse::<u64>().expect("a number")
        });
        let (mut bits, mut features) = (0_u128, 0_u64);
        let mut pairs = 0;
        while let Some(bit) = numbers.next() {
            let feature = numbers.next().expect("a feature");
            // Of floating-point numbers there are two features.
            assert!(bit == 0 || bits >> bit & 1 == 0, "bit {bit}");
            assert!(
                feature < 63 && features >> feature & 1 == 0,
                "feature {feature}"
            );
            bits |= 1 << bit;
            features |= 1 << feature;
            pairs += 1;
        }
        assert!(PIECE.ir.contains(&format!("[{} x i8]", 2 * pairs)));
        assert!(PIECE.ir.contains(&format!("%next, {}\n", 2 * pairs)));
    }
}
