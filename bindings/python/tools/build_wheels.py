"""Builds the wheels from what `make` built: python tools/build_wheels.py RELEASE_FOLDER WHEELS_FOLDER

`mgenjit` has the package, the library and the header; `mgenjit-server` has the compile server, which it puts beside the
library, where the library looks for it. Equal inputs give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
CHECKOUT = PACKAGE.parent.parent
# The oldest glibc that has all that the library and the server refer to: `auditwheel show` tells.
GLIBC = (2, 36)
LICENSES = ("LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY.md")
# By `e_machine` of ELF: what tags and tools call a machine, and its loader.
MACHINES = {62: ("x86_64", "ld-linux-x86-64.so.2"), 183: ("aarch64", "ld-linux-aarch64.so.1")}


def machine_of(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        number = int.from_bytes(file.read(20)[18:], "little")
    return MACHINES.get(number) or sys.exit(f"{path} is for a machine that no wheels are made for: {number}")


def tag_of(machine: str) -> str:
    return f"py3-none-manylinux_{GLIBC[0]}_{GLIBC[1]}_{machine}"


def stripped(path: Path) -> bytes:
    machine, _ = machine_of(path)
    strip = "strip" if machine == os.uname().machine else f"{machine}-linux-gnu-strip"
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / path.name
        subprocess.run([strip, "--strip-unneeded", "-o", result, path], check=True)
        return result.read_bytes()


def check_system(path: Path) -> None:
    """What a system of the tag has: its libraries, and their versions of symbols."""
    machine, loader = machine_of(path)
    dynamic = subprocess.run(["readelf", "-dVW", path], check=True, capture_output=True, text=True).stdout
    versions = {tuple(map(int, v.split("."))) for v in re.findall(r"Name: GLIBC_([\d.]+)", dynamic)}
    newest = max(versions, default=(0,))
    if newest > GLIBC:
        sys.exit(f"{path} needs glibc {'.'.join(map(str, newest))}: the tag {tag_of(machine)} would be wrong")
    allowed = {"libc.so.6", "libm.so.6", "libz.so.1", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2"}
    others = set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.*?)\]", dynamic)) - allowed - {loader}
    if others:
        names = ", ".join(sorted(others))
        sys.exit(f"{path} needs {names}, which not every system has: install what links it statically, and build again")


def wheel(folder: Path, name: str, version: str, tag: str, metadata: str, files: dict[str, tuple[bytes, int]]) -> Path:
    info = f"{name}-{version}.dist-info"
    files[f"{info}/METADATA"] = (metadata.encode(), 0o644)
    generator = "Wheel-Version: 1.0\nGenerator: mgenjit\nRoot-Is-Purelib: false\n"
    files[f"{info}/WHEEL"] = (f"{generator}Tag: {tag}\n".encode(), 0o644)
    for license in LICENSES:
        files[f"{info}/licenses/{license}"] = ((CHECKOUT / license).read_bytes(), 0o644)
    record = []
    for path, (data, _) in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        record.append(f"{path},sha256={digest},{len(data)}\n")
    files[f"{info}/RECORD"] = ("".join([*record, f"{info}/RECORD,,\n"]).encode(), 0o644)
    target = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path, (data, mode) in files.items():
            member = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            member.external_attr = (0o100000 | mode) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return target


def main(release: Path, folder: Path) -> None:
    text = (PACKAGE / "mgenjit" / "__init__.py").read_text()
    version = re.findall(r'^__version__ = "(.*)"', text, re.M)[0]
    library, server, helper = (release / name for name in ("libmgenjit.so", "mgenjit-server", "mgenjit-helper"))
    for file in (library, server, helper):
        check_system(file)
    tag = tag_of(machine_of(library)[0])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("mgenjit*.whl"):
        old.unlink()
    common = (
        f"Version: {version}\nLicense-Expression: MIT OR Apache-2.0\nRequires-Python: >=3.9\n"
        "Classifier: Operating System :: POSIX :: Linux\nClassifier: Typing :: Typed\n"
    )
    summary = "Summary: Compiles LLVM IR, keeps the code in a cache, and calls it from Python"
    files: dict[str, tuple[bytes, int]] = {}
    for path in sorted((PACKAGE / "mgenjit").rglob("*")):
        if path.suffix in (".py", ".typed"):
            files[path.relative_to(PACKAGE).as_posix()] = (path.read_bytes(), 0o644)
    files[f"mgenjit/lib/libmgenjit.so.{version.partition('.')[0]}"] = (stripped(library), 0o755)
    files["mgenjit/include/mgenjit.h"] = ((CHECKOUT / "include" / "mgenjit.h").read_bytes(), 0o644)
    readme = (PACKAGE / "README.md").read_text()
    metadata = (
        f"Metadata-Version: 2.4\nName: mgenjit\n{common}{summary}\nRequires-Dist: mgenjit-server =={version}\n"
        f"Description-Content-Type: text/markdown\n\n{readme}"
    )
    print(wheel(folder, "mgenjit", version, tag, metadata, files))
    metadata = (
        f"Metadata-Version: 2.4\nName: mgenjit-server\n{common}Summary: The compile server of the package mgenjit\n"
    )
    # The library looks for the helper, which links executables, beside the server.
    files = {f"mgenjit/lib/{file.name}": (stripped(file), 0o755) for file in (server, helper)}
    print(wheel(folder, "mgenjit_server", version, tag, metadata, files))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
