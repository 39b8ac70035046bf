#!/usr/bin/env python3
"""Profile-guided optimisation, beside clang's of the same code: profile.py FOLDER, as `make bench-profile` runs it.

Each program is one module of all its files, as clang writes it without optimising. Both sides compile it without a profile, to
count, and with the profile of their own run, all at O2, and link it with the same command. Ours is in pieces, as it is by
default, and whole, as clang's is. What is run is the same workload that was counted. The gains are drawn in profile.svg of the folder, once all programs have run. All executables run in turns, and their processor time counts. $ROUNDS is how often; a second argument chooses programs."""

import glob
import os
import re
import resource
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = os.path.join(ROOT, "target/examples-c")
LLVM = os.path.join(os.environ.get("LLVM_SYS_221_PREFIX", "/usr/lib/llvm-22"), "bin")
ROUNDS = int(os.environ.get("ROUNDS", "11"))
SIDES = ("ours", "whole", "clang")
NAMES = [side + kind for side in SIDES for kind in ("", "-used")]
HERE = os.path.join(ROOT, "benches/profile")


def llvm(name):
    return os.path.join(LLVM, name)


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, **options).stdout


def crate(name):
    return run(os.path.join(ROOT, "benches/crate.sh"), name, text=True).strip()


def processor_time():
    """Of programs that have ended: other load changes it less than it changes what a clock shows."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


class Program:
    """The sources of a program, and the workloads that it is run with."""

    def __init__(self, name, sources, flags, runs):
        self.name, self.sources, self.flags, self.runs = name, sources, flags, runs

    def module(self, folder):
        path = os.path.join(folder, f"profile-{self.name}.bc")
        if not os.path.exists(path):
            parts = []
            for index, source in enumerate(self.sources):
                part = os.path.join(folder, f"profile-{self.name}-{index}.bc")
                run(llvm("clang"), "-O2", "-march=native", "-Xclang", "-disable-llvm-passes", "-emit-llvm", "-c", "-w",
                    *self.flags, "-o", part, source)  # fmt: skip
                parts.append(part)
            run(llvm("llvm-link"), "-o", path, *parts)
        return path


def programs():
    sqlite = os.path.join(crate("libsqlite3-sys"), "sqlite3")
    yield Program(
        "sqlite",
        [os.path.join(sqlite, "sqlite3.c"), os.path.join(ROOT, "benches/sqlite_workload.c")],
        ["-I" + sqlite, "-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_THREADSAFE=0"],
        {"queries": ["90000"]},
    )
    lua = glob.glob(os.path.join(os.path.dirname(crate("libsqlite3-sys")), "lua-src-*/lua-5.4*"))
    if lua:
        files = sorted(glob.glob(os.path.join(lua[0], "*.c")))
        files = [file for file in files if os.path.basename(file) not in ("lua.c", "luac.c")]
        scripts = {"fib": "32", "nbody": "300000", "trees": "13"}
        runs = {name: [os.path.join(HERE, name + ".lua"), size] for name, size in scripts.items()}
        yield Program("lua", [*files, os.path.join(HERE, "lua.c")], ["-I" + lua[0], "-DLUA_USE_LINUX"], runs)
    zstd = os.path.join(crate("zstd-sys"), "zstd/lib")
    files = sorted(sum((glob.glob(os.path.join(zstd, part, "*.c")) for part in ("common", "compress", "decompress")), []))
    yield Program(
        "zstd", [*files, os.path.join(HERE, "zstd.c")], ["-I" + zstd, "-DZSTD_DISABLE_ASM"], {"pack and unpack": ["10"]}
    )


def build_all(program, folder):
    """The executables of a program, by who made them and how."""
    module = program.module(folder)
    path = lambda name: os.path.join(folder, f"profile-{program.name}-{name}")  # noqa: E731
    cache = path("cache")
    libraries = ["-lm", "-ldl"]

    def ours(output, *options):
        run(os.path.join(TOOLS, "build"), "--cache-dir", cache, *options, "-o", output, module, *libraries)

    def clangs(output, *options):
        # What is compiled says its CPU.
        run(llvm("clang"), "-O2", "-fPIC", "-w", *options, module, "-o", output, *libraries)

    ours(path("ours"))
    ours(path("whole"), "--pieces", "off")
    clangs(path("clang"))
    profile, raw = path("ours.profdata"), path("clang.profraw")
    for old in glob.glob(profile) + glob.glob(raw + "*"):
        os.remove(old)
    clangs(path("clang-counting"), "-fprofile-generate")
    for index, arguments in enumerate(program.runs.values()):
        run(os.path.join(TOOLS, "run"), "--cache-dir", cache, "--profile-generate", profile, module, *arguments)
        run(path("clang-counting"), *arguments, env={**os.environ, "LLVM_PROFILE_FILE": f"{raw}-{index}"})
    run(llvm("llvm-profdata"), "merge", "-o", path("clang.profdata"), *sorted(glob.glob(raw + "-*")))
    ours(path("ours-used"), "--profile-use", profile)
    ours(path("whole-used"), "--pieces", "off", "--profile-use", profile)
    clangs(path("clang-used"), f"-fprofile-use={path('clang.profdata')}")
    told = subprocess.run(
        [os.path.join(TOOLS, "build"), "--no-cache", "--verbose", "--profile-use", path("clang.profdata"), "-o",
         path("of-clangs.o"), module],
        check=True, capture_output=True, text=True)  # fmt: skip
    lines = [line for line in told.stderr.splitlines() if "the profile" in line]
    counted = run(llvm("llvm-profdata"), "show", path("clang.profdata"), text=True)
    functions = int(re.search(r"Total functions: (\d+)", counted).group(1))
    missed = sum(int(number) for line in lines for number in re.findall(r"does not match (\d+) function", line))
    print(f"  clang's profile matches {functions - missed} of {functions} functions: {100 * (1 - missed / functions):.2f} %")
    return {name: path(name) for name in NAMES}


STYLE = """
text { font: 13px system-ui, sans-serif; fill: #777 }
.title { font-weight: 600; font-size: 15px }
.workload { font-weight: 600 }
.ours { fill: #2f7fd6 }
.other { fill: #9a9a9a }
"""
CALLED = {"ours": "libmgenjit", "whole": "libmgenjit, --pieces off", "clang": "clang"}


def draw(gains):
    """A picture of how many times as fast each workload is with a profile: `gains` has the sides of each, by its name."""
    parts, y = [], 26
    parts.append(f'<text x="0" y="{y}" class="title">How many times as fast with a profile</text>')
    longest = max(gain for sides in gains.values() for gain in sides.values())
    for workload, sides in gains.items():
        y += 28
        parts.append(f'<text x="0" y="{y}" class="workload">{workload}</text>')
        for side in SIDES:
            y += 24
            width, kind = sides[side] / longest * 430, "other" if side == "clang" else "ours"
            parts.append(f'<text x="12" y="{y}">{CALLED[side]}</text>')
            parts.append(f'<rect x="270" y="{y - 13}" width="{width:.1f}" height="16" class="{kind}"/>')
            parts.append(f'<text x="{round(278 + width)}" y="{y}">{sides[side]:.2f}</text>')
    size = f'viewBox="0 0 820 {y + 12}" width="820" height="{y + 12}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def main():
    gains = {}
    folder = os.path.abspath(sys.argv[1])
    chosen = sys.argv[2:]
    os.makedirs(folder, exist_ok=True)
    for program in programs():
        if chosen and program.name not in chosen:
            continue
        print(program.name, flush=True)
        built = build_all(program, folder)
        for what, arguments in program.runs.items():
            times = {name: [] for name in built}
            outputs = set()
            for _ in range(ROUNDS):
                for name, path in built.items():
                    before = processor_time()
                    outputs.add(run(path, *arguments))
                    times[name].append(processor_time() - before)
            assert len(outputs) == 1, outputs
            best = {name: min(all_times) for name, all_times in times.items()}
            middle = {name: statistics.median(all_times) for name, all_times in times.items()}
            for label, value in (("least", best), ("median", middle)):
                gain = {side: value[side] / value[side + "-used"] for side in SIDES}
                sides = [f"{side} {value[side]:.3f} s, {value[side + '-used']:.3f} s: {gain[side]:.3f}x" for side in SIDES]
                ratios = [f"{side} {gain[side] / gain['clang']:.3f}" for side in SIDES[:2]]
                print(f"  {what:<16} {label:<7} {'; '.join(sides)}; of clang's gain: {', '.join(ratios)}", flush=True)
            gains[f"{program.name}, {what}"] = gain
    if not chosen:
        with open(os.path.join(folder, "profile.svg"), "w", encoding="utf-8") as picture:
            picture.write(draw(gains))


if __name__ == "__main__":
    main()
