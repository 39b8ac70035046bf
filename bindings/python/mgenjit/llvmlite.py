"""The names of llvmlite.binding that code which drives an engine uses: change the import, and nothing else.

    import mgenjit.llvmlite as llvm      # was: import llvmlite.binding as llvm

What is compiled is optimised, at the level that create_target_machine is given, and kept in the cache. What needs LLVM
itself, such as passes, is an error that says what to do. Unlike MCJIT, static constructors run when code is first
looked up, and an unresolved symbol is a RuntimeError, where it ends the process there.
"""

from __future__ import annotations

import ctypes
import os
import re
import warnings
import weakref

from . import _errors
from ._executor import Executor, Module
from ._llvmlite_module import MISSING, OTHER, Without, machine_options
from ._llvmlite_module import Linkage as Linkage
from ._llvmlite_module import MissingFeatureError as MissingFeatureError
from ._llvmlite_module import ModuleRef as ModuleRef
from ._llvmlite_module import ValueRef as ValueRef
from ._llvmlite_module import create_context as create_context
from ._llvmlite_module import get_global_context as get_global_context
from ._llvmlite_module import link_modules as link_modules
from ._llvmlite_module import parse_assembly as parse_assembly
from ._llvmlite_module import parse_bitcode as parse_bitcode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MACHINE = os.uname().machine
_TRIPLE = f"{_MACHINE}-unknown-linux-gnu"
_LAYOUTS = {
    "x86_64": "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128",
    "aarch64": "e-m:e-p270:32:32-p271:32:32-p272:64:64-i8:8:32-i16:16:32-i64:64-i128:128-n32:64-S128-Fn32",
}
# How the levels of this machine's CPUs begin.
_LEVELS = "x86-64" if _MACHINE == "x86_64" else ("armv", "generic")


def __getattr__(name: str) -> Any:
    if name == "llvm_version_info":
        from ._server import llvm_version

        return tuple(int(part) for part in re.findall(r"\d+", str(llvm_version()))[:3])
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise MissingFeatureError(f"mgenjit.llvmlite has no {name}: {MISSING.get(name, OTHER)}")


# Initialisation: there is nothing to do.


def initialize() -> None: ...
def initialize_all_targets() -> None: ...
def initialize_all_asmprinters() -> None: ...
def initialize_native_target() -> None: ...
def initialize_native_asmprinter() -> None: ...
def initialize_native_asmparser() -> None: ...
def shutdown() -> None: ...
def check_jit_execution() -> None: ...


# Targets.


def get_default_triple() -> str:
    return _TRIPLE


def get_process_triple() -> str:
    return _TRIPLE


def get_object_format(triple: str | None = None) -> str:
    """What objects for a triple are: here, ELF."""
    parts = (triple or _TRIPLE).split("-")
    if parts[-1] in ("macho", "coff", "wasm", "elf", "xcoff", "goff", "spirv"):
        return {"macho": "MachO", "elf": "ELF", "wasm": "Wasm"}.get(parts[-1], parts[-1].upper())
    if any(part.startswith(("darwin", "macos", "ios", "tvos", "watchos")) for part in parts):
        return "MachO"
    if any(part.startswith(("windows", "win32")) for part in parts):
        return "COFF"
    return "Wasm" if parts[0].startswith("wasm") else "ELF"


def get_host_cpu_name() -> str:
    """The CPU that code is generated for by default: this machine's own."""
    return "native"


class FeatureMap(dict):  # type: ignore[type-arg]
    def flatten(self, sort: bool = True) -> str:
        return ""


def get_host_cpu_features() -> dict[str, bool]:
    """None are named: code for this machine's own CPU uses all that it has."""
    return FeatureMap()


class TargetData(Without):
    """The layout of data."""

    def __init__(self, layout: str) -> None:
        self._layout = layout

    def __str__(self) -> str:
        return self._layout


def create_target_data(layout: str) -> TargetData:
    return TargetData(layout)


