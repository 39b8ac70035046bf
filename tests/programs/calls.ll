; One function for each type, and what the C calling convention does with them.
target triple = ""

@format = private constant [16 x i8] c"%d %ld %g %s %c\00"

define void @nothing() {
  ret void
}

define i1 @not(i1 %x) {
  %y = xor i1 %x, true
  ret i1 %y
}

define zeroext i1 @not_zeroext(i1 zeroext %x) {
  %y = xor i1 %x, true
  ret i1 %y
}

; What an extended argument is in its register.
define i32 @i1_signext(i1 signext %x) {
  %y = sext i1 %x to i32
  ret i32 %y
}

define i32 @i1_zeroext(i1 zeroext %x) {
  %y = zext i1 %x to i32
  ret i32 %y
}

define i8 @i8_next(i8 %x) {
  %y = add i8 %x, 1
  ret i8 %y
}

define i16 @i16_next(i16 %x) {
  %y = add i16 %x, 1
  ret i16 %y
}

define i32 @i32_next(i32 %x) {
  %y = add i32 %x, 1
  ret i32 %y
}

define i64 @i64_next(i64 %x) {
  %y = add i64 %x, 1
  ret i64 %y
}

define float @float_half(float %x) {
  %y = fmul float %x, 5.0e-01
  ret float %y
}

define double @double_half(double %x) {
  %y = fmul double %x, 5.0e-01
  ret double %y
}

define ptr @pointer_next(ptr %x) {
  %y = getelementptr i8, ptr %x, i64 1
  ret ptr %y
}

; The callee reads all 32 bits: the caller must have extended the argument.
define i32 @widen_signed8(i8 signext %x) {
  %y = sext i8 %x to i32
  ret i32 %y
}

define i32 @widen_unsigned8(i8 zeroext %x) {
  %y = zext i8 %x to i32
  ret i32 %y
}

define i32 @widen_signed16(i16 signext %x) {
  %y = sext i16 %x to i32
  ret i32 %y
}

define i32 @widen_unsigned16(i16 zeroext %x) {
  %y = zext i16 %x to i32
  ret i32 %y
}

define signext i8 @narrow_signed8(i32 %x) {
  %y = trunc i32 %x to i8
  ret i8 %y
}

define zeroext i8 @narrow_unsigned8(i32 %x) {
  %y = trunc i32 %x to i8
  ret i8 %y
}

define i64 @twenty(i64 %a0, i32 %a1, i16 %a2, i8 %a3, i64 %a4, i32 %a5, i16 signext %a6, i8 signext %a7, i64 %a8, i32 %a9,
                   i64 %b0, i32 %b1, i16 zeroext %b2, i8 zeroext %b3, i64 %b4, i1 zeroext %b5, i1 %b6, i64 %b7, i64 %b8, i64 %b9) {
  %c1 = sext i32 %a1 to i64
  %c2 = sext i16 %a2 to i64
  %c3 = sext i8 %a3 to i64
  %c5 = sext i32 %a5 to i64
  %c6 = sext i16 %a6 to i64
  %c7 = sext i8 %a7 to i64
  %c9 = sext i32 %a9 to i64
  %d1 = sext i32 %b1 to i64
  %d2 = zext i16 %b2 to i64
  %d3 = zext i8 %b3 to i64
  %d5 = zext i1 %b5 to i64
  %d6 = zext i1 %b6 to i64
  %s0 = add i64 %a0, %c1
  %s1 = mul i64 %s0, 3
  %s2 = add i64 %s1, %c2
  %s3 = mul i64 %s2, 3
  %s4 = add i64 %s3, %c3
  %s5 = mul i64 %s4, 3
  %s6 = add i64 %s5, %a4
  %s7 = mul i64 %s6, 3
  %s8 = add i64 %s7, %c5
  %s9 = mul i64 %s8, 3
  %t0 = add i64 %s9, %c6
  %t1 = mul i64 %t0, 3
  %t2 = add i64 %t1, %c7
  %t3 = mul i64 %t2, 3
  %t4 = add i64 %t3, %a8
  %t5 = mul i64 %t4, 3
  %t6 = add i64 %t5, %c9
  %t7 = mul i64 %t6, 3
  %t8 = add i64 %t7, %b0
  %t9 = mul i64 %t8, 3
  %u0 = add i64 %t9, %d1
  %u1 = mul i64 %u0, 3
  %u2 = add i64 %u1, %d2
  %u3 = mul i64 %u2, 3
  %u4 = add i64 %u3, %d3
  %u5 = mul i64 %u4, 3
  %u6 = add i64 %u5, %b4
  %u7 = mul i64 %u6, 3
  %u8 = add i64 %u7, %d5
  %u9 = mul i64 %u8, 3
  %v0 = add i64 %u9, %d6
  %v1 = mul i64 %v0, 3
  %v2 = add i64 %v1, %b7
  %v3 = mul i64 %v2, 3
  %v4 = add i64 %v3, %b8
  %v5 = mul i64 %v4, 3
  %v6 = add i64 %v5, %b9
  ret i64 %v6
}

