"""`python -m mgenjit`: IR is compiled as it is typed; anything else is Python, which may call what was defined.

A function that is defined again is replaced for all that call it. A later text may refer to what an earlier one
defined: what it needs is declared for it. A fault of compiled code ends the process: `mgenjit repl` survives most.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import sys
import traceback

from . import __version__, _errors
from ._executor import Executor, Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_HELP = """\
Definitions of LLVM IR are compiled as they come. Anything else is Python:

  fib(30)   [fib(n) for n in range(5)]   @counter   @counter = 5   printf("%d\\n", 5)

@name is a variable's value, or a function. A str is passed to C as UTF-8.

  :asm [FUNCTION]   show the machine code of a function, or of what was defined last
  :functions        list the functions that are defined, with their types
  :help             show this
  :ir [FUNCTION]    show the optimised IR of a function, or of what was defined last
  :load FILE        compile a file (.ll, .bc, .o, .a), or load a shared library (.so)
  :quit             end; so does Ctrl-D
  :reload           compile files that have changed again
  :time             tell what the last compile took
  :variables        list the variables that are defined, with their types
"""

_NAME = r'(?:"[^"\n]*"|[-\w$.]+)'
_TOKEN = re.compile(rf'"[^"\n]*"|[@%#!$]{_NAME}|[\w$.]+|\S')
_BLANK = re.compile(r"(?:\s|;[^\n]*)*")
_WORDS = ("define", "declare", "attributes", "target", "source_filename", "module")
_LINKAGES = (
    "private internal available_externally linkonce weak common appending extern_weak linkonce_odr weak_odr external "
    "dso_local dso_preemptable default hidden protected"
).split()
_GLOBAL = re.compile(
    rf"@{_NAME}\s*=\s*(?:{'|'.join(_LINKAGES)}|global|constant|alias|thread_local|unnamed_addr|local_unnamed_addr)\b"
)
_DEFINITION = re.compile(rf"(?:(?:{'|'.join(_WORDS)})\b(?!\s*[(.=])|[!$^]|%{_NAME}\s*=\s*type\b)|{_GLOBAL.pattern}")
_PREAMBLE = re.compile(r"\s*(?:target|source_filename)\b")
_C_TYPES: dict[str, Any] = {
    "i1": ctypes.c_bool,
    "i8": ctypes.c_int8,
    "i16": ctypes.c_int16,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "ptr": ctypes.c_void_p,
}
_OF_DOUBLES = "acos asin atan cbrt ceil cos cosh exp exp2 fabs floor log log10 log2 sin sinh sqrt tan tanh".split()


def items(text: str, is_all: bool) -> tuple[list[tuple[int, str]], str]:
    """The items of a text, with the lines that they begin in, from 0 on; and what is no whole item yet."""
    found: list[tuple[int, str]] = []
    at = 0
    while True:
        start = _skip(text, at)
        if start == len(text):
            return found, ""
        end = _end(text, start)
        if end is None and not is_all:
            return found, text[start:]
        at = len(text) if end is None else end
        column = start - (text.rfind("\n", 0, start) + 1)
        found.append((text.count("\n", 0, start), " " * column + text[start:at].rstrip()))


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _end(text: str, start: int) -> int | None:
    """Where an item ends: a function with its body, anything else with the line in which all brackets are closed."""
    newline = text.find("\n", start)
    if text[start] == ":":
        return newline if newline >= 0 else None
    is_function = text.startswith("define", start) and is_definition(text[start:])
    depth, at, previous = 0, start, ""
    is_named = has_parameters = is_body = False
    while True:
        following = _skip(text, at)
        if depth == 0 and not is_function and "\n" in text[at:following]:
            return text.index("\n", at)
        token = _TOKEN.match(text, following)
        if token is None:
            return None
        at = token.end()
        word = token.group()
        if word in ("(", "[", "{"):
            if depth == 0:
                is_body = word == "{" and has_parameters and previous != "<"
                has_parameters = has_parameters or (word == "(" and is_named)
            depth += 1
        elif word in (")", "]", "}"):
            depth -= 1
            if depth == 0 and is_body and is_function:
                return at
        is_named = is_named or word[0] == "@"
        previous = word


def is_definition(text: str) -> bool:
    return _DEFINITION.match(text.lstrip()) is not None


class Known:
    """What a text defines or declares, and what a later text needs to refer to it."""

    def __init__(self, name: str, declaration: str, type: str = "", is_defined: bool = False) -> None:
        self.name = name
        self.declaration = declaration
        #: A variable's type, a function's with its name.
        self.type = type
        self.is_defined = is_defined


def _bare(name: str) -> str:
    return name.replace('"', "")


def _closing(text: str, start: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += (token.group() in ("(", "[", "{", "<")) - (token.group() in (")", "]", "}", ">"))
        if depth == 0:
            return token.end()
    return len(text)


def _parts(text: str) -> Iterator[str]:
    """The elements of a list, between its commas."""
    depth, start = 0, 0
    for token in _TOKEN.finditer(text):
        depth += (token.group() in ("(", "[", "{", "<")) - (token.group() in (")", "]", "}", ">"))
        if depth == 0 and token.group() == ",":
            yield text[start : token.start()].strip()
            start = token.end()
    if text[start:].strip():
        yield text[start:].strip()


def _read_function(text: str, is_defined: bool) -> Known | None:
    found = re.search(rf"@{_NAME}(?=\s*\()", text)
    if found is None:
        return None
    start = text.index("(", found.end())
    parameters = [
        re.sub(rf"(?<=\S)\s+%{_NAME}$", "", part) for part in _parts(text[start + 1 : _closing(text, start) - 1])
    ]
    before = " ".join(word for word in text[: found.start()].split()[1:] if word not in _LINKAGES and word[0] != "!")
    declaration = f"declare {before} {found.group()}({', '.join(parameters)})"
    return Known(_bare(found.group()), declaration, declaration[8:], is_defined)


def _read_variable(name: str, text: str) -> Known | None:
    found = re.search(r"\b(global|constant)\s+", text)
    if found is None:
        return None
    local = re.search(r"\bthread_local(?:\(\w+\))?", text[: found.start()])
    start = found.end()
    end = (
        _closing(text, start) if text[start] in "[{<" else start + len(re.split(r"[\s,]", text[start:], maxsplit=1)[0])
    )
    type = text[start:end]
    kind = f"{local.group()} {found.group(1)}" if local else found.group(1)
    is_defined = re.search(r"\bextern(al|_weak)\b", text[: found.start()]) is None
    return Known(_bare(name), f"{name} = external {kind} {type}", type, is_defined)


def read(text: str) -> Known | None:
    """What an item defines or declares. None: nothing that a later text can refer to."""
    text = text.strip()
    if text.startswith(("define", "declare")):
        return _read_function(text, text.startswith("define"))
    named = re.match(rf"(?:attributes\s+)?([@%#!$]{_NAME})\s*=", text)
    if named is None:
        return None
    if text[0] == "@":
        return _read_variable(named.group(1), text)
    return Known(_bare(named.group(1)), text)


def _visible(text: str) -> str:
    """The session is one module to whoever types: what only its module could see is made visible. Columns stay."""
    found = re.match(rf"\s*(?:define|@(?!\d){_NAME}\s*=)[\w\s]*?\b(private|internal)\b", text)
    return text if found is None else text[: found.start(1)] + " " * len(found.group(1)) + text[found.end(1) :]


class _Called:
    """A function of the session, which takes a str, too."""

    def __init__(self, session: Session, call: Any, text: str) -> None:
        self._session = session
        self._call = call
        self._text = text

    def __call__(self, *arguments: Any) -> Any:
        given = [self._session.keep(argument) if isinstance(argument, str) else argument for argument in arguments]
        sys.stdout.flush()
        # Python would not see Ctrl-C before the code returns. So it ends the process, as anywhere else.
        before = signal.signal(signal.SIGINT, signal.SIG_DFL) if self._session.is_interactive else None
        try:
            return self._call(*given)
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
            self._session.library.fflush(None)

    def __repr__(self) -> str:
        return self._text


class Session:
    """What was defined so far."""

    def __init__(self, is_interactive: bool = False) -> None:
        self.executor = Executor(replaceable=True)
        self.is_interactive = is_interactive
        self.has_failed = False
        self.library = ctypes.CDLL(None)
        self.known: dict[str, Known] = {}
        self.modules: dict[str, Module] = {}
        self.files: dict[str, tuple[Module, float]] = {}
        self.last: Module | None = None
        self.scope: dict[str, Any] = {"__name__": "__main__", "_value": self.value, "_assign": self.assign}
        self._waiting: list[tuple[int, str]] = []
        self._kept: list[bytes] = []

    def keep(self, text: str) -> bytes:
        """Code may keep a pointer to it."""
        self._kept.append(text.encode("utf-8", "surrogateescape"))
        return self._kept[-1]

    def take(self, line: int, text: str) -> bool:
        """Deals with an item. Tells whether the session goes on."""
        if is_definition(text):
            known = read(text)
            others = [read(other) for _, other in self._waiting]
            if known is not None and any(other is not None and other.name == known.name for other in others):
                self.compile()
            self._waiting.append((line, _visible(text)))
            return True
        self.compile()
        if text.lstrip().startswith(":"):
            return self.command(text.strip(), line)
        self.evaluate(text, line)
        return True

    def compile(self) -> None:
        """Compiles the definitions that wait, as one. One that is wrong is left out."""
        while self._waiting:
            # What the whole text is for comes before anything else.
            waiting, self._waiting = sorted(self._waiting, key=lambda item: not _PREAMBLE.match(item[1])), []
            first = sum(1 for _, item in waiting if _PREAMBLE.match(item))
            lines = [f"{item}\n" for _, item in waiting]
            declarations = self.declarations("".join(lines))
            try:
                module = self.executor.compile("".join([*lines[:first], declarations, *lines[first:]]), name="<stdin>")
            except _errors.Error as error:
                before = declarations.count("\n") if (error.line or 0) > first else 0
                wrong = self._tell_error(error, waiting, before)
                if wrong is not None and len(waiting) > 1:
                    self._waiting = waiting[:wrong] + waiting[wrong + 1 :]
                continue
            for _, item in waiting:
                self._record(read(item), module, self.is_interactive)
            self._link(module)

    def _link(self, module: Module) -> None:
        self.last = module
        try:
            self.executor.link()
        except _errors.UnresolvedError:
            # It waits for what is not defined yet.
            pass

    def _record(self, known: Known | None, module: Module, is_told: bool = False) -> None:
        if known is None:
            return
        old = self.known.get(known.name)
        if old is not None and old.is_defined and known.name[0] == "@" and not known.is_defined:
            return
        self.known[known.name] = known
        if not known.is_defined:
            return
        self.modules[known.name] = module
        if known.name[1:] in module:
            function = module[known.name[1:]]
            if old is not None and old.is_defined and _shape(old.type) != _shape(known.type):
                self._say(f"{known.name} has another type now: what calls it as it was must be defined again")
            self.scope[known.name[1:]] = _Called(self, function, function.signature)
        if is_told:
            print(known.type if "(" in known.type else f"{known.type} {known.name}")

    def declarations(self, text: str) -> str:
        """What a text refers to and does not define, each in a line."""
        done = {known.name for known in (read(item) for _, item in items(text, True)[0]) if known is not None}
        found: list[str] = []

        def add(text: str) -> None:
            for token in _TOKEN.finditer(re.sub(r";[^\n]*", "", text)):
                name = _bare(token.group())
                known = self.known.get(name)
                if known is not None and name not in done:
                    done.add(name)
                    add(known.declaration)
                    found.append(known.declaration.replace("\n", " ") + "\n")

        add(text)
        return "".join(found)

    def _say(self, message: str) -> None:
        sys.stdout.flush()
        print(f"mgenjit: {message}", file=sys.stderr)

    def fail(self, message: str) -> None:
        self.has_failed = True
        self._say(message)

    def _tell_error(self, error: _errors.Error, waiting: list[tuple[int, str]], before: int) -> int | None:
        """Says what is wrong, and where it was typed. Returns which item that is, if it is known."""
        message = str(error)
        left = (error.line or 0) - 1 - before
        for index, (line, text) in enumerate(waiting):
            lines = text.count("\n") + 1
            if error.line is not None and 0 <= left < lines:
                message = message.partition(f":{error.line}:{error.column}: ")[2] or message
                source = text.split("\n")[left]
                caret = "".join("\t" if c == "\t" else " " for c in source[: (error.column or 1) - 1])
                self.fail(f"<stdin>:{line + left + 1}:{error.column}: {message}\n{source}\n{caret}^")
                return index
            left -= lines
        self.fail(f"<stdin>:{waiting[0][0] + 1}: {message}")
        return None

    def value(self, name: str) -> Any:
        """A variable's value, as far as ctypes knows its type, else its address. Or a function."""
        known = self.known.get("@" + name)
        if name in self.scope and (known is None or "(" in known.type):
            return self.scope[name]
        if known is None:
            raise NameError(f"@{name} is not defined")
        address = self.executor.lookup(name)
        made = _C_TYPES.get(known.type)
        if made is not None:
            return made.from_address(address).value
        array = re.match(r"\[(\d+) x i8\]$", known.type)
        return ctypes.string_at(address, int(array.group(1))) if array else address

    def assign(self, name: str, value: Any) -> None:
        known = self.known.get("@" + name)
        made = _C_TYPES.get(known.type) if known is not None else None
        if made is None:
            raise TypeError(f"@{name} is no variable of a type that can be assigned")
        made.from_address(self.executor.lookup(name)).value = value

    def _declared(self, name: str) -> Any:
        """A function of the C library, or of another that is loaded."""
        try:
            function = self.library[name]
        except AttributeError:
            return None
        known = self.known.get("@" + name)
        if known is not None:
            before, _, parameters = known.type.partition("@")
            function.restype = _C_TYPES.get(before.split()[-1])
            function.argtypes = [
                _C_TYPES[part.split()[0]]
                for part in _parts(parameters.partition("(")[2].rpartition(")")[0])
                if part.split()[0] in _C_TYPES
            ]
        elif name in _OF_DOUBLES or name in ("atan2", "fmod", "hypot", "pow"):
            function.restype = ctypes.c_double
            function.argtypes = [ctypes.c_double] * (1 if name in _OF_DOUBLES else 2)
        elif name in ("getenv", "strerror"):
            function.restype = ctypes.c_char_p
        elif name in ("malloc", "calloc", "realloc", "strdup"):
            function.restype = ctypes.c_void_p
        elif name in ("strlen", "time", "labs"):
            function.restype = ctypes.c_int64

        def call(*arguments: Any) -> Any:
            given = arguments
            if function.argtypes is None:
                given = tuple(_for_c(argument) for argument in arguments)
            return function(*given)

        return _Called(self, call, f"<function {name} of a library>")

    def evaluate(self, text: str, line: int) -> None:
        """Computes a line of Python and prints what it is, as Python does."""
        source = re.sub(rf"^\s*@({_NAME})\s*=(?!=)(.*)$", r"_assign('\1', \2)", text, flags=re.S)
        source = re.sub(
            rf"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|@({_NAME})""",
            lambda found: found.group(1) or f"_value({_bare(found.group(2))!r})",
            source,
        )
        try:
            code = compile(source.strip() + "\n", "<stdin>", "single")
            for name in _names(code):
                if name not in self.scope and not hasattr(__import__("builtins"), name):
                    made = self._declared(name)
                    if made is not None:
                        self.scope[name] = made
            exec(code, self.scope)
        except (Exception, KeyboardInterrupt) as error:
            self.fail(f"<stdin>:{line + 1}: {traceback.format_exception_only(type(error), error)[-1].strip()}")
        sys.stdout.flush()

    def command(self, text: str, line: int) -> bool:
        name, _, rest = text.partition(" ")
        rest = rest.strip()
        if name == ":quit":
            return False
        commands: dict[str, Any] = {
            ":asm": lambda: self._show(rest, "assembly"),
            ":functions": lambda: self._list(True),
            ":help": lambda: print(_HELP, end=""),
            ":ir": lambda: self._show(rest, "ir"),
            ":load": lambda: self.load(rest),
            ":reload": self._reload,
            ":time": lambda: print(self.last.times if self.last is not None else "nothing was compiled yet"),
            ":variables": lambda: self._list(False),
        }
        if name not in commands:
            self.fail(f"<stdin>:{line + 1}: there is no command {name}: see :help")
            return True
        try:
            commands[name]()
        except (_errors.Error, OSError) as error:
            self.fail(f"<stdin>:{line + 1}: {error}")
        return True

    def _list(self, functions: bool) -> None:
        for known in self.known.values():
            if known.is_defined and functions == ("(" in known.type):
                print(known.type if functions else f"{known.type} {known.name}")

    def _show(self, name: str, kind: str) -> None:
        name = "@" + name.lstrip("@")
        module = self.last if name == "@" else self.modules.get(name)
        if module is None:
            self.fail(f"{name[1:] or 'nothing'} is not defined here")
            return
        text = module.export_bytes(kind).decode("utf-8", "replace")
        if name != "@" and kind == "ir":
            found = [item for _, item in items(text, True)[0] if getattr(read(item), "name", None) == name]
            text = found[0] if found else text
        elif name != "@":
            start = re.search(rf'^"?{re.escape(name[1:])}"?:', text, re.M)
            text = text[start.start() :].partition("\n.Lfunc_end")[0] if start else text
        print(text.rstrip())

    def load(self, path: str) -> None:
        """Compiles a file, or the new version of one, or loads a shared library."""
        if path.endswith(".so") or ".so." in path:
            self.executor.load_library(path if "/" in path or not os.path.exists(path) else "./" + path)
            return
        time = os.stat(path).st_mtime_ns
        old = self.files.get(path)
        with open(path, "rb") as file:
            data = file.read()
        if old is None:
            module = self.executor.compile(data, name=path)
        else:
            module = old[0].replace(data, name=path, allow_vanished=True, allow_changed=True)
        self.files[path] = (module, time)
        is_text = b"\0" not in data and not data.startswith(b"BC")
        text = data if is_text else module.export_bytes("ir") if path.endswith(".bc") else b""
        for _, item in items(text.decode("utf-8", "replace"), True)[0]:
            if _visible(item) == item and item[0] not in "!$" and not item.startswith("attributes"):
                self._record(read(item), module)
        self._link(module)

    def _reload(self) -> None:
        changed = [path for path, (_, time) in self.files.items() if os.stat(path).st_mtime_ns != time]
        for path in changed:
            self.load(path)
        if not changed:
            self._say("no file has changed")

    def complete(self, text: str, state: int) -> str | None:
        """What readline asks."""
        names = [":asm", ":functions", ":help", ":ir", ":load", ":quit", ":reload", ":time", ":variables"]
        names += [name for known in self.known if known[0] == "@" for name in (known, known[1:])]
        matches = sorted({name for name in names if name.startswith(text)})
        return matches[state] if state < len(matches) else None


