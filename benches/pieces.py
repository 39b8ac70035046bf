#!/usr/bin/env python3
"""Large modules in pieces, beside the same modules compiled as one: pieces.py FOLDER, as `make bench-pieces` runs it.

FOLDER has sqlite.ll and small.ll, see prepare.sh. A second argument chooses parts by their letters, see PARTS."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import edit_ir

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = os.path.join(ROOT, "target/examples-c")
SERVER = os.path.join(ROOT, "target/release/mgenjit-server")
LLVM = os.path.join(os.environ.get("LLVM_SYS_221_PREFIX", "/usr/lib/llvm-22"), "bin")
EDITS = int(os.environ.get("EDITS", "40"))
SEED = 16


def tool(name):
    return os.path.join(LLVM, name)


def timed(*command, **options):
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    return time.perf_counter() - begun


class Place:
    """A folder with caches and what is built."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mgenjit-pieces-")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def empty(self, name):
        shutil.rmtree(self.path(name), ignore_errors=True)
        return self.path(name)

    def build(self, ir, cache, pieces, level="2", output="module.o"):
        """The seconds of a new process that compiles `ir` into an object."""
        return timed(
            os.path.join(TOOLS, "build"), f"-O{level}", "--pieces", pieces, "--cache-dir", self.path(cache),
            "-o", self.path(output), ir,
        )  # fmt: skip

    def entry(self, cache, name):
        """What `cache show` says of the module of this name."""
        cache_tool = [os.path.join(TOOLS, "cache"), "--cache-dir", self.path(cache)]
        listed = subprocess.run([*cache_tool, "list", "--json"], check=True, capture_output=True, text=True).stdout
        keys = [json.loads(line) for line in listed.splitlines()]
        key = next(entry["key"] for entry in keys if entry["name"] == name)
        shown = subprocess.run([*cache_tool, "show", key, "--json"], check=True, capture_output=True, text=True).stdout
        return json.loads(shown)

    def bytes_of(self, cache):
        total = 0
        for folder, _, files in os.walk(os.path.join(self.path(cache), "v4/entries")):
            total += sum(os.path.getsize(os.path.join(folder, file)) for file in files)
        return total


def row(what, seconds=None, ratio=None, target=None, unit="s"):
    text = f"  {what:<58}"
    text += f" {seconds:9.3f} {unit}" if seconds is not None else " " * 11
    if ratio is not None:
        text += f"  {ratio:6.3f}x"
    if target is not None:
        text += f"  target {target}  {'met' if ratio <= target else 'MISSED'}"
    print(text, flush=True)


def cold(place, folder):
    print("cold, SQLite at O2: a new process with an empty cache, to the object")
    uncut, cut, peers = [], [], []
    for _ in range(3):
        place.empty("uncut")
        uncut.append(place.build(f"{folder}/sqlite.ll", "uncut", "off", output="uncut.o"))
        place.empty("cut")
        cut.append(place.build(f"{folder}/sqlite.ll", "cut", "auto", output="cut.o"))
        peers.append(
            timed(tool("opt"), "-O2", "-mcpu=native", "-o", place.path("peer.bc"), f"{folder}/sqlite.ll")
            + timed(tool("llc"), "-O2", "-mcpu=native", "-filetype=obj", "-relocation-model=pic", "-o",
                    place.path("peer.o"), place.path("peer.bc"))
            + timed(tool("ld.lld"), "-shared", "-o", place.path("peer.so"), place.path("peer.o"))
        )  # fmt: skip
    whole = statistics.median(uncut)
    pieces = statistics.median(cut)
    row("compiled as one", whole)
    row("in pieces", pieces, pieces / whole, 0.60)
    row("opt, llc, ld.lld", statistics.median(peers))
    row("in pieces, beside that", None, pieces / statistics.median(peers), 0.62)
    entry = place.entry("cut", f"{folder}/sqlite.ll")
    times = sorted((piece["compile_time"] / 1e6 for piece in entry["made_of"]), reverse=True)
    serial = entry["compile_time"] / 1e6 - sum(times)
    print(f"  {len(times)} pieces; the longest takes {times[0]:.2f} s, all {sum(times):.2f} s; the rest {serial:.2f} s")
    for cores in (4, 8, 16):
        busy = [0.0] * cores
        for one in times:
            busy[busy.index(min(busy))] += one
        row(f"simulated from these times, {cores} cores", serial + max(busy), (serial + max(busy)) / whole)


