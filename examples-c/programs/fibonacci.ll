; Recursion, as a transpiler from Python emits it: quoted names, typed pointers, no target triple.
;
;   def fibonacci(n): return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

; ModuleID = "fibonacci"
target triple = ""
target datalayout = ""

declare i32 @"printf"(i8* %".1", ...)
declare i32 @"atoi"(i8* %".1")

@"format" = internal constant [20 x i8] c"fibonacci(%ld)=%ld\0a\00"

define i64 @"fibonacci"(i64 %"n")
{
entry:
  %"n.addr" = alloca i64
  store i64 %"n", i64* %"n.addr"
  %".1" = load i64, i64* %"n.addr"
  %".2" = icmp slt i64 %".1", 2
  br i1 %".2", label %"if.then", label %"if.end"
if.then:
  %".3" = load i64, i64* %"n.addr"
  ret i64 %".3"
if.end:
  %".4" = load i64, i64* %"n.addr"
  %".5" = sub i64 %".4", 1
  %".6" = call i64 @"fibonacci"(i64 %".5")
  %".7" = load i64, i64* %"n.addr"
  %".8" = sub i64 %".7", 2
  %".9" = call i64 @"fibonacci"(i64 %".8")
  %".10" = add i64 %".6", %".9"
  ret i64 %".10"
}

; The first argument says how many numbers; 25 without one.
define i32 @"main"(i32 %"argc", i8** %"argv")
{
entry:
  %"last" = alloca i64
  store i64 25, i64* %"last"
  %"i" = alloca i64
  store i64 0, i64* %"i"
  %".1" = icmp sgt i32 %"argc", 1
  br i1 %".1", label %"if.then", label %"while.cond"
if.then:
  %".2" = getelementptr i8*, i8** %"argv", i64 1
  %".3" = load i8*, i8** %".2"
  %".4" = call i32 @"atoi"(i8* %".3")
  %".5" = sext i32 %".4" to i64
  store i64 %".5", i64* %"last"
  br label %"while.cond"
while.cond:
  %".6" = load i64, i64* %"i"
  %".7" = load i64, i64* %"last"
  %".8" = icmp sle i64 %".6", %".7"
  br i1 %".8", label %"while.body", label %"while.end"
while.body:
  %".9" = load i64, i64* %"i"
  %".10" = call i64 @"fibonacci"(i64 %".9")
  %".11" = bitcast [20 x i8]* @"format" to i8*
  %".12" = call i32 (i8*, ...) @"printf"(i8* %".11", i64 %".9", i64 %".10")
  %".13" = add i64 %".9", 5
  store i64 %".13", i64* %"i"
  br label %"while.cond"
while.end:
  ret i32 0
}
