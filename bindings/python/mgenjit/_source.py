"""What is compiled into one module: IR as text or bitcode, objects and archives."""

from __future__ import annotations

import os

from . import _abi
from ._abi import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Union

    #: IR text, bitcode, an object or an archive; or a path of one. A str is a path if it is one line that names a file,
    #: or ends as such names do. A module of llvmlite is taken as its text.
    Input = Union[str, bytes, bytearray, memoryview, "os.PathLike[str]", "os.PathLike[bytes]", Any]

_SUFFIXES = (".ll", ".bc", ".o", ".a")


class Source:
    """Inputs that are compiled into one module: all IR is linked together before it is optimised."""

    def __init__(self, *inputs: Input, name: str | None = None, keep: Iterable[str] = ()) -> None:
        self.name = name if name is not None else _name(inputs)
        self._handle = _abi.Handle(_abi.make("source_new", _abi.encode(self.name)), _abi.lib.source_free)
        for item in inputs:
            self.add(item)
        for symbol in keep:
            self.keep(symbol)

    def add(self, item: Input, name: str | None = None) -> Source:
        """Adds an input: its bytes are copied, a file is read when it is compiled."""
        path = as_path(item)
        if path is not None:
            return self.add_file(path)
        data = _bytes(item)
        call("source_add", self._handle, _abi.encode(self.name if name is None else name), data, len(data))
        return self

    def add_file(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Source:
        call("source_add_file", self._handle, _abi.encode_path(path))
        return self

    def keep(self, symbol: str) -> Source:
        """Keeps a symbol. Once one is kept, all others become internal to the module."""
        call("source_keep", self._handle, _abi.encode(symbol))
        return self


def source(inputs: Any, name: str | None, keep: Iterable[str]) -> Source:
    """A source of an input or several."""
    if isinstance(inputs, Source):
        if name is not None or tuple(keep):
            raise TypeError("a Source has its own name and symbols to keep")
        return inputs
    if isinstance(inputs, (list, tuple)):
        return Source(*inputs, name=name, keep=keep)
    return Source(inputs, name=name, keep=keep)


def as_path(item: Any) -> Any:
    """The path that an input is, or None if it is what is to be compiled itself."""
    if isinstance(item, os.PathLike):
        return item
    if isinstance(item, str) and item and "\n" not in item and "\0" not in item:
        if item.endswith(_SUFFIXES) or os.path.isfile(os.path.expanduser(item)):
            return item
    return None


def _name(inputs: tuple[Any, ...]) -> str:
    path = as_path(inputs[0]) if inputs else None
    return "<memory>" if path is None else os.fsdecode(path)


def _bytes(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode("utf-8", "surrogateescape")
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    if type(item).__module__.partition(".")[0] == "llvmlite":
        return str(item).encode("utf-8", "surrogateescape")
    raise TypeError(
        f"an input must be IR text (str), bytes, or a path, not {type(item).__name__}; a module of another library is "
        "given as its text"
    )