def after_edits(place, folder):
    print(f"after an edit, SQLite at O2: {EDITS} functions, one at a time, by a fixed seed")
    with open(f"{folder}/sqlite.ll", encoding="utf-8") as file:
        text = file.read()
    place.empty("uncut")
    whole = place.build(f"{folder}/sqlite.ll", "uncut", "off")
    row("compiled as one, cold", whole)
    for kind, target in (("text", 0.10), ("bitcode", 0.07)):
        place.empty("edited")
        place.build(write(place, text, kind), "edited", "auto")
        taken = []
        for name, edited in edit_ir.edits(text, EDITS, SEED):
            taken.append((place.build(write(place, edited, kind), "edited", "auto"), name))
        seconds = [one for one, _ in taken]
        row(f"{kind}: mean", statistics.mean(seconds), statistics.mean(seconds) / whole, target)
        row(f"{kind}: median", statistics.median(seconds), statistics.median(seconds) / whole)
        worst, name = max(taken)
        row(f"{kind}: the longest, {name}", worst, worst / whole)
    for what, edited in (
        ("a function added", edit_ir.add_function(text)),
        ("a function removed", edit_ir.remove_function(text)[1]),
        ("a text changed", edit_ir.change_constant(text)),
        ("a text added, all others renumbered", edit_ir.add_constant(text)),
        ("a variable's value changed", edit_ir.change_variable(text)),
    ):
        seconds = place.build(write(place, edited, "text"), "edited", "auto")
        row(what, seconds, seconds / whole)
    parse = timed(tool("llvm-as"), "-o", "/dev/null", f"{folder}/sqlite.ll")
    row("of it, to read the text (llvm-as)", parse, parse / whole)


def write(place, text, kind):
    path = place.path("sqlite.ll" if kind == "text" else "sqlite.bc")
    with open(place.path("sqlite.ll"), "w", encoding="utf-8") as file:
        file.write(text)
    if kind == "bitcode":
        subprocess.run([tool("llvm-as"), "-o", path, place.path("sqlite.ll")], check=True)
    return path


def code(place, folder):
    print("the code: instructions that it executes, and its size")
    many = os.path.join(folder, "many.ll")
    if not os.path.exists(many):
        subprocess.run(
            [sys.executable, os.path.join(ROOT, "benches/many_files.py"), tool("clang"), tool("llvm-link"),
             place.path("files"), "200", many], check=True,
        )  # fmt: skip
    workload = os.path.join(ROOT, "benches/sqlite_workload.c")
    for name, ir, sources, arguments in (
        ("SQLite", f"{folder}/sqlite.ll", [workload], ["6000"]),
        ("200 files", many, [], ["3"]),
    ):
        executed, sizes = {}, {}
        for pieces in ("off", "auto"):
            place.empty("code")
            place.build(ir, "code", pieces, output=f"{pieces}.o")
            sizes[pieces] = text_size(place.path(f"{pieces}.o"))
            program = place.path(f"program-{pieces}")
            if sources:
                # The workload has its own.
                subprocess.run(["objcopy", "--localize-symbol=main", place.path(f"{pieces}.o")], check=True)
            subprocess.run(
                ["cc", "-O2", "-o", program, *sources, place.path(f"{pieces}.o"), "-lm", "-lpthread"], check=True
            )
            executed[pieces] = instructions(place, program, arguments)
        ratio = executed["auto"] / executed["off"]
        row(f"{name}: millions of instructions as one", executed["off"] / 1e6, unit="M")
        row(f"{name}: in pieces", executed["auto"] / 1e6, ratio, 1.01, unit="M")
        row(f"{name}: code, KiB", sizes["auto"] / 1024, sizes["auto"] / sizes["off"], 1.08, unit="K")


