"""What code in a process of its own gets, and what it may do."""

from __future__ import annotations

from . import _abi
from ._abi import CONSTANTS, call, lib, make
from ._life import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping


def isolation(
    *,
    memory: int = 0,
    cpu_time: float = 0,
    output: int = 0,
    open_files: int = 0,
    read: Iterable[str | os.PathLike[str]] = (),
    write: Iterable[str | os.PathLike[str]] = (),
    all_files: bool = False,
    network: bool = False,
    require: bool = False,
    environment: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] | None = None,
    stdin: int | bytes | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    capture: bool = False,
    pool: int = 0,
    processes: int = 1,
) -> Handle:
    """A handle with these options, which Isolate and Executor.run_isolated explain."""
    made = Handle(make("isolation_new"), lib.isolation_free)
    call("isolation_set_memory", made, memory)
    call("isolation_set_cpu_time", made, milliseconds(cpu_time))
    call("isolation_set_output", made, output)
    call("isolation_set_open_files", made, open_files)
    call("isolation_set_processes", made, processes)
    for paths, access in ((read, "ACCESS_READ"), (write, "ACCESS_WRITE")):
        for path in paths:
            call("isolation_allow_path", made, _abi.encode_path(path), CONSTANTS[access])
    call("isolation_allow_all_files", made, all_files)
    call("isolation_allow_network", made, network)
    call("isolation_require", made, require)
    variables = [_abi.encode(f"{name}={value}") for name, value in (environment or {}).items()]
    call("isolation_set_environment", made, len(variables), _abi.string_array(variables))
    if directory is not None:
        call("isolation_set_directory", made, _abi.encode_path(directory))
    if isinstance(stdin, int):
        call("isolation_set_stream", made, 0, stdin)
    elif stdin is not None:
        call("isolation_set_input", made, stdin, len(stdin))
    for number, descriptor in ((1, stdout), (2, stderr)):
        if descriptor is not None:
            call("isolation_set_stream", made, number, descriptor)
        elif capture:
            call("isolation_capture", made, number)
    call("isolation_set_pool", made, pool)
    return made


def milliseconds(seconds: float) -> int:
    if seconds < 0:
        raise ValueError(f"{seconds} seconds are less than none")
    return round(seconds * 1000)
