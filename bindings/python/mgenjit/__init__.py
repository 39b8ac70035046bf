"""libmgenjit: compiles LLVM IR, keeps what it compiled in a cache, and calls it.

import mgenjit
with mgenjit.Executor() as ex:
    add = ex.compile("define i64 @add(i64 %a, i64 %b) {\\n  %s = add i64 %a, %b\\n  ret i64 %s\\n}")["add"]
    add(1, 2)
"""

from __future__ import annotations

import atexit
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._abi import lib as lib
    from ._addresses import source_location as source_location
    from ._addresses import symbolize as symbolize
    from ._cache import Cache as Cache
    from ._cache import Entry as Entry
    from ._cache import Explanation as Explanation
    from ._callback import Callback as Callback
    from ._callback import callback as callback
    from ._config import Config as Config
    from ._config import Event as Event
    from ._errors import CacheError as CacheError
    from ._errors import CallTimeoutError as CallTimeoutError
    from ._errors import CancelledError as CancelledError
    from ._errors import CodegenError as CodegenError
    from ._errors import CompileError as CompileError
    from ._errors import CompileMemoryError as CompileMemoryError
    from ._errors import CompileTimeoutError as CompileTimeoutError
    from ._errors import CPUError as CPUError
    from ._errors import EndedError as EndedError
    from ._errors import Error as Error
    from ._errors import ExportError as ExportError
    from ._errors import FileError as FileError
    from ._errors import InternalError as InternalError
    from ._errors import InvalidArgumentError as InvalidArgumentError
    from ._errors import LimitError as LimitError
    from ._errors import LinkError as LinkError
    from ._errors import LoadError as LoadError
    from ._errors import NotFoundError as NotFoundError
    from ._errors import ParseError as ParseError
    from ._errors import RemovedError as RemovedError
    from ._errors import ServerError as ServerError
    from ._errors import SignatureError as SignatureError
    from ._errors import TargetError as TargetError
    from ._errors import TooLargeError as TooLargeError
    from ._errors import UnresolvedError as UnresolvedError
    from ._errors import VerifyError as VerifyError
    from ._executor import Executor as Executor
    from ._executor import Module as Module
    from ._executor import Source as Source
    from ._executor import Task as Task
    from ._executor import run_file as run_file
    from ._export import build as build
    from ._export import export as export
    from ._export import export_bytes as export_bytes
    from ._function import Function as Function
    from ._isolate import Isolate as Isolate
    from ._isolate import IsolatedFunction as IsolatedFunction
    from ._outcome import Outcome as Outcome
    from ._records import CacheInfo as CacheInfo
    from ._records import CacheStatistics as CacheStatistics
    from ._records import Fault as Fault
    from ._records import Location as Location
    from ._records import OldCode as OldCode
    from ._records import ServerStatistics as ServerStatistics
    from ._records import Symbol as Symbol
    from ._records import Times as Times
    from ._records import Usage as Usage
    from ._server import build_id as build_id
    from ._server import include_dir as include_dir
    from ._server import library_path as library_path
    from ._server import llvm_version as llvm_version
    from ._server import server_path as server_path
    from ._server import server_socket as server_socket
    from ._server import server_status as server_status
    from ._server import stop_server as stop_server
    from ._server import version as version

__version__ = "0.2.0"

# What is imported when it is first asked for, by the module that has it.
_LAZY = {
    # The C functions as they are, by ctypes, without the prefix: mgenjit.h explains them.
    "_abi": "lib",
    "_addresses": "source_location symbolize",
    "_cache": "Cache Entry Explanation",
    "_callback": "Callback callback",
    "_config": "Config Event",
    "_errors": (
        "CacheError CallTimeoutError CancelledError CodegenError CompileError CompileMemoryError "
        "CompileTimeoutError CPUError EndedError Error ExportError FileError InternalError "
        "InvalidArgumentError LimitError LinkError LoadError NotFoundError ParseError RemovedError "
        "ServerError SignatureError TargetError TooLargeError UnresolvedError VerifyError"
    ),
    "_executor": "Executor Module Source Task run_file",
    "_export": "build export export_bytes",
    "_function": "Function",
    "_isolate": "Isolate IsolatedFunction",
    "_outcome": "Outcome",
    "_server": (
        "build_id include_dir library_path llvm_version server_path server_socket server_status stop_server version"
    ),
    "_records": "CacheInfo CacheStatistics Fault Location OldCode ServerStatistics Symbol Times Usage",
}
_MODULES = {name: module for module, names in _LAZY.items() for name in names.split()}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(__import__(f"{__name__}.{_MODULES[name]}", None, None, [name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


@atexit.register
def _end() -> None:
    # It is registered here, so that what a program registers later may still use all.
    life = sys.modules.get(f"{__name__}._life")
    if life is not None:
        life.end()


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext mgenjit` in IPython."""
    from . import _ipython

    _ipython.load(ipython)
