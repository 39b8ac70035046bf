'use strict';

// LLVM IR in, native functions out, and never compiled twice: libmgenjit for Node.js, by koffi.
//
//     const { Executor } = require('mgenjit');
//     const executor = new Executor({ opt_level: 'O2' });
//     const module = executor.compile('define i64 @add(i64 %a, i64 %b) { … }', 'add.ll');
//     module.function('add')(10, 20)     // 30
//
// The types of a function are those that the IR names. Integers are numbers, or BigInts where a number is not exact;
// pointers are what koffi takes and gives. The library is $MGENJIT_LIBRARY, or else what the system finds as
// libmgenjit.so.0.

const koffi = require('koffi');

const library = koffi.load(process.env.MGENJIT_LIBRARY || 'libmgenjit.so.0');

const handle = {};
for (const name of ['config', 'error', 'executor', 'function', 'module', 'source'])
    handle[name] = koffi.pointer(`mgenjit_${name}`, koffi.opaque());
koffi.alias('mgenjit_status', 'int32_t');
const mgenjit_event = koffi.struct('mgenjit_event', {
    size: 'size_t',
    kind: 'int32_t',
    key: 'const char *',
    name: 'const char *',
    message: 'const char *',
    bytes: 'uint64_t',
    times: 'const void *',
    done: 'uint64_t',
    total: 'uint64_t',
});
const mgenjit_event_hook = koffi.proto('void mgenjit_event_hook(const mgenjit_event *event, void *user)');

