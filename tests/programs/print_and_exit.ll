; Transpiler style: typed pointers, quoted names, output without a newline at its end.
target triple = ""

@"text" = private unnamed_addr constant [15 x i8] c"argc %d: %s|%s\00"
@"none" = private unnamed_addr constant [2 x i8] c"-\00"

declare i32 @"printf"(i8*, ...)
declare i32 @"fprintf"(i8*, i8*, ...)

define i32 @"main"(i32 %"argc", i8** %"argv") {
"entry":
  %"first" = load i8*, i8** %"argv"
  %"more" = icmp sgt i32 %"argc", 1
  br i1 %"more", label %"with", label %"print"
"with":
  %"place" = getelementptr i8*, i8** %"argv", i64 1
  %"second.loaded" = load i8*, i8** %"place"
  br label %"print"
"print":
  %"second" = phi i8* [ getelementptr ([2 x i8], [2 x i8]* @"none", i64 0, i64 0), %"entry" ], [ %"second.loaded", %"with" ]
  %"format" = getelementptr [15 x i8], [15 x i8]* @"text", i64 0, i64 0
  %"unused" = call i32 (i8*, ...) @"printf"(i8* %"format", i32 %"argc", i8* %"first", i8* %"second")
  %"status" = add i32 %"argc", 40
  ret i32 %"status"
}
