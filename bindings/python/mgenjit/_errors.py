"""Errors of the library as exceptions, one class for each kind."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._outcome import Outcome


class Error(Exception):
    """What the library could not do. `status` is one of MGENJIT_STATUS_… and `status_name` its name.

    If the error has a place in IR text, `line`, `column` (in bytes) and `source_line` tell it; they count from 1.
    `missing` names the symbols that are defined nowhere, or that a new version of a module lacks or has changed.
    `outcome` tells how the process ended that ran the code, if the error is about that.
    """

    status: int = 0
    status_name: str = ""
    line: int | None = None
    column: int | None = None
    source_line: str | None = None
    missing: tuple[str, ...] = ()
    outcome: Outcome | None = None

    def __str__(self) -> str:
        # KeyError would quote it.
        return str(self.args[0]) if self.args else ""


class InvalidArgumentError(Error, ValueError):
    """A parameter is out of its range."""


class FileError(Error, OSError):
    """A file could not be read or written."""


class CompileError(Error):
    """The module is bad, or the compile server cannot compile it."""


class ParseError(CompileError):
    """The input is neither IR text nor bitcode that LLVM can read."""


class VerifyError(CompileError):
    """The IR breaks a rule of the language."""


class TargetError(CompileError):
    """The IR is for another target than the one that is compiled for."""


class CodegenError(CompileError):
    """LLVM could not generate code for it."""


class LinkError(CompileError):
    """The inputs could not be linked into an image."""


class LimitError(CompileError):
    """The compile took more than its limits allow."""


class CompileTimeoutError(LimitError, TimeoutError):
    """The compile took longer than its limit."""


class CompileMemoryError(LimitError, MemoryError):
    """The compile took more memory than its limit, or this process may have no more."""


class TooLargeError(LimitError):
    """The inputs are larger than the limit."""


class CancelledError(Error):
    """The compile, or the call in an isolate, was cancelled."""


class EndedError(Error):
    """A call in an isolate ended its process: it crashed, exited, or met a limit. `outcome` tells how."""


class CallTimeoutError(EndedError, TimeoutError):
    """A call in an isolate took longer than it might, or used up the processor time of its process."""


class UnresolvedError(Error):
    """Symbols are defined nowhere: `missing` has all of them."""


class NotFoundError(Error, KeyError):
    """There is no symbol, entry or server of that name."""


class SignatureError(Error, TypeError):
    """Arguments do not match the function's signature, or it cannot be called this way."""


class ServerError(Error):
    """The compile server is missing, has died, or belongs to another version. Code in the cache still runs."""


class LoadError(Error):
    """An image or a shared library could not be loaded."""


class RemovedError(Error):
    """The module was removed from its executor."""


class CPUError(Error):
    """This machine lacks what the chosen CPU has."""


class CacheError(Error):
    """The cache, or an entry of it, cannot be used."""


class ExportError(Error):
    """The module cannot be exported like that, or the linker failed."""


class InternalError(Error):
    """A defect of the library. Please report it."""


CLASSES: dict[str, type[Error]] = {
    "INVALID_ARGUMENT": InvalidArgumentError,
    "IO": FileError,
    "PARSE": ParseError,
    "VERIFY": VerifyError,
    "TARGET": TargetError,
    "CODEGEN": CodegenError,
    "LINK": LinkError,
    "UNRESOLVED": UnresolvedError,
    "NOT_FOUND": NotFoundError,
    "TYPE": SignatureError,
    "SERVER_UNAVAILABLE": ServerError,
    "SERVER_CRASHED": ServerError,
    "SERVER_MISMATCH": ServerError,
    "LOAD": LoadError,
    "LIBRARY": LoadError,
    "REMOVED": RemovedError,
    "PANIC": InternalError,
    "CPU": CPUError,
    "DAMAGED": CacheError,
    "UNTRUSTED": CacheError,
    "CACHE": CacheError,
    "DIFFERENT": CacheError,
    "LINKER": ExportError,
    "UNSUPPORTED": ExportError,
    "TIMEOUT": CompileTimeoutError,
    "MEMORY": CompileMemoryError,
    "TOO_LARGE": TooLargeError,
    "CANCELLED": CancelledError,
    "ENDED": EndedError,
}
