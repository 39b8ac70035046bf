"""How long things live: handles of the library, what compiled code needs of Python, and what is done at the end."""

from __future__ import annotations

import _thread
import os
import sys

from . import _abi, _c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Handle:
    """A handle of the library, freed when nobody refers to it. So what uses it in a call keeps it for so long, also if
    its owner is closed meanwhile.

    `kept` is what must live as long as the handle: the library, or code that it compiled, calls it or reads it.
    """

    __slots__ = ("__weakref__", "_as_parameter_", "_free", "kept")

    def __init__(self, pointer: int, free: Callable[[Any], object], kept: object = None) -> None:
        self._as_parameter_: Any = _c.pointer(pointer)
        self._free = free
        self.kept = kept

    def end(self) -> None:
        """Frees it now. To the library, it is NULL from now on."""
        pointer, self._as_parameter_ = self._as_parameter_, None
        self._free(pointer)

    def __del__(self) -> None:
        # `kept` is still there: freeing may run destructors of compiled code, which may call what is kept.
        self.end()

    def __reduce__(self) -> Any:
        raise TypeError("what the library made belongs to its process")


class Gone:
    """Tells when the library uses a configuration no more, nor anything that was made from it, also in its own threads.

    The library posts a semaphore then: no Python runs for that, so it may happen at any time.
    """

    __slots__ = ("_dll", "_semaphore")

    def __init__(self, config: Handle, hook: int | None) -> None:
        dll = self._dll = _abi.lib.dll()
        dll.calloc.restype = _c.pointer
        # A sem_t of the C library, which may be posted when no Python object lives any more.
        self._semaphore: Any = _c.pointer(dll.calloc(4, 8))
        dll.sem_init(self._semaphore, 0, 0)
        # Without a hook, a function that does nothing with its arguments.
        _abi.call("config_set_event_hook", config, hook or dll.labs, self._semaphore, dll.sem_post)

    def __bool__(self) -> bool:
        # One thread asks at a time. Another learns it the next time.
        if self._semaphore is not None and _asking.acquire(False):
            try:
                self._ask()
            finally:
                _asking.release()
        return self._semaphore is None

    def _ask(self) -> None:
        if getattr(self, "_semaphore", None) is not None and self._dll.sem_trywait(self._semaphore) == 0:
            self._dll.free(self._semaphore)
            self._semaphore = None

    def __del__(self) -> None:
        # What the library has not posted yet stays.
        self._ask()


_asking = _thread.allocate_lock()
# What the library may use a moment longer than Python does, as destructors may run on a thread of the library. A key is
# the address of what tells that it is gone.
_retired: dict[int, tuple[Any, ...]] = {}


class Kept:
    """What must live as long as the code of an executor: callbacks, and objects whose addresses it has."""

    __slots__ = ("calls_back", "gone", "has_python", "hook", "is_lent", "objects", "process")

    def __init__(self, gone: Gone, hook: object = None) -> None:
        self.gone = gone
        self.hook = hook
        self.objects: list[object] = []
        #: Whether one of them is a Callback: what it raises is for whoever called.
        self.calls_back = False
        #: Whether one of them calls Python.
        self.has_python = False
        #: Whether addresses of the code are known elsewhere, so that a thread may be running it unseen.
        self.is_lent = False
        self.process = os.getpid()
        for key, one in list(_retired.items()):
            if one[0]:
                _retired.pop(key, None)

    def __del__(self, retired: dict[int, tuple[Any, ...]] = _retired) -> None:
        if (self.objects or self.hook) and not self.gone:
            retired[id(self.gone)] = (self.gone, self.objects, self.hook)


# The exceptions of callbacks, per thread: a list of one for each call of compiled code that is on the stack.
calls: Any = _thread._local()


def _need_stack(calls: int) -> None:
    """RecursionError, if there are not so many calls left. One of ctypes, as it enters a callback, would be lost."""
    if calls:
        _need_stack(calls - 1)


class Watch:
    """A call that may call back: what a callback raised is raised at its end."""

    __slots__ = ()

    def __enter__(self) -> None:
        _need_stack(2)
        try:
            calls.stack.append([None])
        except AttributeError:
            calls.stack = [[None]]

    def __exit__(self, *raised: object) -> None:
        (error,) = calls.stack.pop()
        if error is not None:
            raise error


def is_main_thread() -> bool:
    # Whoever started another thread has imported that.
    threads = sys.modules.get("threading")
    return threads is None or threads.current_thread() is threads.main_thread()


def interruptible(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function that may compile or link for long. In the main thread, where Ctrl-C is handled, another thread
    makes the call: at Ctrl-C, it goes on unseen."""
    if not is_main_thread():
        return function(*arguments)
    answer: list[Any] = []
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        try:
            answer[:] = True, function(*arguments)
        except BaseException as error:
            answer[:] = False, error.with_traceback(None)
        finally:
            done.release()

    _thread.start_new_thread(work, ())
    done.acquire()
    is_result, what = answer
    if not is_result:
        raise what
    return what


def end() -> None:
    """What is done when the interpreter ends. From then on, nothing calls Python."""
    gate = sys.modules.get(f"{__package__}._gate")
    if gate is not None:
        try:
            _destroy()
        finally:
            gate.close()


def _destroy() -> None:
    """Frees code that calls Python, so that its destructors still can. What a thread may be running stays."""
    import gc
    import time

    from ._executor import Task
    from ._function import Function

    others = _thread._count() > 0
    if others and _are_busy():
        return
    objects = gc.get_objects()
    ended = [one[0] for one in list(_retired.values()) if one[1]]
    for kind in (Task, Function, Handle):
        for thing in objects:
            kept: Any = thing.kept if issubclass(type(thing), kind) else None
            if type(kept) is Kept and kept.has_python and not (others and kept.is_lent):
                thing.end()
                # A forked child has no threads of its parent, so it does not wait for them.
                if kept.process == os.getpid():
                    ended.append(kept.gone)
    latest = time.monotonic() + 1
    while not all(ended) and time.monotonic() < latest:
        time.sleep(0.001)


def _are_busy() -> bool:
    """Whether another thread is in a call of this package."""
    for thread, frame in sys._current_frames().items():
        here: Any = frame if thread != _thread.get_ident() else None
        while here is not None:
            if here.f_globals.get("__package__") == __package__:
                return True
            here = here.f_back
    return False
