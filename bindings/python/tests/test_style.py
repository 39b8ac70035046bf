"""Types and style."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import FIB, PACKAGE


def check(command, folder=PACKAGE):
    result = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    "command",
    [["mypy", "--strict"], ["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."]],
    ids=" ".join,
)
def test_tool(command, tmp_path):
    pytest.importorskip(command[0])
    extra = ["--cache-dir", str(tmp_path)] if command[0] == "mypy" else []
    check(["-m", *command, *extra])


@pytest.mark.once
def test_oldest_python(tmp_path):
    """What is used of Python is in 3.9, also where that is not there to try."""
    pytest.importorskip("vermin")
    command = ["-c", "import vermin; vermin.main()", "--target=3.9-", "--violations", "--no-tips"]
    check([*command, "mgenjit", "examples"])
    newer = tmp_path / "newer.py"
    newer.write_text("import itertools\nprint(list(itertools.pairwise([1, 2])))\n")
    with pytest.raises(AssertionError, match="3.10"):
        check([*command, str(newer)])


def test_import_is_lazy(run):
    loaded = run(
        "import sys; before = set(sys.modules); import mgenjit; print(*sorted(set(sys.modules) - before))"
    ).stdout
    assert set(loaded.split()) <= {"__future__", "atexit", "mgenjit"}


def test_one_call_imports_little(run):
    code = f"""
import sys
before = set(sys.modules)
import mgenjit
print(mgenjit.Executor().compile({FIB!r})["fib"](10))
print(*sorted(set(sys.modules) - before))
"""
    # What C has is there without a file.
    allowed = {"__future__", "_ctypes", "_operator", "atexit", "mgenjit"}
    allowed.update(f"mgenjit.{name}" for name in ("_abi", "_c", "_config", "_executor", "_function", "_life", "_table"))
    printed, loaded = run(code).stdout.splitlines()
    assert printed == "55"
    assert set(loaded.split()) <= allowed
