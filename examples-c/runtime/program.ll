; Sums primes with a sieve, and counts words, as a transpiler emits it. Its vectors and maps are those of a runtime
; library in C, library/runtime.h.

; ModuleID = "program"
target triple = ""
target datalayout = ""

%"rt_vector" = type opaque
%"rt_map" = type opaque

declare %"rt_vector"* @"rt_vector_new"()
declare void @"rt_vector_free"(%"rt_vector"* %".1")
declare void @"rt_vector_push"(%"rt_vector"* %".1", i64 %".2")
declare i64 @"rt_vector_get"(%"rt_vector"* %".1", i64 %".2")
declare void @"rt_vector_set"(%"rt_vector"* %".1", i64 %".2", i64 %".3")
declare %"rt_map"* @"rt_map_new"()
declare void @"rt_map_free"(%"rt_map"* %".1")
declare i64 @"rt_map_length"(%"rt_map"* %".1")
declare i64 @"rt_map_get"(%"rt_map"* %".1", i8* %".2", i64 %".3")
declare void @"rt_map_set"(%"rt_map"* %".1", i8* %".2", i64 %".3")
declare i32 @"printf"(i8* %".1", ...)

@"format" = internal constant [5 x i8] c"%ld\0a\00"

; The sum of all primes below a limit.
define i64 @"sum_of_primes"(i64 %"limit")
{
entry:
  %"i" = alloca i64
  %"j" = alloca i64
  %"sum" = alloca i64
  %".1" = call %"rt_vector"* @"rt_vector_new"()
  store i64 0, i64* %"i"
  store i64 0, i64* %"sum"
  br label %"fill.cond"
fill.cond:
  %".2" = load i64, i64* %"i"
  %".3" = icmp slt i64 %".2", %"limit"
  br i1 %".3", label %"fill.body", label %"fill.end"
fill.body:
  call void @"rt_vector_push"(%"rt_vector"* %".1", i64 1)
  %".4" = load i64, i64* %"i"
  %".5" = add i64 %".4", 1
  store i64 %".5", i64* %"i"
  br label %"fill.cond"
fill.end:
  store i64 2, i64* %"i"
  br label %"sieve.cond"
sieve.cond:
  %".6" = load i64, i64* %"i"
  %".7" = icmp slt i64 %".6", %"limit"
  br i1 %".7", label %"sieve.body", label %"sieve.end"
sieve.body:
  %".8" = load i64, i64* %"i"
  %".9" = call i64 @"rt_vector_get"(%"rt_vector"* %".1", i64 %".8")
  %".10" = icmp eq i64 %".9", 1
  br i1 %".10", label %"prime", label %"sieve.next"
prime:
  %".11" = load i64, i64* %"sum"
  %".12" = load i64, i64* %"i"
  %".13" = add i64 %".11", %".12"
  store i64 %".13", i64* %"sum"
  %".14" = add i64 %".12", %".12"
  store i64 %".14", i64* %"j"
  br label %"strike.cond"
strike.cond:
  %".15" = load i64, i64* %"j"
  %".16" = icmp slt i64 %".15", %"limit"
  br i1 %".16", label %"strike.body", label %"sieve.next"
strike.body:
  %".17" = load i64, i64* %"j"
  call void @"rt_vector_set"(%"rt_vector"* %".1", i64 %".17", i64 0)
  %".18" = load i64, i64* %"i"
  %".19" = add i64 %".17", %".18"
  store i64 %".19", i64* %"j"
  br label %"strike.cond"
sieve.next:
  %".20" = load i64, i64* %"i"
  %".21" = add i64 %".20", 1
  store i64 %".21", i64* %"i"
  br label %"sieve.cond"
sieve.end:
  call void @"rt_vector_free"(%"rt_vector"* %".1")
  %".22" = load i64, i64* %"sum"
  ret i64 %".22"
}

; Writes a word of three letters that follow from a number, and a NUL.
define void @"write_word"(i8* %"word", i64 %"number")
{
entry:
  %"k" = alloca i64
  %"rest" = alloca i64
  %".1" = mul i64 %"number", 6364136223846793005
  %".2" = lshr i64 %".1", 33
  store i64 %".2", i64* %"rest"
  store i64 0, i64* %"k"
  br label %"for.cond"
for.cond:
  %".3" = load i64, i64* %"k"
  %".4" = icmp slt i64 %".3", 3
  br i1 %".4", label %"for.body", label %"for.end"
for.body:
  %".5" = load i64, i64* %"rest"
  %".6" = urem i64 %".5", 26
  %".7" = udiv i64 %".5", 26
  store i64 %".7", i64* %"rest"
  %".8" = trunc i64 %".6" to i8
  %".9" = add i8 %".8", 97
  %".10" = load i64, i64* %"k"
  %".11" = getelementptr i8, i8* %"word", i64 %".10"
  store i8 %".9", i8* %".11"
  %".12" = add i64 %".10", 1
  store i64 %".12", i64* %"k"
  br label %"for.cond"
for.end:
  %".13" = getelementptr i8, i8* %"word", i64 3
  store i8 0, i8* %".13"
  ret void
}

; How often the most frequent word comes, and in millions how many there are.
define i64 @"count_words"(i64 %"limit")
{
entry:
  %"word" = alloca [4 x i8]
  %"i" = alloca i64
  %"most" = alloca i64
  %".1" = call %"rt_map"* @"rt_map_new"()
  %".2" = bitcast [4 x i8]* %"word" to i8*
  store i64 0, i64* %"i"
  store i64 0, i64* %"most"
  br label %"for.cond"
for.cond:
  %".3" = load i64, i64* %"i"
  %".4" = icmp slt i64 %".3", %"limit"
  br i1 %".4", label %"for.body", label %"for.end"
for.body:
  %".5" = load i64, i64* %"i"
  call void @"write_word"(i8* %".2", i64 %".5")
  %".6" = call i64 @"rt_map_get"(%"rt_map"* %".1", i8* %".2", i64 0)
  %".7" = add i64 %".6", 1
  call void @"rt_map_set"(%"rt_map"* %".1", i8* %".2", i64 %".7")
  %".8" = load i64, i64* %"most"
  %".9" = icmp sgt i64 %".7", %".8"
  br i1 %".9", label %"more", label %"for.next"
more:
  store i64 %".7", i64* %"most"
  br label %"for.next"
for.next:
  %".10" = load i64, i64* %"i"
  %".11" = add i64 %".10", 1
  store i64 %".11", i64* %"i"
  br label %"for.cond"
for.end:
  %".12" = call i64 @"rt_map_length"(%"rt_map"* %".1")
  call void @"rt_map_free"(%"rt_map"* %".1")
  %".13" = mul i64 %".12", 1000000
  %".14" = load i64, i64* %"most"
  %".15" = add i64 %".13", %".14"
  ret i64 %".15"
}

define i64 @"work"(i64 %"limit")
{
entry:
  %".1" = call i64 @"sum_of_primes"(i64 %"limit")
  %".2" = sdiv i64 %"limit", 20
  %".3" = call i64 @"count_words"(i64 %".2")
  %".4" = xor i64 %".1", %".3"
  ret i64 %".4"
}

define i64 @"main"()
{
entry:
  %".1" = call i64 @"work"(i64 1000000)
  %".2" = bitcast [5 x i8]* @"format" to i8*
  %".3" = call i32 (i8*, ...) @"printf"(i8* %".2", i64 %".1")
  ret i64 0
}