def _shape(type: str) -> str:
    return re.sub(r"\s+", "", type)


def _for_c(argument: Any) -> Any:
    """An argument for a function whose parameters are not known."""
    if isinstance(argument, float):
        return ctypes.c_double(argument)
    if isinstance(argument, int) and not -(1 << 31) <= argument < 1 << 31:
        return ctypes.c_int64(argument)
    return argument


def _names(code: Any) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from _names(constant)


def _start_readline(session: Session) -> None:
    """History and completion, where Python has readline."""
    try:
        import readline
    except ImportError:
        return
    folder = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    history = os.path.join(folder, "mgenjit", "python-history")
    try:
        os.makedirs(os.path.dirname(history), mode=0o700, exist_ok=True)
        if os.path.exists(history):
            readline.read_history_file(history)
    except OSError:
        return
    readline.set_history_length(1000)
    readline.set_completer(session.complete)
    readline.set_completer_delims(" \t\n\"\\'`()[]{},;=+*%<>")
    readline.parse_and_bind("tab: complete")
    import atexit

    atexit.register(_save_history, readline, history)


def _save_history(readline: Any, path: str) -> None:
    try:
        readline.write_history_file(path)
    except OSError:
        pass


def _is_more_waiting() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help"):
        print("usage: python -m mgenjit [FILE...]\n\nLoads the files, and reads what is typed.\n\n" + _HELP, end="")
        return 0
    session = Session(sys.stdin.isatty() and sys.stdout.isatty())
    for path in sys.argv[1:]:
        session.command(f":load {path}", -1)
    if session.is_interactive:
        _start_readline(session)
        print(f"mgenjit {__version__}: LLVM IR, compiled as it comes, and Python. :help tells more, Ctrl-D ends.")
    rest, first, goes_on = "", 0, True
    while goes_on:
        if session.is_interactive and not rest.strip() and not _is_more_waiting():
            session.compile()
            first = 0
        try:
            if session.is_interactive:
                line = input("    ...> " if rest.strip() else "mgenjit> ") + "\n"
            else:
                line = sys.stdin.readline()
        except EOFError:
            line = ""
        except KeyboardInterrupt:
            print("^C")
            rest, first = "", 0
            continue
        text = rest + line
        # Of an item that is open, only what may close it is worth a look.
        if line and rest.strip() and not re.search(r"[\])}]", line) and re.search(r"[\[({]", rest):
            rest = text
            continue
        found, rest = items(text, not line)
        for number, item in found:
            goes_on = goes_on and session.take(first + number, item)
        first += text.count("\n") - rest.count("\n")
        goes_on = goes_on and bool(line)
    session.compile()
    return 1 if session.has_failed and not session.is_interactive else 0
