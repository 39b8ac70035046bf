"""The table of the C API is the header's, and sizes and constants are those of a C compiler."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

import mgenjit
from conftest import CHECKOUT, PACKAGE
from mgenjit import _abi, _errors, _table

HEADER = CHECKOUT / "include" / "mgenjit.h"


@pytest.mark.once
def test_table_is_written_from_the_header():
    command = [sys.executable, str(PACKAGE / "tools" / "write_table.py"), "--print", str(HEADER)]
    written = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    there = "".join((PACKAGE / "mgenjit" / name).read_text() for name in ("_table.py", "_records.py"))
    assert written == there, "run python tools/write_table.py"


def test_functions_are_those_that_the_library_exports():
    assert set(_table.FUNCTIONS) == set((CHECKOUT / "tests" / "exports.txt").read_text().split())
    for name in _table.FUNCTIONS:
        assert getattr(mgenjit.lib, name.removeprefix("mgenjit_"))


def test_every_option_is_a_keyword():
    source = "".join((PACKAGE / "mgenjit" / name).read_text() for name in ("_config.py", "_life.py"))
    options = [name.removeprefix("mgenjit_config_") for name in _table.FUNCTIONS if name.startswith("mgenjit_config_")]
    assert [name for name in options if f'{name}"' not in source and f"config_{name}" not in source] == []


def test_layouts_and_constants_are_those_of_c(tmp_path):
    lines = []
    expected = []
    for name, fields in _table.STRUCTS.items():
        struct = _abi.struct(name)
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        expected.append(ctypes.sizeof(struct))
        for field, _ in fields:
            lines.append(f'printf("%zu\\n", offsetof({name}, {field}));')
            expected.append(getattr(struct, field).offset)
    lines += ['printf("%zu\\n", sizeof(mgenjit_value));', 'printf("%zu\\n", offsetof(mgenjit_value, of));']
    expected += [ctypes.sizeof(_abi.Value), _abi.Value.value.offset]
    for name, value in _table.CONSTANTS.items():
        lines.append(f'printf("%llu\\n", (unsigned long long)MGENJIT_{name});')
        expected.append(value % 2**64)
    program = tmp_path / "layout.c"
    body = "\n".join(lines)
    program.write_text(
        f'#include <stddef.h>\n#include <stdio.h>\n#include "mgenjit.h"\nint main(void) {{\n{body}\nreturn 0;\n}}\n'
    )
    subprocess.run(["cc", "-I", str(HEADER.parent), "-o", tmp_path / "layout", program], check=True)
    printed = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    assert [int(line) for line in printed.split()] == expected


def test_each_status_is_an_exception():
    names = {name.removeprefix("STATUS_") for name in _table.CONSTANTS if name.startswith("STATUS_")} - {"OK"}
    assert names == set(_errors.CLASSES)


def test_names_are_exported():
    for name in mgenjit.__all__:
        assert getattr(mgenjit, name) is not None
    assert set(mgenjit.__all__) <= set(dir(mgenjit))
    assert mgenjit.version() == mgenjit.__version__
    assert mgenjit.llvm_version() and mgenjit.build_id() and mgenjit.server_path().endswith("mgenjit-server")
