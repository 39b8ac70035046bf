; A step of a counter, for examples-c/hotreload.c. What must outlive an edit belongs to the host.
@calls = external global i64

define i64 @step(i64 %x) {
  %before = load i64, ptr @calls
  %after = add i64 %before, 1
  store i64 %after, ptr @calls
  %result = add i64 %x, 1
  ret i64 %result
}
