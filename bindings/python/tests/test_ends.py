"""The interpreter may end at any moment, whatever still runs: nothing calls Python then, and nothing crashes."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import subprocess

import pytest

import mgenjit
from conftest import FIB

START = r"""
import atexit, builtins, ctypes, gc, os, sys, threading, time
sys.path.insert(0, sys.argv[1])
import warnings
import mgenjit
from conftest import long_ir

# Of fork.
warnings.simplefilter("ignore", DeprecationWarning)
DESTROYED = '''
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
CALLS = '''
declare i64 @host(i64, i64, i64, i64, i64, i64, i64, i64, i64)
define i64 @call() {
  %x = call i64 @host(i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 0, i64 0)
  ret i64 %x
}
define void @spin() {
  br label %again
again:
  call void asm sideeffect "", ""()
  br label %again
}
'''

def constant(number):
    return f"define i64 @f() {{\n  ret i64 {number}\n}}\n"

def daemon(function):
    '''Starts a thread that does it for ever, and waits until it has begun.'''
    begun = threading.Event()
    def work():
        while True:
            function()
            begun.set()
    threading.Thread(target=work, daemon=True).start()
    begun.wait()

def destroyed():
    print("destroyed", flush=True)

executor = mgenjit.Executor(cache=sys.argv[2])
"""

# What ends with a thread, a destructor or a library that would call Python: the code, and what it prints.
CASES = {
    "a prefetch tells": (
        """
        told = threading.Event()
        executor = mgenjit.Executor(cache=sys.argv[2], on_event=lambda _: (told.set(), time.sleep(0.001)))
        for number in range(20):
            executor.prefetch(constant(number))
        told.wait()
        """,
        "",
    ),
    "tasks tell": (
        """
        told = threading.Event()
        executor = mgenjit.Executor(cache=sys.argv[2], on_event=lambda _: (told.set(), time.sleep(0.001)))
        tasks = [executor.compile_async(constant(number)) for number in range(20)]
        told.wait()
        """,
        "",
    ),
    "a thread compiles and tells": (
        """
        executor = mgenjit.Executor(cache=sys.argv[2], on_event=lambda _: time.sleep(0.001))
        for _ in range(3):
            daemon(lambda: executor.compile(constant(1)))
        """,
        "",
    ),
    "a thread hears of progress": (
        """
        for number in range(5):
            executor.compile(constant(number))
        cache = mgenjit.Cache(sys.argv[2])
        daemon(lambda: cache.rebuild(progress=lambda *_: time.sleep(0.001)))
        """,
        "",
    ),
    "a thread calls back": (
        """
        executor.define("host", lambda *numbers: sum(numbers), "i64 (i64, i64, i64, i64, i64, i64, i64, i64, i64)")
        call = executor.compile(CALLS)["call"]
        assert call() == 21
        daemon(call)
        """,
        "",
    ),
    "a thread is in compiled code": (
        """
        executor.define("host", lambda *_: 0, "i64 (i64, i64, i64, i64, i64, i64, i64, i64, i64)")
        spin = executor.compile(CALLS)["spin"]
        threading.Thread(target=spin, daemon=True).start()
        """,
        "",
    ),
    "destructors": (
        """
        executor.define("host", destroyed, "void ()")
        one = executor.compile(DESTROYED)["one"]
        assert one() == 1
        """,
        "destroyed",
    ),
    "destructors by ctypes": (
        """
        executor.define("host", ctypes.CFUNCTYPE(None)(destroyed))
        one = executor.compile(DESTROYED)["one"]
        """,
        "",  # It is not linked yet.
    ),
    "destructors by ctypes, linked": (
        """
        executor.define("host", ctypes.CFUNCTYPE(None)(destroyed))
        one = executor.compile(DESTROYED)["one"]
        assert one() == 1
        """,
        "destroyed",
    ),
    "destructors beside a thread that waits": (
        """
        executor.define("host", destroyed, "void ()")
        one = executor.compile(DESTROYED)["one"]
        assert one() == 1
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        """,
        "destroyed",
    ),
    "what lives longer than the modules": (
        """
        executor.define("host", destroyed, "void ()")
        module = executor.compile(DESTROYED)
        assert module["one"]() == 1
        class Late:
            def __del__(self):
                try:
                    self.call()
                except RuntimeError:
                    print("too late", flush=True)
        late = Late()
        late.call, late.circle = module["one"], late
        builtins.kept = late, executor, module
        """,
        "destroyed too late",
    ),
    "what a program does at its end": (
        """
        executor.define("host", destroyed, "void ()")
        module = executor.compile(DESTROYED)
        atexit.register(lambda: print(module["one"](), flush=True))
        """,
        "1 destroyed",
    ),
    "a forked child": (
        """
        executor = mgenjit.Executor(cache=sys.argv[2], on_event=lambda _: None)
        executor.define("host", destroyed, "void ()")
        one = executor.compile(DESTROYED)["one"]
        assert one() == 1
        task = executor.compile_async(long_ir())
        sys.stdout.flush()
        child = os.fork()
        if child:
            status = os.waitpid(child, 0)[1]
            print(status, flush=True)
        """,
        # The child cannot know when the code is used no more: threads of its parent may have used it.
        "0 destroyed",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_interpreter_may_end(run, tmp_path, name):
    import textwrap

    code, printed = CASES[name]
    ended = run(START + textwrap.dedent(code), os.path.dirname(__file__), str(tmp_path / "cache"))
    assert (ended.stdout.split(), ended.stderr) == (printed.split(), "")


def test_a_recursion_without_end_is_an_error(ex):
    def host():
        call()

    ex.define("host", host, "void ()")
    call = ex.compile("declare void @host()\ndefine void @call() {\n  call void @host()\n  ret void\n}\n")["call"]
    for _ in range(2):
        with pytest.raises(RecursionError):
            call()


def test_nothing_is_freed_twice(ex):
    module = ex.compile(FIB)
    things = [ex, ex._handle, module, module["fib"], ex.compile_async(FIB), mgenjit.Config(), mgenjit.Cache()]
    for thing in things:
        for make in (copy.copy, copy.deepcopy, pickle.dumps):
            try:
                make(thing)
            except TypeError:
                pass
    gc.collect()
    assert module["fib"](10) == 55 and mgenjit.Cache().stats().entries == 1


def test_callbacks_come_and_go(ex):
    ir = "declare i64 @host(i64)\ndefine i64 @call(i64 %x) {\n  %y = call i64 @host(i64 %x)\n  ret i64 %y\n}\n"
    callbacks = [mgenjit.Callback(lambda x, n=n: x + n, "i64 (i64)") for n in range(200)]
    assert len({callback.address for callback in callbacks}) == 200
    freed = {callback.address for callback in callbacks[::2]}
    del callbacks[::2]
    gc.collect()
    again = [mgenjit.Callback(lambda x, n=n: x - n, "i64 (i64)") for n in range(100)]
    assert {callback.address for callback in again} == freed
    for sign, group in ((1, callbacks), (-1, again)):
        for index, callback in enumerate(group):
            with mgenjit.Executor() as executor:
                executor.define("host", callback)
                number = index * 2 + 1 if sign > 0 else -index
                assert executor.compile(ir)["call"](1000) == 1000 + number


def test_what_progress_raises_is_raised(ex):
    ex.compile(FIB)

    def stop(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mgenjit.Cache().rebuild(stop)


@pytest.mark.parametrize("parameters", [0, 1, 6, 7, 12], ids=str)
@pytest.mark.parametrize("kind", ["i64", "double"])
def test_arguments_on_the_stack(ex, kind, parameters):
    kinds = ", ".join([kind] * parameters)
    declared = ", ".join(f"{kind} %a{n}" for n in range(parameters))
    ex.define("host", lambda *values: sum(value * (n + 1) for n, value in enumerate(values)), f"{kind} ({kinds})")
    call = ex.compile(
        f"declare {kind} @host({kinds})\ndefine {kind} @call({declared}) {{\n"
        f"  %x = call {kind} @host({declared})\n  ret {kind} %x\n}}\n"
    )["call"]
    values = [n + 3 for n in range(parameters)]
    assert call(*values) == sum(value * (n + 1) for n, value in enumerate(values))


def test_threads_make_and_drop_executors(run, tmp_path):
    code = (
        START
        + """
import random

def work(number):
    order = random.Random(number)
    for turn in range(20):
        executor = mgenjit.Executor(cache=sys.argv[2], on_event=(lambda _: None) if turn % 2 else None)
        executor.define("host", lambda: None, "void ()")
        module = executor.compile(DESTROYED.replace("ret i64 1", f"ret i64 {turn % 4}"))
        one = module["one"]
        assert one() == one() == turn % 4
        things = [executor, module, one, executor.compile_async(constant(turn % 3))]
        del executor, module, one
        order.shuffle(things)
        while things:
            things.pop()
            if order.random() < 0.2:
                gc.collect()

threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    )
    ended = run(code, os.path.dirname(__file__), str(tmp_path / "cache"))
    assert (ended.stdout, ended.stderr) == ("", "")


def test_a_kill_while_callbacks_run_is_a_kill(tmp_path):
    """A signal that nobody handles ends the process as it would any."""
    import sys

    from conftest import PACKAGE

    code = START + "print('begun', flush=True)\nexecutor.compile(long_ir())"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-c", code, os.path.dirname(__file__), str(tmp_path / "cache")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"begun\n"
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
