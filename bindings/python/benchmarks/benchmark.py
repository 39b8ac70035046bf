"""What calls, the import, and a whole `python -c` cost, beside ctypes and llvmlite, in one interleaved run.

python benchmarks/benchmark.py [ROUNDS]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PACKAGE))

import mgenjit  # noqa: E402

IR = """
define i64 @add(i64 %a, i64 %b) {
  %c = add i64 %a, %b
  ret i64 %c
}
define i64 @fib(i64 %n) {
  %small = icmp slt i64 %n, 2
  br i1 %small, label %done, label %more
done:
  ret i64 %n
more:
  %m = sub i64 %n, 1
  %x = call i64 @fib(i64 %m)
  %k = sub i64 %n, 2
  %y = call i64 @fib(i64 %k)
  %z = add i64 %x, %y
  ret i64 %z
}
"""
MGENJIT = f"import mgenjit; ex = mgenjit.Executor(); print(ex.compile({IR!r})['fib'](10))"
LLVMLITE = f"""
import ctypes
import llvmlite.binding as llvm
try:
    llvm.initialize()
except RuntimeError:
    pass
llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
machine = llvm.Target.from_default_triple().create_target_machine(opt=2)
module = llvm.parse_assembly({IR!r})
module.verify()
engine = llvm.create_mcjit_compiler(module, machine)
engine.finalize_object()
print(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(engine.get_function_address('fib'))(10))
"""


def best(values: list[float]) -> float:
    """The median."""
    return sorted(values)[len(values) // 2]


def calls(rounds: int) -> None:
    with mgenjit.Executor() as ex:
        module = ex.compile(IR)
    for name, arguments in (("add", "3, 4"), ("fib", "10")):
        ways = {"ctypes": module[name].ctypes(), "Function": module[name]}
        took: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, function in ways.items():
                took[way].append(timeit.timeit(f"f({arguments})", globals={"f": function}, number=50_000) / 50_000)
        ratio = best(took["Function"]) / best(took["ctypes"])
        print(f"{name}({arguments}): ctypes {best(took['ctypes']) * 1e9:.0f} ns, ", end="")
        print(f"Function {best(took['Function']) * 1e9:.0f} ns, {ratio:.2f}x")


def processes(rounds: int) -> None:
    ways = {"python": "pass", "import": "import mgenjit", "mgenjit": MGENJIT, "llvmlite": LLVMLITE}
    took: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "MGENJIT_CACHE_DIR": cache}
        # Bytecode is there, as it is of an installed package.
        environment["PYTHONPYCACHEPREFIX"] = os.path.join(cache, "bytecode")
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for turn in range(rounds + 1):
            for way, code in ways.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.DEVNULL)
                if turn:
                    took[way].append(time.perf_counter() - start)
    for way in ways:
        print(f"python -c, {way}: {best(took[way]) * 1000:.1f} ms")
    print(f"import mgenjit: {(best(took['import']) - best(took['python'])) * 1000:.1f} ms over Python's start")
    print(f"mgenjit, warm: {best(took['mgenjit']) / best(took['llvmlite']):.2f}x of llvmlite")


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    calls(rounds)
    processes(rounds)
