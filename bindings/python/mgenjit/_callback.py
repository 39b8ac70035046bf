"""Python functions that compiled code calls."""

from __future__ import annotations

import ctypes
import sys

from . import _function, _gate, _values
from ._function import Function
from ._life import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What all functions of ctypes are.
_CFUNCTION: Any = ctypes.CFUNCTYPE(None).__mro__[1]
_ANNOTATIONS: dict[Any, str] = {int: "i64", float: "double", bool: "i1", None: "void", type(None): "void"}
_WRITTEN = {"int": "i64", "float": "double", "bool": "i1", "None": "void"}


class Callback:
    """A Python function that compiled code can call: `address` is that of its code, while this object lives.

    The signature is as in IR, "i64 (i64, ptr)"; without one, annotations say it: int is i64, float double, bool i1,
    None void, and a string such as "i32" is that type. Pointers come as addresses.

    An exception that it raises cannot pass through compiled code: that goes on, with a result of 0. The exception is
    raised when the outermost call of compiled code in this thread returns.
    """

    def __init__(self, function: Callable[..., Any], signature: str | None = None) -> None:
        self.function = function
        result, parameters = signature_of(function, signature)
        self.signature = f"{result} ({', '.join(parameters)})"
        # A result fills its register as it is, so that it is right whether the caller takes it as signed or not.
        results = {**_values.CTYPES, **dict.fromkeys(("i1", "i8", "i16", "i32"), ctypes.c_int64)}
        prototype = ctypes.CFUNCTYPE(results[result], *(_values.CTYPES[kind] for kind in parameters))
        truths = tuple(index for index, kind in enumerate(parameters) if kind == "i1")
        what = f"the result of {getattr(function, '__name__', 'the callback')}()"

        def enter(*arguments: Any) -> Any:
            try:
                if truths:
                    changed = list(arguments)
                    for index in truths:
                        changed[index] = (arguments[index] & 1) == 1
                    arguments = tuple(changed)
                answer = function(*arguments)
                if result == "void":
                    return None
                if result == "ptr":
                    address, _ = _values.pointer(answer, what)
                    return address
                if result in ("float", "double"):
                    return _function.number(answer, result, what)
                _function.integer(answer, result, what)
                return int(answer)
            except BaseException as error:
                # With no call: perhaps there is no stack left for one.
                try:
                    call = calls.stack[-1]
                    is_first = call[0] is None
                    if is_first:
                        call[0] = error
                except (AttributeError, IndexError):
                    is_first = False
                if not is_first:
                    _report(error, function)
                return None if result == "void" else 0

        # All machines have eight registers for floating-point numbers.
        floats = sum(kind in ("float", "double") for kind in parameters)
        self._entry = _gate.Entry(prototype(enter), floats > 8 or len(parameters) - floats > _gate.INTEGERS)
        self.address: int = self._entry.address

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __repr__(self) -> str:
        return f"<mgenjit callback {self.signature} of {self.function!r}>"

    def __reduce__(self) -> Any:
        raise TypeError("a callback belongs to its process")


def callback(signature: str | None = None) -> Callable[[Callable[..., Any]], Callback]:
    """A decorator that makes a Callback."""
    return lambda function: Callback(function, signature)


def entry(what: Any, signature: str | None) -> Any:
    """What C is to call if it is Python that runs then: a Callback, or an Entry. None if it is not."""
    if isinstance(what, Callback) and signature is None:
        return what
    if signature is not None or (
        callable(what) and not isinstance(what, (Function, _CFUNCTION)) and not isinstance(what, type)
    ):
        return Callback(what, signature)
    # A function that ctypes made of Python's, not one that has an address of its own.
    made_of = (what._objects or {}).get("0") if isinstance(what, _CFUNCTION) else None
    return _gate.Entry(what, True) if type(made_of).__name__ == "CThunkObject" else None


def signature_of(function: Callable[..., Any], signature: str | None) -> tuple[str, tuple[str, ...]]:
    """The result's type and the parameters': what is given, or what annotations say."""
    return _parse(signature) if signature is not None else _annotated(function)


def _parse(signature: str) -> tuple[str, tuple[str, ...]]:
    import re

    pattern = r"\s*(?P<result>\w+)\s*(?:@[\w.$-]+\s*)?\((?P<parameters>[^()]*)\)\s*"
    match = re.fullmatch(pattern, signature)
    if match is None:
        raise ValueError(f"{signature!r} is no signature: write it as in IR, such as 'i64 (i64, ptr)'")
    parameters = tuple(kind.strip() for kind in match["parameters"].split(",")) if match["parameters"].strip() else ()
    for kind in (match["result"], *parameters):
        if kind not in _values.CTYPES or (kind == "void" and kind in parameters):
            raise ValueError(
                f"{signature!r}: a callback cannot have the type {kind!r}; it can have i1, i8, i16, i32, i64, float, "
                "double and ptr, and return void"
            )
    return match["result"], parameters


def _annotated(function: Callable[..., Any]) -> tuple[str, tuple[str, ...]]:
    import inspect

    def kind(annotation: Any, what: str) -> str:
        if isinstance(annotation, str):
            # `from __future__ import annotations` makes all of them strings, and quotes those that were.
            annotation = annotation.strip("'\"")
            name = _WRITTEN.get(annotation, annotation)
        else:
            name = _ANNOTATIONS.get(annotation, "")
        if name not in _values.CTYPES:
            raise TypeError(
                f"{what} of {function!r} has no type that compiled code knows: annotate it with int, float, bool or "
                "None, or give a signature as in IR, such as 'i64 (i64, ptr)'"
            )
        return str(name)

    signature = inspect.signature(function)
    result = kind(signature.return_annotation, "the result")
    return result, tuple(kind(p.annotation, f"the parameter {p.name!r}") for p in signature.parameters.values())


def _report(error: BaseException, function: object) -> None:
    """Tells of a second exception, or of one in a thread in which no call from Python waits for it."""
    message = "Exception ignored in a callback of compiled code"
    sys.unraisablehook(_Unraisable(type(error), error, error.__traceback__, message, function))


class _Unraisable:
    """What sys.unraisablehook takes."""

    def __init__(self, kind: Any, value: Any, traceback: Any, message: str | None, origin: object) -> None:
        self.exc_type = kind
        self.exc_value = value
        self.exc_traceback = traceback
        self.err_msg = message
        self.object = origin
