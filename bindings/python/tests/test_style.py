"""Types and style."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import PACKAGE


@pytest.mark.parametrize(
    "command",
    [["mypy", "--strict"], ["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."]],
    ids=" ".join,
)
def test_tool(command, tmp_path):
    name = command[0]
    pytest.importorskip(name)
    extra = ["--cache-dir", str(tmp_path)] if name == "mypy" else []
    result = subprocess.run(
        [sys.executable, "-m", *command, *extra], cwd=PACKAGE, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_import_is_lazy(run):
    loaded = run(
        "import sys; before = set(sys.modules); import mgenjit; print(*sorted(set(sys.modules) - before))"
    ).stdout
    assert set(loaded.split()) <= {"__future__", "atexit", "mgenjit"}
