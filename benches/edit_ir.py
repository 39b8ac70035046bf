"""Edits of IR text, as a programmer's edits of the source would change it."""

import random
import re

DEFINE = re.compile(r"^define [^\n]*?@([\w.$]+|\"[^\"]+\")\(", re.M)
# A number that code uses: not a type, an alignment, an index of a structure, or a size that must fit.
NUMBER = re.compile(
    r"^(  (?:%[\w.]+ = (?:add|sub|mul|and|or|xor|icmp \w+)(?: n[us]w)* |store )i(?:32|64) (?:%[\w.]+, )?)(\d+)(,|$)", re.M
)


class Function:
    def __init__(self, name, start, end):
        self.name, self.start, self.end = name, start, end


def functions(text):
    """The functions that a module defines, in its order."""
    found = []
    for match in DEFINE.finditer(text):
        end = text.index("\n}\n", match.start()) + 3
        found.append(Function(match.group(1), match.start(), end))
    return found


def change(text, function):
    """Changes a number in a function's code; None: it has none."""
    body = text[function.start : function.end]
    numbers = [match for match in NUMBER.finditer(body) if int(match.group(2)) < 1 << 20]
    if not numbers:
        return None
    match = numbers[len(numbers) // 2]
    other = str(int(match.group(2)) + 1)
    body = body[: match.start(2)] + other + body[match.end(2) :]
    return text[: function.start] + body + text[function.end :]


def edits(text, count, seed):
    """`count` modules, in each of which one function's code has changed: pairs of its name and the text."""
    order = functions(text)
    random.Random(seed).shuffle(order)
    made = 0
    for function in order:
        changed = change(text, function)
        if changed is not None:
            yield function.name, changed
            made += 1
        if made == count:
            return


def add_function(text):
    """A new function in the middle, which an old one calls."""
    order = functions(text)
    place = order[len(order) // 2]
    new = "define internal i32 @mgenjit_bench_added(i32 %0) {\n  %2 = mul i32 %0, 7\n  ret i32 %2\n}\n\n"
    body = text[place.start : place.end]
    entry = body.index("{\n") + 2
    call = "  %mgenjit_bench = call i32 @mgenjit_bench_added(i32 3)\n"
    body = body[:entry] + call + body[entry:]
    return text[: place.start] + new + body + text[place.end :]


def remove_function(text):
    """Without a function that nothing refers to any more: the first of those that are there for others alone."""
    for function in functions(text):
        name = function.name
        header = text[function.start : text.index("\n", function.start)]
        used = len(re.findall(r"@" + re.escape(name) + r"\b", text))
        if used == 1 and not re.match(r"define (internal|private)", header):
            return name, text[: function.start] + text[function.end :]
    return None, None


def change_constant(text):
    """Another text in a constant."""
    match = re.search(r'^@\.str\.(\d\d+) = private unnamed_addr constant \[\d+ x i8\] c"([a-z]{6,})', text, re.M)
    at = match.start(2)
    return text[:at] + ("z" if text[at] != "z" else "y") + text[at + 1 :]


def add_constant(text):
    """A new text, before the others: front ends number them, so all others change their names."""
    names = re.findall(r"@\.str(?:\.\d+)?\b", text)
    number = {name: index for index, name in enumerate(dict.fromkeys(names))}
    text = re.sub(r"@\.str(?:\.\d+)?\b", lambda match: f"@.str.{number[match.group()] + 1}", text)
    new = '@.str.0 = private unnamed_addr constant [8 x i8] c"mgenjit\\00", align 1\n'
    at = text.index("\n@") + 1
    text = text[:at] + new + text[at:]
    place = functions(text)[len(number) % 50]
    body = text[place.start : place.end]
    entry = body.index("{\n") + 2
    use = "  %mgenjit_bench = load volatile i8, ptr @.str.0, align 1\n"
    return text[: place.start] + body[:entry] + use + body[entry:] + text[place.end :]


def change_variable(text):
    """Another value of a variable."""
    match = re.search(r"^@[\w.]+ = (?:internal |dso_local )?global i32 (-?\d+)", text, re.M)
    return text[: match.start(1)] + str(int(match.group(1)) + 1) + text[match.end(1) :]
