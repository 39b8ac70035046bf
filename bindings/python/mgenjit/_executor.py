"""Executors and their modules."""

from __future__ import annotations

import ctypes
import os
import sys

from . import _abi, _callback, _config, _errors, _source, _values
from ._abi import call, lib
from ._function import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any

    from ._source import Input, Source
    from ._table import Times
    from ._task import Task


class Executor:
    """A set of modules that link to each other, and what they may use. Options are those of Config, as keywords.

    It may be used from many threads. To close it, also by `with`, gives it up: the functions that you have go on to
    work, and its code is unloaded when nothing of it is used any more.
    """

    def __init__(self, config: _config.Config | None = None, **options: Any) -> None:
        chosen = _config.of(config, options)
        kept = _callback.Kept(chosen._gone, chosen._hook)
        self._handle: _abi.Handle | None = _abi.Handle(
            _abi.make("executor_new", chosen._handle), lib.executor_free, kept
        )

    def _get(self) -> _abi.Handle:
        if self._handle is None:
            raise ValueError("the executor is closed")
        return self._handle

    def close(self) -> None:
        """Gives the executor up. To close it again does nothing."""
        self._handle = None

    def __enter__(self) -> Executor:
        self._get()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def compile(self, ir: Input | Source, *, name: str | None = None, keep: Iterable[str] = ()) -> Module:
        """Compiles IR, or finds it in the cache, and adds it: text, bitcode, a path, or a list of inputs that become
        one module. `name` is what messages call it. If symbols to `keep` are named, all others become internal.

        Ctrl-C ends it.
        """
        handle = self._get()
        made = _source.source(ir, name, keep)
        if not _is_main_thread():
            return Module(_abi.make("executor_compile_source", handle, made._handle), handle.kept)
        # Signals are handled in this thread alone, and in Python alone: so wait in slices.
        task = self._begin(handle, made)
        try:
            return task.result()
        except _errors.Error as error:
            # Nothing of the wait is of interest.
            raise error.with_traceback(None) from None
        except BaseException:
            task.cancel()
            raise

    def compile_async(self, ir: Input | Source, *, name: str | None = None, keep: Iterable[str] = ()) -> Task:
        """Begins to compile, and returns at once: see `compile`."""
        return self._begin(self._get(), _source.source(ir, name, keep))

    def _begin(self, handle: _abi.Handle, source: Source) -> Task:
        from ._task import Task

        task = _abi.make("executor_compile_async", handle, source._handle, None, None, None)
        return Task(_abi.Handle(task, lib.task_free, handle.kept), handle.kept)

    def prefetch(self, ir: Input | Source, *, name: str | None = None, keep: Iterable[str] = ()) -> None:
        """Begins to compile for the cache alone. A later compile finds it there."""
        call("executor_prefetch", self._get(), _source.source(ir, name, keep)._handle)

    def define(self, name: str, what: Any, signature: str | None = None) -> None:
        """Defines a symbol for modules that link from now on: an address; a Python function, with a signature such as
        "i64 (i64, ptr)" or with annotations; a ctypes function; a Function; or data, such as a numpy array.

        It is kept as long as anything of the executor lives.
        """
        handle = self._get()
        kept: Any = handle.kept
        if signature is not None or _is_python(what):
            what = _callback.Callback(what, signature)
        address, keep = _values.pointer(what, f"the definition of {name}")
        if keep is not None:
            kept.objects.append(keep)
        call("executor_define", handle, _abi.encode(name), address)

    def load_library(self, path: str | os.PathLike[str]) -> None:
        """Loads a shared library for the modules, as dlopen does."""
        call("executor_load_library", self._get(), _abi.encode_path(path))

    def link(self) -> None:
        """Links all modules and runs their constructors, as the first look-up would."""
        handle = self._get()
        with _callback.Watch():
            call("executor_link", handle)

    def lookup(self, name: str) -> int:
        """The address of a function or variable, of the modules, of libraries and of the process."""
        handle = self._get()
        with _callback.Watch():
            return _abi.make("executor_lookup", handle, _abi.encode(name))

    def function(self, name: str) -> Function:
        """A function of the modules, with its signature: the one that was added last, if several have it."""
        handle = self._get()
        made = _abi.make("executor_lookup_function", handle, _abi.encode(name))
        return Function(_abi.Handle(made, lib.function_free, handle.kept))

    def __getitem__(self, name: str) -> Function:
        return self.function(name)

    def set_arguments(self, arguments: Iterable[str | bytes | os.PathLike[str]]) -> None:
        """Sets the arguments that static constructors are called with."""
        listed = _arguments(arguments)
        call("executor_set_arguments", self._get(), len(listed), _abi.string_array(listed))

    def run_main(self, arguments: Iterable[str | bytes | os.PathLike[str]] | None = None) -> int:
        """Calls `main` with arguments, of which the first is the program's name, and returns its result."""
        handle = self._get()
        listed = _arguments(arguments or ())
        status = ctypes.c_int()
        _flush()
        argv = _abi.string_array(listed) if listed else None
        with _callback.Watch():
            call("executor_run_main", handle, len(listed), argv, ctypes.byref(status))
        return status.value

    def __reduce__(self) -> Any:
        raise TypeError("an executor belongs to its process: make one in each; they share the cache")