const call = Object.fromEntries([
    'const char *mgenjit_version_string()',
    'const char *mgenjit_status_name(mgenjit_status status)',
    'const char *mgenjit_error_message(mgenjit_error error)',
    'uint32_t mgenjit_error_line(mgenjit_error error)',
    'uint32_t mgenjit_error_column(mgenjit_error error)',
    'const char *mgenjit_error_source_line(mgenjit_error error)',
    'size_t mgenjit_error_symbol_count(mgenjit_error error)',
    'const char *mgenjit_error_symbol(mgenjit_error error, size_t index)',
    'void mgenjit_error_free(mgenjit_error error)',
    'mgenjit_status mgenjit_config_new(_Out_ mgenjit_config *config, _Out_ mgenjit_error *error)',
    'void mgenjit_config_free(mgenjit_config config)',
    'mgenjit_status mgenjit_config_set_opt_level(mgenjit_config config, int32_t level, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_config_set_cpu(mgenjit_config config, const char *cpu, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_config_set_cache_dir(mgenjit_config config, const char *path, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_config_set_cache_mode(mgenjit_config config, int32_t mode, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_config_set_replaceable(mgenjit_config config, bool on, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_config_set_event_hook(mgenjit_config config, mgenjit_event_hook *hook, void *user, ' +
        'void *user_free, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_config_set_server_path(mgenjit_config config, const char *path, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_source_new(const char *name, _Out_ mgenjit_source *source, _Out_ mgenjit_error *error)',
    'void mgenjit_source_free(mgenjit_source source)',
    'mgenjit_status mgenjit_source_add(mgenjit_source source, const char *name, const void *bytes, size_t length, ' +
        '_Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_executor_new(mgenjit_config config, _Out_ mgenjit_executor *executor, _Out_ mgenjit_error *error)',
    'void mgenjit_executor_free(mgenjit_executor executor)',
    'mgenjit_status mgenjit_executor_compile(mgenjit_executor executor, const char *name, const void *ir, size_t length, ' +
        '_Out_ mgenjit_module *module, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_executor_define(mgenjit_executor executor, const char *name, void *address, ' +
        '_Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_executor_run_main(mgenjit_executor executor, int argc, const char **argv, _Out_ int *status, ' +
        '_Out_ mgenjit_error *error)',
    'void mgenjit_module_free(mgenjit_module module)',
    'mgenjit_status mgenjit_module_remove(mgenjit_module module, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_module_replace(mgenjit_module module, mgenjit_source source, int32_t allow, ' +
        '_Out_ mgenjit_module *replacement, _Out_ mgenjit_error *error)',
    'mgenjit_status mgenjit_module_retire(mgenjit_module module, _Out_ bool *unmapped, _Out_ mgenjit_error *error)',
    'const char *mgenjit_module_name(mgenjit_module module)',
    'const char *mgenjit_module_key(mgenjit_module module)',
    'int32_t mgenjit_module_origin(mgenjit_module module)',
    'size_t mgenjit_module_function_count(mgenjit_module module)',
    'mgenjit_status mgenjit_module_function(mgenjit_module module, size_t index, _Out_ mgenjit_function *function, ' +
        '_Out_ mgenjit_error *error)',
    'void mgenjit_function_free(mgenjit_function function)',
    'const char *mgenjit_function_name(mgenjit_function function)',
    'const char *mgenjit_function_signature(mgenjit_function function)',
    'int32_t mgenjit_function_result_type(mgenjit_function function)',
    'size_t mgenjit_function_parameter_count(mgenjit_function function)',
    'int32_t mgenjit_function_parameter_type(mgenjit_function function, size_t index)',
    'mgenjit_status mgenjit_function_address(mgenjit_function function, _Out_ void **address, _Out_ mgenjit_error *error)',
].map((prototype) => [prototype.match(/mgenjit_(\w+)\(/)[1], library.func(prototype)]));

const STATUS_OK = 0;
const ORIGIN_CACHE = 2;
const ALLOW_VANISHED = 1;
const ALLOW_CHANGED = 2;
const OPT_LEVELS = ['O0', 'O1', 'O2', 'O3', 'Os', 'Oz'];
const CACHE_MODES = ['read_write', 'read_only', 'off'];
const EVENTS = [
    null, 'hit', 'miss', 'compile_started', 'compiled', 'stored', 'loaded', 'cache_warning', 'different', 'not_isolated',
    'server_warning', 'progress', 'warning',
];

// By MGENJIT_TYPE_…; as IR writes a type, and as koffi does. Of an i1, the lowest bit alone is set by the IR.
const TYPES = [
    ['void', 'void'], ['i1', 'uint8_t'], ['i8', 'int8_t'], ['i16', 'int16_t'], ['i32', 'int32_t'], ['i64', 'int64_t'],
    ['float', 'float'], ['double', 'double'], ['ptr', 'void *'],
];
const TYPE_I1 = 1;

/** Why a call failed. */
class MgenjitError extends Error {
    constructor(status, error) {
        super(call.error_message(error));
        this.name = 'MgenjitError';
        /** Such as 'MGENJIT_STATUS_PARSE'. */
        this.status = call.status_name(status);
        /** Where the IR text is wrong, from 1; null if the error has no place there. */
        this.line = call.error_line(error) || null;
        this.column = call.error_column(error) || null;
        this.sourceLine = call.error_source_line(error);
        /** The symbols that are defined nowhere. */
        this.missing = Array.from({ length: Number(call.error_symbol_count(error)) },
            (_, index) => call.error_symbol(error, index));
        call.error_free(error);
    }
}

/** Makes a call whose last parameter is the error. */
function check(name, ...parameters) {
    const error = [null];
    const status = call[name](...parameters, error);
    if (status !== STATUS_OK)
        throw new MgenjitError(status, error[0]);
}

/** The same, of a call that writes a handle or an address before it. */
function make(name, ...parameters) {
    const made = [null];
    check(name, ...parameters, made);
    return made[0];
}

// What is collected frees its handle. A function keeps its own, so that its code stays.
const freed = new FinalizationRegistry(([free, pointer]) => call[free](pointer));

function choice(name, choices, value) {
    const index = choices.indexOf(value);
    if (index < 0)
        throw new TypeError(`${name} is ${value}: it must be one of ${choices.join(', ')}`);
    return index;
}

/** The C function for a function that is told of events. What it throws cannot pass through the library: it is thrown
 * afterwards. */
function hook(told) {
    return koffi.register((pointer) => {
        try {
            const { kind, key, name, message, bytes, done, total } = koffi.decode(pointer, mgenjit_event);
            told({ kind: EVENTS[kind] ?? kind, key, name, message, bytes, done, total });
        } catch (error) {
            queueMicrotask(() => { throw error; });
        }
    }, koffi.pointer(mgenjit_event_hook));
}

/** A set of modules that link to each other. */
class Executor {
    #pointer;

    /** Options: opt_level ('O0' to 'O3', 'Os', 'Oz'), cpu, cache_dir, cache_mode ('read_write', 'read_only', 'off'),
     * server_path, replaceable (true: functions can be replaced while code runs), and on_event: a function that is told what happens. An event has `kind`, such as 'hit' or 'compiled',
     * `key`, `name`, `message`, `bytes`, `done` and `total`. The function is kept as long as the process runs. */
    constructor(options = {}) {
        const config = make('config_new');
        try {
            for (let [name, value] of Object.entries(options)) {
                if (name === 'opt_level')
                    value = choice(name, OPT_LEVELS, value);
                else if (name === 'cache_mode')
                    value = choice(name, CACHE_MODES, value);
                else if (name === 'on_event') {
                    check('config_set_event_hook', config, hook(value), null, null);
                    continue;
                } else if (!['cpu', 'cache_dir', 'server_path', 'replaceable'].includes(name))
                    throw new TypeError(`there is no option ${name}`);
                check(`config_set_${name}`, config, value);
            }
            this.#pointer = make('executor_new', config);
        } finally {
            call.config_free(config);
        }
        freed.register(this, ['executor_free', this.#pointer]);
    }

    /** Compiles IR text, or bitcode in a Buffer, or finds it in the cache. `name` is what messages call it. */
    compile(ir, name = null) {
        const bytes = Buffer.from(ir);
        return new Module(make('executor_compile', this.#pointer, name, bytes, bytes.length));
    }

    /** Defines a symbol for the modules that link from now on: an address; or a JavaScript function with koffi's types
     * of its result and parameters, which is kept as long as the process runs. Compiled code must call it on the thread
     * that runs JavaScript. */
    define(name, value, result, parameters) {
        if (typeof value === 'function')
            value = koffi.register(value, koffi.pointer(koffi.proto(result, parameters)));
        check('executor_define', this.#pointer, name, value);
    }

    /** Runs the `main` of the modules. The first argument is the program's name. */
    runMain(args) {
        const status = [0];
        check('executor_run_main', this.#pointer, args.length, [...args, null], status);
        return status[0];
    }
}

/** A module of an executor. */
class Module {
    #pointer;

    constructor(pointer) {
        this.#pointer = pointer;
        freed.register(this, ['module_free', pointer]);
    }

    get name() { return call.module_name(this.#pointer); }
    get key() { return call.module_key(this.#pointer); }
    /** Whether it was in the cache. */
    get hit() { return call.module_origin(this.#pointer) === ORIGIN_CACHE; }

    /** The signatures of its functions, such as 'i64 @add(i64, i64)'. */
    get signatures() {
        return this.#functions((pointer) => call.function_signature(pointer));
    }

    /** A function to call, with the types that the IR names. `signature` is its text. */
    function(name) {
        let found = null;
        this.#functions((pointer, index) => { if (call.function_name(pointer) === name) found = index; });
        if (found === null)
            throw new RangeError(`${this.name}: it defines no function ${name}`);
        const pointer = make('module_function', this.#pointer, found);
        const signature = call.function_signature(pointer);
        const kinds = Array.from({ length: Number(call.function_parameter_count(pointer)) },
            (_, index) => call.function_parameter_type(pointer, index));
        const result = call.function_result_type(pointer);
        // The text has a calling convention before the result, and "..." after the last parameter.
        if ([result, ...kinds].some((kind) => kind >= TYPES.length) || signature.endsWith('...)')
            || !signature.startsWith(`${TYPES[result][0]} @`)) {
            call.function_free(pointer);
            throw new TypeError(`${signature} cannot be called from JavaScript: ` +
                'it must have the C calling convention, and take and return integers, floats and pointers');
        }
        const native = koffi.decode(make('function_address', pointer),
            koffi.proto(TYPES[result][1], kinds.map((kind) => TYPES[kind][1])));
        const callable = result === TYPE_I1 ? (...args) => (native(...args) & 1) === 1 : (...args) => native(...args);
        callable.signature = signature;
        callable.module = this;
        freed.register(callable, ['function_free', pointer]);
        return callable;
    }

    remove() {
        check('module_remove', this.#pointer);
    }

    /** Compiles a new version of the module, which its functions' callers then call, and returns it. The executor must be
     * `replaceable`. `name` is what messages call it. `allow` may have `vanished` and `changed`: functions may be gone, or
     * have other types. Functions that were looked up before call the new version. */
    replace(ir, name, { vanished = false, changed = false } = {}) {
        const bytes = Buffer.from(ir);
        const source = make('source_new', name);
        try {
            check('source_add', source, name, bytes, bytes.length);
            const allow = (vanished ? ALLOW_VANISHED : 0) | (changed ? ALLOW_CHANGED : 0);
            return new Module(make('module_replace', this.#pointer, source, allow));
        } finally {
            call.source_free(source);
        }
    }

    /** Says that nothing runs in the module any more, after it was replaced. Tells whether its code is unmapped now. */
    retire() {
        return make('module_retire', this.#pointer);
    }

    #functions(of) {
        return Array.from({ length: Number(call.module_function_count(this.#pointer)) }, (_, index) => {
            const pointer = make('module_function', this.#pointer, index);
            try {
                return of(pointer, index);
            } finally {
                call.function_free(pointer);
            }
        });
    }
}

module.exports = { Executor, Module, MgenjitError, version: call.version_string() };
