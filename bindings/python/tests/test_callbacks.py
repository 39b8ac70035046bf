"""Python functions that compiled code calls."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

import mgenjit

CALL = """
declare i64 @host(i64, double, ptr, i1)
define i64 @call(i64 %a, double %b, ptr %c, i1 %d) {
  %r = call i64 @host(i64 %a, double %b, ptr %c, i1 %d)
  ret i64 %r
}
"""
SIGNATURE = "i64 (i64, double, ptr, i1)"


def test_arguments_and_result(ex):
    seen = []
    ex.define("host", lambda *arguments: seen.append(arguments) or 42, SIGNATURE)
    assert ex.compile(CALL)["call"](-3, 0.5, 4096, True) == 42
    assert seen == [(-3, 0.5, 4096, True)] and type(seen[0][3]) is bool


@pytest.mark.parametrize("kind", ["i8", "i16", "i32", "i64", "float", "double", "ptr", "i1"])
def test_types(ex, kind):
    value = {"float": 1.5, "double": 0.1, "i1": True}.get(kind, 100)
    ex.define("host", lambda x: x, f"{kind} ({kind})")
    ir = f"declare {kind} @host({kind})\ndefine {kind} @f({kind} %x) {{\n  %y = call {kind} @host({kind} %x)\n  ret {kind} %y\n}}\n"
    assert ex.compile(ir)["f"](value) == value


@pytest.mark.parametrize(("extension", "value", "expected"), [("zeroext", 200, 200), ("signext", -56, -56)])
def test_narrow_results(ex, extension, value, expected):
    widen = "zext" if extension == "zeroext" else "sext"
    ex.define("host", lambda: value, "i8 ()")
    module = ex.compile(
        f"declare {extension} i8 @host()\ndefine i64 @f() {{\n  %x = call {extension} i8 @host()\n"
        f"  %y = {widen} i8 %x to i64\n  ret i64 %y\n}}\n"
    )
    assert module["f"]() == expected


def test_annotations(ex):
    def host(a: int, b: float, c: "ptr", d: bool) -> int:  # noqa: F821
        return a

    assert mgenjit.Callback(host).signature in ("i64 (i64, double, ptr, i1)",)
    ex.define("host", host)
    assert ex.compile(CALL)["call"](8, 0.0, None, False) == 8

    @mgenjit.callback("void (i32)")
    def decorated(x):
        return None

    assert decorated.signature == "void (i32)" and decorated(1) is None
    ex.define("decorated", decorated)
    for wrong in (lambda x: x, len):
        with pytest.raises((TypeError, ValueError)):
            ex.define("wrong", wrong)
    for wrong in ("i64", "i65 ()", "i64 (void)", "i64 (x, y)"):
        with pytest.raises(ValueError):
            ex.define("wrong", len, wrong)


class Mine(Exception):
    pass


@pytest.mark.parametrize("error", [Mine("no"), KeyboardInterrupt(), SystemExit(3)])
def test_exceptions_come_through(ex, error):
    def host(*_arguments):
        raise error

    ex.define("host", host, SIGNATURE)
    call = ex.compile(CALL)["call"]
    for _ in range(2):
        with pytest.raises(type(error)) as raised:
            call(1, 2.0, None, False)
        assert raised.value is error


@pytest.mark.parametrize("answer", [1 << 64, "text", None])
def test_bad_results(ex, answer):
    ex.define("host", lambda *_: answer, SIGNATURE)
    with pytest.raises((OverflowError, TypeError), match="the result of"):
        ex.compile(CALL)["call"](1, 2.0, None, False)


def test_nested_calls(ex):
    def host(depth, *_):
        if depth == 0:
            raise Mine
        if depth == 1:
            with pytest.raises(Mine):
                call(0, 0.0, None, False)
            return 1
        return call(depth - 1, 0.0, None, False) + 1

    ex.define("host", host, SIGNATURE)
    call = ex.compile(CALL)["call"]
    assert call(3, 0.0, None, False) == 3


def test_threads(ex):
    ex.define("host", lambda a, *_: a * 2, SIGNATURE)
    call = ex.compile(CALL)["call"]
    wrong = []

    def work(start):
        for number in range(start, start + 200):
            if call(number, 0.0, None, False) != number * 2:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_callback_that_nobody_waits_for(ex, monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)

    def host(*_):
        raise Mine

    ex.define("host", host, SIGNATURE)
    ex.compile(CALL)["call"].ctypes()(1, 2.0, None, False)
    assert [one.exc_type for one in told] == [Mine]


def test_constructors_and_main(ex):
    def host():
        raise Mine

    ex.define("host", host, "void ()")
    ex.compile("declare void @host()\ndefine void @main() {\n  call void @host()\n  ret void\n}\n")
    with pytest.raises(Mine):
        ex.run_main()


def test_collected_in_any_order():
    ir = CALL + "define i64 @simple() {\n  ret i64 1\n}\n"
    for order in range(6):
        executor = mgenjit.Executor()

        class Holder:
            pass

        holder = Holder()
        # A circle: the executor keeps the callback, which keeps the executor.
        executor.define("host", lambda a, *_, h=holder: a, SIGNATURE)
        module = executor.compile(ir)
        holder.all = (executor, module, module["call"], module["simple"])
        gone = weakref.ref(holder)
        things = [executor, module, module["call"]]
        del executor, module
        for index in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))[order]:
            things[index] = None
            gc.collect()
        del holder
        gc.collect()
        assert gone() is None


def test_functions_keep_callbacks():
    executor = mgenjit.Executor()
    executor.define("host", lambda a, *_: a + 1, SIGNATURE)
    call = executor.compile(CALL)["call"]
    by_ctypes = call.ctypes()
    del executor, call
    gc.collect()
    assert by_ctypes(4, 0.0, None, False) == 5


def test_destructors_may_call_back(run):
    code = r"""
import mgenjit, sys, gc
ir = '''
@llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 1, ptr @end, ptr null }]
declare void @host()
define void @end() {
  call void @host()
  ret void
}
define i64 @one() {
  ret i64 1
}
'''
executor = mgenjit.Executor()
executor.define("host", lambda: print("destroyed", flush=True), "void ()")
one = executor.compile(ir)["one"]
assert one() == 1
if sys.argv[1] == "freed":
    del executor, one
    gc.collect()
print("end", flush=True)
"""
    assert run(code, "freed").stdout.split() == ["destroyed", "end"]
    assert run(code, "left").stdout.split() == ["end", "destroyed"]
