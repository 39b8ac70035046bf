"""A kernel over numpy arrays: y = a * x + y.

The arrays are handed over as pointers; LLVM makes vector instructions of the loop.
"""

# Prints: [12. 24. 36. 48.]

import numpy

import mgenjit

IR = """
define void @axpy(i64 %n, double %a, ptr noalias %x, ptr noalias %y) {
entry:
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %end
body:
  %xp = getelementptr double, ptr %x, i64 %i
  %yp = getelementptr double, ptr %y, i64 %i
  %xv = load double, ptr %xp
  %yv = load double, ptr %yp
  %product = fmul double %a, %xv
  %sum = fadd double %product, %yv
  store double %sum, ptr %yp
  %next = add i64 %i, 1
  br label %test
end:
  ret void
}
"""

with mgenjit.Executor(opt="O3") as ex:
    axpy = ex.compile(IR)["axpy"]
    x = numpy.array([1.0, 2.0, 3.0, 4.0])
    y = numpy.array([10.0, 20.0, 30.0, 40.0])
    axpy(len(x), 2.0, x, y)
    print(y)
