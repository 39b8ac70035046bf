"""What is done with ctypes itself: functions that are called often, and pointers."""

from __future__ import annotations

import ctypes

from ._function import MISSING, Function, call_checked
from ._life import Watch

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
# Per type, when an argument may go to ctypes as it is: what is left goes the long way, which checks it. There, narrow
# integers are widened as the IR says; here it makes no difference.
_FAST = {
    "i1": "({0} is True or {0} is False)",
    "i8": "0 <= {0} <= 0x7f",
    "i16": "0 <= {0} <= 0x7fff",
    "i32": "-0x80000000 <= {0} <= 0x7fffffff",
    "i64": "-0x8000000000000000 <= {0} <= 0x7fffffffffffffff",
    "ptr": "0 <= {0} <= 0xffffffffffffffff",
    "float": "-3.4028234663852886e38 <= {0} <= 3.4028234663852886e38",
    # ctypes takes what float() takes, but for strings.
    "double": "",
}


_classes: dict[Any, Any] = {}


def specialised(key: tuple[str, tuple[str, ...], bool] | None) -> Any:
    """A class of functions of one signature, whose call does no more than it must: its result, its parameters, and
    whether it may call back. None is of those that ctypes cannot call."""
    made = _classes.get(key)
    if made is None:
        made = _classes[key] = _specialise(key)
    return made


def prototype(result: str, parameters: tuple[str, ...]) -> Any:
    return ctypes.CFUNCTYPE(CTYPES[result], *(CTYPES[kind] for kind in parameters))


def _specialise(key: tuple[str, tuple[str, ...], bool] | None) -> type[Function]:
    if key is None:

        def call(self: Function, *arguments: Any) -> Any:
            with Watch():
                return call_checked(self, arguments)
    else:
        call = _fast_call(*key[:2])
        if key[2]:
            call = _watched(call)
    return type("Function", (Function,), {"__slots__": (), "__call__": call, "__module__": __name__, "__doc__": None})


def _watched(fast: Any) -> Any:
    def call(self: Function, *arguments: Any) -> Any:
        with Watch():
            return fast(self, *arguments)

    return call


def _fast_call(result: str, parameters: tuple[str, ...]) -> Any:
    names = [f"a{index}" for index in range(len(parameters))]
    checks = [_FAST[kind].format(name) for name, kind in zip(names, parameters)]
    condition = " and ".join([check for check in checks if check] + ["not rest"])
    defaults = "".join(f"{name}=missing, " for name in names)
    listed = ", ".join(names)
    value = f"self._f({listed})"
    if result == "i1":
        value = f"({value} & 1) == 1"
    # Nothing but what was checked before the call may be tried again.
    source = f"""
def __call__(self, {defaults}*rest):
    try:
        fits = {condition}
    except (TypeError, ValueError):
        fits = False
    if fits:
        try:
            return {value}
        except ArgumentError:
            pass
    return checked(self, ({listed}{"," if names else ""}) + rest)
"""
    scope = {
        "__package__": __package__,
        "missing": MISSING,
        "ArgumentError": ctypes.ArgumentError,
        "checked": call_checked,
    }
    exec(source, scope)
    return scope["__call__"]


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