class Module:
    """A module of an executor. `module["name"]` is a function of it."""

    def __init__(self, pointer: int, kept: Any) -> None:
        self._handle = _abi.Handle(pointer, lib.module_free, kept)
        self._indices: dict[str, int] | None = None

    @property
    def name(self) -> str:
        """What it was compiled as, or its path."""
        return _abi.text(lib.module_name(self._handle))

    @property
    def key(self) -> str:
        """Its key in the cache, 64 hexadecimal digits."""
        return _abi.text(lib.module_key(self._handle))

    @property
    def hit(self) -> bool:
        """Whether it came from the cache."""
        return bool(lib.module_origin(self._handle) == _abi.CONSTANTS["ORIGIN_CACHE"])

    @property
    def times(self) -> Times:
        """What its steps took, in microseconds."""
        from ._table import Times

        times = _abi.sized("mgenjit_times")
        call("module_times", self._handle, ctypes.byref(times))
        result: Times = _abi.record(Times, times)
        return result

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions that it defines and others can find, in the order of the IR."""
        return tuple(self._function(index) for index in range(len(self)))

    def _function(self, index: int) -> Function:
        pointer = _abi.make("module_function", self._handle, index)
        return Function(_abi.Handle(pointer, lib.function_free, self._handle.kept))

    def _names(self) -> dict[str, int]:
        if self._indices is None:
            self._indices = {self._function(index).name: index for index in range(len(self))}
        return self._indices

    def __getitem__(self, name: str) -> Function:
        index = self._names().get(name)
        if index is None:
            error = _errors.NotFoundError(f"{self.name} defines no function `{name}` that others can find")
            error.status = _abi.CONSTANTS["STATUS_NOT_FOUND"]
            error.status_name = "MGENJIT_STATUS_NOT_FOUND"
            raise error
        return self._function(index)

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return int(lib.module_function_count(self._handle))

    def lookup(self, name: str) -> int:
        """The address of a function or variable that it defines."""
        with _callback.Watch():
            return _abi.make("module_lookup", self._handle, _abi.encode(name))

    def remove(self) -> None:
        """Removes it from its executor. Its code is unloaded when no function of it is used any more."""
        call("module_remove", self._handle)

    def export(self, path: Any, kind: str | None = None, **options: Any) -> None:
        """Writes it to a file: see `mgenjit.export`."""
        from ._export import export

        export([self], path, kind, **options)

    def export_bytes(self, kind: str, **options: Any) -> bytes:
        """What `export` would write."""
        from ._export import export_bytes

        return export_bytes([self], kind, **options)

    def __repr__(self) -> str:
        return f"<mgenjit module {self.name} {self.key[:12]}>"

    def __reduce__(self) -> Any:
        raise TypeError("compiled code belongs to its process: send the IR, and compile it there; the cache has it")


def run_file(
    path: str | os.PathLike[str],
    arguments: Iterable[str | bytes | os.PathLike[str]] | None = None,
    config: _config.Config | None = None,
    **options: Any,
) -> int:
    """Compiles a file, or finds it in the cache, runs its `main`, and returns the result."""
    chosen = _config.of(config, options)
    listed = _arguments(arguments or ())
    status = ctypes.c_int()
    _flush()
    argv = _abi.string_array(listed) if listed else None
    call("run_file", _abi.encode_path(path), len(listed), argv, chosen._handle, ctypes.byref(status))
    return status.value


def _is_main_thread() -> bool:
    # Whoever started another thread has imported that.
    threads = sys.modules.get("threading")
    return threads is None or threads.current_thread() is threads.main_thread()


def _is_python(what: Any) -> bool:
    """Whether it is a Python function, and nothing that has an address."""
    if isinstance(what, (Function, _callback.Callback, _abi.CFUNCTION)) or isinstance(what, type):
        return False
    return callable(what)


def _arguments(arguments: Iterable[str | bytes | os.PathLike[str]]) -> list[bytes]:
    if isinstance(arguments, (str, bytes)):
        raise TypeError("the arguments of a program are a list")
    return [_abi.encode(os.fsencode(argument)) for argument in arguments]


def _flush() -> None:
    """What Python printed before comes before what the program prints."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