# What triples of LLVM's targets begin with.
_ARCHITECTURES = re.compile(
    r"(x86_64|amd64|i[3-9]86|aarch64|arm|thumb|riscv|powerpc|ppc|mips|s390x|sparc|loongarch|wasm|hexagon|avr|bpf|amdgcn|"
    r"r600|nvptx|msp430|xcore|lanai|ve\b|m68k|csky|arc\b|spirv|xtensa)"
)
_RELOC = ("default", "static", "pic", "dynamicnopic")
_CODE_MODELS = ("default", "jitdefault", "small", "kernel", "medium", "large")


class Target(Without):
    """A target, by its triple."""

    def __init__(self, triple: str) -> None:
        self.triple = triple

    @classmethod
    def from_default_triple(cls) -> Target:
        return cls(_TRIPLE)

    @classmethod
    def from_triple(cls, triple: str) -> Target:
        if not _ARCHITECTURES.match(triple):
            raise RuntimeError(f'No available targets are compatible with triple "{triple}"')
        return cls(triple)

    @property
    def name(self) -> str:
        return self.triple.partition("-")[0].replace("x86_64", "x86-64")

    @property
    def description(self) -> str:
        return {"x86-64": "64-bit X86: EM64T and AMD64", "aarch64": "AArch64 (little endian)"}.get(self.name, self.name)

    def __str__(self) -> str:
        return f"<Target {self.name} ({self.description})>"

    def create_target_machine(
        self,
        cpu: str = "",
        features: str = "",
        opt: int = 2,
        reloc: str = "default",
        codemodel: str = "jitdefault",
        printmc: bool = False,
        jit: bool = False,
        abiname: str = "",
    ) -> TargetMachine:
        assert 0 <= opt <= 3, f"opt is {opt}: it must be 0 to 3"
        assert reloc in _RELOC, f"reloc is {reloc!r}: it must be one of {', '.join(_RELOC)}"
        assert codemodel in _CODE_MODELS, f"codemodel is {codemodel!r}: it must be one of {', '.join(_CODE_MODELS)}"
        if abiname:
            raise MissingFeatureError(f"mgenjit cannot choose an ABI: abiname is {abiname!r}. {OTHER}")
        return TargetMachine(self.triple, cpu, features, opt)


class TargetMachine(Without):
    """What code is generated for, and how far it is optimised."""

    def __init__(self, triple: str, cpu: str, features: str, opt: int) -> None:
        self.triple = triple
        architecture = triple.partition("-")[0]
        is_linux = "linux" in triple
        self.target_data = TargetData(_LAYOUTS.get(architecture, "") if is_linux else "")
        self._options: dict[str, Any] = {"opt": f"O{opt}"}
        if architecture != _MACHINE or not is_linux:
            self._options.update(target=triple, cpu=cpu or None, features=features or None)
        elif cpu.startswith(_LEVELS):
            self._options["cpu"] = cpu
        if "target" not in self._options:
            machine_options.clear()
            machine_options.update(self._options)

    def set_asm_verbosity(self, verbose: bool) -> None:
        """Assembly is as it is."""

    def emit_object(self, module: ModuleRef) -> bytes:
        return self._emit(module, "object")

    def emit_assembly(self, module: ModuleRef) -> str:
        return self._emit(module, "assembly").decode()

    def _emit(self, module: ModuleRef, kind: str) -> bytes:
        with Executor(**self._options) as executor:
            return module._compile(executor).export_bytes(kind)


# Symbols of the process.

_symbols: dict[str, int] = {}


def add_symbol(name: str, address: int) -> None:
    """Defines a symbol for all engines: for what they link from now on."""
    _symbols[name] = address


def address_of_symbol(name: str) -> int | None:
    """The address of a symbol of the process, or None."""
    if name in _symbols:
        return _symbols[name]
    try:
        return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
    except AttributeError:
        return None


