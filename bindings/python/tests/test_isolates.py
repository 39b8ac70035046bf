"""Calls in processes of their own."""

from __future__ import annotations

import ctypes
import os
import threading

import pytest

import mgenjit

IR = """
@state = global i64 5
declare void @abort()
declare void @exit(i32)
define i64 @bump() {
  %s = load i64, ptr @state
  %t = add i64 %s, 1
  store i64 %t, ptr @state
  ret i64 %t
}
define i1 @all(i8 %a, float %b, double %c) {
  %d = fpext float %b to double
  %e = fcmp oeq double %c, %d
  %f = icmp eq i8 %a, -3
  %g = and i1 %e, %f
  ret i1 %g
}
define void @write(ptr %p, i64 %i, i64 %x) {
  %q = getelementptr i64, ptr %p, i64 %i
  store i64 %x, ptr %q
  ret void
}
define void @crash() {
  store volatile i32 1, ptr inttoptr (i64 16 to ptr)
  ret void
}
define void @leave(i32 %status) {
  call void @exit(i32 %status)
  ret void
}
define void @loop(ptr %p) {
  store volatile i64 1, ptr %p
  br label %again
again:
  br label %again
}
"""


@pytest.fixture
def isolate(ex):
    ex.compile(IR)
    with mgenjit.Isolate(ex) as isolate:
        yield isolate


def test_calls(isolate):
    bump = isolate["bump"]
    assert [bump(), bump(timeout=0.9)] == [6, 7] and bump.signature == "i64 @bump()"
    assert isolate["all"](-3, 2.5, 2.5) is True and isolate["all"](253, 2.5, 2) is False
    with pytest.raises(OverflowError):
        isolate["all"](256, 1, 1)
    with pytest.raises(mgenjit.SignatureError):
        bump(1)
    with pytest.raises(mgenjit.NotFoundError):
        isolate["nothing"]
    assert bump() == 8


def test_ends(isolate):
    memory = isolate.alloc(8)
    with pytest.raises(mgenjit.EndedError, match=r"signal 11 ended it in crash\+") as crashed:
        isolate["crash"]()
    outcome = crashed.value.outcome
    assert (outcome.signal, outcome.exit_status, outcome.limit, outcome.fault.function) == (11, None, None, "crash")
    assert (
        outcome.fault.address == 16 and outcome.usage.memory > 0 and repr(outcome) == "Outcome(signal=11, limit=None)"
    )
    with pytest.raises(mgenjit.EndedError, match="exited with status 3") as left:
        isolate["leave"](3)
    assert (left.value.outcome.signal, left.value.outcome.exit_status, left.value.outcome.fault) == (None, 3, None)
    with pytest.raises(mgenjit.CallTimeoutError) as caught:
        isolate["loop"](memory, timeout=0.05)
    assert isinstance(caught.value, TimeoutError) and isinstance(caught.value, mgenjit.EndedError)
    assert caught.value.outcome.limit == "time"
    assert isolate["bump"]() == 6


def test_memory(isolate):
    memory = isolate.alloc(80)
    isolate["write"](memory, 3, 42)
    assert memory.cast("q")[3] == 42 and len(memory) == 80
    for other in (b"bytes", bytearray(80), ctypes.c_int64()):
        with pytest.raises((TypeError, ValueError), match="Isolate.alloc"):
            isolate["write"](other, 0, 1)
    with pytest.raises(mgenjit.EndedError):
        isolate["write"](None, 0, 1)
    with pytest.raises(MemoryError):
        isolate.alloc(1 << 20)
    isolate.close()
    with pytest.raises(ValueError, match="closed"):
        isolate.alloc(1)
    assert memory.cast("q")[3] == 42


def test_numpy(isolate):
    numpy = pytest.importorskip("numpy")
    array = numpy.frombuffer(isolate.alloc(8 * 10), dtype=numpy.int64)
    array[:] = 7
    isolate["write"](array, 2, 9)
    isolate["write"](array[5:], 0, 8)
    assert array.tolist() == [7, 7, 9, 7, 7, 8, 7, 7, 7, 7]


def test_cancel(isolate):
    memory = isolate.alloc(8)

    def cancel():
        while memory[0] == 0:
            pass
        isolate.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(mgenjit.CancelledError):
        isolate["loop"](memory)
    thread.join()
    assert isolate["bump"]() == 6


def test_options(ex, tmp_path):
    ex.compile(
        'declare i64 @write(i32, ptr, i64)\n@hi = constant [2 x i8] c"hi"\n'
        "define i64 @say() {\n  %n = call i64 @write(i32 1, ptr @hi, i64 2)\n  ret i64 %n\n}\n"
        "declare i32 @open(ptr, i32)\n"
        "define i32 @opens(ptr %p) {\n  %n = call i32 @open(ptr %p, i32 0)\n  ret i32 %n\n}\n"
    )
    reader, writer = os.pipe()
    with mgenjit.Isolate(ex, stdout=writer, memory=1 << 28, cpu_time=60, open_files=20) as isolate:
        assert isolate["say"]() == 2 and os.read(reader, 10) == b"hi"
        path = isolate.alloc(20)
        path[:12] = b"/etc/passwd\0"
        assert isolate["opens"](path) == -1
    with mgenjit.Isolate(ex, all_files=True) as isolate:
        path = isolate.alloc(20)
        path[:12] = b"/etc/passwd\0"
        assert isolate["opens"](path) > 2
    with pytest.raises(ValueError):
        mgenjit.Isolate(ex, cpu_time=-1)
    os.close(reader)
    os.close(writer)
