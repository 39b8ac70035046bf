"""The part of ctypes that finds code in the cache and calls it once. To import all of ctypes takes as long as the rest
of that. These are of the same base classes; what does more imports ctypes itself."""

from __future__ import annotations

import _ctypes
from _ctypes import Structure as Structure
from _ctypes import Union as Union
from _ctypes import _SimpleCData
from _ctypes import byref as byref
from _ctypes import sizeof as sizeof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class bool8(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "?"


class int32(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "i"


class uint32(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "I"


class int64(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "l"


class uint64(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "L"


class float32(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "f"


class float64(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "d"


class char(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "c"


class string(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "z"


class pointer(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "P"


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL
    _restype_ = int32


class Library:
    """A shared library. Its functions are its attributes, as of ctypes.CDLL."""

    def __init__(self, path: str) -> None:
        self._handle = _ctypes.dlopen(path, 0)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        function = _Function((name, self))  # type: ignore[arg-type]
        setattr(self, name, function)
        return function
