"""What an executor or a cache is configured to do, by keywords."""

from __future__ import annotations

from . import _abi, _life
from ._abi import CONSTANTS, call

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from typing import Any, Union

    Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]

_EVENTS = {number: name[6:].lower() for name, number in CONSTANTS.items() if name.startswith("EVENT_")}


class Event:
    """What happened. `kind` is the name of one of MGENJIT_EVENT_… in small letters, such as "hit" or "progress"."""

    __slots__ = ("bytes", "done", "key", "kind", "message", "name", "times", "total")

    kind: str
    key: str
    name: str
    message: str
    bytes: int
    #: What the module's steps took so far: a Times.
    times: Any
    done: int
    total: int

    def __repr__(self) -> str:
        return f"<mgenjit event {self.kind} of {self.name}{': ' if self.message else ''}{self.message}>"


def _event(pointer: int) -> Event:
    from ._records import Times

    struct = _abi.struct("mgenjit_event").from_address(pointer)
    event = Event()
    event.kind = _EVENTS.get(struct.kind, str(struct.kind))
    for name in ("key", "name", "message"):
        setattr(event, name, _abi.text(getattr(struct, name)))
    event.bytes, event.done, event.total = struct.bytes, struct.done, struct.total
    times = _abi.struct("mgenjit_times").from_address(struct.times) if struct.times else None
    event.times = _abi.record(Times, times) if times is not None else None
    return event


def _hook(told: Callable[[Event], object]) -> Any:
    import ctypes

    from ._gate import Entry

    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    return Entry(kind(lambda event, _user: told(_event(event))))


def _constant(prefix: str, value: str | int, what: str) -> int:
    name = prefix + str(value).upper().replace("-", "_")
    if name not in CONSTANTS:
        known = [known[len(prefix) :].lower() for known in CONSTANTS if known.startswith(prefix)]
        raise ValueError(f"{what} cannot be {value!r}: use one of {', '.join(known)}")
    return CONSTANTS[name]


def _milliseconds(seconds: float | None) -> int:
    """None and infinity are no limit."""
    if seconds is None or seconds == float("inf"):
        return 0
    if not seconds >= 0:
        raise ValueError(f"{seconds!r} is no time in seconds")
    return max(1, round(seconds * 1000)) if seconds else 0


def _path(path: Path | None) -> bytes | None:
    return None if path is None else _abi.encode_path(path)