define double @twenty_floating(double %a0, float %a1, double %a2, float %a3, double %a4, float %a5, double %a6, float %a7, double %a8, float %a9,
                               double %b0, float %b1, double %b2, float %b3, double %b4, float %b5, double %b6, float %b7, double %b8, float %b9) {
  %c1 = fpext float %a1 to double
  %c9 = fpext float %a9 to double
  %d1 = fpext float %b1 to double
  %d9 = fpext float %b9 to double
  %s0 = fadd double %a0, %c1
  %s1 = fadd double %s0, %a8
  %s2 = fadd double %s1, %c9
  %s3 = fsub double %s2, %b0
  %s4 = fsub double %s3, %d1
  %s5 = fmul double %s4, %b8
  %s6 = fadd double %s5, %d9
  ret double %s6
}

define double @mixed(i32 %i, double %d, ptr %p, float %f, i64 %l, i8 signext %c) {
  %a = sitofp i32 %i to double
  %v = load double, ptr %p
  %b = fpext float %f to double
  %e = sitofp i64 %l to double
  %g = sitofp i8 %c to double
  %s0 = fadd double %a, %d
  %s1 = fadd double %s0, %v
  %s2 = fadd double %s1, %b
  %s3 = fadd double %s2, %e
  %s4 = fadd double %s3, %g
  ret double %s4
}

declare i32 @snprintf(ptr, i64, ptr, ...)

define i32 @format_all(ptr %into, i32 %i, i64 %l, double %d, ptr %s, i32 %c) {
  %r = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %into, i64 100, ptr @format, i32 %i, i64 %l, double %d, ptr %s, i32 %c)
  ret i32 %r
}

; What cannot be called with checks.
%pair = type { i64, i64 }
define %pair @returns_struct(i64 %x) {
  %p = insertvalue %pair undef, i64 %x, 0
  %q = insertvalue %pair %p, i64 %x, 1
  ret %pair %q
}

define i64 @takes_struct(%pair %p) {
  %x = extractvalue %pair %p, 0
  ret i64 %x
}

define i128 @takes_i128(i128 %x) {
  ret i128 %x
}

define <4 x float> @takes_vector(<4 x float> %x) {
  ret <4 x float> %x
}

define fastcc i32 @fast(i32 %x) {
  ret i32 %x
}

define i24 @takes_i24(i24 %x) {
  ret i24 %x
}

define x86_fp80 @takes_fp80(x86_fp80 %x) {
  ret x86_fp80 %x
}

define half @takes_half(half %x) {
  ret half %x
}

define i64 @takes_byval(ptr byval(%pair) %p) {
  %x = load i64, ptr %p
  ret i64 %x
}

define void @takes_array([2 x i64] %x) {
  ret void
}