def load_library_permanently(filename: str | None) -> None:
    """Loads a shared library, whose symbols all engines find."""
    try:
        ctypes.CDLL(filename, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise RuntimeError(str(error)) from error


def _define(executor: Executor, defined: dict[str, int]) -> None:
    """Gives an executor the symbols that are new to it."""
    for name, address in _symbols.items():
        if defined.get(name) != address:
            executor.define(name, address)
            defined[name] = address


# MCJIT.


class ExecutionEngine(Without):
    """Compiles modules, and links them to each other."""

    def __init__(self, module: ModuleRef, target_machine: TargetMachine) -> None:
        if "target" in target_machine._options:
            raise RuntimeError(
                f"code for {target_machine.triple} cannot run here: use TargetMachine.emit_object, or mgenjit.build"
            )
        self._executor: Executor | None = Executor(**target_machine._options)
        self._modules: dict[ModuleRef, Module | None] = {}
        self._defined: dict[str, int] = {}
        self._warned = False
        self.target_data = target_machine.target_data
        self.add_module(module)

    def _open(self) -> Executor:
        self._use()
        assert self._executor is not None
        return self._executor

    def add_module(self, module: ModuleRef) -> None:
        if module in self._modules:
            raise KeyError("module already added to this engine")
        self._modules[module] = None

    def remove_module(self, module: ModuleRef) -> None:
        if module not in self._modules:
            raise KeyError(module)
        compiled = self._modules.pop(module)
        if compiled is not None:
            compiled.remove()

    def finalize_object(self) -> None:
        """Compiles what was added."""
        executor = self._open()
        for module, compiled in self._modules.items():
            if compiled is None:
                self._modules[module] = module._compile(executor)

    def run_static_constructors(self) -> None:
        """They run when the modules are linked, here or at the first look-up."""
        self.finalize_object()
        executor = self._open()
        _define(executor, self._defined)
        try:
            executor.link()
        except _errors.Error as error:
            raise RuntimeError(str(error)) from error

    def run_static_destructors(self) -> None:
        """They run when the engine is closed."""

    def get_function_address(self, name: str) -> int:
        """The address of a function, 0 if there is none."""
        _define(self._open(), self._defined)
        try:
            # As there: what was added last is found when something made it compile.
            address = self._find(name)
            if not address:
                self.finalize_object()
                address = self._find(name) or self._open().lookup(name)
            return address
        except _errors.NotFoundError:
            return 0
        except _errors.Error as error:
            raise RuntimeError(str(error)) from error

    def _find(self, name: str) -> int:
        for compiled in reversed([compiled for compiled in self._modules.values() if compiled is not None]):
            try:
                return compiled.lookup(name)
            except _errors.NotFoundError:
                continue
        return 0

    get_global_value_address = get_function_address

    def add_global_mapping(self, gv: ValueRef, addr: int) -> None:
        """Defines a symbol for this engine alone."""
        self._open().define(gv.name, addr)

    def add_object_file(self, obj_file: str | os.PathLike[str] | bytes | ObjectFileRef) -> None:
        """Adds an object or an archive, of a path or as bytes."""
        if isinstance(obj_file, ObjectFileRef):
            obj_file = obj_file.data
        try:
            self._open().compile(obj_file if isinstance(obj_file, bytes) else _read(obj_file))
        except _errors.Error as error:
            raise RuntimeError(str(error)) from error

    add_archive = add_object_file

    def set_object_cache(self, notify_func: object = None, getbuffer_func: object = None) -> None:
        """Does nothing: there is a cache already."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                "mgenjit has a cache of its own: set_object_cache does nothing, and can be left out", stacklevel=2
            )

    def enable_jit_events(self) -> bool:
        """Profilers find the code by its file, without that."""
        return False

    def close(self) -> None:
        """Gives it up, and its modules."""
        super().close()
        for module in self._modules:
            module.close()
        self._modules.clear()
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    detach = close


def create_mcjit_compiler(module: ModuleRef, target_machine: TargetMachine, use_lmm: object = None) -> ExecutionEngine:
    return ExecutionEngine(module, target_machine)


class ObjectFileRef(Without):
    """An object, for an engine to add."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @classmethod
    def from_data(cls, data: bytes) -> ObjectFileRef:
        return cls(bytes(data))

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> ObjectFileRef:
        return cls(_read(path))


def _read(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return file.read()


# ORC.


class _Library:
    """The modules of one library, and the symbols that it may use."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.executor: Executor | None = Executor(**options)
        # Those that it uses must live as long.
        self.others: list[_Library] = []

    def lookup(self, name: str) -> int:
        if self.executor is None:
            raise RuntimeError("the library was removed")
        return self.executor.lookup(name)


class LLJIT(Without):
    """Libraries of compiled code, by their names."""

    def __init__(self, target_machine: TargetMachine | None) -> None:
        self._options = {} if target_machine is None else target_machine._options
        self._libraries: Any = weakref.WeakValueDictionary()
        self._names: set[str] = set()
        self.target_data = TargetData(_LAYOUTS.get(_MACHINE, ""))

    def lookup(self, dylib: str, fn: str) -> ResourceTracker:
        assert not self.closed, "Cannot lookup in closed JIT"
        library = self._libraries.get(dylib)
        if library is None:
            raise RuntimeError(f"No such library: {dylib}")
        return ResourceTracker(library, dylib, {fn: _find(library, fn)})

    def close(self) -> None:
        super().close()
        self._libraries.clear()


def _find(library: _Library, name: str) -> int:
    try:
        return library.lookup(name)
    except _errors.Error as error:
        raise RuntimeError(str(error)) from error


class ResourceTracker(Without):
    """Keeps a library. When the last of its trackers is gone, its code is unloaded."""

    def __init__(self, library: _Library, name: str, addresses: dict[str, int]) -> None:
        self._library: _Library | None = library
        self.name = name
        self._addresses = addresses

    def __getitem__(self, item: str) -> int:
        return self._addresses[item]

    def close(self) -> None:
        self._library = None


class JITLibraryBuilder(Without):
    """Collects what becomes one library."""

    def __init__(self) -> None:
        self._inputs: list[bytes] = []
        self._uses: list[str] = []
        self._imports: dict[str, int] = {}
        self._exports: list[str] = []

    def add_ir(self, llvmir: object) -> JITLibraryBuilder:
        self._inputs.append(str(llvmir).encode("utf-8", "surrogateescape"))
        return self

    def add_object_img(self, data: bytes) -> JITLibraryBuilder:
        self._inputs.append(bytes(data))
        return self

    def add_object_file(self, file_path: str | os.PathLike[str]) -> JITLibraryBuilder:
        return self.add_object_img(_read(file_path))

    def add_jit_library(self, name: str) -> JITLibraryBuilder:
        self._uses.append(str(name))
        return self

    def add_current_process(self) -> JITLibraryBuilder:
        """Symbols of the process are found in any case."""
        return self

    def import_symbol(self, name: str, address: int) -> JITLibraryBuilder:
        self._imports[str(name)] = address
        return self

    def export_symbol(self, name: str) -> JITLibraryBuilder:
        self._exports.append(str(name))
        return self

    def link(self, lljit: LLJIT, library_name: str) -> ResourceTracker:
        assert not lljit.closed, "Cannot add to closed JIT"
        name = str(library_name)
        assert name, "Library cannot be empty"
        if name in lljit._names:
            raise RuntimeError(f"Library name `{name}' is already in use.")
        library = _Library(lljit._options)
        executor = library.executor
        assert executor is not None
        try:
            modules = [executor.compile(data, name=f"{name}[{index}]") for index, data in enumerate(self._inputs)]
            _define(executor, {})
            for symbol, address in self._imports.items():
                executor.define(symbol, address)
            for used in self._uses:
                other = lljit._libraries.get(used)
                if other is None:
                    raise RuntimeError(f"No such library: {used}")
                library.others.append(other)
            self._link(executor, library)
            found = {symbol: self._export(modules, symbol) for symbol in self._exports}
        except _errors.Error as error:
            raise RuntimeError(str(error)) from error
        lljit._names.add(name)
        lljit._libraries[name] = library
        return ResourceTracker(library, name, found)

    def _export(self, modules: list[Module], symbol: str) -> int:
        for module in modules:
            try:
                return module.lookup(symbol)
            except _errors.NotFoundError:
                continue
        raise RuntimeError(f"Symbols not found: [ {symbol} ]")

    def _link(self, executor: Executor, library: _Library) -> None:
        """What is missing is looked for in the libraries that were added."""
        try:
            executor.link()
        except _errors.UnresolvedError as error:
            for symbol in error.missing:
                for other in library.others:
                    try:
                        executor.define(symbol, other.lookup(symbol))
                        break
                    except _errors.NotFoundError:
                        continue
            executor.link()


def create_lljit_compiler(
    target_machine: TargetMachine | None = None, *, use_jit_link: bool = False, suppress_errors: bool = False
) -> LLJIT:
    return LLJIT(target_machine)
