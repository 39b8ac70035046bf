"""What functions of the C API tell. Written by tools/write_table.py from mgenjit.h."""

from __future__ import annotations


class Record:
    """What the library wrote into a struct: its fields are attributes."""

    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"

    def as_dict(self) -> dict[str, object]:
        """All fields by their names."""
        return {name: getattr(self, name) for name in self._fields}


class Fault(Record):
    """The fields of mgenjit_fault, as mgenjit.h explains them."""

    address: int
    module_offset: int
    function_offset: int
    module: str
    function: str

    _fields = (
        "address",
        "module_offset",
        "function_offset",
        "module",
        "function",
    )


class Usage(Record):
    """The fields of mgenjit_usage, as mgenjit.h explains them."""

    wall_us: int
    user_us: int
    system_us: int
    memory: int

    _fields = (
        "wall_us",
        "user_us",
        "system_us",
        "memory",
    )


class Times(Record):
    """The fields of mgenjit_times, as mgenjit.h explains them."""

    hash_us: int
    find_us: int
    wait_us: int
    start_us: int
    parse_us: int
    optimise_us: int
    codegen_us: int
    link_us: int
    compile_us: int
    store_us: int
    map_us: int
    bind_us: int
    total_us: int
    remote_us: int

    _fields = (
        "hash_us",
        "find_us",
        "wait_us",
        "start_us",
        "parse_us",
        "optimise_us",
        "codegen_us",
        "link_us",
        "compile_us",
        "store_us",
        "map_us",
        "bind_us",
        "total_us",
        "remote_us",
    )


class CacheStatistics(Record):
    """The fields of mgenjit_cache_statistics, as mgenjit.h explains them."""

    entries: int
    bytes: int
    pinned: int
    aliases: int
    max_bytes: int
    max_entries: int
    max_age_ms: int
    hits: int
    hits_by_alias: int
    hits_in_layers: int
    misses_new: int
    misses_evicted: int
    misses_removed: int
    misses_damaged: int
    misses_untrusted: int
    stores: int
    imports: int
    evictions: int
    evicted_bytes: int
    removals: int
    compile_us: int
    saved_us: int
    has_history: bool
    pieces: int
    piece_hits: int
    piece_stores: int
    remote_hits: int
    remote_bytes: int
    remote_misses: int
    remote_errors: int
    remote_saved_us: int
    remote_lost_us: int
    remote_puts: int
    remote_put_bytes: int
    remote_put_errors: int

    _fields = (
        "entries",
        "bytes",
        "pinned",
        "aliases",
        "max_bytes",
        "max_entries",
        "max_age_ms",
        "hits",
        "hits_by_alias",
        "hits_in_layers",
        "misses_new",
        "misses_evicted",
        "misses_removed",
        "misses_damaged",
        "misses_untrusted",
        "stores",
        "imports",
        "evictions",
        "evicted_bytes",
        "removals",
        "compile_us",
        "saved_us",
        "has_history",
        "pieces",
        "piece_hits",
        "piece_stores",
        "remote_hits",
        "remote_bytes",
        "remote_misses",
        "remote_errors",
        "remote_saved_us",
        "remote_lost_us",
        "remote_puts",
        "remote_put_bytes",
        "remote_put_errors",
    )


class CacheInfo(Record):
    """The fields of mgenjit_cache_info, as mgenjit.h explains them."""

    key: str | None
    name: str | None
    opt_level: int
    pinned: bool
    triple: str | None
    cpu: str | None
    machine: str | None
    llvm_version: str | None
    version: str | None
    build: str | None
    ir_bytes: int
    bytes: int
    image_bytes: int
    compile_us: int
    created_us: int
    last_used_us: int
    hits: int
    saved_us: int
    is_piece: bool
    pieces: int

    _fields = (
        "key",
        "name",
        "opt_level",
        "pinned",
        "triple",
        "cpu",
        "machine",
        "llvm_version",
        "version",
        "build",
        "ir_bytes",
        "bytes",
        "image_bytes",
        "compile_us",
        "created_us",
        "last_used_us",
        "hits",
        "saved_us",
        "is_piece",
        "pieces",
    )


class Piece(Record):
    """The fields of mgenjit_piece, as mgenjit.h explains them."""

    name: str | None
    key: str | None
    functions: int
    instructions: int
    compiled: bool
    compile_us: int

    _fields = (
        "name",
        "key",
        "functions",
        "instructions",
        "compiled",
        "compile_us",
    )


class Location(Record):
    """The fields of mgenjit_location, as mgenjit.h explains them."""

    line: int
    column: int
    inlined: bool
    function: str
    file: str

    _fields = (
        "line",
        "column",
        "inlined",
        "function",
        "file",
    )


class ServerStatistics(Record):
    """The fields of mgenjit_server_statistics, as mgenjit.h explains them."""

    process: int
    uptime_ms: int
    idle_timeout_ms: int
    stopping: bool
    connections: int
    clients: int
    queued: int
    running: int
    workers: int
    idle_workers: int
    max_workers: int
    memory_bytes: int
    worker_memory_bytes: int
    requests: int
    compiled: int
    failed: int
    joined: int
    cancelled: int
    crashed: int
    accepted: int
    refused: int
    started_workers: int
    recycled_workers: int
    max_cpu_ms: int
    max_memory_bytes: int
    queue_timeout_ms: int
    private_servers: int
    max_private_servers: int
    limited: int
    hung_workers: int
    sent_away: int

    _fields = (
        "process",
        "uptime_ms",
        "idle_timeout_ms",
        "stopping",
        "connections",
        "clients",
        "queued",
        "running",
        "workers",
        "idle_workers",
        "max_workers",
        "memory_bytes",
        "worker_memory_bytes",
        "requests",
        "compiled",
        "failed",
        "joined",
        "cancelled",
        "crashed",
        "accepted",
        "refused",
        "started_workers",
        "recycled_workers",
        "max_cpu_ms",
        "max_memory_bytes",
        "queue_timeout_ms",
        "private_servers",
        "max_private_servers",
        "limited",
        "hung_workers",
        "sent_away",
    )


class Symbol(Record):
    """The fields of mgenjit_symbol, as mgenjit.h explains them."""

    base: int | None
    function_address: int | None
    key: str
    module: str
    function: str

    _fields = (
        "base",
        "function_address",
        "key",
        "module",
        "function",
    )


class OldCode(Record):
    """The fields of mgenjit_old_code, as mgenjit.h explains them."""

    waiting: int
    waiting_bytes: int
    kept: int
    kept_bytes: int

    _fields = (
        "waiting",
        "waiting_bytes",
        "kept",
        "kept_bytes",
    )