def instructions(place, program, arguments):
    counts = place.path("callgrind.out")
    subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}", program, *arguments],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with open(counts, encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(("summary:", "totals:")))


def text_size(path):
    lines = subprocess.run(["size", path], check=True, capture_output=True, text=True).stdout.splitlines()
    return int(lines[1].split()[0])


class Memory(threading.Thread):
    """The most memory that a process and the compile servers had together, as far as samples tell."""

    def __init__(self):
        super().__init__()
        self.most, self.ends = 0, threading.Event()

    def run(self):
        while not self.ends.wait(0.02):
            self.most = max(self.most, sum(map(private_memory, processes())))


def processes():
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                program = os.readlink(f"/proc/{name}/exe")
            except OSError:
                continue
            if program.startswith(ROOT) or program == os.path.realpath(SERVER):
                yield name


def private_memory(process):
    try:
        with open(f"/proc/{process}/smaps_rollup", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def memory(place, folder):
    print("memory of all processes together, and disk, SQLite at O2")
    most, disk = {}, {}
    for pieces in ("off", "auto"):
        place.empty("memory")
        sampler = Memory()
        sampler.start()
        place.build(f"{folder}/sqlite.ll", "memory", pieces)
        sampler.ends.set()
        sampler.join()
        most[pieces], disk[pieces] = sampler.most, place.bytes_of("memory")
    row("memory as one, MiB", most["off"] / 1024, unit="M")
    row("in pieces", most["auto"] / 1024, most["auto"] / most["off"], 1.5, unit="M")
    row("disk as one, MiB", disk["off"] / (1 << 20), unit="M")
    row("in pieces", disk["auto"] / (1 << 20), disk["auto"] / disk["off"], 2, unit="M")


def small(place, folder):
    print("a small module, which is not cut: cold")
    taken = {"off": [], "auto": []}
    for _ in range(40):
        for pieces, times in taken.items():
            place.empty("small")
            times.append(place.build(f"{folder}/small.ll", "small", pieces, output=f"small-{pieces}.o"))
    off, auto = (statistics.median(taken[pieces]) for pieces in ("off", "auto"))
    row("pieces off", off * 1000, unit="ms")
    row("automatic", auto * 1000, auto / off, 1.02, unit="ms")
    objects = [open(place.path(f"small-{pieces}.o"), "rb").read() for pieces in taken]
    print("  the objects are", "the same" if objects[0] == objects[1] else "DIFFERENT")


def threshold(place, folder):
    del folder
    print("where cutting begins to win: modules of growing size, cold, at O2")
    for copies in (30, 60, 120, 240):
        path = place.path("many.ll")
        with open(path, "w", encoding="utf-8") as file:
            subprocess.run([os.path.join(ROOT, "examples-c/programs/many.sh"), str(copies)], check=True, stdout=file)
        taken = {"off": [], "4000": []}
        for _ in range(5):
            for pieces, times in taken.items():
                place.empty("many")
                times.append(place.build(path, "many", pieces))
        off, cut = (statistics.median(taken[pieces]) for pieces in ("off", "4000"))
        with open(path, encoding="utf-8") as file:
            instructions = sum(line.startswith("  ") for line in file)
        row(f"{instructions} instructions, as one", off)
        row("in pieces of 4000", cut, cut / off)


PARTS = {"c": cold, "e": after_edits, "i": code, "m": memory, "s": small, "t": threshold}


def main():
    folder = os.path.abspath(sys.argv[1])
    chosen = sys.argv[2] if len(sys.argv) > 2 else "".join(PARTS)
    place = Place()
    for letter in chosen:
        PARTS[letter](place, folder)


main()
