; One of many small modules: a constructor, a destructor, a thread_local, data, and a function that unwinds.
target triple = ""

@total = global i64 NUMBER
@mine = thread_local global i64 NUMBER
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @come, ptr null }]
@llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @go, ptr null }]
@host_balance = external global i64

define internal void @come() {
  %old = load i64, ptr @host_balance
  %new = add i64 %old, 1
  store i64 %new, ptr @host_balance
  ret void
}

define internal void @go() {
  %old = load i64, ptr @host_balance
  %new = sub i64 %old, 1
  store i64 %new, ptr @host_balance
  ret void
}

declare void @host_call(ptr)

define i64 @work(i64 %x) uwtable {
  %place = alloca i64
  store i64 %x, ptr %place
  call void @host_call(ptr %place)
  %a = load i64, ptr %place
  %b = load i64, ptr @total
  %c = add i64 %a, %b
  %m = load i64, ptr @mine
  %d = add i64 %c, %m
  store i64 %d, ptr @mine
  ret i64 %c
}