class Config:
    """Options of an executor, a cache, or a build. Each is a keyword, and times are in seconds. What is not given, or
    None, is the library's default; mgenjit.h says more of each.

    - `opt`: "O0", "O1", "O2", "O3", "Os" or "Oz".
    - `tiers`: two levels, as in ("O0", "O2"): what the cache lacks runs as code of the first, and the other is compiled
      in the background, for later processes.
    - `partition`: "automatic", "off", or a number of IR instructions: in pieces of which size modules are compiled.
    - `debug`: announce code to debuggers that come later: those that attach, and those of core files.
    - `debug_ir`: let debuggers show the IR itself, where it has no debug information.
    - `replaceable`: let functions be replaced while code runs, by modules that define them again and by Module.replace.
    - `profile_generate`: let code count what it does, for Module.profile; `profile`: optimise by what was counted.
    - `perf`: what the profiler is told of code that is in no file: "off", "map" or "jitdump".
    - `cpu`: "native", or a level such as "x86-64-v3". With `target`, one of LLVM's names.
    - `target`: an LLVM triple, to export code for; `features`: such as "+sve,-crc".
    - `linker`: the program that links executables; `linker_timeout`.
    - `time_limit`, `memory_limit`, `input_limit`: what one compile may take, in seconds and bytes.
    - `reproducer_dir`: where compiles that fail badly leave what reproduces them.
    - `cache`: the directory, with `~` for home, or False for no cache.
    - `cache_mode`: "read-write", "read-only" or "off"; `cache_layers`: directories of read-only caches below it.
    - `cache_max_bytes`, `cache_max_entries`, `cache_max_age`: limits, 0 for none.
    - `cache_sync`, `cache_keep_ir`, `cache_index`, `cache_verify`: True or False.
    - `signing_key`, `trusted_keys`: files of keys.
    - `remote`: URLs of stores that machines share, with spaces between; `remote_mode`: "read", "write" or "read-write";
      `remote_unsigned`: take and put what no key signed; `remote_timeouts`: to connect, for a whole look-up, and until
      the module is compiled meanwhile.
    - `lock_timeout`: how long to wait for another process that compiles the same.
    - `on_event`: a function that is given each Event, perhaps on another thread.
    - `server`: the path of the compile server; `max_servers`; `server_mode`: "private" or "shared";
      `server_idle_timeout`; `server_cpu_limit`, `server_memory_limit`, `server_queue_limit`: of a shared server;
      `server_log`: a file, or "-".
    """

    def __init__(
        self,
        *,
        opt: str | None = None,
        tiers: tuple[str, str] | None = None,
        partition: str | int | None = None,
        debug: bool | None = None,
        debug_ir: bool | None = None,
        replaceable: bool | None = None,
        profile_generate: bool | None = None,
        profile: bytes | None = None,
        perf: str | None = None,
        cpu: str | None = None,
        target: str | None = None,
        features: str | None = None,
        linker: str | None = None,
        linker_timeout: float | None = None,
        time_limit: float | None = None,
        memory_limit: int | None = None,
        input_limit: int | None = None,
        reproducer_dir: Path | None = None,
        cache: Path | bool | None = None,
        cache_mode: str | None = None,
        cache_layers: Iterable[Path] = (),
        cache_max_bytes: int | None = None,
        cache_max_entries: int | None = None,
        cache_max_age: float | None = None,
        cache_sync: bool | None = None,
        cache_keep_ir: bool | None = None,
        cache_index: bool | None = None,
        cache_verify: bool | None = None,
        signing_key: Path | None = None,
        trusted_keys: Iterable[Path] = (),
        remote: str | None = None,
        remote_mode: str = "read",
        remote_unsigned: bool = False,
        remote_timeouts: tuple[float, float, float] | None = None,
        lock_timeout: float | None = None,
        on_event: Callable[[Event], object] | None = None,
        server: Path | None = None,
        max_servers: int | None = None,
        server_mode: str | None = None,
        server_idle_timeout: float | None = None,
        server_cpu_limit: float | None = None,
        server_memory_limit: int | None = None,
        server_queue_limit: float | None = None,
        server_log: Path | None = None,
    ) -> None:
        handle = self._handle = _life.Handle(_abi.make("config_new"), _abi.lib.config_free)
        #: What compiled code or the library calls: it must live as long as what is made with this.
        self._hook: Any = None
        self._target = target

        def set(name: str, *values: Any) -> None:
            call("config_" + name, handle, *values)

        def switch(name: str, value: bool | None) -> None:
            if value is not None:
                set(name, bool(value))

        if opt is not None:
            set("set_opt_level", _constant("OPT_", opt, "opt"))
        if tiers is not None:
            if opt is not None:
                raise ValueError("opt is one level and tiers are two: give either")
            first, then = tiers
            set("set_tiers", _constant("OPT_", first, "tiers"), _constant("OPT_", then, "tiers"))
        if partition is not None:
            is_size = isinstance(partition, int) and partition > 0
            set("set_partition", partition if is_size else _constant("PARTITION_", partition, "partition"))
        switch("set_debug", debug)
        switch("set_debug_ir", debug_ir)
        switch("set_replaceable", replaceable)
        if profile_generate and profile:
            raise ValueError("code counts or is optimised by a profile: give profile_generate or profile")
        switch("set_profile_generate", profile_generate)
        if profile is not None:
            set("set_profile_use", profile, len(profile))
        if perf is not None:
            set("set_perf", _constant("PERF_", perf, "perf"))
        if target is not None:
            set("set_target", *(None if text is None else _abi.encode(text) for text in (target, cpu, features)))
        elif features is not None:
            raise ValueError("features are of a target: give one, or choose a level by cpu")
        elif cpu is not None:
            set("set_cpu", _abi.encode(cpu))
        if linker is not None:
            set("set_linker", _abi.encode(linker))
        if linker_timeout is not None:
            set("set_linker_timeout", _milliseconds(linker_timeout))
        if time_limit is not None or memory_limit is not None or input_limit is not None:
            set("set_compile_limits", _milliseconds(time_limit), memory_limit or 0, input_limit or 0)
        if reproducer_dir is not None:
            set("set_reproducer_dir", _path(reproducer_dir))
        if cache is False:
            cache_mode = "off"
        elif cache is not None and cache is not True:
            set("set_cache_dir", _path(cache))
        if cache_mode is not None:
            set("set_cache_mode", _constant("CACHE_", cache_mode, "cache_mode"))
        for layer in cache_layers:
            set("add_cache_layer", _path(layer))
        if cache_max_bytes is not None or cache_max_entries is not None or cache_max_age is not None:
            set(
                "set_cache_limits",
                5 << 30 if cache_max_bytes is None else cache_max_bytes,
                cache_max_entries or 0,
                _milliseconds(cache_max_age),
            )
        switch("set_cache_sync", cache_sync)
        switch("set_cache_keep_ir", cache_keep_ir)
        switch("set_cache_index", cache_index)
        switch("set_cache_verify", cache_verify)
        if signing_key is not None:
            set("set_cache_signing_key", _path(signing_key))
        for key in trusted_keys:
            set("add_cache_trusted_key", _path(key))
        if remote is not None:
            mode = CONSTANTS["REMOTE_UNSIGNED"] if remote_unsigned else 0
            for one in {"read-write": ("read", "write")}.get(remote_mode, (remote_mode,)):
                mode |= _constant("REMOTE_", one, "remote_mode")
            set("set_remote", _abi.encode(remote), mode)
        if remote_timeouts is not None:
            set("set_remote_timeouts", *(round(seconds * 1000) for seconds in remote_timeouts))
        if lock_timeout is not None:
            set("set_lock_timeout", _milliseconds(lock_timeout))
        if server is not None:
            set("set_server_path", _path(server))
        if max_servers is not None:
            set("set_max_servers", max_servers)
        if server_mode is not None:
            set("set_server_mode", _constant("SERVER_", server_mode, "server_mode"))
        if server_idle_timeout is not None:
            set("set_server_idle_timeout", _milliseconds(server_idle_timeout))
        limits = (server_cpu_limit, server_memory_limit, server_queue_limit)
        if limits != (None, None, None):
            default = CONSTANTS["SERVER_DEFAULT"]
            set(
                "set_server_limits",
                default if server_cpu_limit is None else _milliseconds(server_cpu_limit),
                default if server_memory_limit is None else server_memory_limit,
                default if server_queue_limit is None else _milliseconds(server_queue_limit),
            )
        if server_log is not None:
            set("set_server_log", _path(server_log))
        if on_event is not None:
            self._hook = _hook(on_event)
        self._gone = _life.Gone(handle, None if self._hook is None else self._hook.address)
        handle.kept = (self._hook, self._gone)


def of(config: Config | None, options: dict[str, Any]) -> Config:
    """A configuration that was given, or one of keywords."""
    if config is None:
        return Config(**options)
    if options:
        raise TypeError(f"give a Config, or {', '.join(sorted(options))} as keywords of it, but not both")
    return config
