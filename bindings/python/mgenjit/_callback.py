"""Python functions that compiled code calls."""

from __future__ import annotations

import _thread
import atexit
import ctypes
import sys
import time
import weakref

from . import _values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
        result, parameters = _parse(signature) if signature is not None else _annotated(function)
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
                    return _values.number(answer, result, what)
                _values.integer(answer, result, what)
                return int(answer)
            except BaseException as error:
                _raise_later(error, function)
                return None if result == "void" else 0

        self._function = prototype(enter)
        self.address: int = ctypes.cast(self._function, ctypes.c_void_p).value or 0

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __repr__(self) -> str:
        return f"<mgenjit callback {self.signature} of {self.function!r}>"

    def __reduce__(self) -> Any:
        raise TypeError("a callback belongs to its process")


def callback(signature: str | None = None) -> Callable[[Callable[..., Any]], Callback]:
    """A decorator that makes a Callback."""
    return lambda function: Callback(function, signature)


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


# The exceptions of callbacks, per thread: a list for each call of compiled code that is on the stack.
_calls = _thread._local()


class Watch:
    """A call of compiled code that may call back: what a callback raised is raised at its end."""

    __slots__ = ()

    def __enter__(self) -> None:
        try:
            _calls.stack.append([])
        except AttributeError:
            _calls.stack = [[]]

    def __exit__(self, *raised: object) -> None:
        errors = _calls.stack.pop()
        if errors:
            raise errors[0]


def _raise_later(error: BaseException, function: object) -> None:
    stack = getattr(_calls, "stack", None)
    if stack and not stack[-1]:
        stack[-1].append(error)
        return
    # A second one, or one of a thread in which no call from Python waits for it.
    sys.unraisablehook(
        _Unraisable(
            type(error), error, error.__traceback__, "Exception ignored in a callback of compiled code", function
        )
    )


class _Unraisable:
    """What sys.unraisablehook takes."""

    def __init__(self, kind: Any, value: Any, traceback: Any, message: str | None, origin: object) -> None:
        self.exc_type = kind
        self.exc_value = value
        self.exc_traceback = traceback
        self.err_msg = message
        self.object = origin


class Kept:
    """What must live as long as the code of an executor: callbacks, and objects whose addresses it has."""

    __slots__ = ("__weakref__", "gone", "hook", "objects", "users")

    def __init__(self, gone: Any, hook: object = None) -> None:
        self.gone = gone
        self.hook = hook
        self.objects: list[object] = []
        #: The handles of the executor, and the functions that were called.
        self.users: Any = weakref.WeakSet()
        _all.add(self)
        _retired[:] = [one for one in _retired if not one[0]]

    def __del__(self) -> None:
        # A thread of the library may have the executor for a moment longer, and run its destructors.
        if not self.gone:
            _retired.append((self.gone, self.objects, self.hook))


_retired: list[tuple[Any, ...]] = []
_all: Any = weakref.WeakSet()


def is_used(kept: Any) -> bool:
    """Whether compiled code may call back."""
    return bool(kept is not None and any(isinstance(item, Callback) for item in kept.objects))


def _end() -> None:
    """Destructors of compiled code that call back must run while Python still does. Code that a thread may be running
    stays."""
    threads = sys.modules.get("threading")
    if threads is not None and threads.active_count() > 1:
        return
    ended = [one[0] for one in _retired if any(isinstance(item, Callback) for item in one[1])]
    for kept in list(_all):
        if is_used(kept):
            ended.append(kept.gone)
            for user in list(kept.users):
                user.end()
    end = time.monotonic() + 1
    while not all(ended) and time.monotonic() < end:
        time.sleep(0.001)


atexit.register(_end)
