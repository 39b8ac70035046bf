"""The modules of mgenjit.llvmlite, and what it says of what needs LLVM."""

from __future__ import annotations

import ctypes
import enum
import re

from . import _errors
from ._executor import Executor, Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, NoReturn

    from ._config import Event
    from ._executor import Task


class MissingFeatureError(AttributeError, NotImplementedError):
    """What cannot be had without LLVM."""


# What to do instead of it.
_PASSES = "mgenjit optimises by itself: leave the passes out, and give create_target_machine the level (opt=0 to 3)"
OTHER = "it needs LLVM in the process: use llvmlite.binding for it, and give mgenjit the IR that comes out"
MISSING = {
    "ModulePassManager": _PASSES,
    "FunctionPassManager": _PASSES,
    "NewPassManager": _PASSES,
    "PassBuilder": _PASSES,
    "PassManagerBuilder": _PASSES,
    "PipelineTuningOptions": _PASSES,
    "create_module_pass_manager": _PASSES,
    "create_function_pass_manager": _PASSES,
    "create_pass_manager_builder": _PASSES,
    "create_new_module_pass_manager": _PASSES,
    "create_new_function_pass_manager": _PASSES,
    "create_pass_builder": _PASSES,
    "create_pipeline_tuning_options": _PASSES,
    "set_option": "mgenjit takes no options of LLVM: leave the call out",
    "set_time_passes": "Module.times of mgenjit tells what compiling takes",
    "report_and_reset_timings": "Module.times of mgenjit tells what compiling takes",
}


