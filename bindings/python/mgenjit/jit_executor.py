"""The executor of a transpiler: compiles IR that it wrote, keeps what was compiled, and runs it.

    from mgenjit.jit_executor import jit_compile_and_run
    status = jit_compile_and_run("program.ll", verbose=True)

It has the functions of executors that are written with llvmlite's MCJIT. It also links a runtime library into what it
compiles, has a cache, writes executables, and compiles for other machines. From a shell:

    python -m mgenjit.jit_executor program.ll
"""

from __future__ import annotations

import os
import sys

from . import _errors
from ._executor import Executor, Module, _flush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Any, NoReturn

    from ._executor import Input


class LLVMJITExecutor:
    """Compiles IR and runs it. Options are those of mgenjit.Executor, as keywords: `opt`, `cache`, `target` and others.

    `runtime` lists what is linked into each module: IR, bitcode, objects and archives, as paths or bytes, and shared
    libraries, as paths that end with .so. Bitcode is optimised together with the module.
    """

    def __init__(self, runtime: Iterable[Input] = (), **options: Any) -> None:
        self._runtime = list(runtime)
        self._libraries: list[Any] = [item for item in self._runtime if _is_shared(item)]
        self._inputs = [item for item in self._runtime if not _is_shared(item)]
        self._options = options
        #: The mgenjit.Executor, when there is one.
        self.engine: Executor | None = None
        #: The mgenjit.Module that was compiled last.
        self.module: Module | None = None

    def create_execution_engine(self) -> Executor:
        """Makes the mgenjit.Executor that compiles, if there is none yet, and returns it."""
        if self.engine is None:
            try:
                engine = Executor(**self._options)
                for library in self._libraries:
                    engine.load_library(library)
            except _errors.Error as error:
                _fail("the executor cannot be made", error)
            self.engine = engine
        return self.engine

    def compile_ir(self, llvm_ir: str) -> Module:
        """Compiles IR text, or finds it in the cache."""
        return self._compile(str(llvm_ir).encode("utf-8", "surrogateescape"), None)

    def compile_ir_file(self, path: str | os.PathLike[str]) -> Module:
        """Compiles a file of IR text or bitcode, or finds it in the cache."""
        if not os.path.isfile(path):
            raise FileNotFoundError(2, "IR file not found", os.fspath(path))
        return self._compile(_Path(os.fspath(path)), os.fspath(path))

    def _compile(self, ir: Any, name: str | None) -> Module:
        engine = self.create_execution_engine()
        try:
            self.module = engine.compile([ir, *self._inputs], name=name)
        except _errors.Error as error:
            _fail("the IR cannot be compiled", error)
        return self.module

    def _compiled(self) -> Module:
        if self.module is None:
            raise RuntimeError("no IR has been compiled: call compile_ir or compile_ir_file first")
        return self.module

    def get_function_address(self, name: str) -> int:
        """The address of a function or variable of the modules."""
        self._compiled()
        try:
            return self.create_execution_engine().lookup(name)
        except _errors.Error as error:
            _fail(f"there is no function {name}", error)

    def execute_function(self, name: str, *args: Any) -> Any:
        """Calls a function with arguments that fit its signature in the IR, and returns its result."""
        self._compiled()
        try:
            function = self.create_execution_engine()[name]
            _flush()
            result = function(*args)
        except _errors.Error as error:
            _fail(f"{name} cannot be called", error)
        _flush_c()
        return result

    def execute_main(self, arguments: Sequence[str] | None = None) -> int:
        """Calls main, with the arguments that its type has, and returns its result: 0 if it has none.

        The first argument is the program's name; without a list, there is that alone.
        """
        module = self._compiled()
        listed = list(arguments or [module.name])
        try:
            engine = self.create_execution_engine()
            # As main of an object file, C's int main.
            if "main" not in module:
                return engine.run_main(listed)
            main = module["main"]
            if main.parameters not in ((), ("i32",), ("i32", "ptr"), ("i32", "ptr", "ptr")):
                raise RuntimeError(f"main cannot be run: {main.signature} must take nothing, or (i32, ptr)")
            if main.result not in ("void", "i1", "i8", "i16", "i32", "i64"):
                raise RuntimeError(f"main cannot be run: {main.signature} must return an integer or void")
            if main.parameters and main.result != "i64":
                return engine.run_main(listed)
            _flush()
            result = main(*_main_arguments(listed)[: len(main.parameters)])
        except _errors.Error as error:
            _fail("main cannot be run", error)
        _flush_c()
        return int(result or 0)

    def build_executable(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Writes the module as a program of its own, with the runtime in it. Options are those of mgenjit.export."""
        self.export(path, "executable", **options)

    def export(self, path: str | os.PathLike[str], kind: str | None = None, **options: Any) -> None:
        """Writes the module to a file, whose name says as what: see mgenjit.export."""
        try:
            self._compiled().export(path, kind, **options)
        except _errors.Error as error:
            _fail(f"{os.fspath(path)} cannot be written", error)

    def cleanup(self) -> None:
        """Gives up what was compiled. A compile after that starts anew."""
        self.module = None
        if self.engine is not None:
            self.engine.close()
            self.engine = None

    def __enter__(self) -> LLVMJITExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()


def jit_compile_and_run(
    ir_file: str | os.PathLike[str],
    verbose: bool = False,
    *,
    arguments: Sequence[str] | None = None,
    runtime: Iterable[Input] = (),
    **options: Any,
) -> int:
    """Compiles a file of IR, runs its main, and returns the result.

    A file that is not there is a FileNotFoundError, IR that cannot be compiled or run a RuntimeError.
    """
    with LLVMJITExecutor(runtime, **options) as executor:
        if verbose:
            print(f"Compiling {os.fspath(ir_file)}...")
        executor.compile_ir_file(ir_file)
        if verbose:
            print("Compilation successful")
            print("Executing main()...")
        result = executor.execute_main([os.fspath(ir_file), *(arguments or ())])
        if verbose:
            print(f"Execution complete. Result: {result}")
    return result


class _Path(os.PathLike):  # type: ignore[type-arg]
    """A path whatever its name looks like."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path


def _is_shared(item: Any) -> bool:
    if not isinstance(item, (str, os.PathLike)):
        return False
    name = os.path.basename(os.fsdecode(item))
    return "\n" not in name and (name.endswith(".so") or ".so." in name)


def _fail(what: str, error: _errors.Error) -> NoReturn:
    # The error of the library, with its line and status, is the cause.
    raise RuntimeError(f"{what}: {error}") from error


def _main_arguments(arguments: Sequence[str]) -> tuple[Any, ...]:
    import ctypes

    encoded = [os.fsencode(argument) for argument in arguments]
    argv = (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)
    environment = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ").value
    return len(encoded), argv, environment


def _flush_c() -> None:
    """What the program printed comes before what Python prints."""
    import ctypes

    ctypes.CDLL(None).fflush(None)


def main(command_line: Sequence[str] | None = None) -> int:
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m mgenjit.jit_executor",
        description="Compile a file of LLVM IR, or find it in the cache, and run it.",
    )
    parser.add_argument("file", metavar="FILE.ll")
    parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="what main gets")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is done")
    parser.add_argument("-O", "--opt", metavar="LEVEL", help="0, 1, 2, 3, s or z; 2 if not given")
    parser.add_argument("-r", "--runtime", metavar="FILE", action="append", default=[], help="link it into the program")
    parser.add_argument("-o", "--output", metavar="FILE", help="write an executable, or what its name says")
    parser.add_argument("--target", metavar="TRIPLE", help="with -o: the machine that it is for")
    parser.add_argument("--no-cache", action="store_true", help="compile in any case")
    given = parser.parse_args(command_line)
    options: dict[str, Any] = {}
    if given.opt:
        options["opt"] = "O" + given.opt.lstrip("Oo")
    if given.target:
        if not given.output:
            parser.error("--target needs -o: code of another machine cannot be run here")
        options["target"] = given.target
    if given.no_cache:
        options["cache"] = False
    try:
        if given.output:
            with LLVMJITExecutor(given.runtime, **options) as executor:
                executor.compile_ir_file(given.file)
                executor.export(given.output)
            return 0
        return (
            jit_compile_and_run(given.file, given.verbose, arguments=given.arguments, runtime=given.runtime, **options)
            & 0xFF
        )
    except FileNotFoundError as error:
        print(f"{parser.prog}: {error.filename}: {error.strerror}", file=sys.stderr)
    except (RuntimeError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
