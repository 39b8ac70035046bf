#!/usr/bin/env python3
"""Tiers, beside `lli -O2` and beside O2 alone: tiers.py FOLDER, as `make bench-tiers` runs it.

FOLDER has small.ll and sqlite.ll, see prepare.sh. A second argument chooses parts by their letters, see PARTS. What is
compared takes turns, round by round."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUN = os.path.join(ROOT, "target/examples-c/run")
TOOL = os.path.join(ROOT, "target/examples-c/mgenjit")
MANY = os.path.join(ROOT, "target/benches/compile_many")
LLVM = os.path.join(os.environ.get("LLVM_SYS_221_PREFIX", "/usr/lib/llvm-22"), "bin")
LLI = os.path.join(LLVM, "lli")
ROUNDS = int(os.environ.get("ROUNDS", "21"))
TIERS = ("--tiers", "O0,O2")


class Place:
    """A folder with caches, in which servers of its own are found."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mgenjit-tiers-", ignore_cleanup_errors=True)
        os.chmod(self.folder.name, 0o700)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def empty(self, name):
        shutil.rmtree(self.path(name), ignore_errors=True)
        return self.path(name)

    def timed(self, command, mode="private", cache=None, **variables):
        environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": self.folder.name,
            "MGENJIT_SERVER_MODE": mode,
            "MGENJIT_CACHE_DIR": self.path(cache or "cache"),
            **variables,
        }
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        return time.perf_counter() - begun

    def entries(self, cache):
        """How many modules a cache has."""
        listed = subprocess.run(
            [TOOL, "cache", "--cache-dir", self.path(cache), "list", "--json"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        return len(listed.splitlines())

    def settle(self, cache, count):
        """Waits until a cache has so many modules, so that what is done in the background takes nothing of what is
        measured next."""
        begun = time.perf_counter()
        while self.entries(cache) < count:
            time.sleep(0.05)
        return time.perf_counter() - begun

    def stop(self):
        environment = {**os.environ, "XDG_RUNTIME_DIR": self.folder.name}
        subprocess.run(
            [TOOL, "server", "stop", "--force"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=False,
        )  # fmt: skip


def row(what, seconds, peer=None, target=None, least=False):
    """`least`: the ratio is to be at least the target."""
    text = f"  {what:<60} {seconds * 1e3:10.2f} ms"
    if peer is not None:
        ratio = peer / seconds if least else seconds / peer
        text += f"  {ratio:6.3f}x"
        if target is not None:
            met = ratio >= target if least else ratio <= target
            text += f"  target {target}  {'met' if met else 'MISSED'}"
    print(text, flush=True)


def small(place, folder):
    """A cold program."""
    for name, targets in (("small", (0.25, 0.6)), ("work-fibonacci", (None, None))):
        ir = f"{folder}/{name}.ll"
        print(f"cold, a new process to the end of main: {name}.ll")
        ways = {"shared": [], "private": [], "lli": [], "shared, O2 alone": []}
        place.timed([RUN, "-O0", ir], mode="shared", cache="warm-up")
        for number in range(ROUNDS):
            # What is ordered in the background goes on meanwhile, at the lowest priority.
            for mode in ("shared", "private"):
                ways[mode].append(place.timed([RUN, *TIERS, ir], mode=mode, cache=f"{name}-{mode}-{number}"))
            place.empty("alone")
            ways["shared, O2 alone"].append(place.timed([RUN, "-O2", ir], mode="shared", cache="alone"))
            ways["lli"].append(place.timed([LLI, "-O2", ir]))
        peer = statistics.median(ways["lli"])
        row("lli -O2", peer)
        row("tiers, shared server", statistics.median(ways["shared"]), peer, targets[0])
        row("tiers, private server", statistics.median(ways["private"]), peer, targets[1])
        row("O2 alone, shared server", statistics.median(ways["shared, O2 alone"]), peer)


def sqlite(place, folder):
    """A large program."""
    ir = f"{folder}/sqlite.ll"
    if not os.path.exists(ir):
        return print("SQLite is skipped: there is no sqlite.ll")
    print("SQLite: a new process with an empty cache, to the end of its first query")
    tiers, uncut = [], []
    for _ in range(3):
        place.empty("tiers")
        tiers.append(place.timed([RUN, *TIERS, ir], cache="tiers"))
        row("  of the second tier: until it is stored", place.settle("tiers", 2))
        place.empty("uncut")
        uncut.append(place.timed([RUN, "--pieces", "off", "-O2", ir], cache="uncut"))
    peer = statistics.median(uncut)
    row("O2, compiled as one", peer)
    row("tiers", statistics.median(tiers), peer, 0.12)
    print("SQLite: the next process runs a workload")
    workload = place.path("workload.ll")
    subprocess.run(
        [os.path.join(LLVM, "clang"), "-O2", "-S", "-emit-llvm", "-o", workload,
         os.path.join(ROOT, "benches/sqlite_workload.c")], check=True,
    )  # fmt: skip
    place.timed([RUN, "-O2", ir], cache="alone")
    later, alone = [], []
    for _ in range(5):
        # The workload's main wins: it comes last.
        later.append(place.timed([RUN, *TIERS, "--add", workload, ir, "20000"], cache="tiers"))
        alone.append(place.timed([RUN, "-O2", "--add", workload, ir, "20000"], cache="alone"))
    peer = statistics.median(alone[1:])
    row("O2 alone", peer)
    row("tiers; its speed", statistics.median(later[1:]), peer, 0.98, least=True)


def many(place, folder):
    """Many modules at once."""
    print("100 modules, from 8 processes of a shared server, until all have run")
    with open(f"{folder}/small.ll", encoding="utf-8") as file:
        text = file.read()
    files = []
    for number in range(100):
        files.append(place.path(f"m{number}.ll"))
        with open(files[-1], "w", encoding="utf-8") as file:
            file.write(text.replace("ret i64 50000\n", f"ret i64 {50000 + number}\n"))
    parts = [files[start::8] for start in range(8)]
    tiers, peers = [], []
    place.timed([RUN, "-O0", files[0]], mode="shared", cache="warm-up")
    # What is ordered in the background goes on meanwhile, at the lowest priority.
    for number in range(max(ROUNDS // 7, 1)):
        cache = place.path(f"many-{number}")
        with ThreadPoolExecutor(8) as pool:
            begun = time.perf_counter()
            list(pool.map(
                lambda part: place.timed([MANY, cache, *part], mode="shared", MGENJIT_TIERS="O0,O2"), parts
            ))  # fmt: skip
            tiers.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            list(pool.map(lambda file: place.timed([LLI, "-O2", file]), files))
            peers.append(time.perf_counter() - begun)
    peer = statistics.median(peers)
    row("lli -O2 for each, 8 at a time", peer)
    row("tiers", statistics.median(tiers), peer, 0.35)


PARTS = {"a": small, "b": sqlite, "c": many}


def main():
    folder = os.path.abspath(sys.argv[1])
    chosen = sys.argv[2] if len(sys.argv) > 2 else "".join(PARTS)
    for letter in chosen:
        place = Place()
        try:
            PARTS[letter](place, folder)
        finally:
            place.stop()


main()
