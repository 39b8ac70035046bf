"""Executors, modules, errors, exports, and what is compiled."""

from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
import time

import numpy
import pytest

import mgenjit
from conftest import FIB, OTHER

MAIN = """
declare i32 @puts(ptr)
declare i32 @atoi(ptr)
@hello = constant [6 x i8] c"hello\\00"
define i32 @main(i32 %argc, ptr %argv) {
  %place = getelementptr ptr, ptr %argv, i64 1
  %text = load ptr, ptr %place
  %n = call i32 @atoi(ptr %text)
  ret i32 %n
}
"""


def test_example(ex):
    module = ex.compile(FIB, name="fib.ll")
    assert (module.name, module.hit, len(module.key), list(module)) == ("fib.ll", False, 64, ["fib"])
    assert module["fib"](10) == 55
    assert ex.compile(FIB).hit and module.times.total_us > 0
    assert "fib" in module and len(module.functions) == 1
    assert ex["fib"](10) == 55 and ex.lookup("fib") != 0


def test_inputs(ex, tmp_path):
    file = tmp_path / "fib.ll"
    file.write_text(FIB)
    bitcode = ex.compile(FIB).export_bytes("bitcode")
    for given in (FIB.encode(), bytearray(FIB.encode()), file, str(file), bitcode, [FIB, "; nothing\n"]):
        assert ex.compile(given)["fib"](7) == 13
    source = mgenjit.Source(name="all").add(FIB).add("@x = global i64 1\n").keep("fib")
    assert ex.compile(source)["fib"](7) == 13
    with pytest.raises(mgenjit.NotFoundError):
        ex.compile([FIB], keep=["nothing"])
    for given in (5, None, object()):
        with pytest.raises(TypeError, match="an input must be"):
            ex.compile(given)
    with pytest.raises(mgenjit.FileError) as raised:
        ex.compile(tmp_path / "missing.ll")
    assert isinstance(raised.value, OSError) and "missing.ll" in str(raised.value)


@pytest.mark.once
def test_what_llvmlite_emits(ex):
    ir = pytest.importorskip("llvmlite.ir")
    module = ir.Module(name="made")
    function = ir.Function(module, ir.FunctionType(ir.IntType(64), [ir.IntType(64)]), "twice")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(builder.add(function.args[0], function.args[0]))
    assert ex.compile(module)["twice"](21) == 42
    assert ex.compile(str(module))["twice"](21) == 42


@pytest.mark.parametrize(
    ("ir", "kind", "line"),
    [
        ("define i64 @f(i64 %x) {\n  ret i32 %x\n}\n", mgenjit.ParseError, 2),
        ("no IR\n", mgenjit.ParseError, 1),
        ("define i64 @f() {\n  call void @g()\n  ret i64 0\n}\ndeclare void @g()\n", mgenjit.UnresolvedError, None),
        (f'target triple = "{OTHER}"\n', mgenjit.TargetError, None),
    ],
)
def test_errors(ex, ir, kind, line):
    with pytest.raises(kind) as raised:
        ex.compile(ir)
        ex.lookup("f")
    error = raised.value
    assert error.line == line and error.status_name.startswith("MGENJIT_STATUS_") and error.status
    if line:
        assert error.column and error.source_line == ir.split("\n")[line - 1]
        assert isinstance(error, mgenjit.CompileError)
    if kind is mgenjit.UnresolvedError:
        assert error.missing == ("g",)
    assert isinstance(error, mgenjit.Error)


def test_missing_functions(ex):
    module = ex.compile(FIB)
    for look in (lambda: module["none"], lambda: ex["none"], lambda: ex.lookup("none"), lambda: module.lookup("none")):
        with pytest.raises(KeyError) as raised:
            look()
        assert "none" in str(raised.value) and isinstance(raised.value, mgenjit.NotFoundError)


