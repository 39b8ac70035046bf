; What clang emits for an executable (-fPIE or -fno-pic), as far as it matters for an image: everything is
; dso_local, thread-local variables use the executable's models, and the flags say PIE. `test` returns 0, or
; the number of the first thing that is wrong.
source_filename = "shared.c"
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-unknown-linux-gnu"

$inline_value = comdat any

@inline_value = linkonce_odr dso_local global i32 7, comdat, align 64
@self = weak dso_local global ptr @self
@tentative = common dso_local global i32 0
@absent = extern_weak dso_local global i32
@stderr = external dso_local global ptr
@environ = external dso_local global ptr
@local_exec = internal thread_local(localexec) global i64 9
@initial_exec = thread_local(initialexec) global i64 10
@weak_tls = weak dso_local thread_local(localexec) global i64 11
@tables = weak dso_local global [2 x ptr] [ptr blockaddress(@jump, %a), ptr blockaddress(@jump, %b)]
@functions = dso_local global [2 x ptr] [ptr @jump, ptr @puts]
@order = internal global [4 x i32] zeroinitializer
@ordered = internal global i32 0
@llvm.used = appending global [1 x ptr] [ptr @kept], section "llvm.metadata"
@kept = internal global i32 1, section "mine"
@llvm.global_ctors = appending global [3 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @last, ptr null }, { i32, ptr, ptr } { i32 101, ptr @first, ptr null }, { i32, ptr, ptr } { i32 200, ptr @second, ptr null }]

@ifunc = dso_local ifunc i32 (i32), ptr @resolve
@alias = dso_local alias i32 (i32), ptr @jump

declare dso_local i32 @puts(ptr noundef)
declare extern_weak dso_local i32 @nowhere()
declare ptr @llvm.threadlocal.address.p0(ptr)

define internal void @note(i32 %value) {
  %index = load i32, ptr @ordered
  %place = getelementptr i32, ptr @order, i32 %index
  store i32 %value, ptr %place
  %next = add i32 %index, 1
  store i32 %next, ptr @ordered
  ret void
}

define internal void @first() {
  call void @note(i32 1)
  ret void
}

define internal void @second() {
  call void @note(i32 2)
  ret void
}

define internal void @last() {
  call void @note(i32 3)
  ret void
}

define weak dso_local i32 @jump(i32 %index) {
  %place = getelementptr ptr, ptr @tables, i32 %index
  %target = load ptr, ptr %place
  indirectbr ptr %target, [label %a, label %b]

a:
  ret i32 10

b:
  ret i32 20
}

define internal ptr @resolve() noinline optnone {
  %environment = load ptr, ptr @environ
  ret ptr @triple
}

define internal i32 @triple(i32 %x) {
  %result = mul i32 %x, 3
  ret i32 %result
}

define dso_local i32 @test() noinline optnone {
  %self = load ptr, ptr @self
  %self.same = icmp eq ptr %self, @self
  br i1 %self.same, label %check2, label %fail1

fail1:
  ret i32 1

check2:
  %absent.null = icmp eq ptr @absent, null
  %nowhere.null = icmp eq ptr @nowhere, null
  %both = and i1 %absent.null, %nowhere.null
  br i1 %both, label %check3, label %fail2

fail2:
  ret i32 2

check3:
  %stderr = load ptr, ptr @stderr
  %stderr.set = icmp ne ptr %stderr, null
  br i1 %stderr.set, label %check4, label %fail3

fail3:
  ret i32 3

check4:
  %le.address = call ptr @llvm.threadlocal.address.p0(ptr @local_exec)
  %le = load i64, ptr %le.address
  %ie.address = call ptr @llvm.threadlocal.address.p0(ptr @initial_exec)
  %ie = load i64, ptr %ie.address
  %weak.address = call ptr @llvm.threadlocal.address.p0(ptr @weak_tls)
  %weak = load i64, ptr %weak.address
  %sum1 = add i64 %le, %ie
  %sum2 = add i64 %sum1, %weak
  %tls.right = icmp eq i64 %sum2, 30
  br i1 %tls.right, label %check5, label %fail4

fail4:
  ret i32 4

check5:
  %function = load ptr, ptr @functions
  %same.function = icmp eq ptr %function, @jump
  %ten = call i32 %function(i32 0)
  %twenty = call i32 @alias(i32 1)
  %thirty = add i32 %ten, %twenty
  %jumps.right = icmp eq i32 %thirty, 30
  %functions.right = and i1 %same.function, %jumps.right
  br i1 %functions.right, label %check6, label %fail5

fail5:
  ret i32 5

check6:
  %tripled = call i32 @ifunc(i32 5)
  %ifunc.right = icmp eq i32 %tripled, 15
  br i1 %ifunc.right, label %check7, label %fail6

fail6:
  ret i32 6

check7:
  %constructed = load <4 x i32>, ptr @order, align 4
  %wrong = icmp ne <4 x i32> %constructed, <i32 1, i32 2, i32 3, i32 0>
  %any = call i1 @llvm.vector.reduce.or.v4i1(<4 x i1> %wrong)
  br i1 %any, label %fail7, label %check8

fail7:
  ret i32 7

check8:
  %inline = load i32, ptr @inline_value
  %tentative = load i32, ptr @tentative
  %seven = add i32 %inline, %tentative
  %seven.right = icmp eq i32 %seven, 7
  br i1 %seven.right, label %pass, label %fail8

fail8:
  ret i32 8

pass:
  ret i32 0
}

!llvm.module.flags = !{!0, !1, !2}
!0 = !{i32 1, !"wchar_size", i32 4}
!1 = !{i32 8, !"PIC Level", i32 1}
!2 = !{i32 7, !"PIE Level", i32 2}
