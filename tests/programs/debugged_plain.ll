; As a transpiler emits it.
define i64 @plain_inner(i64* %place) {
entry:
  %value = load i64, i64* %place
  %sum = add i64 %value, 1
  ret i64 %sum
}

define i64 @plain_outer(i64 %n) {
entry:
  %place = alloca i64
  store i64 %n, i64* %place
  %value = call i64 @plain_inner(i64* %place)
  %sum = add i64 %value, 1
  ret i64 %sum
}

define i64 @main() {
entry:
  %sum = call i64 @plain_outer(i64 40)
  %result = sub i64 %sum, 42
  ret i64 %result
}
