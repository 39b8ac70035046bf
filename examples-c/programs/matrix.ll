; Multiplication of two 64 × 64 matrices of doubles in globals, as a transpiler emits it.

; ModuleID = "matrix"
target triple = ""
target datalayout = ""

declare i32 @"printf"(i8* %".1", ...)

@"format" = internal constant [24 x i8] c"c[%ld][%ld] = %g of %g\0a\00"
@"a" = global [64 x [64 x double]] zeroinitializer
@"b" = global [64 x [64 x double]] zeroinitializer
@"c" = global [64 x [64 x double]] zeroinitializer

; The element of a matrix at a row and column.
define double* @"element"([64 x [64 x double]]* %"matrix", i64 %"row", i64 %"column")
{
entry:
  %".1" = getelementptr [64 x [64 x double]], [64 x [64 x double]]* %"matrix", i64 0, i64 %"row", i64 %"column"
  ret double* %".1"
}

define void @"fill"()
{
entry:
  br label %"for.cond"
for.cond:
  %"i" = phi i64 [ 0, %"entry" ], [ %".10", %"for.body" ]
  %".1" = icmp slt i64 %"i", 4096
  br i1 %".1", label %"for.body", label %"for.end"
for.body:
  %".2" = sdiv i64 %"i", 64
  %".3" = srem i64 %"i", 64
  %".4" = add i64 %".2", %".3"
  %".5" = sitofp i64 %".4" to double
  %".6" = call double* @"element"([64 x [64 x double]]* @"a", i64 %".2", i64 %".3")
  store double %".5", double* %".6"
  %".7" = fmul double %".5", 0.5
  %".8" = fsub double %".7", 3.25
  %".9" = call double* @"element"([64 x [64 x double]]* @"b", i64 %".2", i64 %".3")
  store double %".8", double* %".9"
  %".10" = add i64 %"i", 1
  br label %"for.cond"
for.end:
  ret void
}

define double @"dot"(i64 %"row", i64 %"column")
{
entry:
  br label %"for.cond"
for.cond:
  %"k" = phi i64 [ 0, %"entry" ], [ %".8", %"for.body" ]
  %"sum" = phi double [ 0.0, %"entry" ], [ %".7", %"for.body" ]
  %".1" = icmp slt i64 %"k", 64
  br i1 %".1", label %"for.body", label %"for.end"
for.body:
  %".2" = call double* @"element"([64 x [64 x double]]* @"a", i64 %"row", i64 %"k")
  %".3" = load double, double* %".2"
  %".4" = call double* @"element"([64 x [64 x double]]* @"b", i64 %"k", i64 %"column")
  %".5" = load double, double* %".4"
  %".6" = fmul double %".3", %".5"
  %".7" = fadd double %"sum", %".6"
  %".8" = add i64 %"k", 1
  br label %"for.cond"
for.end:
  ret double %"sum"
}

; Multiplies and returns the sum of all elements.
define double @"multiply"()
{
entry:
  br label %"for.cond"
for.cond:
  %"i" = phi i64 [ 0, %"entry" ], [ %".7", %"for.body" ]
  %"sum" = phi double [ 0.0, %"entry" ], [ %".6", %"for.body" ]
  %".1" = icmp slt i64 %"i", 4096
  br i1 %".1", label %"for.body", label %"for.end"
for.body:
  %".2" = sdiv i64 %"i", 64
  %".3" = srem i64 %"i", 64
  %".4" = call double @"dot"(i64 %".2", i64 %".3")
  %".5" = call double* @"element"([64 x [64 x double]]* @"c", i64 %".2", i64 %".3")
  store double %".4", double* %".5"
  %".6" = fadd double %"sum", %".4"
  %".7" = add i64 %"i", 1
  br label %"for.cond"
for.end:
  ret double %"sum"
}

define i32 @"main"()
{
entry:
  call void @"fill"()
  %".1" = call double @"multiply"()
  br label %"for.cond"
for.cond:
  %"i" = phi i64 [ 0, %"entry" ], [ %".6", %"for.body" ]
  %".2" = icmp slt i64 %"i", 64
  br i1 %".2", label %"for.body", label %"for.end"
for.body:
  %".3" = call double* @"element"([64 x [64 x double]]* @"c", i64 %"i", i64 %"i")
  %".4" = load double, double* %".3"
  %".5" = bitcast [24 x i8]* @"format" to i8*
  %".7" = call i32 (i8*, ...) @"printf"(i8* %".5", i64 %"i", i64 %"i", double %".4", double %".1")
  %".6" = add i64 %"i", 9
  br label %"for.cond"
for.end:
  ret i32 0
}
