"""What an address in compiled code is: for those who look at crashes and profiles."""

from __future__ import annotations

import ctypes

from . import _abi
from ._records import Location, Symbol


def symbolize(address: int) -> Symbol | None:
    """The function and the module that an address lies in, of all executors; None if it is not in compiled code."""
    symbol = _abi.sized("mgenjit_symbol")
    if not _abi.lib.symbolize(address, ctypes.byref(symbol)):
        return None
    result: Symbol = _abi.record(Symbol, symbol)
    return result


def source_location(address: int) -> list[Location]:
    """The places in the source that an address comes from, by the debug information of its code: more than one where
    functions were inlined, the innermost first. NotFoundError if there is none."""
    from ._errors import NotFoundError

    found: list[Location] = []
    while not found or found[-1].inlined:
        location = _abi.sized("mgenjit_location")
        try:
            _abi.call("source_location", address, len(found), ctypes.byref(location))
        except NotFoundError:
            if not found:
                raise
            break
        found.append(_abi.record(Location, location))
    return found
