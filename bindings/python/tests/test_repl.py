"""`python -m mgenjit`: what is typed into a pipe and at a terminal, and what comes out."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from conftest import FIB, PACKAGE

FUNCTION = "define i32 @f() {\n  ret i32 %s\n}\n"
CALLER = "define i32 @g() {\n  %r = call i32 @f()\n  ret i32 %r\n}\n"


@pytest.fixture
def typed(tmp_path):
    def run(text, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, "-m", "mgenjit", *arguments],
            input=text,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            FIB + "fib(30)\nfib(fib(5)) + 1\n[fib(n) for n in range(5)]\nx = fib(7)\nx\n",
            "832040\n6\n[0, 1, 1, 2, 3]\n13\n",
        ),
        (
            "@c = global i64 41\n@c\n@c = 42\n@c + 1\n"
            "define void @bump() {\n  store i64 7, ptr @c\n  ret void\n}\nbump()\n@c\n",
            "41\n43\n7\n",
        ),
        ('printf("%d %s %.1f\\n", 5, "x@y", 2.5)\nsqrt(2)\nstrlen("abc")\n', "5 x@y 2.5\n10\n1.4142135623730951\n3\n"),
        ("declare float @sqrtf(float)\nsqrtf(4)\n", "2.0\n"),
        ('@m = private constant [4 x i8] c"hey\\00"\n@m\nf = lambda: 1 + 1\nf()\n', "b'hey\\x00'\n2\n"),
        (
            "%P = type { i32, [2 x i8] }\n1\ndefine i32 @first(ptr byval(%P) %p, i8 zeroext %x) {\n"
            "  %r = load i32, ptr %p\n  ret i32 %r\n}\n@p = global %P { i32 5, [2 x i8] zeroinitializer }\n2\n"
            "define i32 @call() {\n  %r = call i32 @first(ptr byval(%P) @p, i8 zeroext 1)\n  ret i32 %r\n}\ncall()\n",
            "1\n2\n5\n",
        ),
        (FUNCTION % 1 + CALLER + "g()\n" + FUNCTION % 2 + "g()\n", "1\n2\n"),
        (FUNCTION % 1 + CALLER + FUNCTION % 3 + "g()\n:functions\n:quit\n4\n", "3\ni32 @f()\ni32 @g()\n"),
        ("@a = global i32 1\n:variables\n", "i32 @a\n"),
    ],
)
def test_what_is_printed(typed, text, expected):
    done = typed(text)
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)


@pytest.mark.parametrize(
    ("text", "expected", "said"),
    [
        (
            "1\ndefine i64 @f() {\n\tret i64 %x\n}\n2\n",
            "1\n2\n",
            "<stdin>:3:10: use of undefined value '%x'\n\tret i64 %x\n\t        ^",
        ),
        (FUNCTION % "%x" + FUNCTION.replace("@f", "@h") % 4 + "h()\n", "4\n", "<stdin>:2:11: use of undefined value"),
        (FUNCTION % 1 + "f(2)\n3\n", "3\n", "<stdin>:4: TypeError: f() takes 0 arguments"),
        ("nosuch(1)\n:frob\n1 +\n", "", "<stdin>:1: NameError: name 'nosuch' is not defined"),
        (":frob\n", "", "<stdin>:1: there is no command :frob"),
        (":load nowhere.ll\n", "", "nowhere.ll"),
    ],
)
def test_what_is_wrong(typed, text, expected, said):
    done = typed(text)
    assert (done.stdout, done.returncode) == (expected, 1)
    assert said in done.stderr


def test_files(typed, tmp_path):
    file = tmp_path / "f.ll"
    file.write_text(FUNCTION % 1)
    (tmp_path / "new.ll").write_text(FUNCTION % 22)
    done = typed(
        f":load f.ll\n{CALLER}g()\nimport os\nos.replace('new.ll', 'f.ll')\n:reload\ng()\nf()\n:ir f\n:asm f\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1\n22\n22\ndefine ")
    assert "ret i32 22\n}\n" in done.stdout and re.search("[$#]22\\b", done.stdout)
    assert typed("f()\n:help\n", "f.ll").stdout.startswith("22\nDefinitions of LLVM IR")


def test_at_a_terminal(tmp_path):
    code = "import os, sys; sys.argv = ['mgenjit']; from mgenjit._repl import main; raise SystemExit(main())"
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(PYTHONPATH=str(PACKAGE), XDG_STATE_HOME=str(tmp_path), TERM="xterm")
        os.execv(sys.executable, [sys.executable, "-c", code])
    shown = b""

    def wait_for(text):
        nonlocal shown
        while text not in shown:
            shown += os.read(terminal, 4096)
        before, _, shown = shown.partition(text)
        return before

    wait_for(b"mgenjit> ")
    for line in (b"define i64 @one() {\n", b"  ret i64 1\n"):
        os.write(terminal, line)
        wait_for(b"...> ")
    os.write(terminal, b"}\n")
    wait_for(b"i64 @one()\r\n")
    wait_for(b"mgenjit> ")
    os.write(terminal, b"one() + 41\n")
    wait_for(b"42\r\n")
    wait_for(b"mgenjit> ")
    os.write(terminal, b"\x04")
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert status == 0
