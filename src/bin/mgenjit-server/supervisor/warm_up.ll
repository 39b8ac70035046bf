; What a new worker compiles first: nobody wants it. It has a bit of all that modules usually have, so that what LLVM
; makes when it is first needed is there when a client comes.
target triple = "x86_64-unknown-linux-gnu"

@text = private constant [4 x i8] c"%d\0A\00"
@values = internal global [64 x i32] zeroinitializer

declare i32 @printf(ptr, ...)
declare ptr @malloc(i64)
declare void @free(ptr)
declare double @llvm.sqrt.f64(double)

define i64 @sum(ptr %array, i64 %count) {
entry:
  %none = icmp eq i64 %count, 0
  br i1 %none, label %done, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %total = phi i64 [ 0, %entry ], [ %added, %loop ]
  %place = getelementptr i64, ptr %array, i64 %i
  %value = load i64, ptr %place
  %added = add i64 %total, %value
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  %result = phi i64 [ 0, %entry ], [ %added, %loop ]
  ret i64 %result
}

define i64 @fibonacci(i64 %n) {
  %small = icmp slt i64 %n, 2
  br i1 %small, label %base, label %recurse
base:
  ret i64 %n
recurse:
  %a = sub i64 %n, 1
  %b = sub i64 %n, 2
  %x = call i64 @fibonacci(i64 %a)
  %y = call i64 @fibonacci(i64 %b)
  %z = add i64 %x, %y
  ret i64 %z
}

define double @norm(double %x, double %y) {
  %xx = fmul double %x, %x
  %yy = fmul double %y, %y
  %sum = fadd double %xx, %yy
  %root = call double @llvm.sqrt.f64(double %sum)
  ret double %root
}

define i32 @choose(i32 %which) {
  %slot = alloca i32
  switch i32 %which, label %other [
    i32 0, label %zero
    i32 1, label %one
    i32 2, label %two
    i32 3, label %three
  ]
zero:
  store i32 17, ptr %slot
  br label %end
one:
  store i32 4, ptr %slot
  br label %end
two:
  store i32 90, ptr %slot
  br label %end
three:
  store i32 -3, ptr %slot
  br label %end
other:
  %rest = srem i32 %which, 7
  store i32 %rest, ptr %slot
  br label %end
end:
  %value = load i32, ptr %slot
  ret i32 %value
}

define i32 @main() {
entry:
  %memory = call ptr @malloc(i64 512)
  br label %fill
fill:
  %i = phi i64 [ 0, %entry ], [ %next, %fill ]
  %place = getelementptr i64, ptr %memory, i64 %i
  %square = mul i64 %i, %i
  store i64 %square, ptr %place
  %short = trunc i64 %i to i32
  %chosen = call i32 @choose(i32 %short)
  %kept = getelementptr [64 x i32], ptr @values, i64 0, i64 %i
  store i32 %chosen, ptr %kept
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 64
  br i1 %more, label %fill, label %print
print:
  %total = call i64 @sum(ptr %memory, i64 64)
  %n = call i64 @fibonacci(i64 10)
  %both = add i64 %total, %n
  %shown = trunc i64 %both to i32
  %ignored = call i32 (ptr, ...) @printf(ptr @text, i32 %shown)
  call void @free(ptr %memory)
  ret i32 0
}
