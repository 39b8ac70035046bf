"""A cache, seen by people: what is in it, what it did, and why something is found in it or is not."""

from __future__ import annotations

import ctypes
import os

from . import _abi, _config
from ._abi import CONSTANTS, call, lib
from ._executor import source
from ._life import Handle, Watch, interruptible
from ._records import CacheInfo, CacheStatistics, Piece

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ._executor import Input, Source

    Progress = Callable[[int, int], object]

_VERDICTS = {number: name[8:].lower() for name, number in CONSTANTS.items() if name.startswith("VERDICT_")}
_DIFFERENCES = {number: name[8:].lower() for name, number in CONSTANTS.items() if name.startswith("DIFFERS_")}


class Explanation:
    """Why a module is found in the cache, or is not. `str()` says it in words."""

    def __init__(self, handle: Handle) -> None:
        #: "hit", "never", "differs", "evicted", "removed", "damaged" or "untrusted".
        self.verdict = _VERDICTS.get(lib.explanation_verdict(handle), "")
        differences = lib.explanation_differences(handle)
        #: What differs: of "ir", "opt_level", "cpu", "options", "llvm" and "version".
        self.differences = tuple(name for number, name in _DIFFERENCES.items() if differences & number)
        self.key = _abi.text(lib.explanation_key(handle))
        #: The key of the entry that is found, or of the nearest one.
        self.nearest = _abi.text_or_none(lib.explanation_nearest(handle))
        #: When the entry went, or the nearest one was compiled: in microseconds since 1970, 0 if that is not known.
        self.time_us = int(lib.explanation_time_us(handle))
        self.message = _abi.text(lib.explanation_message(handle))

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"<mgenjit explanation {self.verdict}: {self.message}>"


