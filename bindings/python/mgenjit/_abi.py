"""The C library: where it is, its functions by ctypes, its errors as exceptions. What the ABI is, this file and
_table.py know; no other does."""

from __future__ import annotations

import os

from . import _c, _table
from ._table import CONSTANTS as CONSTANTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._errors import Error
    from ._life import Handle

CODES: dict[str, Any] = {
    "v": None,
    "i": _c.int32,
    "I": _c.uint32,
    "q": _c.int64,
    "Q": _c.uint64,
    "N": _c.uint64,
    "?": _c.bool8,
    "s": _c.string,
    "p": _c.pointer,
}
FOREVER = CONSTANTS["FOREVER"]


def library_path() -> str:
    """The file of the C library: $MGENJIT_LIBRARY, else the one in this package, else the one of the checkout that
    this package is in, else the one that the system finds."""
    chosen = os.environ.get("MGENJIT_LIBRARY")
    if chosen:
        return chosen
    here = os.path.dirname(os.path.abspath(__file__))
    soname = f"libmgenjit.so.{CONSTANTS['VERSION_MAJOR']}"
    checkout = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    for path in (os.path.join(here, "lib", soname), os.path.join(checkout, "target", "release", "libmgenjit.so")):
        if os.path.exists(path):
            return path
    return soname


