"""Ways from C into Python that close when the interpreter ends.

The library's threads, threads that Python does not wait for, and destructors that C's exit runs may call a hook or a
callback when Python cannot run any more: ctypes would crash. So they call an entry, a few instructions before ctypes'
function. An entry that is closed returns 0. A thread that Python ends while it waits to enter is unwound as far as the
entry, and no further: what is below it, such as frames of the library, could not be.
"""

from __future__ import annotations

import ctypes
import mmap
import os

from . import _abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PAGE = mmap.PAGESIZE
_ENTRIES = 64
# How far the second way in is behind the first.
_JUMP = 32


# An entry with a frame of its own, and a jump for functions of which arguments are on the stack. Both load the function
# from the entry's cell, which is in the next page: NULL when the entry is closed.


def _x86_64(cell: int) -> bytes:
    # They are relative to the end of the instruction.
    one, other = ((cell - behind).to_bytes(4, "little").hex() for behind in (11, _JUMP + 11))
    return bytes.fromhex(
        f"f30f1efa 4c8b1d{one} 4d85db 7409"  # endbr64; mov cell, %r11; test %r11, %r11; jz closed
        "55 4889e5 41ffd3 5d c3"  # push %rbp; mov %rsp, %rbp; call *%r11; pop %rbp; ret
        "31c0 0f57c0 c3 90"  # closed: xor %eax, %eax; xorps %xmm0, %xmm0; ret
        f"f30f1efa 4c8b1d{other} 4d85db 74e9 41ffe3"  # endbr64; mov cell, %r11; test %r11, %r11; jz closed; jmp *%r11
    )


def _aarch64(cell: int) -> bytes:
    one, other = (0x58000010 | (cell - at) // 4 << 5 for at in (4, _JUMP + 4))  # ldr x16, cell
    words = (
        # bti c; ldr; cbz x16, closed; stp x29, x30, [sp, #-16]!; mov x29, sp; blr x16; ldp x29, x30, [sp], #16; ret
        *(0xD503245F, one, 0xB4000150, 0xA9BF7BFD, 0x910003FD, 0xD63F0200, 0xA8C17BFD, 0xD65F03C0),
        # bti c; ldr; cbz x16, closed; br x16; closed: mov x0, #0; movi d0, #0; ret
        *(0xD503245F, other, 0xB4000050, 0xD61F0200, 0xD2800000, 0x2F00E400, 0xD65F03C0),
    )
    return b"".join(word.to_bytes(4, "little") for word in words)


# What makes an entry whose cell is that far behind it, and how many integers a function gets in registers.
_MACHINES = {"x86_64": (_x86_64, 6), "aarch64": (_aarch64, 8)}
_code, INTEGERS = _MACHINES.get(os.uname().machine, (None, 0))

_PROT_READ, _PROT_WRITE, _PROT_EXEC = 1, 2, 4
_MAP_PRIVATE, _MAP_ANONYMOUS = 2, 32

#: The entries that are free: the address of the code, and the cell.
_free: list[tuple[int, Any]] = []
#: The cells of each page, which live as long as the process, as does the code.
_cells: list[Any] = []
_closed = False


class Entry:
    """A function of ctypes, as C is to call it: at `address`."""

    __slots__ = ("_cell", "_function", "address")

    def __init__(self, function: Any, on_stack: bool = False) -> None:
        if _closed:
            raise RuntimeError("compiled code cannot call Python any more: the interpreter ends")
        self._function = function
        self.address: int = ctypes.cast(function, ctypes.c_void_p).value or 0
        try:
            code, self._cell = _free.pop()
        except IndexError:
            code, self._cell = _map()
        if self._cell is not None:
            self._cell.value = self.address
            self.address = code + _JUMP if on_stack else code

    def __del__(self, free: list[tuple[int, Any]] = _free) -> None:
        cell = getattr(self, "_cell", None)
        if cell is not None:
            cell.value = None
            free.append((self.address & -(2 * _JUMP), cell))

    def __reduce__(self) -> Any:
        raise TypeError("a callback belongs to its process")


def close() -> None:
    """Closes all entries for good."""
    global _closed
    _closed = True
    for cells in _cells:
        ctypes.memset(cells, 0, ctypes.sizeof(cells))


def _map() -> tuple[int, Any]:
    """Makes a page of entries, and returns one. Where the system allows no new code, there are none: C calls ctypes'
    functions then."""
    none = 0, None
    if _code is None:
        return none
    dll = _abi.lib.dll()
    dll.mmap.restype = ctypes.c_void_p
    size, access = ctypes.c_size_t(2 * _PAGE), _PROT_READ | _PROT_WRITE
    page = dll.mmap(None, size, access, _MAP_PRIVATE | _MAP_ANONYMOUS, -1, ctypes.c_long(0))
    if page is None or page == ctypes.c_size_t(-1).value:
        return none
    for index in range(_ENTRIES):
        cell, start = _PAGE + 8 * index, 2 * _JUMP * index
        code = _code(cell - start)
        ctypes.memmove(page + start, code, len(code))
    # Linux makes AArch64's caches agree when a page that was written becomes code.
    if dll.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(_PAGE), _PROT_READ | _PROT_EXEC) != 0:
        dll.munmap(ctypes.c_void_p(page), size)
        return none
    cells = (ctypes.c_void_p * _ENTRIES).from_address(page + _PAGE)
    _cells.append(cells)
    made = [(page + 2 * _JUMP * index, ctypes.c_void_p.from_buffer(cells, 8 * index)) for index in range(_ENTRIES)]
    _free.extend(made[1:])
    return made[0]
