"""Writes mgenjit/_table.py and _records.py, the C API as Python knows it, from the header. Needs pycparser and a C
compiler.

python tools/write_table.py [HEADER]           writes the files
python tools/write_table.py --print [HEADER]   prints them
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pycparser import c_ast, c_parser

HERE = Path(__file__).resolve().parent.parent
HEADER = HERE.parent.parent / "include" / "mgenjit.h"

# What pycparser needs of the system's headers: names of types.
TYPES = {
    "stdint.h": "".join(
        f"typedef {base} {sign}int{bits}_t;\n"
        for sign in ("", "u")
        for bits, base in ((8, "char"), (16, "short"), (32, "int"), (64, "long"))
    ),
    "stddef.h": "typedef unsigned long size_t;\n",
    "stdbool.h": "#define bool _Bool\n",
    "assert.h": "",
}
CODES = {
    "void": "v",
    "int": "i",
    "int32_t": "i",
    "mgenjit_status": "i",
    "uint32_t": "I",
    "uint64_t": "Q",
    "int64_t": "q",
    "size_t": "N",
    "_Bool": "?",
    "float": "f",
    "double": "d",
}
RECORDS = {
    "mgenjit_fault": "Fault",
    "mgenjit_usage": "Usage",
    "mgenjit_times": "Times",
    "mgenjit_cache_statistics": "CacheStatistics",
    "mgenjit_cache_info": "CacheInfo",
    "mgenjit_piece": "Piece",
    "mgenjit_location": "Location",
    "mgenjit_server_statistics": "ServerStatistics",
    "mgenjit_symbol": "Symbol",
    "mgenjit_old_code": "OldCode",
}
PYTHON = {"s": "str | None", "?": "bool", "f": "float", "d": "float", "p": "int | None", "c": "str"}


def preprocess(header: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in TYPES.items():
            (Path(folder) / name).write_text(text)
        command = ["cc", "-E", "-P", "-nostdinc", "-D__attribute__(x)=", "-I", folder, str(header)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def code(node: Any, functions: set[str], *, is_result: bool = False) -> str:
    if isinstance(node, c_ast.PtrDecl):
        inner = node.type
        if isinstance(inner, c_ast.TypeDecl) and isinstance(inner.type, c_ast.IdentifierType):
            if inner.type.names[-1] == "char" and ("const" in inner.quals or is_result):
                return "s" if "const" in inner.quals else "p"
        return "p"
    if isinstance(node, c_ast.ArrayDecl):
        # A parameter is a pointer, a field of a struct is text.
        return "p" if node.dim is None else f"c{number(node.dim.value)}"
    kind = node.type
    if isinstance(kind, (c_ast.Enum,)):
        return "i"
    if isinstance(kind, c_ast.IdentifierType):
        name = kind.names[-1]
        if name in functions:
            return "p"
        return CODES[name]
    raise ValueError(f"no code for {node}")


def number(text: str) -> int:
    if text == "UINT64_MAX":
        return 2**64 - 1
    return int(text.rstrip("uUlL"), 0)


def value(node: Any, known: dict[str, int]) -> int:
    if isinstance(node, c_ast.Constant):
        return number(node.value)
    if isinstance(node, c_ast.ID):
        return known[node.name]
    if isinstance(node, c_ast.UnaryOp) and node.op == "-":
        return -value(node.expr, known)
    if isinstance(node, c_ast.BinaryOp):
        left, right = value(node.left, known), value(node.right, known)
        return {"<<": left << right, "|": left | right, "+": left + right, "*": left * right}[node.op]
    raise ValueError(f"no value: {node}")


def tables(header: Path) -> dict[str, str]:
    """The files, by their names."""
    tree = c_parser.CParser().parse(preprocess(header))
    constants: dict[str, int] = {}
    for name, text in re.findall(r"^#define (MGENJIT_\w+) (\d\w*|UINT64_MAX)$", header.read_text(), re.M):
        constants[name] = number(text)
    functions: dict[str, str] = {}
    structs: dict[str, list[tuple[str, str]]] = {}
    pointers: set[str] = set()

    def enum(node: Any) -> None:
        following = 0
        for item in node.values.enumerators:
            following = value(item.value, constants) if item.value else following
            constants[item.name] = following
            following += 1

    for item in tree.ext:
        if not isinstance(item, (c_ast.Decl, c_ast.Typedef)):
            continue
        kind = item.type
        if isinstance(kind, c_ast.Enum) and kind.values:
            enum(kind)
        elif isinstance(item, c_ast.Typedef):
            if isinstance(kind, c_ast.PtrDecl) and isinstance(kind.type, c_ast.FuncDecl):
                pointers.add(item.name)
            elif isinstance(kind, c_ast.TypeDecl) and isinstance(kind.type, c_ast.Enum):
                enum(kind.type)
            elif isinstance(kind, c_ast.TypeDecl) and isinstance(kind.type, c_ast.Struct) and kind.type.decls:
                if item.name != "mgenjit_value":
                    structs[item.name] = [(field.name, code(field.type, pointers)) for field in kind.type.decls]
        elif isinstance(kind, c_ast.FuncDecl) and item.name.startswith("mgenjit_") and "static" not in item.storage:
            parameters = "".join(code(p.type, pointers) for p in (kind.args.params if kind.args else []))
            result = code(kind.type, pointers, is_result=True)
            functions[item.name] = f"{result}:{'' if parameters == 'v' else parameters}"

    lines = [
        '"""The C API: its functions, constants and structs. Written by tools/write_table.py from mgenjit.h."""',
        "",
        "from __future__ import annotations",
        "",
        "# The result, and after a colon the parameters: v void, i int32, I uint32, q int64, Q uint64, N size_t,",
        "# ? bool, s a string (const char *), p any other pointer; of a field, c65 is char[65].",
        "FUNCTIONS: dict[str, str] = {",
        *(f'    "{name}": "{signature}",' for name, signature in functions.items()),
        "}",
        "",
        "CONSTANTS: dict[str, int] = {",
        *(f'    "{name.removeprefix("MGENJIT_")}": {number},' for name, number in constants.items()),
        "}",
        "",
        "STRUCTS: dict[str, tuple[tuple[str, str], ...]] = {",
    ]
    for name, fields in structs.items():
        lines += [f'    "{name}": (', *(f'        ("{field}", "{kind}"),' for field, kind in fields), "    ),"]
    lines += ["}"]
    files = {"_table.py": "\n".join(lines) + "\n"}
    lines = [
        '"""What functions of the C API tell. Written by tools/write_table.py from mgenjit.h."""',
        "",
        "from __future__ import annotations",
        "",
        "",
        "class Record:",
        '    """What the library wrote into a struct: its fields are attributes."""',
        "",
    ]
    lines += [
        "    _fields: tuple[str, ...] = ()",
        "",
        "    def __repr__(self) -> str:",
        '        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)',
        '        return f"{type(self).__name__}({fields})"',
        "",
        "    def as_dict(self) -> dict[str, object]:",
        '        """All fields by their names."""',
        "        return {name: getattr(self, name) for name in self._fields}",
    ]
    for struct, record in RECORDS.items():
        fields = [(field, kind) for field, kind in structs[struct] if field != "size"]
        lines += [
            "",
            "",
            f"class {record}(Record):",
            f'    """The fields of {struct}, as mgenjit.h explains them."""',
            "",
        ]
        lines += [f"    {field}: {PYTHON.get(kind[0], 'int')}" for field, kind in fields]
        lines += ["", "    _fields = (", *(f'        "{field}",' for field, _ in fields), "    )"]
    files["_records.py"] = "\n".join(lines) + "\n"
    return files


def main(arguments: list[str]) -> None:
    paths = [Path(a) for a in arguments if a != "--print"] or [HEADER]
    for name, text in tables(paths[0]).items():
        if "--print" in arguments:
            print(text, end="")
        else:
            (HERE / "mgenjit" / name).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
