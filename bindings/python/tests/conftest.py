"""What the tests share. All of them use caches of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent
CHECKOUT = PACKAGE.parent.parent
sys.path.insert(0, str(PACKAGE))

import mgenjit  # noqa: E402

# Whoever starts the tests in the background may have had it ignored, which Python and what it starts would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A triple of a machine that is not this one.
OTHER = "x86_64-linux-gnu" if os.uname().machine == "aarch64" else "aarch64-linux-gnu"

FIB = """
define i64 @fib(i64 %n) {
  %small = icmp slt i64 %n, 2
  br i1 %small, label %done, label %more
done:
  ret i64 %n
more:
  %m = sub i64 %n, 1
  %x = call i64 @fib(i64 %m)
  %k = sub i64 %n, 2
  %y = call i64 @fib(i64 %k)
  %z = add i64 %x, %y
  ret i64 %z
}
"""


def pytest_runtest_logreport(report):
    """What is skipped is in the summary of all tests."""
    listed = os.environ.get("MGENJIT_TESTS_SKIPPED")
    if report.skipped and listed:
        with open(listed, "a") as file:
            file.write(f"bindings/python/{report.nodeid}: {report.longrepr[2].partition(': ')[2]}\n")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MGENJIT_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def ex():
    with mgenjit.Executor() as executor:
        yield executor


@pytest.fixture
def run():
    """Runs Python code in a process of its own, and returns what it printed."""

    def run(code: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
        command = [sys.executable, "-c", code, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert not check or result.returncode == 0, f"status {result.returncode}: {result.stdout}{result.stderr}"
        return result

    return run


def long_ir(functions: int = 4000) -> str:
    """IR that takes long to compile."""
    body = "\n".join(f"  %x{i + 1} = mul i64 %x{i}, %n\n  %y{i} = xor i64 %x{i + 1}, {i * 7919}" for i in range(40))
    return "\n".join(
        f"define i64 @f{number}(i64 %n) {{\n  %x0 = add i64 %n, {number}\n{body}\n  ret i64 %x40\n}}"
        for number in range(functions)
    )
