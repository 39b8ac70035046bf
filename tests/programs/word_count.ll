; A program as a transpiler writes it: typed pointers, quoted names, no triple, and a runtime that is another
; module. That one calls back: @"words.compare" orders the words.
target triple = ""

%"IntVector" = type opaque
%"StringMap" = type opaque

@"text" = private unnamed_addr constant [75 x i8] c"the quick brown fox jumps over the lazy dog and the quick cat saw the dog \00"
@"format.word" = private unnamed_addr constant [8 x i8] c"%s: %d\0A\00"
@"format.total" = private unnamed_addr constant [25 x i8] c"%ld words, %ld distinct\0A\00"
@"words.total" = global i64 0

declare %"StringMap"* @"map.new"()
declare void @"map.add"(%"StringMap"*, i8*, i64, i64)
declare i64 @"map.length"(%"StringMap"*)
declare void @"map.visit"(%"StringMap"*, void (i8*, i64)*)
declare void @"map.free"(%"StringMap"*)
declare i32 @"printf"(i8*, ...)

define i32 @"words.compare"(i8* %"a", i8* %"b") {
"entry":
  br label %"loop"
"loop":
  %"i" = phi i64 [ 0, %"entry" ], [ %"next", %"same" ]
  %"pa" = getelementptr i8, i8* %"a", i64 %"i"
  %"pb" = getelementptr i8, i8* %"b", i64 %"i"
  %"ca" = load i8, i8* %"pa"
  %"cb" = load i8, i8* %"pb"
  %"equal" = icmp eq i8 %"ca", %"cb"
  br i1 %"equal", label %"same", label %"different"
"same":
  %"end" = icmp eq i8 %"ca", 0
  %"next" = add i64 %"i", 1
  br i1 %"end", label %"done", label %"loop"
"different":
  %"wa" = zext i8 %"ca" to i32
  %"wb" = zext i8 %"cb" to i32
  %"difference" = sub i32 %"wa", %"wb"
  ret i32 %"difference"
"done":
  ret i32 0
}

define internal void @"print.word"(i8* %"word", i64 %"count") {
"entry":
  %"short" = trunc i64 %"count" to i32
  %"unused" = call i32 (i8*, ...) @"printf"(i8* getelementptr ([8 x i8], [8 x i8]* @"format.word", i64 0, i64 0), i8* %"word", i32 %"short")
  ret void
}

define i64 @"count words"(%"StringMap"* %"map", i8* %"from") {
"entry":
  br label %"loop"
"loop":
  %"start" = phi i8* [ %"from", %"entry" ], [ %"start", %"in.word" ], [ %"after", %"word.end" ]
  %"length" = phi i64 [ 0, %"entry" ], [ %"longer", %"in.word" ], [ 0, %"word.end" ]
  %"words" = phi i64 [ 0, %"entry" ], [ %"words", %"in.word" ], [ %"more", %"word.end" ]
  %"place" = getelementptr i8, i8* %"start", i64 %"length"
  %"letter" = load i8, i8* %"place"
  switch i8 %"letter", label %"in.word" [
    i8 0, label %"done"
    i8 32, label %"word.end"
  ]
"in.word":
  %"longer" = add i64 %"length", 1
  br label %"loop"
"word.end":
  call void @"map.add"(%"StringMap"* %"map", i8* %"start", i64 %"length", i64 1)
  %"more" = add i64 %"words", 1
  %"after" = getelementptr i8, i8* %"place", i64 1
  br label %"loop"
"done":
  store i64 %"words", i64* @"words.total"
  ret i64 %"words"
}

define i32 @"main"() {
"entry":
  %"map" = call %"StringMap"* @"map.new"()
  %"words" = call i64 @"count words"(%"StringMap"* %"map", i8* getelementptr ([75 x i8], [75 x i8]* @"text", i64 0, i64 0))
  call void @"map.visit"(%"StringMap"* %"map", void (i8*, i64)* @"print.word")
  %"distinct" = call i64 @"map.length"(%"StringMap"* %"map")
  %"unused" = call i32 (i8*, ...) @"printf"(i8* getelementptr ([25 x i8], [25 x i8]* @"format.total", i64 0, i64 0), i64 %"words", i64 %"distinct")
  call void @"map.free"(%"StringMap"* %"map")
  ret i32 0
}