def test_definitions(ex):
    numbers = numpy.array([1, 2, 3], dtype=numpy.int64)
    ex.define("numbers", numbers)
    ex.define("absolute", ctypes.CDLL(None).labs)
    ex.define("address", ctypes.cast(ctypes.CDLL(None).labs, ctypes.c_void_p).value)
    module = ex.compile(
        "@numbers = external global i64\ndeclare i64 @absolute(i64)\ndeclare i64 @address(i64)\n"
        "define i64 @f(i64 %x) {\n  %a = call i64 @absolute(i64 %x)\n  %b = call i64 @address(i64 %a)\n"
        "  %n = load i64, ptr @numbers\n  %c = add i64 %b, %n\n  ret i64 %c\n}\n"
    )
    assert module["f"](-5) == 6
    for wrong in ("text", 1.5, -1):
        with pytest.raises((TypeError, OverflowError)):
            ex.define("wrong", wrong)


def test_run_main(ex, tmp_path):
    ex.compile(MAIN)
    assert ex.run_main(["prog", "5"]) == 5
    assert ex.run_main([b"prog", pathlib.Path("17")]) == 17
    with pytest.raises(TypeError):
        ex.run_main("prog")
    file = tmp_path / "main.ll"
    file.write_text(MAIN)
    assert mgenjit.run_file(file, ["prog", "6"]) == 6


def test_export(ex, tmp_path):
    ex.compile(MAIN).export(tmp_path / "prog.o")
    assert (tmp_path / "prog.o").read_bytes()[:4] == b"\x7fELF"
    module = ex.compile(FIB)
    module.export(tmp_path / "libfib.so", soname="libfib.so.1")
    library = ctypes.CDLL(str(tmp_path / "libfib.so"))
    assert library.fib(10) == 55
    assert b"fib" in module.export_bytes("header") and b"define" in module.export_bytes("ir")
    mgenjit.export([module, ex.compile(MAIN)], tmp_path / "both.a")
    for path, kind in (("x.unknown", None), ("x", "nothing")):
        with pytest.raises(ValueError, match="one of"):
            module.export(tmp_path / path, kind)


def test_build(tmp_path):
    mgenjit.build(tmp_path / "prog", [MAIN, FIB])
    assert subprocess.run([tmp_path / "prog", "9"], check=False).returncode == 9
    mgenjit.build(tmp_path / "arm.o", MAIN, target="aarch64-linux-gnu")
    assert (tmp_path / "arm.o").read_bytes()[18] == 183


def test_options(tmp_path):
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    events = []
    config = mgenjit.Config(
        opt="Os",
        partition=1000,
        debug_ir=True,
        perf="off",
        cpu="x86-64" if os.uname().machine == "x86_64" else "generic",
        linker="cc",
        linker_timeout=10,
        time_limit=60,
        memory_limit=1 << 32,
        input_limit=1 << 20,
        reproducer_dir=tmp_path / "reproducers",
        cache=tmp_path / "mine",
        cache_mode="read-write",
        cache_layers=[tmp_path / "layer"],
        cache_max_bytes=1 << 30,
        cache_max_entries=100,
        cache_max_age=3600,
        cache_sync=True,
        cache_keep_ir=False,
        cache_index=True,
        cache_verify=False,
        signing_key=key,
        trusted_keys=[key],
        lock_timeout=2.5,
        on_event=events.append,
        server=mgenjit.server_path(),
        max_servers=2,
        server_mode="private",
        server_idle_timeout=5,
        server_cpu_limit=60,
        server_memory_limit=1 << 32,
        server_queue_limit=1,
        server_log=tmp_path / "log",
    )
    with mgenjit.Executor(config) as ex:
        assert ex.compile(FIB)["fib"](10) == 55
    assert (tmp_path / "mine").is_dir() and (tmp_path / "log").is_file()
    kinds = [event.kind for event in events]
    assert "miss" in kinds and "stored" in kinds
    assert events[-1].name == "<memory>" and len(events[-1].key) == 64 and events[-1].times.total_us > 0
    stats = mgenjit.Cache(config=config).stats()
    assert (stats.max_bytes, stats.max_entries, stats.max_age_ms) == (1 << 30, 100, 3_600_000)
    with mgenjit.Executor(cache=False, opt="O0") as ex:
        assert not ex.compile(FIB).hit
    bad = {
        "opt": "O9",
        "partition": 0,
        "cache_mode": "fast",
        "perf": "maps",
        "features": "+a",
        "lock_timeout": -1,
        "cpu": "vax",
    }
    for wrong in ({name: value} for name, value in bad.items()):
        with pytest.raises(ValueError):
            mgenjit.Executor(**wrong)
    with pytest.raises(TypeError):
        mgenjit.Executor(unknown=1)
    with pytest.raises(TypeError):
        mgenjit.Executor(config, opt="O1")


