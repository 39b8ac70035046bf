"""How a process of compiled code ended."""

from __future__ import annotations

import ctypes

from . import _abi, _c
from ._abi import CONSTANTS, lib
from ._records import Fault, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIMITS = {"TIME": "time", "CPU_TIME": "cpu_time", "MEMORY": "memory", "OUTPUT": "output"}
_MISSING = {"MISSING_FILES": "files", "MISSING_CALLS": "calls"}


class Outcome:
    """How a process ended that ran a program, or functions of an isolate.

    `exit_status` is None if a `signal` ended it, and the other way round. `limit` is None, "time", "cpu_time", "memory"
    or "output". `missing` tells what the kernel could not forbid: "files", "calls". `usage` is what it used, and
    `fault` where it crashed, or None. `stdout` and `stderr` are what a program wrote, if that was kept.
    """

    exit_status: int | None
    signal: int | None
    limit: str | None
    missing: tuple[str, ...]
    usage: Usage
    fault: Fault | None
    stdout: bytes
    stderr: bytes

    def __init__(self, handle: Any) -> None:
        signal = lib.outcome_signal(handle)
        self.signal = signal or None
        self.exit_status = None if signal else lib.outcome_exit_status(handle)
        limit = lib.outcome_limit(handle)
        limits = [name for constant, name in _LIMITS.items() if CONSTANTS[f"LIMIT_{constant}"] == limit]
        self.limit = limits[0] if limits else None
        missing = lib.outcome_missing(handle)
        self.missing = tuple(name for constant, name in _MISSING.items() if CONSTANTS[constant] & missing)
        usage = _abi.sized("mgenjit_usage")
        _abi.call("outcome_usage", handle, ctypes.byref(usage))
        self.usage = _abi.record(Usage, usage)
        fault = _abi.sized("mgenjit_fault")
        has_fault = lib.outcome_fault(handle, ctypes.byref(fault))
        self.fault = _abi.record(Fault, fault) if has_fault else None
        self.stdout, self.stderr = (_output(handle, stream) for stream in (1, 2))

    def __repr__(self) -> str:
        end = f"signal={self.signal}" if self.signal else f"exit_status={self.exit_status}"
        return f"Outcome({end}, limit={self.limit!r})"


def _output(handle: Any, stream: int) -> bytes:
    size = _c.uint64()
    first = lib.outcome_output(handle, stream, ctypes.byref(size))
    return ctypes.string_at(first, size.value) if first else b""
