
; What work-matrix.ll has more than examples-c/programs/matrix.ll: it multiplies 2,000 times.
define double @"multiply"()
{
entry:
  br label %"for.body"
for.body:
  %"i" = phi i64 [ 1, %"entry" ], [ %".2", %"for.body" ]
  %".1" = call double @"multiply_once"()
  %".2" = add i64 %"i", 1
  %".3" = icmp sle i64 %".2", 2000
  br i1 %".3", label %"for.body", label %"for.end"
for.end:
  ret double %".1"
}
