"""The C API: its functions, constants and structs. Written by tools/write_table.py from mgenjit.h."""

from __future__ import annotations

# The result, and after a colon the parameters: v void, i int32, I uint32, q int64, Q uint64, N size_t,
# ? bool, s a string (const char *), p any other pointer.
FUNCTIONS: dict[str, str] = {
    "mgenjit_status_name": "s:i",
    "mgenjit_version_number": "I:",
    "mgenjit_version_string": "s:",
    "mgenjit_llvm_version": "s:",
    "mgenjit_build_id": "s:",
    "mgenjit_error_status": "i:p",
    "mgenjit_error_message": "s:p",
    "mgenjit_error_line": "I:p",
    "mgenjit_error_column": "I:p",
    "mgenjit_error_source_line": "s:p",
    "mgenjit_error_symbol_count": "N:p",
    "mgenjit_error_symbol": "s:pN",
    "mgenjit_error_free": "v:p",
    "mgenjit_config_new": "i:pp",
    "mgenjit_config_free": "v:p",
    "mgenjit_config_set_opt_level": "i:pip",
    "mgenjit_config_set_cpu": "i:psp",
    "mgenjit_config_set_target": "i:psssp",
    "mgenjit_config_set_linker": "i:psp",
    "mgenjit_config_set_linker_timeout": "i:pQp",
    "mgenjit_config_set_compile_limits": "i:pQQQp",
    "mgenjit_config_set_reproducer_dir": "i:psp",
    "mgenjit_config_set_cache_dir": "i:psp",
    "mgenjit_config_set_cache_mode": "i:pip",
    "mgenjit_config_add_cache_layer": "i:psp",
    "mgenjit_config_set_cache_limits": "i:pQQQp",
    "mgenjit_config_set_cache_sync": "i:p?p",
    "mgenjit_config_set_cache_keep_ir": "i:p?p",
    "mgenjit_config_set_cache_index": "i:p?p",
    "mgenjit_config_set_cache_verify": "i:p?p",
    "mgenjit_config_set_cache_signing_key": "i:psp",
    "mgenjit_config_add_cache_trusted_key": "i:psp",
    "mgenjit_config_set_lock_timeout": "i:pQp",
    "mgenjit_config_set_event_hook": "i:ppppp",
    "mgenjit_config_set_server_path": "i:psp",
    "mgenjit_config_set_max_servers": "i:pIp",
    "mgenjit_config_set_server_mode": "i:pip",
    "mgenjit_config_set_server_idle_timeout": "i:pQp",
    "mgenjit_config_set_server_limits": "i:pQQQp",
    "mgenjit_config_set_server_log": "i:psp",
    "mgenjit_source_new": "i:spp",
    "mgenjit_source_free": "v:p",
    "mgenjit_source_add": "i:pspNp",
    "mgenjit_source_add_file": "i:psp",
    "mgenjit_source_keep": "i:psp",
    "mgenjit_executor_new": "i:ppp",
    "mgenjit_executor_free": "v:p",
    "mgenjit_executor_compile": "i:pspNpp",
    "mgenjit_executor_compile_file": "i:pspp",
    "mgenjit_executor_compile_source": "i:pppp",
    "mgenjit_executor_define": "i:pspp",
    "mgenjit_executor_load_library": "i:psp",
    "mgenjit_executor_link": "i:pp",
    "mgenjit_executor_lookup": "i:pspp",
    "mgenjit_executor_lookup_function": "i:pspp",
    "mgenjit_executor_set_arguments": "i:pipp",
    "mgenjit_executor_run_main": "i:pippp",
    "mgenjit_run_file": "i:sipppp",
    "mgenjit_module_free": "v:p",
    "mgenjit_module_remove": "i:pp",
    "mgenjit_module_name": "s:p",
    "mgenjit_module_key": "s:p",
    "mgenjit_module_origin": "i:p",
    "mgenjit_module_times": "i:ppp",
    "mgenjit_module_lookup": "i:pspp",
    "mgenjit_module_function_count": "N:p",
    "mgenjit_module_function": "i:pNpp",
    "mgenjit_function_free": "v:p",
    "mgenjit_function_name": "s:p",
    "mgenjit_function_signature": "s:p",
    "mgenjit_function_result_type": "i:p",
    "mgenjit_function_parameter_count": "N:p",
    "mgenjit_function_parameter_type": "i:pN",
    "mgenjit_function_is_variadic": "?:p",
    "mgenjit_function_address": "i:ppp",
    "mgenjit_function_call": "i:ppNpp",
    "mgenjit_function_call_raw": "i:ppNpNp",
    "mgenjit_executor_compile_async": "i:ppppppp",
    "mgenjit_executor_prefetch": "i:ppp",
    "mgenjit_task_free": "v:p",
    "mgenjit_task_wait": "i:pQpp",
    "mgenjit_task_result": "i:ppp",
    "mgenjit_task_cancel": "i:pp",
    "mgenjit_blob_data": "p:p",
    "mgenjit_blob_size": "N:p",
    "mgenjit_blob_free": "v:p",
    "mgenjit_string_free": "v:p",
    "mgenjit_export_options_new": "i:pp",
    "mgenjit_export_options_free": "v:p",
    "mgenjit_export_options_set_soname": "i:psp",
    "mgenjit_export_options_set_static": "i:p?p",
    "mgenjit_export_options_add_library": "i:psp",
    "mgenjit_export_options_add_flag": "i:psp",
    "mgenjit_module_export": "i:pispp",
    "mgenjit_module_export_blob": "i:pippp",
    "mgenjit_modules_export": "i:pNispp",
    "mgenjit_modules_export_blob": "i:pNippp",
    "mgenjit_cache_open": "i:ppp",
    "mgenjit_cache_free": "v:p",
    "mgenjit_cache_directory": "s:p",
    "mgenjit_cache_stats": "i:ppp",
    "mgenjit_cache_resolve": "i:pspNp",
    "mgenjit_cache_remove": "i:psp",
    "mgenjit_cache_pin": "i:ps?p",
    "mgenjit_cache_trim": "i:pppp",
    "mgenjit_cache_clear": "i:p?ppp",
    "mgenjit_cache_verify": "i:ps?p",
    "mgenjit_cache_rebuild": "i:pppp",
    "mgenjit_cache_export": "i:pspNppp",
    "mgenjit_cache_import": "i:pspppp",
    "mgenjit_cache_iterate": "i:pppp",
    "mgenjit_cache_iterator_next": "i:ppp",
    "mgenjit_cache_iterator_free": "v:p",
    "mgenjit_cache_entry_open": "i:pspp",
    "mgenjit_cache_entry_free": "v:p",
    "mgenjit_cache_entry_info": "i:ppp",
    "mgenjit_cache_entry_features": "s:p",
    "mgenjit_cache_entry_path": "s:p",
    "mgenjit_cache_entry_alias_count": "N:p",
    "mgenjit_cache_entry_alias": "s:pN",
    "mgenjit_cache_entry_input_count": "N:p",
    "mgenjit_cache_entry_input_name": "s:pN",
    "mgenjit_cache_entry_input_size": "Q:pN",
    "mgenjit_cache_entry_function_count": "N:p",
    "mgenjit_cache_entry_signature": "s:pN",
    "mgenjit_cache_entry_prototype": "s:pN",
    "mgenjit_cache_entry_read": "i:pipp",
    "mgenjit_cache_explain": "i:pspNpp",
    "mgenjit_cache_explain_source": "i:pppp",
    "mgenjit_explanation_free": "v:p",
    "mgenjit_explanation_verdict": "i:p",
    "mgenjit_explanation_differences": "I:p",
    "mgenjit_explanation_key": "s:p",
    "mgenjit_explanation_nearest": "s:p",
    "mgenjit_explanation_time_us": "Q:p",
    "mgenjit_explanation_message": "s:p",
    "mgenjit_server_status": "i:pp",
    "mgenjit_server_stop": "i:?Qp",
    "mgenjit_server_socket": "i:pp",
    "mgenjit_server_path": "i:ppp",
}

