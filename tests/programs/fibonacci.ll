; Recursion, with typed pointers and quoted names.
target triple = ""

@"format" = private unnamed_addr constant [20 x i8] c"fibonacci(%d) = %d\0A\00"

declare i32 @"printf"(i8*, ...)

define i64 @"fibonacci"(i64 %"n") {
"entry":
  %"result" = alloca i64
  %"small" = icmp slt i64 %"n", 2
  br i1 %"small", label %"base", label %"recurse"
"base":
  store i64 %"n", i64* %"result"
  br label %"end"
"recurse":
  %"n.1" = sub i64 %"n", 1
  %"a" = call i64 @"fibonacci"(i64 %"n.1")
  %"n.2" = sub i64 %"n", 2
  %"b" = call i64 @"fibonacci"(i64 %"n.2")
  %"sum" = add i64 %"a", %"b"
  store i64 %"sum", i64* %"result"
  br label %"end"
"end":
  %"value" = load i64, i64* %"result"
  ret i64 %"value"
}

define i32 @"main"() {
"entry":
  %"value" = call i64 @"fibonacci"(i64 20)
  %"short" = trunc i64 %"value" to i32
  %"unused" = call i32 (i8*, ...) @"printf"(i8* getelementptr ([20 x i8], [20 x i8]* @"format", i64 0, i64 0), i32 20, i32 %"short")
  ret i32 0
}
