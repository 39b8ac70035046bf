"""Compiles in the background."""

from __future__ import annotations

import _thread
import atexit
import os
import time

from . import _abi, _errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from ._executor import Module

# A signal, such as Ctrl-C, is handled when a wait returns.
_SLICE = 0.05
# The longest time between two looks of an event loop at its tasks.
_POLL = 0.02


class Task:
    """A compile in the background: `result()` waits for its module, and so does `await`."""

    def __init__(self, handle: _abi.Handle, kept: Any) -> None:
        self._handle = handle
        self._kept = kept
        self._lock = _thread.allocate_lock()
        self._module: Module | None = None
        self._error: BaseException | None = None
        if kept.hook is not None:
            _remember(self)

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
        from ._executor import Module

        # The library gives a result once.
        with self._lock:
            if self._module is None and self._error is None:
                try:
                    self._module = Module(_abi.make("task_result", self._handle), self._kept)
                except _errors.Error as error:
                    self._error = error
        if self._error is not None:
            raise self._error
        assert self._module is not None
        return self._module

    def cancel(self) -> None:
        """Stops the compile, if it is not done: its result is CancelledError."""
        _abi.call("task_cancel", self._handle)

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


async def _sleep(_loop: Any, delay: float) -> None:
    import asyncio

    await asyncio.sleep(delay)


# Tasks whose hooks are Python functions: none may be called once the interpreter ends.
_hooked: set[Task] = set()
_process = os.getpid()


def _remember(task: Task) -> None:
    global _process
    if _process != os.getpid():
        _hooked.clear()
        _process = os.getpid()
    for other in list(_hooked):
        if other.done():
            _hooked.discard(other)
    _hooked.add(task)


def _end() -> None:
    if _process != os.getpid():
        return
    for task in list(_hooked):
        try:
            task.cancel()
            task.wait(10)
        except _errors.Error:
            pass
    _hooked.clear()


atexit.register(_end)