CONSTANTS: dict[str, int] = {
    "VERSION_MAJOR": 0,
    "VERSION_MINOR": 2,
    "VERSION_PATCH": 0,
    "SERVER_DEFAULT": 18446744073709551615,
    "FOREVER": 18446744073709551615,
    "STATUS_OK": 0,
    "STATUS_INVALID_ARGUMENT": 1,
    "STATUS_IO": 2,
    "STATUS_PARSE": 3,
    "STATUS_VERIFY": 4,
    "STATUS_TARGET": 5,
    "STATUS_CODEGEN": 6,
    "STATUS_LINK": 7,
    "STATUS_UNRESOLVED": 8,
    "STATUS_NOT_FOUND": 9,
    "STATUS_TYPE": 10,
    "STATUS_SERVER_UNAVAILABLE": 11,
    "STATUS_SERVER_CRASHED": 12,
    "STATUS_SERVER_MISMATCH": 13,
    "STATUS_LOAD": 14,
    "STATUS_LIBRARY": 15,
    "STATUS_REMOVED": 16,
    "STATUS_PANIC": 17,
    "STATUS_CPU": 18,
    "STATUS_DAMAGED": 19,
    "STATUS_UNTRUSTED": 20,
    "STATUS_CACHE": 21,
    "STATUS_DIFFERENT": 22,
    "STATUS_LINKER": 23,
    "STATUS_UNSUPPORTED": 24,
    "STATUS_TIMEOUT": 25,
    "STATUS_MEMORY": 26,
    "STATUS_TOO_LARGE": 27,
    "STATUS_CANCELLED": 28,
    "EVENT_HIT": 1,
    "EVENT_MISS": 2,
    "EVENT_COMPILE_STARTED": 3,
    "EVENT_COMPILED": 4,
    "EVENT_STORED": 5,
    "EVENT_LOADED": 6,
    "EVENT_CACHE_WARNING": 7,
    "EVENT_DIFFERENT": 8,
    "EVENT_NOT_ISOLATED": 9,
    "EVENT_SERVER_WARNING": 10,
    "EVENT_PROGRESS": 11,
    "EVENT_WARNING": 12,
    "OPT_O0": 0,
    "OPT_O1": 1,
    "OPT_O2": 2,
    "OPT_O3": 3,
    "OPT_OS": 4,
    "OPT_OZ": 5,
    "CACHE_READ_WRITE": 0,
    "CACHE_READ_ONLY": 1,
    "CACHE_OFF": 2,
    "SERVER_PRIVATE": 1,
    "SERVER_SHARED": 2,
    "ORIGIN_COMPILED": 1,
    "ORIGIN_CACHE": 2,
    "TYPE_VOID": 0,
    "TYPE_I1": 1,
    "TYPE_I8": 2,
    "TYPE_I16": 3,
    "TYPE_I32": 4,
    "TYPE_I64": 5,
    "TYPE_FLOAT": 6,
    "TYPE_DOUBLE": 7,
    "TYPE_POINTER": 8,
    "TYPE_OTHER": 9,
    "EXPORT_OBJECT": 1,
    "EXPORT_ARCHIVE": 2,
    "EXPORT_SHARED_LIBRARY": 3,
    "EXPORT_EXECUTABLE": 4,
    "EXPORT_BITCODE": 5,
    "EXPORT_IR": 6,
    "EXPORT_ASSEMBLY": 7,
    "EXPORT_HEADER": 8,
    "KEY_SIZE": 65,
    "PINNED_ANY": 0,
    "PINNED_ONLY": 1,
    "PINNED_NOT": 2,
    "PART_IMAGE": 1,
    "PART_OBJECT": 2,
    "PART_IR": 3,
    "VERDICT_HIT": 1,
    "VERDICT_NEVER": 2,
    "VERDICT_DIFFERS": 3,
    "VERDICT_EVICTED": 4,
    "VERDICT_REMOVED": 5,
    "VERDICT_DAMAGED": 6,
    "VERDICT_UNTRUSTED": 7,
    "DIFFERS_IR": 1,
    "DIFFERS_OPT_LEVEL": 2,
    "DIFFERS_CPU": 4,
    "DIFFERS_LLVM": 8,
    "DIFFERS_VERSION": 16,
}