def test_limits():
    with mgenjit.Executor(input_limit=10) as ex, pytest.raises(mgenjit.TooLargeError):
        ex.compile(FIB)


def test_closing(ex):
    with mgenjit.Executor() as other:
        module = other.compile(FIB)
    fib = module["fib"]
    assert fib(10) == 55
    with pytest.raises(ValueError, match="closed"):
        other.compile(FIB)
    other.close()
    removed = ex.compile(FIB)
    removed.remove()
    with pytest.raises(mgenjit.RemovedError):
        removed.lookup("fib")


def test_cache(tmp_path):
    with mgenjit.Executor() as ex:
        module = ex.compile(FIB, name="fib.ll")
        ex.compile(FIB)
    cache = mgenjit.Cache()
    stats = cache.stats()
    assert (stats.entries, stats.hits, stats.stores) == (1, 1, 1) and stats.as_dict()["entries"] == 1
    (info,) = cache.entries()
    assert (info.key, info.name, info.pinned) == (module.key, "fib.ll", False)
    assert [info.name for info in cache.entries("fi*")] == ["fib.ll"]
    assert not list(cache.entries("x*")) and not list(cache.entries(pinned=True))
    assert cache.resolve(module.key[:8]) == module.key
    assert cache.explain(FIB).verdict == "hit"
    other = mgenjit.Cache(opt="O0").explain(FIB, name="fib.ll")
    assert (other.verdict, other.differences) == ("differs", ("opt_level",)) and "fib.ll" in str(other)
    uncut = mgenjit.Cache(partition="off").explain(FIB, name="fib.ll")
    assert (uncut.verdict, uncut.differences) == ("differs", ("options",)) and "pieces=off" in str(uncut)
    assert cache.explain("@x = global i8 0\n").verdict == "never"
    cache.verify()
    cache.verify(module.key[:8], recompile=True)
    entry = cache.entry(module.key[:8])
    assert entry.signatures == ("i64 @fib(i64)",) and entry.prototypes == ("int64_t fib(int64_t);",)
    assert entry.read("image")[:4] == b"\x7fELF" and entry.read("ir") == FIB.encode()
    assert entry.inputs[0][1] == len(FIB)
    assert entry.pieces == () == module.pieces
    assert [info.name for info in cache.entries(pieces=False)] == ["fib.ll"] and not list(cache.entries(pieces=True))
    cache.pin(module.key)
    cache.trim()
    cache.clear()
    assert cache.stats().entries == 1
    told = []
    cache.export(tmp_path / "bundle", progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
    assert mgenjit.Cache(tmp_path / "other").import_bundle(tmp_path / "bundle") == 1
    cache.rebuild()
    cache.remove(module.key)
    with pytest.raises(mgenjit.NotFoundError):
        cache.entry(module.key)
    assert cache.explain(FIB).verdict == "removed"


def test_server_is_asked(monkeypatch, tmp_path):
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert mgenjit.server_socket().startswith(str(tmp_path))
    with pytest.raises(mgenjit.NotFoundError):
        mgenjit.server_status()
    with mgenjit.Executor(server_mode="shared", cache=False) as ex:
        ex.compile(FIB)
        assert mgenjit.server_status().compiled == 1
    mgenjit.stop_server(timeout=60)


def test_addresses(ex):
    text = """
define i64 @add(i64 %a, i64 %b) !dbg !4 {
  %c = add i64 %a, %b, !dbg !7
  ret i64 %c, !dbg !8
}
!llvm.dbg.cu = !{!0}
!llvm.module.flags = !{!2}
!0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, emissionKind: FullDebug)
!1 = !DIFile(filename: "add.c", directory: "/src")
!2 = !{i32 2, !"Debug Info Version", i32 3}
!4 = distinct !DISubprogram(name: "add", scope: !1, file: !1, line: 3, type: !5, unit: !0, spFlags: DISPFlagDefinition)
!5 = !DISubroutineType(types: !6)
!6 = !{}
!7 = !DILocation(line: 4, column: 12, scope: !4)
!8 = !DILocation(line: 5, column: 3, scope: !4)
"""
    address = ex.compile(text, name="add.ll")["add"].address
    symbol = mgenjit.symbolize(address + 1)
    assert (symbol.function, symbol.module, symbol.function_address) == ("add", "add.ll", address)
    (place,) = mgenjit.source_location(address)
    assert (place.function, place.inlined) == ("add", False) and place.file.endswith("add.c") and place.line in (3, 4)
    assert mgenjit.symbolize(0) is None
    with pytest.raises(mgenjit.NotFoundError):
        mgenjit.source_location(1)


def test_replacement():
    def version(number: int, more: str = "") -> str:
        return f"@calls = {more or 'external global i64'}\ndefine i64 @f() {{\n  ret i64 {number}\n}}\n"

    with mgenjit.Executor(replaceable=True, cache=False) as executor:
        first = executor.compile(version(1, "global i64 7"), name="f.ll")
        address = executor.lookup("f")
        assert executor["f"]() == 1
        second = first.replace(version(2))
        assert second["f"]() == 2 and executor["f"]() == 2 and executor.lookup("f") == address
        assert executor.old_code().waiting == 1
        assert first.retire()
        assert executor.old_code().waiting == 0
        with pytest.raises(mgenjit.SignatureError, match="does not define `f`") as error:
            second.replace("define i64 @g() {\n  ret i64 1\n}\n")
        assert error.value.missing == ("f",)
        third = second.replace("define i64 @g() {\n  ret i64 1\n}\n", allow_vanished=True)
        assert third["g"]() == 1
        with pytest.raises(mgenjit.RemovedError):
            second.replace(version(3))
    with mgenjit.Executor(cache=False) as executor, pytest.raises(mgenjit.InvalidArgumentError, match="replaceable"):
        executor.compile(version(1, "global i64 7")).replace(version(2))


def test_profiles():
    with mgenjit.Executor(profile_generate=True, cache=False) as executor:
        module = executor.compile(FIB)
        assert module["fib"](10) == 55
        profile = module.profile()
    told = []
    with mgenjit.Executor(profile=profile, cache=False, on_event=told.append) as executor:
        assert executor.compile(FIB)["fib"](10) == 55
    assert not [event for event in told if event.kind == "warning"]
    with mgenjit.Executor(profile=b"none", cache=False, on_event=told.append) as executor:
        assert executor.compile(FIB)["fib"](10) == 55
    assert [event for event in told if event.kind == "warning"]
    with mgenjit.Executor(cache=False) as executor, pytest.raises(mgenjit.NotFoundError):
        executor.compile(FIB).profile()
    with pytest.raises(ValueError, match="give profile_generate or profile"):
        mgenjit.Executor(profile_generate=True, profile=profile)


def test_tiers(tmp_path):
    with mgenjit.Executor(tiers=("O1", "O1"), cache=tmp_path) as executor:
        assert executor.compile(FIB).opt == "O1"
    with mgenjit.Executor(tiers=("O0", "O2"), cache=False) as executor:
        assert executor.compile(FIB).opt == "O0"
    # Whoever compiles again finds the second tier once it is there.
    with mgenjit.Executor(tiers=("O0", "O2"), cache=tmp_path / "other") as executor:
        module = executor.compile(FIB)
        assert module.opt == "O0"
        deadline = time.monotonic() + 300
        while module.opt != "O2":
            assert time.monotonic() < deadline
            module.remove()
            time.sleep(0.05)
            module = executor.compile(FIB)
        assert module["fib"](10) == 55
    with pytest.raises(ValueError, match="give either"):
        mgenjit.Executor(opt="O2", tiers=("O0", "O2"))