class Without:
    """An object of which some attributes need LLVM. When it is closed, it cannot be used."""

    _is_closed = False

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        raise MissingFeatureError(
            f"{type(self).__name__} of mgenjit.llvmlite has no {name}: {MISSING.get(name, OTHER)}"
        )

    def close(self) -> None:
        """Gives it up."""
        self._is_closed = True

    @property
    def closed(self) -> bool:
        return self._is_closed

    def _use(self) -> None:
        if self._is_closed:
            raise ctypes.ArgumentError(f"this {type(self).__name__} is closed")

    def __enter__(self) -> Any:
        if self._is_closed:
            raise RuntimeError(f"{type(self)} instance already closed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_NAME = r'[-a-zA-Z$._][-a-zA-Z$._0-9]*|"(?:[^"\\]|\\[0-9a-fA-F]{2})*"|\d+'
_FUNCTION = re.compile(rf"^[ \t]*(define|declare)\b([^@\n;]*)@({_NAME})[ \t]*\(", re.MULTILINE)
_VARIABLE = re.compile(rf"^[ \t]*@({_NAME})[ \t]*=[ \t]*([^\n;]*?)\b(global|constant)\b", re.MULTILINE)
_LINKAGES = re.compile(
    r"\b(private|internal|available_externally|linkonce_odr|linkonce|weak_odr|weak|common|appending|extern_weak|external)\b"
)


class ValueRef(Without):
    """A function or a variable of a module."""

    def __init__(self, module: ModuleRef, name: str, attributes: str, is_declaration: bool, is_function: bool) -> None:
        self.module = module
        self.name = name
        # Numbers, as they are there.
        self.is_declaration = int(is_declaration)
        self.is_function = int(is_function)
        self.is_global = int(not is_function)
        self._attributes = attributes

    @property
    def linkage(self) -> Linkage:
        found = _LINKAGES.search(self._attributes)
        name = found.group(1) if found else "external"
        return Linkage[_LINKAGE_NAMES.get(name, name)]

    def __repr__(self) -> str:
        return f"<ValueRef {self.name}>"


class Linkage(enum.IntEnum):
    """How a symbol is linked, by the name in the IR."""

    external = 0
    available_externally = 1
    linkonce_any = 2
    linkonce_odr = 3
    linkonce_odr_autohide = 4
    weak_any = 5
    weak_odr = 6
    appending = 7
    internal = 8
    private = 9
    dllimport = 10
    dllexport = 11
    external_weak = 12
    ghost = 13
    common = 14
    linker_private = 15
    linker_private_weak = 16


_LINKAGE_NAMES = {"linkonce": "linkonce_any", "weak": "weak_any", "extern_weak": "external_weak"}


def _unquoted(name: str) -> str:
    if not name.startswith('"'):
        return name
    text = re.sub(rb"\\([0-9a-fA-F]{2})", lambda found: bytes([int(found.group(1), 16)]), name[1:-1].encode())
    return text.decode("utf-8", "surrogateescape")


class ModuleRef(Without):
    """A module: its IR, as it was given."""

    def __init__(self, ir: bytes, is_text: bool) -> None:
        self._ir = ir
        self._is_text = is_text
        # Others that were linked into it.
        self._linked: list[bytes] = []
        # The compile that goes on since it was read.
        self._task: Task | None = None
        self._error: _errors.Error | None = None
        self._listed = ir.decode("utf-8", "surrogateescape") if is_text else ""
        self.name = "<string>"

    def close(self) -> None:
        super().close()
        if self._task is not None:
            # An engine that compiled it has the code by now.
            self._task.cancel()

    def __del__(self) -> None:
        self.close()

    def _get(self, pattern: str) -> str:
        found = re.search(rf'^[ \t]*{pattern}[ \t]*=[ \t]*"([^"\n]*)"', self._text(), re.MULTILINE)
        return found.group(1) if found else ""

    def _set(self, pattern: str, value: str) -> None:
        line = f'{pattern} = "{value}"'
        regular = re.compile(rf'^[ \t]*{pattern}[ \t]*=[ \t]*"[^"\n]*"', re.MULTILINE)
        text, count = regular.subn(lambda _: line, self._text(), count=1)
        self._listed = text if count else f"{line}\n{text}"
        self._ir, self._is_text, self._linked = self._listed.encode("utf-8", "surrogateescape"), True, []

    def _text(self) -> str:
        self._use()
        if not self._listed:
            with Executor(opt="O0") as executor:
                self._listed = self._compile(executor).export_bytes("ir").decode()
        return self._listed

    @property
    def source_file(self) -> str:
        return self._get("source_filename")

    @property
    def triple(self) -> str:
        return self._get("target triple")

    @triple.setter
    def triple(self, triple: str) -> None:
        self._set("target triple", triple)

    @property
    def data_layout(self) -> str:
        return self._get("target datalayout")

    @data_layout.setter
    def data_layout(self, layout: str) -> None:
        self._set("target datalayout", layout)

    def verify(self) -> None:
        """Raises RuntimeError if the IR breaks a rule of the language."""
        self._use()
        if self._error is not None:
            # As LLVM says it, without the module and the function.
            text = re.sub(r"^[^\n]*?: (in function @\S+: )?", "", str(self._error), count=1)
            raise RuntimeError(f"{text}\n") from self._error

    @property
    def functions(self) -> Iterator[ValueRef]:
        return iter(
            [
                ValueRef(self, _unquoted(name), attributes, kind == "declare", True)
                for kind, attributes, name in _FUNCTION.findall(self._text())
            ]
        )

    @property
    def global_variables(self) -> Iterator[ValueRef]:
        return iter(
            [
                ValueRef(self, _unquoted(name), attributes, "external" in attributes.split(), False)
                for name, attributes, _ in _VARIABLE.findall(self._text())
            ]
        )

    def get_function(self, name: str) -> ValueRef:
        return _named(self.functions, name)

    def get_global_variable(self, name: str) -> ValueRef:
        return _named(self.global_variables, name)

    def clone(self) -> ModuleRef:
        made = ModuleRef(self._ir, self._is_text)
        self._use()
        made._error, made._listed, made.name = self._error, self._listed, self.name
        made._linked = list(self._linked)
        return made

    def link_in(self, other: ModuleRef, preserve: bool = False) -> None:
        """Links another module into this one. The other is closed, unless it is to be preserved."""
        self._use()
        other._use()
        linked = ModuleRef(self._ir, self._is_text)
        linked._linked = [*self._linked, other._ir, *other._linked]
        with Executor(**machine_options) as executor:
            linked._compile(executor)
        self._linked, self._listed = linked._linked, ""
        if not preserve:
            other.close()

    def as_bitcode(self) -> bytes:
        self._use()
        if not self._is_text and not self._linked:
            return self._ir
        with Executor(opt="O0") as executor:
            return self._compile(executor).export_bytes("bitcode")

    def __str__(self) -> str:
        return self._text()

    def _compile(self, executor: Executor) -> Module:
        self._use()
        try:
            return executor.compile([self._ir, *self._linked], name=self.name)
        except _errors.Error as error:
            raise RuntimeError(str(error)) from error


def _named(values: Iterator[ValueRef], name: str) -> ValueRef:
    for value in values:
        if value.name == name:
            return value
    raise NameError(name)


def link_modules(dst: ModuleRef, src: ModuleRef) -> None:
    dst.link_in(src)


#: The options of the target machine that was made last: those that a module is probably compiled with.
machine_options: dict[str, Any] = {}
# What LLVM's readers of bitcode call a file that is none.
_MAGIC = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")
# How often a parse is looked after, in seconds.
_SLICE = 0.01


def parse_assembly(llvmir: Any, context: object = None) -> ModuleRef:
    """Reads IR text. What is wrong with it is found; if it can be read, its compile goes on in the background, and an
    engine finds the code in the cache, or waits for it."""
    text = str(llvmir)
    # A module without anything is what engines are often made with.
    text = text if text.strip() else 'source_filename = "<string>"\n'
    return _parsed(ModuleRef(text.encode("utf-8", "surrogateescape"), True), "LLVM IR parsing error")


def parse_bitcode(bitcode: bytes, context: object = None) -> ModuleRef:
    """As parse_assembly, of bitcode."""
    what = "LLVM bitcode parsing error"
    data = bytes(bitcode)
    if len(data) % 4:
        raise RuntimeError(f"{what}\nInvalid bitcode signature")
    if not data:
        raise RuntimeError(f"{what}\nfile too small to contain bitcode header")
    if not data.startswith(_MAGIC):
        raise RuntimeError(f"{what}\nfile doesn't start with bitcode header")
    return _parsed(ModuleRef(data, False), what)


def _parsed(module: ModuleRef, what: str) -> ModuleRef:
    is_read = False

    def told(event: Event) -> None:
        nonlocal is_read
        is_read = is_read or (event.kind == "progress" and event.message not in ("queue", "parse"))

    with Executor(on_event=told, **machine_options) as executor:
        task = executor.compile_async(module._ir, name=module.name)
    while not is_read and not task.wait(_SLICE):
        pass
    if is_read:
        module._task = task
        return module
    try:
        task.result()
    except _errors.ParseError as error:
        raise RuntimeError(f"{what}\n{_as_llvm_says(error)}") from error
    except _errors.VerifyError as error:
        module._error = error
    except _errors.TargetError:
        # For another machine: what is wrong with it is found when it is emitted.
        pass
    except _errors.Error as error:
        raise RuntimeError(str(error)) from error
    return module


def _as_llvm_says(error: _errors.Error) -> str:
    message = str(error)
    if error.line is None or error.column is None or error.source_line is None:
        # Of bitcode: what LLVM says is at the end.
        found = re.search(r"\(([^()]*)\)$", message)
        return found.group(1) if found else message
    place, _, said = message.partition(f":{error.line}:{error.column}: ")
    # What it adds is for other inputs.
    said = said.partition(": the input is neither")[0]
    shown = f"{place}:{error.line}:{error.column}: error: {said}\n{error.source_line.expandtabs(8)}\n"
    if not error.source_line.isascii():
        return shown
    return shown + " " * len(error.source_line[: error.column - 1].expandtabs(8)) + "^\n"


class _Context(Without):
    """IR needs none."""


def create_context() -> _Context:
    return _Context()


def get_global_context() -> _Context:
    return _Context()
