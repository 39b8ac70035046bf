"""Ahead-of-time output: objects, archives, libraries, programs, IR and headers."""

from __future__ import annotations

import ctypes
import os

from . import _abi
from ._abi import CONSTANTS, call, lib, make
from ._life import Handle, interruptible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ._executor import Input, Module

_SUFFIXES = {
    ".o": "object",
    ".a": "archive",
    ".so": "shared-library",
    ".bc": "bitcode",
    ".ll": "ir",
    ".s": "assembly",
    ".h": "header",
    "": "executable",
}


def _kind(kind: str | None, path: Any = None) -> int:
    if kind is None:
        name = os.fsdecode(os.path.basename(os.fspath(path)))
        suffix = ".so" if ".so." in name else os.path.splitext(name)[1]
        kind = _SUFFIXES.get(suffix)
        if kind is None:
            raise ValueError(
                f"{name!r} does not say what to export: name a kind, one of {', '.join(_SUFFIXES.values())}"
            )
    number = CONSTANTS.get("EXPORT_" + kind.upper().replace("-", "_"))
    if number is None:
        raise ValueError(f"there is no kind {kind!r}: use one of {', '.join(_SUFFIXES.values())}")
    return number


def _options(soname: str | None, static: bool, libraries: Iterable[str], flags: Iterable[str]) -> Handle:
    options = Handle(_abi.make("export_options_new"), lib.export_options_free)
    if soname is not None:
        call("export_options_set_soname", options, _abi.encode(soname))
    if static:
        call("export_options_set_static", options, True)
    for library in libraries:
        call("export_options_add_library", options, _abi.encode(library))
    for flag in flags:
        call("export_options_add_flag", options, _abi.encode(flag))
    return options


def export(
    modules: Sequence[Module],
    path: str | os.PathLike[str],
    kind: str | None = None,
    *,
    soname: str | None = None,
    static: bool = False,
    libraries: Iterable[str] = (),
    flags: Iterable[str] = (),
) -> None:
    """Exports modules together to a file. Its name says as what, if `kind` does not: .o "object", .a "archive", .so
    "shared-library", .bc "bitcode", .ll "ir", .s "assembly", .h "header", and without a suffix "executable".

    `libraries` and `flags` are for the linker.
    """
    number = _kind(kind, path)
    options = _options(soname, static, libraries, flags)
    target = _abi.encode_path(path)
    if len(modules) == 1:
        interruptible(call, "module_export", modules[0]._handle, number, target, options)
    else:
        interruptible(call, "modules_export", _handles(modules), len(modules), number, target, options)


def export_bytes(
    modules: Sequence[Module],
    kind: str,
    *,
    soname: str | None = None,
    static: bool = False,
    libraries: Iterable[str] = (),
    flags: Iterable[str] = (),
) -> bytes:
    """What `export` would write."""
    number = _kind(kind)
    options = _options(soname, static, libraries, flags)
    if len(modules) == 1:
        blob = interruptible(make, "module_export_blob", modules[0]._handle, number, options)
    else:
        blob = interruptible(make, "modules_export_blob", _handles(modules), len(modules), number, options)
    return _abi.take_blob(blob)


def _handles(modules: Sequence[Module]) -> Any:
    array = (ctypes.c_void_p * max(len(modules), 1))(*(module._handle._as_parameter_.value for module in modules))
    # They live as long as the array.
    array.modules = list(modules)  # type: ignore[attr-defined]
    return array


def build(
    path: str | os.PathLike[str],
    inputs: Input | Sequence[Input],
    kind: str | None = None,
    *,
    keep: Iterable[str] = (),
    soname: str | None = None,
    static: bool = False,
    libraries: Iterable[str] = (),
    flags: Iterable[str] = (),
    **config: Any,
) -> None:
    """Compiles inputs into one module, and exports it: a program, if nothing says otherwise. `config` is that of an
    Executor, such as `target` to compile for another machine."""
    from ._executor import Executor

    with Executor(**config) as executor:
        module = executor.compile(inputs, keep=keep)
        export([module], path, kind, soname=soname, static=static, libraries=libraries, flags=flags)
