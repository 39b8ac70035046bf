"""Functions of modules, called as Python functions are: arguments are checked and converted, results are Python's.
Values by their types in IR: their ranges, and what is a pointer."""

from __future__ import annotations

# Of `operator`, which takes long to import.
from _operator import index as _index

from . import _abi, _c
from ._abi import lib
from ._life import Handle, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "ptr": 64}
MISSING: Any = object()


class Function:
    """A function of a module. To call it checks that the arguments fit the signature of the IR, and converts.

    Integers, signed or unsigned, must fit; `i1` becomes a bool. A pointer may be an address, None, bytes, a writable
    buffer, a numpy array, or an object of ctypes; a pointer that is returned is an address. What compiled code may read
    later than during the call, the caller must keep.
    """

    __slots__ = ("__weakref__", "_f", "_handle", "name", "parameters", "result", "signature", "variadic")

    name: str
    #: As the IR writes it, such as "i64 @add(i64, i64)".
    signature: str
    #: The type of the result, such as "i64"; "other" for what only its address can be called with.
    result: str
    parameters: tuple[str, ...]
    #: Whether it takes more arguments than its parameters.
    variadic: bool

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._f: Any = None
        self.name = _abi.text(lib.function_name(handle))
        self.signature = _abi.text(lib.function_signature(handle))
        self.result = _abi.TYPE_NAMES.get(lib.function_result_type(handle), "other")
        self.parameters = tuple(
            _abi.TYPE_NAMES.get(lib.function_parameter_type(handle, index), "other")
            for index in range(lib.function_parameter_count(handle))
        )
        self.variadic = bool(lib.function_is_variadic(handle))

    @property
    def address(self) -> int:
        """The address of the code. It is valid while this function, or anything of its executor, is there."""
        if self.kept is not None:
            self.kept.is_lent = True
        return _abi.make("function_address", self._handle)

    def ctypes(self, restype: Any = MISSING, *argtypes: Any) -> Any:
        """A ctypes function of the right prototype, or of the one that is given. It converts as ctypes does."""
        from ctypes import CFUNCTYPE, c_void_p

        from ._values import CTYPES

        if restype is MISSING:
            if not self._is_plain():
                raise TypeError(
                    f"{self.signature}: ctypes cannot call it; give a prototype if you know how it is called"
                )
            kinds = {**CTYPES, "ptr": c_void_p}
            restype = kinds[self.result]
            argtypes = tuple(kinds[kind] for kind in self.parameters)
        function = CFUNCTYPE(restype, *argtypes)(self.address)
        function.function = self  # type: ignore[attr-defined]
        return function

    @property
    def kept(self) -> Any:
        """What its code needs of Python."""
        return self._handle.kept

    def end(self) -> None:
        """It can be called no more, as the interpreter ends."""
        self.__class__ = _Ended

    def _is_plain(self) -> bool:
        """Whether C can call it: a calling convention stands before the result's type."""
        return (
            self.result != "other"
            and "other" not in self.parameters
            and not self.variadic
            and self.signature.startswith(self.result + " @")
        )

    def __call__(self, *arguments: Any) -> Any:
        # What is called once is not worth a class of its own.
        self.__class__ = _CalledOnce
        with Watch():
            return call_checked(self, arguments)

    def __repr__(self) -> str:
        return f"<mgenjit function {self.signature}>"

    def __reduce__(self) -> Any:
        raise TypeError("compiled code belongs to its process: send the IR, and compile it there; the cache has it")


class _CalledOnce(Function):
    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        # From now on, the class has what is made for the signature.
        from ._values import prototype, specialised

        key = None
        if self._is_plain():
            self._f = prototype(self.result, self.parameters)(_abi.make("function_address", self._handle))
            key = (self.result, self.parameters, self.kept is not None and self.kept.calls_back)
        self.__class__ = specialised(key)
        return self(*arguments)


class _Ended(Function):
    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        raise RuntimeError("compiled code that calls Python cannot be called while the interpreter ends")


def call_checked(function: Function, arguments: tuple[Any, ...]) -> Any:
    """Calls through the library, which knows how narrow integers are widened."""
    given = [argument for argument in arguments if argument is not MISSING]
    wanted = len(function.parameters)
    if len(given) < wanted or (len(given) > wanted and not function.variadic):
        takes = f"{wanted} argument{'' if wanted == 1 else 's'}{' or more' if function.variadic else ''}"
        raise TypeError(f"{function.name}() takes {takes}, and got {len(given)}: {function.signature}")
    values = (_abi.Value * max(len(given), 1))()
    kept = []
    for index, argument in enumerate(given):
        what = f"{function.name}() argument {index + 1}"
        kind = function.parameters[index] if index < wanted else _guess(argument)
        if kind == "other":
            continue  # The library says why it cannot be called.
        converted, keep = convert(argument, kind, what)
        kept.append(keep)
        _abi.set_value(values[index], kind, converted)
    result = _abi.Value()
    _abi.call("function_call", function._handle, values, len(given), _c.byref(result))
    return _abi.get_value(result)


def _guess(argument: Any) -> str:
    """The type of an argument for "...": C's variable arguments have eight bytes each."""
    if isinstance(argument, float):
        return "double"
    return "i64" if hasattr(argument, "__index__") and not isinstance(argument, Function) else "ptr"


# Values.


def integer(value: object, kind: str, what: str) -> int:
    """An integer that fits its type, signed or unsigned, as a signed one."""
    if kind == "i1" and getattr(value, "shape", None) == () and getattr(value, "dtype", None) == "bool":
        # numpy's truth is no integer.
        value = bool(value)
    try:
        number = _index(value)  # type: ignore[arg-type]
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


def convert(value: object, kind: str, what: str) -> tuple[Any, object]:
    """A value for a parameter of a type, and what must live while it is used."""
    if kind == "ptr":
        from ._values import pointer

        return pointer(value, what)
    if kind in ("float", "double"):
        return number(value, kind, what), None
    return integer(value, kind, what), None