class Entry:
    """One entry of a cache. It stays as it was, whatever becomes of the cache."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        info = _abi.sized("mgenjit_cache_info")
        call("cache_entry_info", handle, ctypes.byref(info))
        self.info: CacheInfo = _abi.record(CacheInfo, info)
        #: The features of the CPU that it was compiled for.
        self.features = _abi.text(lib.cache_entry_features(handle))
        self.path = _abi.text(lib.cache_entry_path(handle))
        #: Other keys that lead to it.
        self.aliases = _abi.strings(lib.cache_entry_alias_count, lib.cache_entry_alias, handle)
        names = _abi.strings(lib.cache_entry_input_count, lib.cache_entry_input_name, handle)
        #: Names and sizes of the inputs.
        self.inputs = tuple((name, lib.cache_entry_input_size(handle, index)) for index, name in enumerate(names))
        #: The pieces that the module was made of; none: it was compiled as one. Of an entry that is a piece, itself.
        count = range(lib.cache_entry_piece_count(handle))
        self.pieces: tuple[Piece, ...] = tuple(
            _abi.filled(Piece, "mgenjit_piece", "cache_entry_piece", handle, index) for index in count
        )
        #: The functions as IR writes them, and as C declares them, None if it cannot.
        count = range(lib.cache_entry_function_count(handle))
        self.signatures = tuple(_abi.text(lib.cache_entry_signature(handle, index)) for index in count)
        self.prototypes = tuple(_abi.text_or_none(lib.cache_entry_prototype(handle, index)) for index in count)

    def read(self, part: str) -> bytes:
        """A part of it: "image", "object", or "ir", if the IR was kept."""
        number = _config._constant("PART_", part, "part")
        return _abi.take_blob(_abi.make("cache_entry_read", self._handle, number))


class Cache:
    """The cache of a directory, or the default one. Other options are those of Config, as keywords."""

    def __init__(self, directory: Any = None, config: _config.Config | None = None, **options: Any) -> None:
        if directory is not None:
            options["cache"] = directory
        chosen = _config.of(config, options)
        self._handle = Handle(_abi.make("cache_open", chosen._handle), lib.cache_free, chosen._handle)

    @property
    def directory(self) -> str:
        return _abi.text(lib.cache_directory(self._handle))

    def stats(self) -> CacheStatistics:
        """What it holds, and what it did."""
        statistics = _abi.sized("mgenjit_cache_statistics")
        call("cache_stats", self._handle, ctypes.byref(statistics))
        result: CacheStatistics = _abi.record(CacheStatistics, statistics)
        return result

    def entries(
        self,
        name: str | None = None,
        *,
        pinned: bool | None = None,
        unused_since_us: int = 0,
        min_bytes: int = 0,
        pieces: bool | None = None,
    ) -> Iterator[CacheInfo]:
        """Its entries, in the order of their keys: all, or those whose name matches a pattern, and so on. `pieces`:
        only pieces of modules, or only modules."""
        chosen = _abi.sized("mgenjit_cache_filter")
        chosen.name = None if name is None else _abi.encode(name)
        chosen.pinned = CONSTANTS[{None: "PINNED_ANY", True: "PINNED_ONLY", False: "PINNED_NOT"}[pinned]]
        chosen.pieces = CONSTANTS[{None: "PIECES_ANY", True: "PIECES_ONLY", False: "PIECES_NOT"}[pieces]]
        chosen.unused_since_us, chosen.min_bytes = unused_since_us, min_bytes
        made = _abi.make("cache_iterate", self._handle, ctypes.byref(chosen))
        iterator = Handle(made, lib.cache_iterator_free, self._handle)
        while True:
            info = _abi.sized("mgenjit_cache_info")
            call("cache_iterator_next", iterator, ctypes.byref(info))
            if info.key is None:
                return
            yield _abi.record(CacheInfo, info)

    def __iter__(self) -> Iterator[CacheInfo]:
        return self.entries()

    def resolve(self, prefix: str) -> str:
        """The whole key of the one entry whose key begins so."""
        return _abi.cache_resolve(self._handle, _abi.encode(prefix))

    def entry(self, key: str) -> Entry:
        """The entry of a key, or of the first digits of one, with what is in it verified."""
        made = _abi.make("cache_entry_open", self._handle, _abi.encode(self._whole(key)))
        return Entry(Handle(made, lib.cache_entry_free))

    def _whole(self, key: str) -> str:
        return key if len(key) >= CONSTANTS["KEY_SIZE"] - 1 else self.resolve(key)

    def _call(self, name: str, *arguments: Any, progress: Progress | None) -> None:
        """Calls a function that tells how much is done. What `progress` raises is raised when it is done."""
        hook = None
        if progress is not None:
            from ._callback import Callback

            told = progress
            has_raised = False

            def tell(done: int, total: int, _user: int) -> None:
                nonlocal has_raised
                if not has_raised:
                    has_raised = True
                    told(done, total)
                    has_raised = False

            hook = Callback(tell, "void (i64, i64, ptr)")
        with Watch():
            call(name, self._handle, *arguments, None if hook is None else hook.address, None)

    def remove(self, key: str) -> None:
        call("cache_remove", self._handle, _abi.encode(self._whole(key)))

    def pin(self, key: str, pinned: bool = True) -> None:
        """Pins an entry, so that it is never evicted, or does so no more."""
        call("cache_pin", self._handle, _abi.encode(self._whole(key)), bool(pinned))

    def trim(self, progress: Progress | None = None) -> None:
        """Removes entries until the limits hold, and what killed processes left."""
        self._call("cache_trim", progress=progress)

    def clear(self, *, pinned_too: bool = False, progress: Progress | None = None) -> None:
        self._call("cache_clear", pinned_too, progress=progress)

    def verify(self, key: str | None = None, *, recompile: bool = False) -> None:
        """Checks an entry, or all; CacheError says what is wrong. With `recompile`, its inputs are compiled again:
        those of modules, and pieces with them."""
        every = self.entries(pieces=False if recompile else None)
        keys = [self._whole(key)] if key is not None else [info.key or "" for info in every]
        for each in keys:
            interruptible(call, "cache_verify", self._handle, _abi.encode(each), recompile)

    def rebuild(self, progress: Progress | None = None) -> None:
        """Makes the index anew from the entries."""
        self._call("cache_rebuild", progress=progress)

    def export(
        self, path: str | os.PathLike[str], keys: Iterable[str] | None = None, progress: Progress | None = None
    ) -> None:
        """Writes entries, those of all modules or of some keys, to a bundle."""
        chosen = (
            [info.key or "" for info in self.entries(pieces=False)]
            if keys is None
            else [self._whole(key) for key in keys]
        )
        listed = _abi.string_array(map(_abi.encode, chosen))
        self._call("cache_export", _abi.encode_path(path), listed, len(chosen), progress=progress)

    def import_bundle(self, path: str | os.PathLike[str], progress: Progress | None = None) -> int:
        """Stores the entries of a bundle, and returns how many were new."""
        imported = ctypes.c_uint64()
        self._call("cache_import", _abi.encode_path(path), ctypes.byref(imported), progress=progress)
        return imported.value

    def explain(self, ir: Input | Source, *, name: str | None = None, keep: Iterable[str] = ()) -> Explanation:
        """Why the IR would be found in the cache, or would not. The options of this object are those it is compiled
        with."""
        given = source(ir, name, keep)
        made = _abi.make("cache_explain_source", self._handle, given._handle)
        return Explanation(Handle(made, lib.explanation_free))
