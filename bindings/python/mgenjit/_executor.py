"""Executors, what they compile, also in the background, and the modules that come of it."""

from __future__ import annotations

import _thread
import os
import sys
import time

from . import _abi, _c, _config
from ._abi import call, lib
from ._function import Function
from ._life import Handle, Kept, Watch, interruptible, is_main_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Union

    from ._outcome import Outcome
    from ._records import OldCode, Piece, Times

    #: IR text, bitcode, an object or an archive; or a path of one. A str is a path if it is one line that names a file,
    #: or ends as such names do. A module of llvmlite is taken as its text.
    Input = Union[str, bytes, bytearray, memoryview, "os.PathLike[str]", "os.PathLike[bytes]", Any]

_SUFFIXES = (".ll", ".bc", ".o", ".a")
# A signal, such as Ctrl-C, is handled when a wait returns.
_SLICE = 0.05
# The longest time between two looks of an event loop at its tasks.
_POLL = 0.02


class Source:
    """Inputs that are compiled into one module: all IR is linked together before it is optimised."""

    def __init__(self, *inputs: Input, name: str | None = None, keep: Iterable[str] = ()) -> None:
        self.name = name if name is not None else _name(inputs)
        self._handle = Handle(_abi.make("source_new", _abi.encode(self.name)), _abi.lib.source_free)
        for item in inputs:
            self.add(item)
        for symbol in keep:
            self.keep(symbol)

    def add(self, item: Input, name: str | None = None) -> Source:
        """Adds an input: its bytes are copied, a file is read when it is compiled."""
        path = as_path(item)
        if path is not None:
            return self.add_file(path)
        data = _bytes(item)
        call("source_add", self._handle, _abi.encode(self.name if name is None else name), data, len(data))
        return self

    def add_file(self, path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Source:
        call("source_add_file", self._handle, _abi.encode_path(path))
        return self

    def keep(self, symbol: str) -> Source:
        """Keeps a symbol. Once one is kept, all others become internal to the module."""
        call("source_keep", self._handle, _abi.encode(symbol))
        return self


class Executor:
    """A set of modules that link to each other, and what they may use. Options are those of Config, as keywords.

    It may be used from many threads. To close it, also by `with`, gives it up: the functions that you have go on to
    work, and its code is unloaded when nothing of it is used any more.
    """

    def __init__(self, config: _config.Config | None = None, **options: Any) -> None:
        chosen = _config.of(config, options)
        kept = Kept(chosen._gone, chosen._hook)
        self._handle: Handle | None = Handle(_abi.make("executor_new", chosen._handle), lib.executor_free, kept)

    def _get(self) -> Handle:
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
        made = source(ir, name, keep)
        if not is_main_thread():
            return Module(_abi.make("executor_compile_source", handle, made._handle), handle.kept)
        # Signals are handled in this thread alone, and in Python alone: so wait in slices.
        task = self._begin(handle, made)
        try:
            return task.result()
        except BaseException as error:
            from ._errors import Error

            if isinstance(error, Error):
                # Nothing of the wait is of interest.
                raise error.with_traceback(None) from None
            task.cancel()
            raise

    def compile_async(self, ir: Input | Source, *, name: str | None = None, keep: Iterable[str] = ()) -> Task:
        """Begins to compile, and returns at once: see `compile`."""
        return self._begin(self._get(), source(ir, name, keep))

    def _begin(self, handle: Handle, source: Source) -> Task:
        task = _abi.make("executor_compile_async", handle, source._handle, None, None, None)
        return Task(Handle(task, lib.task_free, handle.kept), handle.kept)

    def prefetch(self, ir: Input | Source, *, name: str | None = None, keep: Iterable[str] = ()) -> None:
        """Begins to compile for the cache alone. A later compile finds it there."""
        call("executor_prefetch", self._get(), source(ir, name, keep)._handle)

    def define(self, name: str, what: Any, signature: str | None = None) -> None:
        """Defines a symbol for modules that link from now on: an address; a Python function, with a signature such as
        "i64 (i64, ptr)" or with annotations; a ctypes function; a Function; or data, such as a numpy array.

        It is kept as long as anything of the executor lives.
        """
        handle = self._get()
        kept: Any = handle.kept
        from ._callback import Callback, entry
        from ._values import pointer

        made = entry(what, signature)
        if made is not None:
            kept.has_python = True
            kept.calls_back = kept.calls_back or isinstance(made, Callback)
        address, keep = pointer(what if made is None else made, f"the definition of {name}")
        if keep is not None:
            kept.objects.append(keep)
        call("executor_define", handle, _abi.encode(name), address)

    def load_library(self, path: str | os.PathLike[str]) -> None:
        """Loads a shared library for the modules, as dlopen does."""
        call("executor_load_library", self._get(), _abi.encode_path(path))

    def link(self) -> None:
        """Links all modules and runs their constructors, as the first look-up would."""
        handle = self._get()
        with Watch():
            call("executor_link", handle)

    def lookup(self, name: str) -> int:
        """The address of a function or variable, of the modules, of libraries and of the process."""
        handle = self._get()
        kept: Any = handle.kept
        kept.is_lent = True
        with Watch():
            return _abi.make("executor_lookup", handle, _abi.encode(name))

    def function(self, name: str) -> Function:
        """A function of the modules, with its signature: the one that was added last, if several have it."""
        handle = self._get()
        made = _abi.make("executor_lookup_function", handle, _abi.encode(name))
        return Function(Handle(made, lib.function_free, handle.kept))

    def __getitem__(self, name: str) -> Function:
        return self.function(name)

    def old_code(self) -> OldCode:
        """What is still in memory although it was replaced or removed."""
        from ._records import OldCode

        old = _abi.sized("mgenjit_old_code")
        call("executor_old_code", self._get(), _c.byref(old))
        result: OldCode = _abi.record(OldCode, old)
        return result

    def set_arguments(self, arguments: Iterable[str | bytes | os.PathLike[str]]) -> None:
        """Sets the arguments that static constructors are called with."""
        listed = _arguments(arguments)
        call("executor_set_arguments", self._get(), len(listed), _abi.string_array(listed))

    def run_main(self, arguments: Iterable[str | bytes | os.PathLike[str]] | None = None) -> int:
        """Calls `main` with arguments, of which the first is the program's name, and returns its result."""
        handle = self._get()
        listed = _arguments(arguments or ())
        status = _c.int32()
        _flush()
        argv = _abi.string_array(listed) if listed else None
        with Watch():
            call("executor_run_main", handle, len(listed), argv, _c.byref(status))
        return int(status.value)

    def run_isolated(
        self,
        arguments: Iterable[str | bytes | os.PathLike[str]] = (),
        *,
        timeout: float = 0,
        capture: bool = True,
        **options: Any,
    ) -> Outcome:
        """Runs `main` in a process of its own, which may crash or loop without harm to this one, and tells how it ends.

        `timeout` is in seconds; 0: it takes as long as it takes. What it writes is in the outcome, unless `stdout` and
        `stderr` are descriptors, or `capture` is false; `output` limits its bytes. `processes` is how many processes
        and threads it may be, which have the memory in equal shares. The other options are those of Isolate. Ctrl-C
        does not end it: give a timeout.
        """
        from ._isolation import isolation, milliseconds
        from ._outcome import Outcome

        handle = self._get()
        listed = _arguments(arguments)
        made_of = isolation(capture=capture, **options)
        call("isolation_set_timeout", made_of, milliseconds(timeout))
        call("isolation_set_arguments", made_of, len(listed), _abi.string_array(listed))
        made = _c.pointer()
        _flush()
        interruptible(call, "executor_run_isolated", handle, made_of, _c.byref(made))
        return Outcome(Handle(made.value or 0, lib.outcome_free))

    def __reduce__(self) -> Any:
        raise TypeError("an executor belongs to its process: make one in each; they share the cache")


class Task:
    """A compile in the background: `result()` waits for its module, and so does `await`."""

    def __init__(self, handle: Handle, kept: Any) -> None:
        self._handle = handle
        self.kept = kept
        self._lock = _thread.allocate_lock()
        self._module: Module | None = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        """Whether it is done, well or badly."""
        return _abi.task_wait(self._handle, 0)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is done, at most `timeout` seconds; tells whether it is."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE if end is None else min(_SLICE, end - time.monotonic())
            if _abi.task_wait(self._handle, max(0, round(left * 1000))):
                return True
            if end is not None and time.monotonic() >= end:
                return False

    def result(self, timeout: float | None = None) -> Module:
        """The module, or the exception that the compile ended with. TimeoutError if it takes longer than `timeout`
        seconds: it goes on then."""
        if not self.wait(timeout):
            raise TimeoutError(f"the compile is not done after {timeout} seconds")
        # The library gives a result once.
        with self._lock:
            if self._module is None and self._error is None:
                try:
                    self._module = Module(_abi.make("task_result", self._handle), self.kept)
                except Exception as error:
                    self._error = error
        if self._error is not None:
            raise self._error
        assert self._module is not None
        return self._module

    def cancel(self) -> None:
        """Stops the compile, if it is not done: its result is CancelledError."""
        _abi.call("task_cancel", self._handle)

    end = cancel

    def __await__(self) -> Generator[Any, None, Module]:
        import asyncio

        loop = asyncio.get_running_loop()
        delay = 0.0005
        try:
            while not self.done():
                yield from _sleep(loop, delay).__await__()
                delay = min(delay * 1.5, _POLL)
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self.result()

    def __reduce__(self) -> Any:
        raise TypeError("a task belongs to its process")


class Module:
    """A module of an executor. `module["name"]` is a function of it."""

    def __init__(self, pointer: int, kept: Any) -> None:
        self._handle = Handle(pointer, lib.module_free, kept)
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
    def opt(self) -> str:
        """The optimisation level of its code, as in "O2"."""
        level: int = lib.module_opt_level(self._handle)
        return ("O0", "O1", "O2", "O3", "Os", "Oz")[level]

    @property
    def hit(self) -> bool:
        """Whether it came from the cache."""
        return bool(lib.module_origin(self._handle) == _abi.CONSTANTS["ORIGIN_CACHE"])

    @property
    def times(self) -> Times:
        """What its steps took, in microseconds."""
        from ._records import Times

        result: Times = _abi.filled(Times, "mgenjit_times", "module_times", self._handle)
        return result

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces that it was made of when it was compiled; none: it was compiled as one."""
        from ._records import Piece

        count = range(_abi.lib.module_piece_count(self._handle))
        return tuple(_abi.filled(Piece, "mgenjit_piece", "module_piece", self._handle, index) for index in count)

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions that it defines and others can find, in the order of the IR."""
        return tuple(self._function(index) for index in range(len(self)))

    def _function(self, index: int) -> Function:
        pointer = _abi.make("module_function", self._handle, index)
        return Function(Handle(pointer, lib.function_free, self._handle.kept))

    def _names(self) -> dict[str, int]:
        if self._indices is None:
            self._indices = {self._function(index).name: index for index in range(len(self))}
        return self._indices

    def __getitem__(self, name: str) -> Function:
        index = self._names().get(name)
        if index is None:
            from ._errors import NotFoundError

            error = NotFoundError(f"{self.name} defines no function `{name}` that others can find")
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
        kept: Any = self._handle.kept
        kept.is_lent = True
        with Watch():
            return _abi.make("module_lookup", self._handle, _abi.encode(name))

    def remove(self) -> None:
        """Removes it from its executor. Its code is unloaded when no function of it is used any more."""
        call("module_remove", self._handle)

    def replace(
        self,
        ir: Input | Source,
        *,
        name: str | None = None,
        keep: Iterable[str] = (),
        allow_vanished: bool = False,
        allow_changed: bool = False,
    ) -> Module:
        """Compiles a new version of it, and has all callers of its functions call that: see `Executor.compile`. Its
        executor has the option `replaceable`. TypeError if functions are gone or have other types, unless that is
        allowed."""
        kept: Any = self._handle.kept
        allow = allow_vanished * _abi.CONSTANTS["ALLOW_VANISHED"] | allow_changed * _abi.CONSTANTS["ALLOW_CHANGED"]
        made = source(ir, name, keep)
        with Watch():
            return Module(_abi.make("module_replace", self._handle, made._handle, allow), kept)

    def retire(self) -> bool:
        """Says that nobody runs in it any more, after it was replaced. Tells whether its code is unloaded now."""
        unmapped = _c.bool8()
        call("module_retire", self._handle, _c.byref(unmapped))
        return bool(unmapped.value)

    def profile(self) -> bytes:
        """What its code has counted: see the option `profile_generate`."""
        return _abi.take_blob(interruptible(_abi.make, "module_profile", self._handle))

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
    with Executor(config, **options) as executor:
        executor.compile(Source(name=os.fsdecode(path)).add_file(path))
        return executor.run_main(arguments)


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


def source(inputs: Any, name: str | None, keep: Iterable[str]) -> Source:
    """A source of an input or several."""
    if isinstance(inputs, Source):
        if name is not None or tuple(keep):
            raise TypeError("a Source has its own name and symbols to keep")
        return inputs
    if isinstance(inputs, (list, tuple)):
        return Source(*inputs, name=name, keep=keep)
    return Source(inputs, name=name, keep=keep)


def as_path(item: Any) -> Any:
    """The path that an input is, or None if it is what is to be compiled itself."""
    if isinstance(item, os.PathLike):
        return item
    if isinstance(item, str) and item and "\n" not in item and "\0" not in item:
        if item.endswith(_SUFFIXES) or os.path.isfile(os.path.expanduser(item)):
            return item
    return None


def _name(inputs: tuple[Any, ...]) -> str:
    path = as_path(inputs[0]) if inputs else None
    return "<memory>" if path is None else os.fsdecode(path)


def _bytes(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode("utf-8", "surrogateescape")
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    if type(item).__module__.partition(".")[0] == "llvmlite":
        return str(item).encode("utf-8", "surrogateescape")
    raise TypeError(
        f"an input must be IR text (str), bytes, or a path, not {type(item).__name__}; a module of another library is "
        "given as its text"
    )


async def _sleep(_loop: Any, delay: float) -> None:
    import asyncio

    await asyncio.sleep(delay)
