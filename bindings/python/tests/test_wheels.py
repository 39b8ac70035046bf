"""The wheels that `make wheel` built work where there is nothing else: in a fresh venv, with an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from conftest import CHECKOUT, FIB

WHEELS = sorted((CHECKOUT / "target" / "wheels").glob("mgenjit*.whl"))


@pytest.mark.skipif(len(WHEELS) != 2, reason="there are no wheels: run make wheel")
def test_wheels_in_a_fresh_venv(tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    install = [
        venv / "bin" / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--disable-pip-version-check",
        *WHEELS,
    ]
    subprocess.run(install, check=True)
    code = (
        f"import mgenjit\nex = mgenjit.Executor(cache={str(tmp_path / 'cache')!r})\n"
        f"module = ex.compile({FIB!r})\nprint(module['fib'](10), module.hit)\n"
        "print(mgenjit.server_path())\nprint(mgenjit.include_dir())\n"
    )
    lines = []
    for _ in range(2):
        # No PATH, so no compiler and no LLVM.
        command = [venv / "bin" / "python", "-I", "-c", code]
        result = subprocess.run(command, check=True, capture_output=True, text=True, env={}, cwd=tmp_path)
        lines.append(result.stdout.split("\n"))
    assert [line[0] for line in lines] == ["55 False", "55 True"]
    assert lines[0][1].startswith(str(venv)) and os.path.exists(os.path.join(lines[0][2], "mgenjit.h"))
    # Without the server, what the cache has still runs.
    server = [line for line in lines[0] if line.endswith("mgenjit-server")][0]
    os.remove(server)
    assert subprocess.run(command, check=False, capture_output=True, text=True, env={}, cwd=tmp_path).stderr.count(
        "mgenjit-server"
    )
    code = code.replace("print(mgenjit.server_path())\n", "")
    command[-1] = code
    assert (
        subprocess.run(command, check=True, capture_output=True, text=True, env={}, cwd=tmp_path).stdout[:7]
        == "55 True"
    )


@pytest.mark.skipif(len(WHEELS) != 2, reason="there are no wheels: run make wheel")
def test_tags_are_proven():
    pytest.importorskip("auditwheel")
    for wheel in WHEELS:
        show = [sys.executable, "-m", "auditwheel", "show", wheel]
        shown = " ".join(subprocess.run(show, check=True, capture_output=True, text=True).stdout.split())
        assert wheel.name.split("-")[-1][:-4] in shown
