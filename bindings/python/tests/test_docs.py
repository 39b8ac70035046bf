"""The README's code and the examples do what they say."""

from __future__ import annotations

import contextlib
import io
import re
import runpy

import pytest

from conftest import PACKAGE


def test_readme():
    blocks = re.findall(r"^```python\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.S | re.M)
    expected = [line.partition("  # ")[2] for block in blocks for line in block.split("\n") if "  # " in line]
    printed = io.StringIO()
    scope: dict[str, object] = {}
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(block, scope)
    lines = printed.getvalue().split("\n")
    assert expected
    for line in expected:
        assert line in lines


EXAMPLES = [
    # Of other packages, the other versions of Python have numpy alone.
    pytest.param(path, marks=[pytest.mark.once] if "llvmlite" in path.read_text() else [])
    for path in sorted((PACKAGE / "examples").glob("*.py"))
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples(path, capsys):
    expected = re.findall(r"^# Prints: (.*)$", path.read_text(), re.M)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.split("\n")[: len(expected)] == expected and expected


@pytest.mark.once
def test_ipython():
    testing = pytest.importorskip("IPython.testing.globalipapp")
    shell = testing.get_ipython() or testing.start_ipython()
    shell.run_line_magic("load_ext", "mgenjit")
    shell.run_cell_magic("llvm", "opt=O1", "define i64 @square(i64 %x) {\n  %y = mul i64 %x, %x\n  ret i64 %y\n}\n")
    shell.run_cell_magic(
        "llvm",
        "",
        "declare i64 @square(i64)\ndefine i64 @fourth(i64 %x) {\n  %a = call i64 @square(i64 %x)\n  %b = call i64 @square(i64 %a)\n  ret i64 %b\n}\n",
    )
    assert shell.ev("fourth(3)") == 81
    shell.run_line_magic("llvm_reset", "")
