"""Calls: what is taken, what is refused, and what comes back."""

from __future__ import annotations

import array
import ctypes
import math
import pickle

import numpy
import pytest

import mgenjit

IR = """
%pair = type { i64, i64 }
@counter = global i64 5
define i1 @not(i1 %x) {
  %y = xor i1 %x, true
  ret i1 %y
}
define i8 @i8(i8 %x) {
  ret i8 %x
}
define i16 @i16(i16 %x) {
  ret i16 %x
}
define i32 @i32(i32 %x) {
  ret i32 %x
}
define i64 @i64(i64 %x) {
  ret i64 %x
}
define i64 @zero8(i8 zeroext %x) {
  %y = zext i8 %x to i64
  ret i64 %y
}
define i64 @sign8(i8 signext %x) {
  %y = sext i8 %x to i64
  ret i64 %y
}
define i64 @zero16(i16 zeroext %x) {
  %y = zext i16 %x to i64
  ret i64 %y
}
define i64 @sign16(i16 signext %x) {
  %y = sext i16 %x to i64
  ret i64 %y
}
define float @float(float %x) {
  ret float %x
}
define double @double(double %x) {
  ret double %x
}
define ptr @ptr(ptr %x) {
  ret ptr %x
}
define i8 @first(ptr %x) {
  %y = load i8, ptr %x
  ret i8 %y
}
define void @set(ptr %x, i64 %y) {
  store i64 %y, ptr %x
  ret void
}
define i64 @none() {
  ret i64 3
}
define i64 @three(i64 %a, i64 %b, i64 %c) {
  %d = sub i64 %a, %b
  %e = mul i64 %d, %c
  ret i64 %e
}
define i64 @variadic(i64 %n, ...) {
  ret i64 %n
}
define %pair @pair(i64 %n) {
  %p = insertvalue %pair zeroinitializer, i64 %n, 0
  ret %pair %p
}
define fastcc i64 @fast(i64 %n) {
  ret i64 %n
}
define i32 @main(i32 %argc, ptr %argv) {
  ret i32 %argc
}
"""


class Index:
    def __index__(self):
        return 7


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    with mgenjit.Executor(cache=tmp_path_factory.mktemp("cache")) as executor:
        yield executor.compile(IR)


BIG = 1 << 63
VALUES = [
    ("not", True, False),
    ("not", False, True),
    ("not", 1, False),
    ("not", numpy.bool_(True), False),
    ("not", numpy.array(False), True),
    ("i8", numpy.int16(-3), -3),
    ("not", 2, OverflowError),
    ("i8", 127, 127),
    ("i8", 255, -1),
    ("i8", -128, -128),
    ("i8", 256, OverflowError),
    ("i8", -129, OverflowError),
    ("i16", 65535, -1),
    ("i16", -32768, -32768),
    ("i16", 65536, OverflowError),
    ("i32", (1 << 32) - 1, -1),
    ("i32", -(1 << 31), -(1 << 31)),
    ("i32", 1 << 32, OverflowError),
    ("i64", BIG - 1, BIG - 1),
    ("i64", -BIG, -BIG),
    ("i64", 2 * BIG - 1, -1),
    ("i64", 2 * BIG, OverflowError),
    ("i64", -BIG - 1, OverflowError),
    ("i64", True, 1),
    ("i64", Index(), 7),
    ("i64", numpy.int64(-4), -4),
    ("i64", numpy.uint8(200), 200),
    ("i64", 1.0, TypeError),
    ("i64", "1", TypeError),
    ("i64", b"1", TypeError),
    ("i64", None, TypeError),
    ("i64", numpy.zeros(3, dtype=numpy.int64), TypeError),
    # How narrow integers are widened, the IR says.
    ("zero8", 200, 200),
    ("zero8", -1, 255),
    ("sign8", 200, -56),
    ("sign8", -1, -1),
    ("zero16", -1, 65535),
    ("sign16", 65535, -1),
    ("float", 1.5, 1.5),
    ("float", 3, 3.0),
    ("float", math.inf, math.inf),
    ("float", 3.4028234663852886e38, 3.4028234663852886e38),
    ("float", 1e39, OverflowError),
    ("float", "1", TypeError),
    ("double", 0.1, 0.1),
    ("double", 2, 2.0),
    ("double", numpy.float32(0.5), 0.5),
    ("double", 10**400, OverflowError),
    ("double", "1.5", TypeError),
    ("double", b"1.5", TypeError),
    ("double", None, TypeError),
    ("double", 1j, TypeError),
    ("ptr", None, 0),
    ("ptr", 4096, 4096),
    ("ptr", 2 * BIG - 1, 2 * BIG - 1),
    ("ptr", -1, OverflowError),
    ("ptr", 2 * BIG, OverflowError),
    ("ptr", "text", TypeError),
    ("ptr", 1.5, TypeError),
    ("ptr", object(), TypeError),
    ("ptr", memoryview(b"abc"), TypeError),
    ("ptr", numpy.zeros((4, 4))[:, 1], TypeError),
    ("first", b"A", 65),
    ("first", bytearray(b"B"), 66),
    ("first", memoryview(bytearray(b"C")), 67),
    ("first", array.array("b", [68]), 68),
    ("first", numpy.array([69], dtype=numpy.int8), 69),
    ("first", (ctypes.c_char * 1)(b"F"), 70),
    ("first", ctypes.c_char_p(b"G"), 71),
    ("first", ctypes.c_int64(72), 72),
    ("first", ctypes.byref(ctypes.c_int64(73)), 73),
    ("first", ctypes.pointer(ctypes.c_int64(74)), 74),
]


