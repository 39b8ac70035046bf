"""The facade beside llvmlite: the same scripts run under both, and print the same."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import warnings

import pytest

from conftest import OTHER, long_ir

START = """
import ctypes, sys
llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

ADD = '''
; ModuleID = 'adder'
source_filename = "adder.c"
@counter = global i64 5
@hidden = internal constant i32 3
declare i32 @puts(ptr)
define i64 @add(i64 %a, i64 %b) {
  %c = add i64 %a, %b
  ret i64 %c
}
define internal void @nothing() {
  ret void
}
'''

def machine(**options):
    return llvm.Target.from_default_triple().create_target_machine(**options)

def engine(text):
    module = llvm.parse_assembly(text)
    module.verify()
    made = llvm.create_mcjit_compiler(module, machine())
    made.finalize_object()
    made.run_static_constructors()
    return made, module

BINARY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
UNARY = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
"""

SCRIPTS = {
    "call": """
        made, module = engine(ADD)
        print(BINARY(made.get_function_address("add"))(2, 3))
        print(ctypes.c_int64.from_address(made.get_global_value_address("counter")).value)
        print(made.get_function_address("nowhere"))
    """,
    "names": """
        module = llvm.parse_assembly(ADD)
        print(module.name, module.source_file, repr(module.triple), repr(module.data_layout))
        print([(f.name, f.is_declaration, f.linkage.name) for f in module.functions])
        print([(v.name, v.linkage.name) for v in module.global_variables])
        print(module.get_function("add").name)
        try:
            module.get_function("none")
        except NameError as error:
            print("NameError", error)
        module.triple = llvm.get_default_triple()
        module.data_layout = str(machine().target_data)
        module.name = "other"
        print(module.name, module.triple == llvm.get_default_triple(), module.data_layout)
        print(module.clone().name, llvm.parse_assembly("").name)
    """,
    "errors": """
        texts = (
            "define i64 @f() {\\n  ret i64 %x\\n}", "what", "define i64 @f() { ret i32 1 }", "  \\n\\n define",
            "define i64 @f(i64 %a) {\\n\\tret\\ti32 %a\\n", "@x = global i32 5\\n@x = global i32 6\\n",
            "define i64 @\\xe9() {\\n  ret i64 %x\\n}", '@a = global i8 "\\n')
        for text in texts:
            try:
                llvm.parse_assembly(text)
            except RuntimeError as error:
                print(repr(str(error)))
        bodies = (
            "a:\\n  br label %b\\nb:\\n  %x = phi i64 [ 1, %b ]\\n  ret void", "entry:\\n  br label %entry",
            "  %y = add i64 %y, 1\\n  ret void")
        for body in bodies:
            try:
                llvm.parse_assembly("define void @f() {\\n" + body + "\\n}").verify()
            except RuntimeError as error:
                print(repr(str(error)))
        for data in (b"BC\\xc0\\xde what", b"BC\\xc0\\xde", b"", b"nonsense", b"BC\\xc0\\xdewhat"):
            try:
                llvm.parse_bitcode(data)
            except RuntimeError as error:
                print(repr(str(error)))
        try:
            llvm.load_library_permanently("/no/such.so")
        except RuntimeError:
            print("library")
    """,
    "modules": """
        made, first = engine(ADD)
        second = llvm.parse_assembly('''
            declare i64 @add(i64, i64)
            define i64 @twice(i64 %x) {
              %y = call i64 @add(i64 %x, i64 %x)
              ret i64 %y
            }''')
        made.add_module(second)
        try:
            made.add_module(second)
        except KeyError as error:
            print("KeyError", error)
        made.finalize_object()
        print(UNARY(made.get_function_address("twice"))(21))
        made.remove_module(second)
        third = llvm.parse_assembly("define i64 @thrice(i64 %x) {\\n  %y = mul i64 %x, 3\\n  ret i64 %y\\n}")
        made.add_module(third)
        made.finalize_object()
        print(UNARY(made.get_function_address("thrice"))(5))
        made.close()
    """,
    "callback": """
        @UNARY
        def host(x):
            print("host", x, flush=True)
            return x * 10
        llvm.add_symbol("host_function", ctypes.cast(host, ctypes.c_void_p).value)
        print(llvm.address_of_symbol("host_function") == ctypes.cast(host, ctypes.c_void_p).value)
        print(llvm.address_of_symbol("no_such_symbol"))
        made, _ = engine('''
            declare i64 @host_function(i64)
            define i64 @call(i64 %x) {
              %y = call i64 @host_function(i64 %x)
              %z = add i64 %y, 1
              ret i64 %z
            }''')
        print(UNARY(made.get_function_address("call"))(4))
    """,
    "library": """
        llvm.load_library_permanently("libm.so.6")
        made, _ = engine('''
            declare double @cbrt(double)
            define double @f(double %x) {
              %y = call double @cbrt(double %x)
              ret double %y
            }''')
        print(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(made.get_function_address("f"))(27.0))
    """,
    "constructors": """
        made, _ = engine('''
            @value = global i64 1
            @llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [
              { i32, ptr, ptr } { i32 65535, ptr @set, ptr null }
            ]
            define internal void @set() {
              store i64 42, ptr @value
              ret void
            }''')
        print(ctypes.c_int64.from_address(made.get_global_value_address("value")).value)
    """,
    "bitcode": """
        data = llvm.parse_assembly(ADD).as_bitcode()
        print(data[:2])
        module = llvm.parse_bitcode(data)
        module.verify()
        made = llvm.create_mcjit_compiler(module, machine(opt=3))
        print(BINARY(made.get_function_address("add"))(20, 22))
    """,
    "emit": """
        module = llvm.parse_assembly(ADD)
        target = machine(reloc="pic", codemodel="default")
        print(target.emit_object(module)[:4], "add:" in target.emit_assembly(module), target.triple != "")
        print(str(target.target_data) != "", llvm.Target.from_default_triple().name)
        made = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())
        print(str(made.target_data) == str(target.target_data))
    """,
    "targets": """
        for triple in ("bogus", ""):
            try:
                llvm.Target.from_triple(triple)
            except RuntimeError as error:
                print(error)
        for options in (dict(opt=9), dict(reloc="what"), dict(codemodel="what")):
            try:
                machine(**options)
            except AssertionError:
                print("no", *options)
        target = llvm.Target.from_default_triple()
        print(target.name, target.description, target)
        features = llvm.get_host_cpu_features().flatten()
        made = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3)
        with llvm.create_mcjit_compiler(llvm.parse_assembly(ADD), made) as engine:
            print(BINARY(engine.get_function_address("add"))(1, 1))
        print(engine.closed)
    """,
    "definitions": """
        def one(number):
            return llvm.parse_assembly(f"define i64 @f() {{\\n  ret i64 {number}\\n}}")
        NULLARY = ctypes.CFUNCTYPE(ctypes.c_int64)
        made = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())
        first, second = one(1), one(2)
        for module in (first, second):
            made.add_module(module)
            made.finalize_object()
            print(NULLARY(made.get_function_address("f"))())
        try:
            made.remove_module(one(3))
        except KeyError:
            print("KeyError")
        text = '''
            define void @"a b"() {
              ret void
            }
            define linkonce_odr dso_local signext i32 @g(ptr nocapture %x) {
              ret i32 0
            }
            define weak i64 @h() { ret i64 0 }
            declare extern_weak void @i(...)'''
        functions = list(llvm.parse_assembly(text).functions)
        print([(f.name, f.linkage.name, f.linkage == llvm.Linkage.weak_any) for f in functions])
    """,
    "closed": """
        made, module = engine(ADD)
        other = llvm.parse_assembly(ADD)
        with other:
            print(other.closed)
        def refused(call):
            try:
                call()
            except (ctypes.ArgumentError, RuntimeError) as error:
                print(type(error).__name__)
        refused(lambda: str(other))
        refused(lambda: other.__enter__())
        print(other.closed, module.closed)
        removed = llvm.parse_assembly("define void @g() {\\n  ret void\\n}")
        made.add_module(removed)
        made.remove_module(removed)
        made.close()
        made.close()
        print(made.closed, module.closed, removed.closed)
        refused(lambda: made.finalize_object())
        refused(lambda: made.__enter__())
        other.close()
    """,
    "linked": """
        module = llvm.parse_assembly("declare i64 @one()\\ndefine i64 @two(i64 %n) {\\n"
                                     "  %x = call i64 @one()\\n  %y = add i64 %x, 1\\n  ret i64 %y\\n}")
        other = llvm.parse_assembly("define i64 @one() {\\n  ret i64 1\\n}")
        kept = llvm.parse_assembly("@data = global i64 7")
        module.link_in(kept, preserve=True)
        llvm.link_modules(module, other)
        print(kept.closed, other.closed)
        print(sorted((f.name, f.is_declaration) for f in module.functions), module.get_global_variable("data").name)
        module.verify()
        copy = llvm.parse_bitcode(module.as_bitcode())
        for linked in (module, copy):
            made = llvm.create_mcjit_compiler(linked, machine())
            print(UNARY(made.get_function_address("two"))(0))
        try:
            copy.link_in(llvm.parse_assembly("define i64 @one() {\\n  ret i64 1\\n}"))
        except RuntimeError as error:
            print("one" in str(error))
    """,
    "other machine": """
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(opt=2)
        module = llvm.parse_assembly(ADD)
        module.triple = "aarch64-unknown-linux-gnu"
        data = target.emit_object(module)
        print(data[:4], data[18], str(target.target_data).endswith("-n32:64-S128-Fn32"))
        for triple in ("x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "wasm32", "x86_64-pc-windows-msvc",
                       "arm64-apple-macosx13", "wasm32-unknown-unknown", "riscv64-unknown-elf"):
            print(llvm.get_object_format(triple))
        print(llvm.get_object_format())
    """,
    "objects": """
        data = machine(reloc="pic", codemodel="default").emit_object(llvm.parse_assembly(ADD))
        for load in (llvm.ObjectFileRef.from_data, lambda data: data):
            made = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())
            loaded = load(data)
            if isinstance(loaded, bytes):
                import tempfile
                with tempfile.NamedTemporaryFile(suffix=".o") as file:
                    file.write(data)
                    file.flush()
                    made.add_object_file(file.name)
            else:
                made.add_object_file(loaded)
            print(BINARY(made.get_function_address("add"))(1, 2))
    """,
    "lljit": """
        jit = llvm.create_lljit_compiler(machine(jit=True))
        tracker = (llvm.JITLibraryBuilder().add_ir(ADD).export_symbol("add").export_symbol("counter")
                   .add_current_process().link(jit, "adder"))
        print(tracker.name, BINARY(tracker["add"])(1, 2), ctypes.c_int64.from_address(tracker["counter"]).value)
        found = jit.lookup("adder", "add")
        print(BINARY(found["add"])(3, 4))
        try:
            jit.lookup("adder", "nowhere")
        except RuntimeError:
            print("no symbol")
        try:
            jit.lookup("nobody", "add")
        except RuntimeError:
            print("no library")
        @UNARY
        def host(x):
            return x + 100
        user = (llvm.JITLibraryBuilder().add_ir('''
                    declare i64 @imported(i64)
                    declare i64 @add(i64, i64)
                    define i64 @call(i64 %x) {
                      %y = call i64 @imported(i64 %x)
                      %z = call i64 @add(i64 %y, i64 1)
                      ret i64 %z
                    }''')
                .import_symbol("imported", ctypes.cast(host, ctypes.c_void_p).value)
                .add_jit_library("adder").export_symbol("call").link(jit, "user"))
        print(UNARY(user["call"])(5))
        for text in ("what", "define i64 @g() {\\n  ret i64 1\\n}"):
            try:
                llvm.JITLibraryBuilder().add_ir(text).export_symbol("f").link(jit, "bad" + text[0])
            except RuntimeError:
                print("not linked")
        try:
            tracker["none"]
        except KeyError as error:
            print("KeyError", error)
        del user
        jit.close()
    """,
    "emitted by llvmlite.ir": """
        from llvmlite import ir
        module = ir.Module(name="made")
        i64 = ir.IntType(64)
        function = ir.Function(module, ir.FunctionType(i64, [i64]), "fib")
        entry, small, large = (function.append_basic_block(name) for name in ("entry", "small", "large"))
        builder = ir.IRBuilder(entry)
        n, = function.args
        builder.cbranch(builder.icmp_signed("<", n, i64(2)), small, large)
        builder.position_at_end(small)
        builder.ret(n)
        builder.position_at_end(large)
        builder.ret(builder.add(builder.call(function, [builder.sub(n, i64(1))]),
                                builder.call(function, [builder.sub(n, i64(2))])))
        made, parsed = engine(str(module))
        print(parsed.name, [f.name for f in parsed.functions], UNARY(made.get_function_address("fib"))(20))
    """,
}


def printed(binding: str, script: str) -> str:
    program = f"import {binding} as llvm\n{START}\n{textwrap.dedent(script)}"
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=False, text=True, timeout=120
    )
    assert ran.returncode == 0, f"{binding}: {ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.mark.once
@pytest.mark.parametrize("name", SCRIPTS)
def test_same_as_llvmlite(name: str) -> None:
    binding = pytest.importorskip("llvmlite.binding")
    if binding.llvm_version_info < (17,):
        pytest.skip("llvmlite has an LLVM that knows no ptr")
    expected = printed("llvmlite.binding", SCRIPTS[name])
    assert expected
    assert printed("mgenjit.llvmlite", SCRIPTS[name]) == expected


def test_what_needs_llvm_says_what_to_do() -> None:
    import mgenjit.llvmlite as llvm

    def check(find: object, *parts: str) -> None:
        with pytest.raises(AttributeError) as raised:
            find()  # type: ignore[operator]
        assert isinstance(raised.value, NotImplementedError)
        for part in parts:
            assert part in str(raised.value)

    check(lambda: llvm.create_module_pass_manager(), "create_module_pass_manager", "opt=0 to 3")
    check(lambda: llvm.PassBuilder, "PassBuilder", "leave the passes out")
    check(lambda: llvm.set_option("", "-x"), "leave the call out")
    check(lambda: llvm.Target.from_default_triple().create_target_machine(abiname="ilp32"), "ABI")
    check(lambda: llvm.view_dot_graph, "use llvmlite.binding for it")
    check(lambda: llvm.parse_assembly("").struct_types, "ModuleRef", "struct_types")
    assert not hasattr(llvm, "nonsense")
    assert len(llvm.llvm_version_info) == 3


def test_what_is_read_compiles_in_the_background() -> None:
    import mgenjit
    import mgenjit.llvmlite as llvm

    module = llvm.parse_assembly(long_ir())
    assert not module._task.done() and mgenjit.Cache().stats().entries == 0
    module.verify()
    # It ends when nobody wants it.
    task = module._task
    del module
    gc.collect()
    with pytest.raises(mgenjit.CancelledError):
        task.result()
    # An engine is not disturbed by that.
    machine = llvm.Target.from_default_triple().create_target_machine(opt=1)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(long_ir(40) + "\n"), machine)
    assert engine.get_function_address("f7")
    assert mgenjit.Cache().stats().entries == 1


def test_an_object_cache_is_a_warning_once() -> None:
    import mgenjit.llvmlite as llvm

    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        engine.set_object_cache(print, print)
        engine.set_object_cache()
    assert [str(warning.message).partition(":")[0] for warning in caught] == ["mgenjit has a cache of its own"]


def test_what_is_missing_is_an_error_where_llvm_ends_the_process() -> None:
    import mgenjit.llvmlite as llvm

    machine = llvm.Target.from_default_triple().create_target_machine()
    module = llvm.parse_assembly("declare void @nowhere()\ndefine void @f() {\n  call void @nowhere()\n  ret void\n}")
    engine = llvm.create_mcjit_compiler(module, machine)
    with pytest.raises(RuntimeError, match="nowhere"):
        engine.get_function_address("f")
    other = llvm.Target.from_triple(OTHER).create_target_machine()
    with pytest.raises(RuntimeError, match="cannot run here"):
        llvm.create_mcjit_compiler(llvm.parse_assembly(""), other)


def test_a_library_without_trackers_is_unloaded() -> None:
    import mgenjit.llvmlite as llvm

    jit = llvm.create_lljit_compiler()
    text = "define i64 @one() {\n  ret i64 1\n}"
    tracker = llvm.JITLibraryBuilder().add_ir(text).export_symbol("one").link(jit, "one")
    assert jit.lookup("one", "one")["one"] == tracker["one"]
    address = tracker["one"]
    assert any(start <= address < end for start, end in ranges())
    del tracker
    gc.collect()
    assert not any(start <= address < end for start, end in ranges())
    with pytest.raises(RuntimeError):
        jit.lookup("one", "one")


def ranges() -> list[tuple[int, int]]:
    with open("/proc/self/maps") as maps:
        spans = [line.split()[0].split("-") for line in maps]
    return [(int(start, 16), int(end, 16)) for start, end in spans]


@pytest.mark.once
def test_every_engine_name_of_llvmlite_is_there_or_says_why() -> None:
    binding = pytest.importorskip("llvmlite.binding")
    import mgenjit.llvmlite as llvm

    for name in dir(binding):
        if name.startswith("_") or os.path.isfile(os.path.join(os.path.dirname(binding.__file__), name + ".py")):
            continue
        try:
            getattr(llvm, name)
        except llvm.MissingFeatureError as error:
            assert name in str(error)