STRUCTS: dict[str, tuple[tuple[str, str], ...]] = {
    "mgenjit_times": (
        ("size", "N"),
        ("hash_us", "Q"),
        ("find_us", "Q"),
        ("wait_us", "Q"),
        ("start_us", "Q"),
        ("parse_us", "Q"),
        ("optimise_us", "Q"),
        ("codegen_us", "Q"),
        ("link_us", "Q"),
        ("compile_us", "Q"),
        ("store_us", "Q"),
        ("map_us", "Q"),
        ("bind_us", "Q"),
        ("total_us", "Q"),
    ),
    "mgenjit_event": (
        ("size", "N"),
        ("kind", "i"),
        ("key", "s"),
        ("name", "s"),
        ("message", "s"),
        ("bytes", "Q"),
        ("times", "p"),
        ("done", "Q"),
        ("total", "Q"),
    ),
    "mgenjit_cache_statistics": (
        ("size", "N"),
        ("entries", "Q"),
        ("bytes", "Q"),
        ("pinned", "Q"),
        ("aliases", "Q"),
        ("max_bytes", "Q"),
        ("max_entries", "Q"),
        ("max_age_ms", "Q"),
        ("hits", "Q"),
        ("hits_by_alias", "Q"),
        ("hits_in_layers", "Q"),
        ("misses_new", "Q"),
        ("misses_evicted", "Q"),
        ("misses_removed", "Q"),
        ("misses_damaged", "Q"),
        ("misses_untrusted", "Q"),
        ("stores", "Q"),
        ("imports", "Q"),
        ("evictions", "Q"),
        ("evicted_bytes", "Q"),
        ("removals", "Q"),
        ("compile_us", "Q"),
        ("saved_us", "Q"),
        ("has_history", "?"),
    ),
    "mgenjit_cache_filter": (
        ("size", "N"),
        ("name", "s"),
        ("pinned", "i"),
        ("unused_since_us", "Q"),
        ("min_bytes", "Q"),
    ),
    "mgenjit_cache_info": (
        ("size", "N"),
        ("key", "s"),
        ("name", "s"),
        ("opt_level", "i"),
        ("pinned", "?"),
        ("triple", "s"),
        ("cpu", "s"),
        ("machine", "s"),
        ("llvm_version", "s"),
        ("version", "s"),
        ("build", "s"),
        ("ir_bytes", "Q"),
        ("bytes", "Q"),
        ("image_bytes", "Q"),
        ("compile_us", "Q"),
        ("created_us", "Q"),
        ("last_used_us", "Q"),
        ("hits", "Q"),
        ("saved_us", "Q"),
    ),
    "mgenjit_server_statistics": (
        ("size", "N"),
        ("process", "Q"),
        ("uptime_ms", "Q"),
        ("idle_timeout_ms", "Q"),
        ("stopping", "?"),
        ("connections", "Q"),
        ("clients", "Q"),
        ("queued", "Q"),
        ("running", "Q"),
        ("workers", "Q"),
        ("idle_workers", "Q"),
        ("max_workers", "Q"),
        ("memory_bytes", "Q"),
        ("worker_memory_bytes", "Q"),
        ("requests", "Q"),
        ("compiled", "Q"),
        ("failed", "Q"),
        ("joined", "Q"),
        ("cancelled", "Q"),
        ("crashed", "Q"),
        ("accepted", "Q"),
        ("refused", "Q"),
        ("started_workers", "Q"),
        ("recycled_workers", "Q"),
        ("max_cpu_ms", "Q"),
        ("max_memory_bytes", "Q"),
        ("queue_timeout_ms", "Q"),
        ("private_servers", "Q"),
        ("max_private_servers", "Q"),
        ("limited", "Q"),
        ("hung_workers", "Q"),
        ("sent_away", "Q"),
    ),
}


class Record:
    """What the library wrote into a struct: its fields are attributes."""

    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"

    def as_dict(self) -> dict[str, object]:
        """All fields by their names."""
        return {name: getattr(self, name) for name in self._fields}


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
