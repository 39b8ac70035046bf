"""Calls in a process of its own, which the host survives, and memory that both have."""

from __future__ import annotations

import ctypes

from . import _abi, _c
from ._abi import call, lib, make
from ._function import _guess, convert
from ._isolation import isolation, milliseconds
from ._life import Handle, interruptible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from ._executor import Executor
    from ._function import Function

# A call that may take longer can be ended by Ctrl-C, which costs a thread.
_SHORT = 1.0


class Isolate:
    """Calls functions of an executor's modules in another process, which may crash or loop without harm to this one.

    `isolate["f"](1, timeout=2)` calls `f`. Variables keep their values from call to call. A call that ends the process
    raises EndedError, or CallTimeoutError after `timeout` seconds: their `outcome` tells how. The next call starts a
    new process, with all variables as at the start. Modules that are added to the executor are added there, too.

    By default, the code may open no file and no socket and start no process. `read` and `write` are paths that it may
    use, or `all_files` and `network`; `memory` limits its bytes, `cpu_time` the seconds of its process, `open_files`
    its descriptors. It runs in the folder `directory`. `stdin` is a descriptor, or bytes; `stdout` and `stderr` are
    descriptors. With `capture`, what goes to neither is kept for output(), at most `output` bytes of each; else it is
    lost. `pool` processes are kept ready, for the next one to begin at once. With `require`, it is an error if the
    kernel cannot forbid something.
    """

    def __init__(self, executor: Executor, *, shared: int = 1 << 20, **options: Any) -> None:
        made_of = isolation(**options)
        handle = executor._get()
        self._executor = executor
        #: What the library calls, and the first exception of one of those functions in a call.
        self._functions: list[Any] = []
        self._raised: list[BaseException] = []
        made = make("isolate_new", handle, made_of, shared)
        self._handle: Handle | None = Handle(made, lib.isolate_free, (handle.kept, self._functions))
        #: Addresses and sizes of the memory that it has.
        self._shared: list[tuple[int, int]] = []

    def _get(self) -> Handle:
        if self._handle is None:
            raise ValueError("the isolate is closed")
        return self._handle

    def function(self, name: str) -> IsolatedFunction:
        """A function of the executor's modules."""
        self._get()
        return IsolatedFunction(self, self._executor.function(name))

    def __getitem__(self, name: str) -> IsolatedFunction:
        return self.function(name)

    def alloc(self, size: int) -> memoryview:
        """Memory of `size` bytes that the process has, too, at the same address: pass it, or an array in it, as a
        pointer.

        numpy.frombuffer(memory, dtype=…) makes an array of it. There are `shared` bytes in all, which are freed when
        neither the isolate nor such memory is used any more. The code can change it at any time, and a new process has
        it with what it holds.
        """
        handle = self._get()
        address = make("isolate_alloc", handle, size)
        kind: Any = type("Memory", (ctypes.Array,), {"_type_": ctypes.c_ubyte, "_length_": size})
        memory = kind.from_address(address)
        # As long as it is used, the isolate's memory is there.
        memory.handle = handle
        self._shared.append((address, size))
        return memoryview(memory).cast("B")

    def free(self, memory: memoryview) -> None:
        """Takes memory of alloc() back, so that it can be given out again. What refers to it sees what comes there."""
        address = ctypes.addressof(ctypes.c_ubyte.from_buffer(memory)) if len(memory) else 0
        call("isolate_free_memory", self._get(), address)
        self._shared = [(start, size) for start, size in self._shared if start != address]

    def define(self, name: str, function: Callable[..., Any], signature: str | None = None) -> None:
        """Lets code of the isolate call a Python function as `name`. The signature is as in IR, "i64 (i64, ptr)", or
        annotations say it, as for a Callback.

        Pointers come as addresses, and arguments may be anything of their types. The function runs in the thread that
        makes the call, and must not call the isolate. If it raises an exception, the code goes on with 0, and the
        exception is raised when the call returns.
        """
        from ._callback import signature_of
        from ._gate import Entry

        result, parameters = signature_of(function, signature)
        what = f"the result of {name}()"

        def enter(_user: Any, given: Any, count: int, place: Any) -> None:
            try:
                answer = function(*(_abi.get_value(given[index]) for index in range(count)))
                if result == "void":
                    return
                converted = self._pointer(answer, what) if result == "ptr" else convert(answer, result, what)[0]
                _abi.set_value(place[0], result, converted)
            except BaseException as error:
                self._raised.append(error)

        values = ctypes.POINTER(_abi.Value)
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, values, ctypes.c_size_t, values)
        entry = Entry(prototype(enter))
        numbers = [_abi.TYPE_NUMBERS[kind] for kind in parameters]
        types = (ctypes.c_int32 * max(len(numbers), 1))(*numbers)
        number = _abi.TYPE_NUMBERS[result]
        given = (_abi.encode(name), entry.address, number, types, len(numbers), None, None)
        handle = self._get()
        self._functions.append(entry)
        call("isolate_define", handle, *given)

    def output(self, stream: int = 1) -> bytes:
        """What was written to stdout (1) or stderr (2) since this was asked last, if it is captured."""
        parts: list[bytes] = []
        while not parts or parts[-1]:
            blob = Handle(make("isolate_output", self._get(), stream), lib.blob_free)
            parts.append(ctypes.string_at(lib.blob_data(blob), lib.blob_size(blob)))
        return b"".join(parts)

    def cancel(self) -> None:
        """Ends the call that another thread makes, with CancelledError."""
        call("isolate_cancel", self._get())

    def close(self) -> None:
        """Ends the process. Memory stays until nothing refers to it."""
        self._handle = None

    def __enter__(self) -> Isolate:
        self._get()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pointer(self, value: Any, what: str) -> int:
        from ._values import pointer

        if isinstance(value, (bytes, str)):
            raise TypeError(f"{what} must be in memory of Isolate.alloc: copy it there")
        address, _ = pointer(value, what)
        if value is None or isinstance(value, int):
            return address
        if any(start <= address < start + size for start, size in self._shared):
            return address
        raise ValueError(f"{what} is in memory that the isolate does not have: copy it into memory of Isolate.alloc")

    def _call(self, function: Function, arguments: tuple[Any, ...], timeout: float | None) -> Any:
        handle = self._get()
        values = (_abi.Value * max(len(arguments), 1))()
        for index, argument in enumerate(arguments):
            what = f"{function.name}() argument {index + 1}"
            is_known = index < len(function.parameters)
            kind = function.parameters[index] if is_known else _guess(argument)
            if kind == "other":
                continue  # The library says why it cannot be called.
            converted = self._pointer(argument, what) if kind == "ptr" else convert(argument, kind, what)[0]
            _abi.set_value(values[index], kind, converted)
        result, error = _abi.Value(), _c.pointer()
        limit = _abi.FOREVER if timeout is None else milliseconds(timeout)
        places = ctypes.byref(result), ctypes.byref(error)
        given = (handle, _abi.encode(function.name), values, len(arguments), limit, *places)
        self._raised.clear()
        if timeout is not None and timeout <= _SHORT:
            status = lib.isolate_call(*given)
        else:
            try:
                status = interruptible(lib.isolate_call, *given)
            except BaseException:
                call("isolate_cancel", handle)
                raise
        failure = None if status == 0 else _abi.exception(status, error)
        if self._raised:
            raise self._raised.pop(0) from failure
        if failure is not None:
            raise failure
        return _abi.get_value(result)

    def __reduce__(self) -> Any:
        raise TypeError("an isolate belongs to its process")


class IsolatedFunction:
    """A function of an isolate. To call it checks the arguments as Function does. `timeout` is in seconds; None: it
    takes as long as it takes. A pointer is an address in the process, None, or something in memory of Isolate.alloc."""

    __slots__ = ("_function", "_isolate")

    def __init__(self, isolate: Isolate, function: Function) -> None:
        self._isolate = isolate
        self._function = function

    @property
    def signature(self) -> str:
        """As the IR writes it."""
        return self._function.signature

    def __call__(self, *arguments: Any, timeout: float | None = None) -> Any:
        return self._isolate._call(self._function, arguments, timeout)

    def __repr__(self) -> str:
        return f"<isolated mgenjit function {self.signature}>"
