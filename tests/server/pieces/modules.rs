//! Modules to cut.

/// What a module may have that several of its pieces know.
pub const ALL: &str = r#"source_filename = "all.c"
@count = internal global i32 1
@own = internal thread_local global i32 2
@shared_own = thread_local global i32 4
@text = private unnamed_addr constant [6 x i8] c"pieces"
@table = internal constant [2 x ptr] [ptr @first, ptr @second]
@visible = dso_local global i32 8
@weak_one = weak global i32 16
@hidden_one = hidden global i32 32
@protected_one = protected global i32 64
@common_one = common global i32 0
@late = internal global i32 0
@order = internal global i32 0
@llvm.global_ctors = appending global [3 x { i32, ptr, ptr }] [
  { i32, ptr, ptr } { i32 200, ptr @begin_late, ptr null },
  { i32, ptr, ptr } { i32 101, ptr @begin_early, ptr null },
  { i32, ptr, ptr } { i32 65535, ptr @begin, ptr null }]
@llvm.used = appending global [1 x ptr] [ptr @kept_anyway]
@other_name = alias i32 (i32), ptr @step
@hidden_name = hidden alias i32, ptr @visible
@chosen = ifunc i32 (i32), ptr @choose
$in_group = comdat any

define internal void @begin_late() {
  %o = load i32, ptr @order
  %p = mul i32 %o, 10
  %q = add i32 %p, 2
  store i32 %q, ptr @order
  ret void
}
define internal void @begin_early() {
  %o = load i32, ptr @order
  %p = mul i32 %o, 10
  %q = add i32 %p, 1
  store i32 %q, ptr @order
  ret void
}
define internal void @begin() {
  %o = load i32, ptr @order
  %p = mul i32 %o, 10
  %q = add i32 %p, 3
  store i32 %q, ptr @order
  ret void
}
define i32 @order_of_constructors() {
  %o = load i32, ptr @order
  ret i32 %o
}
define internal i32 @kept_anyway() noinline {
  ret i32 7
}
define internal ptr @choose() {
  ret ptr @first
}
define internal i32 @first(i32 %x) noinline {
  %c = load i32, ptr @count
  %d = add i32 %c, %x
  store i32 %d, ptr @count
  ret i32 %d
}
define internal i32 @second(i32 %x) noinline {
  %c = load i32, ptr @count
  %d = mul i32 %c, %x
  store i32 %d, ptr @count
  ret i32 %d
}
define dso_local i32 @step(i32 %x) noinline {
  %i = and i32 %x, 1
  %p = getelementptr [2 x ptr], ptr @table, i32 0, i32 %i
  %f = load ptr, ptr %p
  %r = call i32 %f(i32 %x)
  ret i32 %r
}
define hidden i32 @hidden_step(i32 %x) noinline {
  %a = call i32 @step(i32 %x)
  %t = call ptr @llvm.threadlocal.address.p0(ptr @own)
  %o = load i32, ptr %t
  %n = add i32 %o, 1
  store i32 %n, ptr %t
  %r = add i32 %a, %n
  ret i32 %r
}
define protected i32 @protected_step(i32 %x) noinline {
  %t = call ptr @llvm.threadlocal.address.p0(ptr @own)
  %o = load i32, ptr %t
  %u = call ptr @llvm.threadlocal.address.p0(ptr @shared_own)
  %p = load i32, ptr %u
  %s = add i32 %o, %p
  %r = add i32 %s, %x
  ret i32 %r
}
define weak i32 @weak_step(i32 %x) {
  %r = add i32 %x, 1
  ret i32 %r
}
define weak_odr i32 @odr_step(i32 %x) {
  %r = add i32 %x, 3
  ret i32 %r
}
define weak hidden i32 @weak_hidden_step(i32 %x) {
  %r = add i32 %x, 5
  ret i32 %r
}
define weak_odr i32 @in_group(i32 %x) comdat {
  %r = add i32 %x, 7
  ret i32 %r
}
define i32 @values() {
  %a = load i32, ptr @visible
  %b = load i32, ptr @weak_one
  %c = load i32, ptr @hidden_one
  %d = load i32, ptr @protected_one
  %e = load i32, ptr @common_one
  %f = load i32, ptr @hidden_name
  %ab = add i32 %a, %b
  %cd = add i32 %c, %d
  %ef = add i32 %e, %f
  %s = add i32 %ab, %cd
  %t = add i32 %s, %ef
  ret i32 %t
}
define i32 @letters() {
  %p = getelementptr i8, ptr @text, i32 2
  %c = load i8, ptr %p
  %l = call i64 @strlen(ptr @text2)
  %m = trunc i64 %l to i32
  %d = zext i8 %c to i32
  %r = add i32 %d, %m
  ret i32 %r
}
@text2 = private unnamed_addr constant [7 x i8] c"pieces\00"
declare i64 @strlen(ptr)
declare ptr @llvm.threadlocal.address.p0(ptr)

define i32 @test() {
  %a = call i32 @step(i32 2)
  %b = call i32 @other_name(i32 3)
  %c = call i32 @hidden_step(i32 4)
  %d = call i32 @protected_step(i32 5)
  %e = call i32 @weak_step(i32 6)
  %f = call i32 @odr_step(i32 7)
  %g = call i32 @weak_hidden_step(i32 8)
  %h = call i32 @in_group(i32 9)
  %i = call i32 @values()
  %j = call i32 @letters()
  %k = call i32 @chosen(i32 1)
  %o = call i32 @order_of_constructors()
  %v = load i32, ptr @count
  %ab = add i32 %a, %b
  %cd = add i32 %c, %d
  %ef = add i32 %e, %f
  %gh = add i32 %g, %h
  %ij = add i32 %i, %j
  %ko = add i32 %k, %o
  %s1 = add i32 %ab, %cd
  %s2 = add i32 %ef, %gh
  %s3 = add i32 %ij, %ko
  %s4 = add i32 %s1, %s2
  %s5 = add i32 %s3, %v
  %s = add i32 %s4, %s5
  ret i32 %s
}
"#;

/// Constructors and destructors, exceptions, thread-local and inline variables.
pub const EXCEPTIONS: &str = r#"
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>
struct Said { const char *what; explicit Said(const char *what) : what(what) { std::printf("begin %s\n", what); }
  ~Said() { std::printf("end %s\n", what); } };
static Said first("first");
static thread_local Said own("own");
inline int numbered(int x) { static int number = 0; return number += x; }
static int deep(int x) { Said here("deep"); if (x > 3) throw std::runtime_error("too deep"); return x; }
int middle(int x) { try { return deep(x) + numbered(x); } catch (int) { return 0; } }
static Said second("second");
int main() {
  std::vector<std::string> all;
  for (int x = 0; x < 6; x++) {
    try { all.push_back(std::to_string(middle(x))); }
    catch (const std::exception &error) { all.push_back(error.what()); }
  }
  for (const auto &one : all) std::puts(one.c_str());
  std::puts(own.what);
}
"#;
