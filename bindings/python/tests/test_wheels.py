"""The wheels that `make wheel` built work where there is nothing else: in a fresh venv, with an empty environment."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile

import pytest

import mgenjit
from conftest import CHECKOUT, FIB, PACKAGE

pytestmark = pytest.mark.once
WHEELS = sorted((CHECKOUT / "target" / "wheels").glob("mgenjit*.whl"))


needs_wheels = pytest.mark.skipif(len(WHEELS) != 2, reason="there are no wheels: run make wheel")
MAIN = "define i32 @main() {\n  ret i32 7\n}\n"


def run(command, **options):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@needs_wheels
def test_wheels_in_a_fresh_venv(tmp_path):
    venv = tmp_path / "venv"
    python = venv / "bin" / "python"
    run([sys.executable, "-m", "venv", venv])
    run([python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", *WHEELS])
    start = f"import mgenjit\nex = mgenjit.Executor(cache={str(tmp_path / 'cache')!r})\n"

    def prints(code, **environment):
        # No PATH, so no compiler and no LLVM.
        return run([python, "-I", "-c", start + code], env=environment, cwd=tmp_path).split()

    call = f"module = ex.compile({FIB!r})\nprint(module['fib'](10), module.hit)\n"
    assert prints(call) == ["55", "False"]
    assert prints(call) == ["55", "True"]
    server, headers = prints("print(mgenjit.server_path(), mgenjit.include_dir())")
    assert server.startswith(str(venv)) and os.path.exists(os.path.join(headers, "mgenjit.h"))
    # To link an executable needs the C compiler, and the helper, which is in the wheel.
    prints(f"mgenjit.build('program', {MAIN!r})", PATH=os.environ["PATH"])
    assert subprocess.run([tmp_path / "program"], check=False).returncode == 7
    # Without the server, what the cache has still runs.
    os.remove(server)
    assert prints(call) == ["55", "True"]
    new = f"try:\n  ex.compile({MAIN!r})\nexcept mgenjit.ServerError as error:\n  print('mgenjit-server' in str(error))"
    assert prints(new) == ["True"]


def members(wheel, suffix=".py"):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(suffix)}


def metadata(wheel):
    (text,) = members(wheel, ".dist-info/METADATA").values()
    return email.message_from_bytes(text)


def test_the_backend_builds(tmp_path):
    """What pyproject.toml names builds the package as pip and build ask it to: what the wheels have, without a library."""
    for module in ("hatchling", "build"):
        pytest.importorskip(module)
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    run([sys.executable, "-m", "pip", "wheel", "-q", *options, "-w", tmp_path / "pip", PACKAGE])
    run([sys.executable, "-m", "build", "--no-isolation", "-o", tmp_path / "build", PACKAGE])
    built = [*(tmp_path / "pip").glob("*.whl"), *(tmp_path / "build").glob("*.whl")]
    assert [wheel.name.split("-")[0] for wheel in built] == ["mgenjit", "mgenjit"]
    for wheel in built:
        sources = {f"mgenjit/{path.name}": path.read_bytes() for path in (PACKAGE / "mgenjit").glob("*.py")}
        assert members(wheel) == sources
        made = metadata(wheel)
        assert (made["Name"], made["Version"], made["Requires-Python"]) == ("mgenjit", mgenjit.__version__, ">=3.9")
        for other in WHEELS[:1]:
            assert set(members(other)) == set(sources)
            for field in ("Name", "Version", "Requires-Python", "Summary", "License-Expression"):
                assert metadata(other)[field] == made[field]
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(tmp_path / "installed")
    environment = {
        "PYTHONPATH": str(tmp_path / "installed"),
        "MGENJIT_LIBRARY": mgenjit.library_path(),
        "MGENJIT_CACHE_DIR": str(tmp_path / "cache"),
    }
    code = f"import mgenjit\nprint(mgenjit.__file__, mgenjit.Executor().compile({FIB!r})['fib'](10))"
    where, result = run([sys.executable, "-c", code], env=environment, cwd=tmp_path).split()
    assert where.startswith(str(tmp_path)) and result == "55"
    # Without a library, the error says what to do.
    environment["MGENJIT_LIBRARY"] = str(tmp_path / "none.so")
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "set MGENJIT_LIBRARY" in ended.stderr


@needs_wheels
def test_tags_are_proven():
    pytest.importorskip("auditwheel")
    for wheel in WHEELS:
        show = [sys.executable, "-m", "auditwheel", "show", wheel]
        shown = " ".join(subprocess.run(show, check=True, capture_output=True, text=True).stdout.split())
        assert wheel.name.split("-")[-1][:-4] in shown
