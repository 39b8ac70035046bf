"""The shared compile server, and what is installed."""

from __future__ import annotations

import ctypes
import os

from . import _abi, _config
from ._abi import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._records import ServerStatistics


def server_status() -> ServerStatistics:
    """What the shared compile server does. NotFoundError if there is none."""
    from ._records import ServerStatistics

    statistics = _abi.sized("mgenjit_server_statistics")
    _abi.call("server_status", ctypes.byref(statistics))
    result: ServerStatistics = _abi.record(ServerStatistics, statistics)
    return result


def stop_server(*, force: bool = False, timeout: float | None = None) -> None:
    """Ends the shared compile server, and waits until it has ended, at most `timeout` seconds; 0 is not at all."""
    _abi.call("server_stop", force, _abi.FOREVER if timeout is None else round(timeout * 1000))


def server_socket() -> str:
    """Where the socket of the shared compile server is, or would be."""
    return _abi.made_string("server_socket")


def server_path(config: _config.Config | None = None) -> str:
    """Which compile server would be started."""
    return _abi.made_string("server_path", config._handle if config is not None else None)


def library_path() -> str:
    """The file of the C library."""
    return _abi.library_path()


def include_dir() -> str:
    """The folder with mgenjit.h."""
    here = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(here, "include")
    if os.path.isdir(installed):
        return installed
    return os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(here))), "include")


def version() -> str:
    """The version of the C library."""
    return _abi.text(lib.version_string())


def llvm_version() -> str:
    """The version of LLVM that compiles."""
    return _abi.text(lib.llvm_version())


def build_id() -> str:
    """Which build of the library it is. A compile server is used by libraries of its own build."""
    return _abi.text(lib.build_id())
