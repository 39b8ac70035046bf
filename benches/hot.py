#!/usr/bin/env python3
"""Writes ../hot.ld: which functions of the library a hit runs, for the linker to put side by side.

hot.py FOLDER: where the benchmarks' programs are, and the IR that they run. `make hot` calls it.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

HEAD = """\
/*
 * What a hit runs, side by side, so that a process that only hits has few pages of the library. Written by `make hot`:
 * tests/hit_path.rs says when that is due. A function that is missing here, or gone, costs a page and nothing else.
 *
 * Stars stand for what differs between compilers. The last lines are what no function's name says: a function that is
 * looked at, and files whose functions have no sections of their own.
 */
SECTIONS
{
  .text :
  {
"""
TAIL = """\
    *(.text.__jit_debug_register_code)
    *libc_nonshared.a:*(.text)
    *blake3*:*avx512*(.text)
    *blake3*:*avx2*(.text)
    mgenjit_hot_end = .;
    *(.text .text.*)
  }
}
INSERT AFTER .fini;
"""


def functions(command, folder):
    """The names of the library's functions that a command runs, as the linker knows them."""
    out = pathlib.Path(folder) / "callgrind.out"
    subprocess.run(
        ["valgrind", "--tool=callgrind", "--demangle=no", "--compress-strings=no", f"--callgrind-out-file={out}", *command],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ours = False
    for line in out.read_text().splitlines():
        if line.startswith("ob="):
            ours = "libmgenjit.so" in line
        elif ours and line.startswith(("fn=_ZN", "fn=_R", "fn=mgenjit_", "fn=pthread_")):
            yield line[3:].split("'")[0]


def pattern(name):
    """The name, with stars for its hash and what LLVM appends. In names by Rust's `v0` scheme, which the standard library
    may have, also for hashes of crates, the numbers of `impl` blocks and references to places in the name."""
    name = re.sub(r"\.llvm\.\d+$", "*", name)
    if name.startswith("_ZN"):
        return re.sub(r"17h[0-9a-f]{16}E", "17h*E", name)
    name = re.sub(r"(?<=[MX])s[0-9A-Za-z]{0,2}_", "*", name)
    name = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)
    return re.sub(r"B[0-9a-zA-Z]{0,2}_", "B*_", name)


def main():
    bench = pathlib.Path(sys.argv[1])
    ir = str(bench / "small.ll")
    with tempfile.TemporaryDirectory() as folder:
        programs = [
            [str(bench / "first_call_mgenjit"), folder, ir, "length"],
            [str(bench / "in_process"), folder, ir, "length", "3"],
        ]
        # Below valgrind the CPU is another: what is cached is that one's.
        subprocess.run(["valgrind", "--tool=none", *programs[0]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = {name for program in programs for name in functions(program, folder)}
    target = pathlib.Path(__file__).parent.parent / "hot.ld"
    # Other builds inline other functions: what is listed stays, as long as the file is there.
    listed = set(re.findall(r"^    \*\(\.text\.(\S+) \.text\.\*\.\1\)$", target.read_text(), re.M)) if target.exists() else set()
    names = sorted(listed | {pattern(name) for name in found})
    lines = [f"    *(.text.{name} .text.*.{name})\n" for name in names]
    target.write_text(HEAD + "".join(lines) + TAIL)
    print(f"hot.ld: {len(names)} functions")


if __name__ == "__main__":
    main()
