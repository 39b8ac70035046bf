; Quicksort of pseudo-random numbers in memory from malloc, as a transpiler emits it.

; ModuleID = "quicksort"
target triple = ""
target datalayout = ""

declare i32 @"printf"(i8* %".1", ...)
declare i8* @"malloc"(i64 %".1")
declare void @"free"(i8* %".1")

@"format" = internal constant [5 x i8] c"%ld \00"
@"newline" = internal constant [2 x i8] c"\0a\00"
@"sorted" = internal constant [8 x i8] c"sorted\0a\00"
@"unsorted" = internal constant [10 x i8] c"unsorted\0a\00"
@"seed" = global i64 42

; How many numbers main sorts.
define i64 @"length"()
{
entry:
  ret i64 50000
}

define i64 @"random_number"()
{
entry:
  %".1" = load i64, i64* @"seed"
  %".2" = mul i64 %".1", 1103515245
  %".3" = add i64 %".2", 12345
  %".4" = and i64 %".3", 2147483647
  store i64 %".4", i64* @"seed"
  %".5" = srem i64 %".4", 100000
  ret i64 %".5"
}

define void @"swap"(i64* %"a", i64* %"b")
{
entry:
  %".1" = load i64, i64* %"a"
  %".2" = load i64, i64* %"b"
  store i64 %".2", i64* %"a"
  store i64 %".1", i64* %"b"
  ret void
}

define i64 @"partition"(i64* %"values", i64 %"low", i64 %"high")
{
entry:
  %"i" = alloca i64
  %"j" = alloca i64
  %"pivot" = alloca i64
  %".1" = add i64 %"low", %"high"
  %".2" = sdiv i64 %".1", 2
  %".3" = getelementptr i64, i64* %"values", i64 %".2"
  %".4" = getelementptr i64, i64* %"values", i64 %"high"
  call void @"swap"(i64* %".3", i64* %".4")
  %".5" = load i64, i64* %".4"
  store i64 %".5", i64* %"pivot"
  store i64 %"low", i64* %"i"
  store i64 %"low", i64* %"j"
  br label %"for.cond"
for.cond:
  %".6" = load i64, i64* %"j"
  %".7" = icmp slt i64 %".6", %"high"
  br i1 %".7", label %"for.body", label %"for.end"
for.body:
  %".8" = load i64, i64* %"j"
  %".9" = getelementptr i64, i64* %"values", i64 %".8"
  %".10" = load i64, i64* %".9"
  %".11" = load i64, i64* %"pivot"
  %".12" = icmp slt i64 %".10", %".11"
  br i1 %".12", label %"if.then", label %"if.end"
if.then:
  %".13" = load i64, i64* %"i"
  %".14" = getelementptr i64, i64* %"values", i64 %".13"
  call void @"swap"(i64* %".14", i64* %".9")
  %".15" = add i64 %".13", 1
  store i64 %".15", i64* %"i"
  br label %"if.end"
if.end:
  %".16" = load i64, i64* %"j"
  %".17" = add i64 %".16", 1
  store i64 %".17", i64* %"j"
  br label %"for.cond"
for.end:
  %".18" = load i64, i64* %"i"
  %".19" = getelementptr i64, i64* %"values", i64 %".18"
  call void @"swap"(i64* %".19", i64* %".4")
  %".20" = load i64, i64* %"i"
  ret i64 %".20"
}

define void @"quicksort"(i64* %"values", i64 %"low", i64 %"high")
{
entry:
  %".1" = icmp slt i64 %"low", %"high"
  br i1 %".1", label %"if.then", label %"if.end"
if.then:
  %".2" = call i64 @"partition"(i64* %"values", i64 %"low", i64 %"high")
  %".3" = sub i64 %".2", 1
  call void @"quicksort"(i64* %"values", i64 %"low", i64 %".3")
  %".4" = add i64 %".2", 1
  call void @"quicksort"(i64* %"values", i64 %".4", i64 %"high")
  br label %"if.end"
if.end:
  ret void
}

define i1 @"is_sorted"(i64* %"values", i64 %"count")
{
entry:
  %"i" = alloca i64
  store i64 1, i64* %"i"
  br label %"while.cond"
while.cond:
  %".1" = load i64, i64* %"i"
  %".2" = icmp slt i64 %".1", %"count"
  br i1 %".2", label %"while.body", label %"yes"
while.body:
  %".3" = sub i64 %".1", 1
  %".4" = getelementptr i64, i64* %"values", i64 %".3"
  %".5" = load i64, i64* %".4"
  %".6" = getelementptr i64, i64* %"values", i64 %".1"
  %".7" = load i64, i64* %".6"
  %".8" = icmp sgt i64 %".5", %".7"
  %".9" = add i64 %".1", 1
  store i64 %".9", i64* %"i"
  br i1 %".8", label %"no", label %"while.cond"
yes:
  ret i1 1
no:
  ret i1 0
}

define void @"print_values"(i64* %"values", i64 %"count", i64 %"step")
{
entry:
  %"i" = alloca i64
  store i64 0, i64* %"i"
  br label %"while.cond"
while.cond:
  %".1" = load i64, i64* %"i"
  %".2" = icmp slt i64 %".1", %"count"
  br i1 %".2", label %"while.body", label %"while.end"
while.body:
  %".3" = getelementptr i64, i64* %"values", i64 %".1"
  %".4" = load i64, i64* %".3"
  %".5" = bitcast [5 x i8]* @"format" to i8*
  %".6" = call i32 (i8*, ...) @"printf"(i8* %".5", i64 %".4")
  %".7" = add i64 %".1", %"step"
  store i64 %".7", i64* %"i"
  br label %"while.cond"
while.end:
  %".8" = bitcast [2 x i8]* @"newline" to i8*
  %".9" = call i32 (i8*, ...) @"printf"(i8* %".8")
  ret void
}

define i32 @"main"()
{
entry:
  %"i" = alloca i64
  store i64 0, i64* %"i"
  %".1" = call i64 @"length"()
  %".2" = mul i64 %".1", 8
  %".3" = call i8* @"malloc"(i64 %".2")
  %".4" = bitcast i8* %".3" to i64*
  br label %"while.cond"
while.cond:
  %".5" = load i64, i64* %"i"
  %".6" = icmp slt i64 %".5", %".1"
  br i1 %".6", label %"while.body", label %"while.end"
while.body:
  %".7" = call i64 @"random_number"()
  %".8" = getelementptr i64, i64* %".4", i64 %".5"
  store i64 %".7", i64* %".8"
  %".9" = add i64 %".5", 1
  store i64 %".9", i64* %"i"
  br label %"while.cond"
while.end:
  %".10" = sub i64 %".1", 1
  call void @"quicksort"(i64* %".4", i64 0, i64 %".10")
  %".11" = sdiv i64 %".1", 10
  call void @"print_values"(i64* %".4", i64 %".1", i64 %".11")
  %".12" = call i1 @"is_sorted"(i64* %".4", i64 %".1")
  call void @"free"(i8* %".3")
  br i1 %".12", label %"good", label %"bad"
good:
  %".13" = bitcast [8 x i8]* @"sorted" to i8*
  %".14" = call i32 (i8*, ...) @"printf"(i8* %".13")
  ret i32 0
bad:
  %".15" = bitcast [10 x i8]* @"unsorted" to i8*
  %".16" = call i32 (i8*, ...) @"printf"(i8* %".15")
  ret i32 1
}
