"""The transpiler's executor."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import mgenjit
from mgenjit.jit_executor import LLVMJITExecutor, jit_compile_and_run

PROGRAM = """
@text = private constant [6 x i8] c"hello\\00"
declare i32 @puts(ptr)
define i64 @fibonacci(i64 %n) {
entry:
  %small = icmp slt i64 %n, 2
  br i1 %small, label %done, label %more
more:
  %a = sub i64 %n, 1
  %b = sub i64 %n, 2
  %fa = call i64 @fibonacci(i64 %a)
  %fb = call i64 @fibonacci(i64 %b)
  %sum = add i64 %fa, %fb
  ret i64 %sum
done:
  ret i64 %n
}
define i32 @main() {
  call i32 @puts(ptr @text)
  %f = call i64 @fibonacci(i64 10)
  %r = trunc i64 %f to i32
  ret i32 %r
}
"""
VERBOSE = """Compiling {0}...
Compilation successful
Executing main()...
hello
Execution complete. Result: 55
"""


@pytest.fixture
def program(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "program.ll"
    path.write_text(PROGRAM)
    return path


def test_it_prints_what_it_does_if_it_is_asked(program: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert jit_compile_and_run(str(program), verbose=True) == 55
    assert capfd.readouterr().out == VERBOSE.format(program)
    assert jit_compile_and_run(program) == 55
    assert capfd.readouterr().out == "hello\n"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mgenjit.jit_executor", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent.parent)}
    return subprocess.run(command, env=environment, capture_output=True, check=False, text=True, timeout=120)


def test_it_is_a_program(program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    ran = run(program)
    assert (ran.returncode, ran.stdout, ran.stderr) == (55, "hello\n", "")
    ran = run("-v", program)
    assert (ran.returncode, ran.stdout) == (55, VERBOSE.format(program))
    ran = run(tmp_path / "none.ll")
    assert ran.returncode == 1 and "none.ll: IR file not found" in ran.stderr
    bad = tmp_path / "bad.ll"
    bad.write_text("define i64 @f() {\n  ret i64 %x\n}\n")
    ran = run(bad)
    assert ran.returncode == 1 and "bad.ll:2:11:" in ran.stderr and "Traceback" not in ran.stderr
    arguments = tmp_path / "arguments.ll"
    arguments.write_text("define i32 @main(i32 %argc, ptr %argv) {\n  ret i32 %argc\n}\n")
    assert run(arguments, "a", "-v").returncode == 3


def test_errors(program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        jit_compile_and_run(tmp_path / "none.ll")
    assert missing.value.filename == str(tmp_path / "none.ll")

    executor = LLVMJITExecutor()
    address, function = executor.get_function_address, executor.execute_function
    for early in (executor.execute_main, lambda: address("f"), lambda: function("f")):
        with pytest.raises(RuntimeError, match="no IR has been compiled"):
            early()
    with pytest.raises(RuntimeError) as raised:
        executor.compile_ir("define i64 @f() {\n  ret i64 %x\n}\n")
    assert isinstance(raised.value.__cause__, mgenjit.ParseError) and raised.value.__cause__.line == 2
    executor.compile_ir("declare void @nowhere()\ndefine void @g() {\n  call void @nowhere()\n  ret void\n}\n")
    with pytest.raises(RuntimeError, match="nowhere"):
        executor.execute_function("g")
    with pytest.raises(RuntimeError, match="main"):
        executor.execute_main()
    with pytest.raises(RuntimeError, match="no function none"):
        executor.get_function_address("none")


@pytest.mark.parametrize(
    ("ir", "result"),
    [
        ("define i32 @main() {\n  ret i32 -3\n}", -3),
        ("define i64 @main() {\n  ret i64 1099511627776\n}", 1099511627776),
        ("define i8 @main() {\n  ret i8 -1\n}", -1),
        ("define void @main() {\n  ret void\n}", 0),
        ("define i1 @main() {\n  ret i1 1\n}", 1),
        ("define i32 @main(i32 %argc, ptr %argv) {\n  ret i32 %argc\n}", 2),
        ("define i64 @main(i32 %argc, ptr %argv) {\n  %r = zext i32 %argc to i64\n  ret i64 %r\n}", 2),
    ],
)
def test_main_is_called_by_its_type(ir: str, result: int) -> None:
    with LLVMJITExecutor() as executor:
        executor.compile_ir(ir)
        assert executor.execute_main(["prog", "5"]) == result


@pytest.mark.parametrize(
    "ir", ["define double @main() {\n  ret double 1.0\n}", "define i32 @main(double %x) {\n  ret i32 1\n}"]
)
def test_another_main_is_an_error(ir: str) -> None:
    with LLVMJITExecutor() as executor:
        executor.compile_ir(ir)
        with pytest.raises(RuntimeError, match="main cannot be run"):
            executor.execute_main()


def test_functions(program: pathlib.Path) -> None:
    executor = LLVMJITExecutor(opt="O1")
    assert executor.create_execution_engine() is executor.create_execution_engine()
    executor.compile_ir_file(str(program))
    assert executor.execute_function("fibonacci", 20) == 6765
    with pytest.raises(TypeError):
        executor.execute_function("fibonacci", "x")
    assert executor.get_function_address("fibonacci") > 0
    executor.cleanup()
    executor.cleanup()
    with pytest.raises(RuntimeError):
        executor.execute_main()
    executor.compile_ir(PROGRAM)
    assert executor.execute_function("fibonacci", 10) == 55


def test_the_cache_has_it_the_next_time(program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for hit in (False, True):
        with LLVMJITExecutor(cache=tmp_path / "cache") as executor:
            assert executor.compile_ir_file(program).hit == hit


RUNTIME = "long runtime_twice(long x) { return 2 * x; }\n"
USER = """
declare i64 @runtime_twice(i64)
define i32 @main() {
  %x = call i64 @runtime_twice(i64 21)
  %r = trunc i64 %x to i32
  ret i32 %r
}
"""


@pytest.mark.parametrize("kind", ["bc", "o", "a", "so"])
def test_runtime_libraries_and_executables(kind: str, tmp_path: pathlib.Path) -> None:
    source, built = tmp_path / "runtime.c", tmp_path / f"runtime.{kind}"
    source.write_text(RUNTIME)
    compiler = shutil.which("clang-22") if kind == "bc" else shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no compiler")
    flags = {"bc": ["-emit-llvm", "-c"], "so": ["-shared"]}.get(kind, ["-c"])
    output = tmp_path / "runtime.o" if kind == "a" else built
    subprocess.run([compiler, "-O1", "-fPIC", *flags, "-o", output, source], check=True)
    if kind == "a":
        subprocess.run(["ar", "rcs", built, output], check=True)
    with LLVMJITExecutor([built]) as executor:
        executor.compile_ir(USER)
        assert executor.execute_main() == 42
        program = tmp_path / "program"
        libraries = [str(built)] if kind == "so" else []
        executor.build_executable(program, flags=libraries)
        assert subprocess.run([program]).returncode == 42


def test_other_machines(program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    output = tmp_path / "program.o"
    ran = run("--target", "aarch64-linux-gnu", "-o", output, program)
    assert ran.returncode == 0, ran.stderr
    assert output.read_bytes()[18] == 183  # EM_AARCH64
    with LLVMJITExecutor(target="aarch64-linux-gnu") as executor:
        executor.compile_ir_file(program)
        with pytest.raises(RuntimeError):
            executor.execute_main()
    assert run("--target", "aarch64-linux-gnu", program).returncode == 2
