"""Values between Python and compiled code: types by their names in IR, ranges, and what is a pointer."""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What ctypes passes and returns. A result may have anything above its lowest bits; ctypes reads those alone.
CTYPES: dict[str, Any] = {
    "void": None,
    "i1": ctypes.c_uint8,
    "i8": ctypes.c_int8,
    "i16": ctypes.c_int16,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "ptr": ctypes.c_uint64,
}
BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "ptr": 64}


def integer(value: object, kind: str, what: str) -> int:
    """An integer that fits its type, signed or unsigned, as a signed one."""
    import operator

    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{what} must be an integer for {kind}, not {type(value).__name__}") from None
    bits = BITS[kind]
    low, high = (0, 1) if kind == "i1" else (-(1 << (bits - 1)), (1 << bits) - 1)
    if not low <= number <= high:
        raise OverflowError(f"{what} is {number}, which does not fit {kind}: it takes {low} to {high}")
    return number - (1 << bits) if bits > 1 and number >> (bits - 1) == 1 else number


def number(value: object, kind: str, what: str) -> float:
    """A number for `double` or `float`."""
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"{what} must be a number for {kind}, not {type(value).__name__}")
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{what} must be a number for {kind}, not {type(value).__name__}") from None
    except OverflowError:
        raise OverflowError(f"{what} is too large for {kind}") from None
    if kind == "float":
        import struct

        try:
            struct.pack("<f", result)
        except OverflowError:
            raise OverflowError(f"{what} is {result!r}, which is too large for float") from None
    return result


def pointer(value: Any, what: str) -> tuple[int, object]:
    """The address that a value stands for, and what must live while it is used."""
    if value is None:
        return 0, None
    if isinstance(value, int):
        if not 0 <= value < 1 << 64:
            raise OverflowError(f"{what} is {value}, which is no address")
        return value, None
    if isinstance(value, bytes):
        return _cast(ctypes.c_char_p(value)), value
    if isinstance(value, (ctypes.Structure, ctypes.Union)):
        return ctypes.addressof(value), value
    if isinstance(value, ctypes._SimpleCData) and not isinstance(
        value, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_wchar_p)
    ):
        return ctypes.addressof(value), value
    interface = getattr(value, "__array_interface__", None)
    if isinstance(interface, dict):
        if interface.get("strides") is not None:
            raise TypeError(f"{what} is an array that is not contiguous: pass a copy, or the address of its data")
        return int(interface["data"][0]), value
    address = getattr(value, "address", None)
    if isinstance(address, int):
        return address, value
    if isinstance(value, str):
        raise TypeError(f"{what} must be a pointer, not str: pass its bytes, as of .encode()")
    try:
        return _cast(value), value
    except (ctypes.ArgumentError, TypeError):
        pass
    try:
        view = memoryview(value)
    except TypeError:
        raise TypeError(
            f"{what} must be a pointer, not {type(value).__name__}: an address, None, bytes, a writable buffer, a "
            "numpy array, or an object of ctypes"
        ) from None
    if view.readonly:
        raise TypeError(f"{what} is a read-only buffer: pass bytes, or a writable copy")
    if not view.c_contiguous:
        raise TypeError(f"{what} is a buffer that is not contiguous: pass a copy")
    buffer = (ctypes.c_char * view.nbytes).from_buffer(value)
    return ctypes.addressof(buffer), buffer


def _cast(value: Any) -> int:
    return ctypes.cast(value, ctypes.c_void_p).value or 0


def convert(value: object, kind: str, what: str) -> tuple[Any, object]:
    """A value for a parameter of a type, and what must live while it is used."""
    if kind == "ptr":
        return pointer(value, what)
    if kind in ("float", "double"):
        return number(value, kind, what), None
    return integer(value, kind, what), None