class _Library:
    """The library's functions as attributes, with their prototypes. It is loaded when the first one is asked for."""

    #: The library, when it is loaded. Functions of the C library are found in it, too.
    _dll: _c.Library | None = None

    def _load(self) -> _c.Library:
        path = library_path()
        try:
            dll = _c.Library(path)
        except OSError as error:
            raise ImportError(
                f"libmgenjit could not be loaded: {error}. Install the wheel `mgenjit`, or set MGENJIT_LIBRARY to the "
                "path of libmgenjit.so"
            ) from None
        dll.mgenjit_version_number.restype = _c.uint32
        version = dll.mgenjit_version_number()
        found = (version // 1_000_000, version // 1000 % 1000)
        wanted = (CONSTANTS["VERSION_MAJOR"], CONSTANTS["VERSION_MINOR"])
        if found != wanted:
            raise ImportError(
                f"{path} is version {found[0]}.{found[1]} of libmgenjit, and this package needs "
                f"{wanted[0]}.{wanted[1]}: install both of one version"
            )
        self._dll = dll
        return dll

    def dll(self) -> _c.Library:
        return self._dll or self._load()

    def __getattr__(self, name: str) -> Any:
        signature = _table.FUNCTIONS.get("mgenjit_" + name)
        if signature is None:
            raise AttributeError(f"libmgenjit has no function mgenjit_{name}")
        result, _, parameters = signature.partition(":")
        function = getattr(self._dll or self._load(), "mgenjit_" + name)
        function.argtypes = [CODES[code] for code in parameters]
        function.restype = CODES[result]
        setattr(self, name, function)
        return function


lib = _Library()


def call(name: str, *arguments: Any) -> None:
    """Calls a function whose last parameter is the error, which becomes an exception."""
    error = _c.pointer()
    status = getattr(lib, name)(*arguments, _c.byref(error))
    if status:
        raise exception(status, error)


def make(name: str, *arguments: Any) -> int:
    """Calls a function whose last parameters are what it makes and the error; returns what it made."""
    made = _c.pointer()
    call(name, *arguments, _c.byref(made))
    return made.value or 0


def exception(status: int, error: Any) -> Error:
    """The exception for an error of the library, which is freed."""
    from . import _errors

    try:
        names = [name[7:] for name, value in CONSTANTS.items() if value == status and name.startswith("STATUS_")]
        name = names[0] if names else ""
        kind = _errors.CLASSES.get(name, _errors.Error)
        outcome = lib.error_outcome(error)
        if outcome:
            from ._outcome import Outcome

            outcome = Outcome(outcome)
            if kind is _errors.EndedError and outcome.limit in ("time", "cpu_time"):
                kind = _errors.CallTimeoutError
        result = kind(text(lib.error_message(error)))
        result.outcome = outcome or None
        result.status = status
        result.status_name = f"MGENJIT_STATUS_{name}" if name else "unknown status"
        result.line = lib.error_line(error) or None
        result.column = lib.error_column(error) or None
        result.source_line = text_or_none(lib.error_source_line(error))
        result.missing = strings(lib.error_symbol_count, lib.error_symbol, error)
        return result
    finally:
        lib.error_free(error)


def text(string: bytes | None) -> str:
    return string.decode("utf-8", "surrogateescape") if string else ""


def text_or_none(string: bytes | None) -> str | None:
    return None if string is None else text(string)


def encode(string: str | bytes) -> bytes:
    """A string for the library, which takes no NUL."""
    result = string.encode("utf-8", "surrogateescape") if isinstance(string, str) else bytes(string)
    if b"\0" in result:
        raise ValueError(f"{string!r} has a NUL in it")
    return result


def encode_path(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> bytes:
    result = os.path.expanduser(os.fsencode(path))
    if b"\0" in result:
        raise ValueError(f"the path {path!r} has a NUL in it")
    return result


def string_array(items: Iterable[bytes]) -> Any:
    """An array of strings, and a NULL behind them."""
    listed = list(items)
    return (_c.string * (len(listed) + 1))(*listed, None)


def strings(count: Callable[..., int], item: Callable[..., bytes], handle: Any) -> tuple[str, ...]:
    """All strings of a pair of functions, one that counts and one that has the one at an index."""
    return tuple(text(item(handle, index)) for index in range(count(handle)))


def struct(name: str) -> Any:
    """The class of a struct."""
    made = _structs.get(name)
    if made is None:
        kinds = {code: CODES.get(code) or _c.char * int(code[1:]) for _, code in _table.STRUCTS[name]}
        fields = [(field, kinds[code]) for field, code in _table.STRUCTS[name]]
        made = _structs[name] = type(name, (_c.Structure,), {"_fields_": fields})
    return made


_structs: dict[str, Any] = {}


def sized(name: str) -> Any:
    """A struct whose size is filled in."""
    kind = struct(name)
    return kind(size=_c.sizeof(kind))


def record(kind: Any, filled: Any) -> Any:
    """The fields of a struct as a Record of _records.py."""
    result = kind()
    for field in kind._fields:
        value = getattr(filled, field)
        setattr(result, field, text(value) if isinstance(value, bytes) else value)
    return result


def filled(kind: Any, name: str, function: str, *arguments: Any) -> Any:
    """The Record that a function fills in, whose last parameter is a struct."""
    struct = sized(name)
    call(function, *arguments, _c.byref(struct))
    return record(kind, struct)


def take_blob(blob: int) -> bytes:
    import ctypes

    try:
        return ctypes.string_at(lib.blob_data(blob), lib.blob_size(blob))
    finally:
        lib.blob_free(blob)


# Values of checked calls.


class _Union(_c.Union):
    _fields_ = (
        ("integer", _c.int64),
        ("single_precision", _c.float32),
        ("double_precision", _c.float64),
        ("pointer", _c.uint64),
    )


class Value(_c.Structure):
    _fields_ = (("kind", _c.int32), ("value", _Union))


# Types by their names in IR, and back.
TYPE_NAMES = {CONSTANTS["TYPE_" + name]: name.lower() for name in ("VOID", "I1", "I8", "I16", "I32", "I64")}
TYPE_NAMES.update({CONSTANTS["TYPE_FLOAT"]: "float", CONSTANTS["TYPE_DOUBLE"]: "double"})
TYPE_NAMES[CONSTANTS["TYPE_POINTER"]] = "ptr"
TYPE_NUMBERS = {name: number for number, name in TYPE_NAMES.items()}
FIELDS = {"float": "single_precision", "double": "double_precision", "ptr": "pointer"}


def set_value(value: Value, kind: str, what: float) -> None:
    value.kind = TYPE_NUMBERS[kind]
    setattr(value.value, FIELDS.get(kind, "integer"), what)


def get_value(value: Value) -> Any:
    kind = TYPE_NAMES[value.kind]
    if kind == "void":
        return None
    result = getattr(value.value, FIELDS.get(kind, "integer"))
    return bool(result) if kind == "i1" else result


# Where a function's shape asks for more than its arguments.


def task_wait(task: Handle, milliseconds: int) -> bool:
    done = _c.bool8()
    call("task_wait", task, milliseconds, _c.byref(done))
    return bool(done.value)


def cache_resolve(cache: Handle, prefix: bytes) -> str:
    key = (_c.char * CONSTANTS["KEY_SIZE"])()
    call("cache_resolve", cache, prefix, key, len(key))
    return text(bytes(key).partition(b"\0")[0])


def made_string(name: str, *arguments: Any) -> str:
    """Calls a function that makes a string for the caller."""
    import ctypes

    made = make(name, *arguments)
    try:
        return text(ctypes.string_at(made))
    finally:
        lib.string_free(made)
