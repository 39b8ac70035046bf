"""Compiled code that calls Python, and an exception that comes back through it."""

# Prints: step 1
# Prints: step 2
# Prints: stopped: enough

import mgenjit

IR = """
declare i1 @step(i64)
define void @loop(i64 %n) {
entry:
  br label %next
next:
  %i = phi i64 [ 1, %entry ], [ %j, %next ]
  %go = call i1 @step(i64 %i)
  %j = add i64 %i, 1
  br i1 %go, label %next, label %end
end:
  ret void
}
"""


def step(i: int) -> bool:
    if i > 2:
        raise ValueError("enough")
    print("step", i)
    return True


with mgenjit.Executor() as ex:
    ex.define("step", step)
    try:
        ex.compile(IR)["loop"](10)
    except ValueError as error:
        print("stopped:", error)
