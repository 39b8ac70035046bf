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


def test_free(isolate):
    for _ in range(10):
        memory = isolate.alloc(1 << 19)
        isolate["write"](memory, 0, 7)
        assert memory[0] == 7
        isolate.free(memory)
    assert isolate.alloc(1 << 19)[0] == 0
    with pytest.raises(ValueError):
        isolate.free(memoryview(bytearray(8)))


def test_functions_of_the_host(ex):
    ex.compile(
        "declare i64 @twice(i64)\ndeclare void @note(ptr, double, i1)\n"
        "define i64 @ask(i64 %x, ptr %p) {\n  call void @note(ptr %p, double 2.5, i1 true)\n"
        "  %r = call i64 @twice(i64 %x)\n  %s = add i64 %r, 1\n  ret i64 %s\n}\n"
    )
    noted = []
    with mgenjit.Isolate(ex) as isolate:
        with pytest.raises(mgenjit.UnresolvedError):
            isolate["ask"](1, None)

        def twice(x: int) -> int:
            if x < 0:
                raise LookupError("negative")
            return 2 * x

        isolate.define("twice", twice)
        isolate.define("note", lambda *values: noted.append(values), "void (ptr, double, i1)")
        memory = isolate.alloc(8)
        assert isolate["ask"](21, memory, timeout=60) == 43
        assert isolate["ask"](21, memory, timeout=0.9) == 43
        (address, number, truth), _ = noted
        assert address != 0 and number == 2.5 and truth is True
        with pytest.raises(LookupError, match="negative"):
            isolate["ask"](-1, None)
        assert isolate["ask"](1, None) == 3
        isolate.define("twice", lambda x: "text", "i64 (i64)")
        with pytest.raises(ValueError):
            isolate.define("other", twice, "i64 (i128)")


def test_output(ex):
    ex.compile(
        'declare i32 @puts(ptr)\n@hi = constant [3 x i8] c"hi\\00"\n'
        "define void @say() {\n  %n = call i32 @puts(ptr @hi)\n  ret void\n}\n"
    )
    with mgenjit.Isolate(ex, capture=True, pool=1) as isolate:
        assert isolate.output() == b""
        isolate["say"]()
        isolate["say"]()
        assert isolate.output() == b"hi\nhi\n" and isolate.output() == b"" and isolate.output(2) == b""
        with pytest.raises(ValueError):
            isolate.output(3)


MAIN = """
declare i32 @puts(ptr)
declare i64 @read(i32, ptr, i64)
define i32 @main(i32 %n, ptr %v) {
  %b = alloca [16 x i8]
  store [16 x i8] zeroinitializer, ptr %b
  %r = call i64 @read(i32 0, ptr %b, i64 15)
  %s = call i32 @puts(ptr %b)
  ret i32 %n
}
"""


def test_programs(ex):
    ex.compile(MAIN)
    outcome = ex.run_isolated(["name", "x"], stdin=b"given", timeout=60)
    assert (outcome.exit_status, outcome.signal, outcome.limit, outcome.stdout) == (2, None, None, b"given\n")
    assert outcome.stderr == b"" and outcome.fault is None and outcome.usage.wall_us > 0
    assert ex.run_isolated(["name"], capture=False).stdout == b""
    reader, writer = os.pipe()
    assert ex.run_isolated(stdout=writer).exit_status == 0 and os.read(reader, 9) == b"\n"
    os.close(reader)
    os.close(writer)


def test_programs_that_end_otherwise(ex):
    ex.compile("define i32 @main() {\n  store volatile i32 1, ptr inttoptr (i64 32 to ptr)\n  ret i32 0\n}\n")
    outcome = ex.run_isolated()
    assert (outcome.signal, outcome.exit_status, outcome.fault.function) == (11, None, "main")
    with mgenjit.Executor() as other:
        other.compile("define i32 @main() {\n  br label %a\na:\n  br label %a\n}\n")
        assert other.run_isolated(timeout=0.05).limit == "time"
        assert other.run_isolated(cpu_time=0.05).limit == "cpu_time"
    with mgenjit.Executor() as several:
        several.compile(
            "declare i32 @fork()\ndefine i32 @main() {\n  %p = call i32 @fork()\n"
            "  %f = icmp slt i32 %p, 0\n  %r = zext i1 %f to i32\n  ret i32 %r\n}\n"
        )
        assert several.run_isolated(timeout=60).exit_status == 1
        try:
            assert several.run_isolated(timeout=60, processes=2).exit_status == 0
        except mgenjit.ExportError as error:
            pytest.skip(str(error))
    with mgenjit.Executor() as none, pytest.raises(mgenjit.NotFoundError):
        none.run_isolated()