@pytest.mark.parametrize(("name", "value", "expected"), VALUES, ids=lambda value: str(value)[:24])
def test_values(module, name, value, expected):
    function = module[name]
    for _ in range(2):  # The first call makes the way that the others take.
        if isinstance(expected, type):
            with pytest.raises(expected) as raised:
                function(value)
            assert f"{name}() argument 1" in str(raised.value)
        else:
            result = function(value)
            assert result == expected and type(result) is type(expected)


def test_nan(module):
    assert math.isnan(module["float"](math.nan)) and math.isnan(module["double"](math.nan))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("none", (1,), "none() takes 0 arguments, and got 1: i64 @none()"),
        ("three", (1, 2), "three() takes 3 arguments, and got 2"),
        ("three", (1, 2, 3, 4), "three() takes 3 arguments, and got 4"),
        ("three", (), "got 0"),
        ("three", (1, "2", 3), "three() argument 2 must be an integer for i64, not str"),
        ("variadic", (), "takes 1 argument or more"),
        ("pair", (1,), "pair"),
        ("fast", (1,), "fast"),
    ],
)
def test_type_errors(module, name, arguments, message):
    with pytest.raises(TypeError, match=None) as raised:
        module[name](*arguments)
    assert message in str(raised.value)


def test_calls(module):
    assert module["none"]() == 3
    assert module["three"](7, 2, 3) == 15
    assert module["variadic"](4, 1, 2.5, None, b"x") == 4
    place = ctypes.c_int64()
    assert module["set"](place, 9) is None
    assert place.value == 9
    numbers = numpy.zeros(2, dtype=numpy.int64)
    module["set"](numbers, -3)
    assert list(numbers) == [-3, 0]


def test_about_a_function(module):
    three = module["three"]
    assert (three.name, three.result, three.parameters, three.variadic) == ("three", "i64", ("i64",) * 3, False)
    assert three.signature == "i64 @three(i64, i64, i64)"
    assert module["pair"].result == "other" and module["variadic"].variadic
    assert three.address == module.lookup("three")
    three(1, 2, 3)
    assert isinstance(three, mgenjit.Function) and "three" in repr(three)
    for unfit in (three, module):
        with pytest.raises(TypeError, match="belongs to its process"):
            pickle.dumps(unfit)


def test_ctypes_functions(module):
    by_ctypes = module["three"].ctypes()
    assert by_ctypes(7, 2, 3) == 15
    with pytest.raises(TypeError):
        module["pair"].ctypes()
    given = module["fast"].ctypes(ctypes.c_int64, ctypes.c_int64)
    assert given.function.name == "fast"
    assert module["first"].ctypes()(b"Z") == 90


def test_variables(module):
    assert ctypes.c_int64.from_address(module.lookup("counter")).value == 5
