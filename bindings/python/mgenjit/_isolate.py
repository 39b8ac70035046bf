"""Calls in a process of its own, which the host survives, and memory that both have."""

from __future__ import annotations

import ctypes

from . import _abi, _c
from ._abi import CONSTANTS, call, lib, make
from ._function import _guess, convert
from ._life import Handle, interruptible

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
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
    its descriptors. `stdin`, `stdout` and `stderr` are descriptors, or None for /dev/null. With `require`, it is an
    error if the kernel cannot forbid something.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        shared: int = 1 << 20,
        memory: int = 0,
        cpu_time: float = 0,
        open_files: int = 0,
        read: Iterable[str | os.PathLike[str]] = (),
        write: Iterable[str | os.PathLike[str]] = (),
        all_files: bool = False,
        network: bool = False,
        require: bool = False,
        environment: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        isolation = Handle(make("isolation_new"), lib.isolation_free)
        call("isolation_set_memory", isolation, memory)
        call("isolation_set_cpu_time", isolation, _milliseconds(cpu_time))
        call("isolation_set_open_files", isolation, open_files)
        for paths, access in ((read, "ACCESS_READ"), (write, "ACCESS_WRITE")):
            for path in paths:
                call("isolation_allow_path", isolation, _abi.encode_path(path), CONSTANTS[access])
        call("isolation_allow_all_files", isolation, all_files)
        call("isolation_allow_network", isolation, network)
        call("isolation_require", isolation, require)
        variables = [_abi.encode(f"{name}={value}") for name, value in (environment or {}).items()]
        call("isolation_set_environment", isolation, len(variables), _abi.string_array(variables))
        for number, descriptor in enumerate((stdin, stdout, stderr)):
            call("isolation_set_stream", isolation, number, -1 if descriptor is None else descriptor)
        handle = executor._get()
        self._executor = executor
        made = make("isolate_new", handle, isolation, shared)
        self._handle: Handle | None = Handle(made, lib.isolate_free, handle.kept)
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
        milliseconds = _abi.FOREVER if timeout is None else _milliseconds(timeout)
        places = ctypes.byref(result), ctypes.byref(error)
        given = (handle, _abi.encode(function.name), values, len(arguments), milliseconds, *places)
        if timeout is not None and timeout <= _SHORT:
            status = lib.isolate_call(*given)
        else:
            try:
                status = interruptible(lib.isolate_call, *given)
            except BaseException:
                call("isolate_cancel", handle)
                raise
        if status == 0:
            return _abi.get_value(result)
        raise _abi.exception(status, error)

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


def _milliseconds(seconds: float) -> int:
    if seconds < 0:
        raise ValueError(f"{seconds} seconds are less than none")
    return round(seconds * 1000)
