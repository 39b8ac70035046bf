//! Modules that take LLVM long.

/// IR that takes LLVM a while: some ten seconds for 20,000 functions.
pub fn slow(functions: u32) -> String {
    (0..functions)
        .map(|index| {
            format!(
                "define i64 @f{index}(ptr %p, i64 %n) {{\nentry:\n  br label %loop\nloop:\n  \
                 %i = phi i64 [0, %entry], [%next, %loop]\n  %s = phi i64 [{index}, %entry], [%t, %loop]\n  \
                 %q = getelementptr i64, ptr %p, i64 %i\n  %v = load i64, ptr %q\n  %m = mul i64 %v, %s\n  \
                 %t = add i64 %m, %i\n  %next = add i64 %i, 1\n  %c = icmp ult i64 %next, %n\n  \
                 br i1 %c, label %loop, label %done\ndone:\n  ret i64 %t\n}}\n"
            )
        })
        .collect()
}
