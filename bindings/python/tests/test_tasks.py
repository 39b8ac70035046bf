"""Background compiles, signals, event loops, and processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

import pytest

import mgenjit
from conftest import FIB, long_ir


def test_result(ex):
    task = ex.compile_async(FIB)
    module = task.result(timeout=60)
    assert task.done() and task.result() is module and module["fib"](10) == 55
    bad = ex.compile_async("no IR\n")
    for _ in range(2):
        with pytest.raises(mgenjit.ParseError):
            bad.result()
    ex.prefetch(FIB)


def test_timeout_and_cancel(ex):
    task = ex.compile_async(long_ir())
    with pytest.raises(TimeoutError):
        task.result(timeout=0)
    assert not task.wait(0.01)
    task.cancel()
    with pytest.raises(mgenjit.CancelledError):
        task.result()


def test_await(ex):
    async def main():
        fib, *others = await asyncio.gather(*(ex.compile_async(FIB + f"; {n}\n") for n in range(3)))
        assert fib["fib"](10) == 55 and len(others) == 2
        with pytest.raises(mgenjit.ParseError):
            await ex.compile_async("no IR\n")
        slow = ex.compile_async(long_ir())

        async def wait():
            return await slow

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(mgenjit.CancelledError):
            slow.result()

    asyncio.run(main())


def test_ctrl_c_ends_a_compile():
    kinds = []

    def told(event):
        kinds.append(event.kind)
        if event.kind == "progress" and kinds.count("progress") == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with mgenjit.Executor(on_event=told, cache=False) as ex:
        with pytest.raises(KeyboardInterrupt):
            ex.compile(long_ir())
        assert "compiled" not in kinds
        # It goes on to work.
        assert ex.compile(FIB)["fib"](10) == 55


def test_ctrl_c_ends_what_compiles_or_links(tmp_path):
    sent = []

    def told(event):
        if event.kind == "progress" and not sent:
            sent.append(os.kill(os.getpid(), signal.SIGINT))

    program = tmp_path / "long.ll"
    program.write_text(long_ir() + "\ndefine i32 @main() {\n  ret i32 0\n}\n")
    with pytest.raises(KeyboardInterrupt):
        mgenjit.run_file(program, on_event=told, cache=False)
    # A linker that ends when the test has.
    linker, ended = tmp_path / "linker", tmp_path / "ended"
    linker.write_text(f"#!/bin/sh\nkill -INT {os.getpid()}\nwhile [ ! -e {ended} ]; do sleep 0.02; done\nexit 1\n")
    linker.chmod(0o755)
    try:
        with pytest.raises(KeyboardInterrupt):
            mgenjit.build(tmp_path / "program", "define i32 @main() {\n  ret i32 0\n}\n", linker=str(linker))
    finally:
        ended.touch()
    assert not (tmp_path / "program").exists()


def test_a_handler_may_raise_while_a_task_is_waited_for(ex):
    class Alarm(Exception):
        pass

    def handler(_number, _frame):
        raise Alarm

    before = signal.signal(signal.SIGALRM, handler)
    try:
        task = ex.compile_async(long_ir())
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Alarm):
            task.result()
        task.cancel()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_other_threads_run_meanwhile(ex):
    # What gives the answer can run only if the compile and the call let it.
    answered = threading.Event()
    ex.define("host", lambda: int(answered.wait(60)), "i64 ()")
    wait = ex.compile("declare i64 @host()\ndefine i64 @f() {\n  %x = call i64 @host()\n  ret i64 %x\n}\n")["f"]
    threading.Timer(0.01, answered.set).start()
    assert wait() == 1
    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(ex.compile(FIB + f"; {n}\n")["fib"](n))) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1, 1, 2]


def test_the_interpreter_may_end_with_tasks_pending(run):
    code = """
import mgenjit, sys
sys.path.insert(0, sys.argv[1])
from conftest import long_ir, FIB
executor = mgenjit.Executor(cache=False, on_event=(lambda event: None) if sys.argv[2] == "hook" else None)
executor.define("host", lambda: None, "void ()")
tasks = [executor.compile_async(long_ir() + f"; {n}") for n in range(3)]
if sys.argv[2] == "dropped":
    del tasks, executor
print("end")
"""
    for how in ("hook", "none", "dropped"):
        assert run(code, os.path.dirname(__file__), how).stdout == "end\n"


def test_fork(ex):
    fib = ex.compile(FIB)["fib"]
    task = ex.compile_async(long_ir())
    assert fib(10) == 55
    child = os.fork()
    if child == 0:
        try:
            fine = fib(11) == 89 and ex.compile(FIB + "; new\n")["fib"](12) == 144
            try:
                task.wait(0)
                fine = False
            except mgenjit.InvalidArgumentError:
                pass
            os._exit(0 if fine else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    task.cancel()
    assert fib(10) == 55


def square_of(number):
    with mgenjit.Executor() as ex:
        return ex.compile(FIB)["fib"](number)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "import mgenjit\n"
        f"FIB = {FIB!r}\n"
        "def work(n):\n"
        "    with mgenjit.Executor() as ex:\n"
        "        return ex.compile(FIB)['fib'](n)\n"
        "if __name__ == '__main__':\n"
        "    assert work(3) == 2\n"
        "    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:\n"
        "        print(pool.map(work, [5, 10]))\n"
    )
    import subprocess

    from conftest import PACKAGE

    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    result = subprocess.run(
        [sys.executable, script, method], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert result.stdout == "[5, 55]\n", result.stderr
