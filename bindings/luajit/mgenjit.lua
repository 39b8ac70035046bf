-- LLVM IR in, native functions out, and never compiled twice: libmgenjit for LuaJIT.
--
--     local mgenjit = require "mgenjit"
--     local executor = mgenjit.executor()
--     local module = executor:compile("define i64 @add(i64 %a, i64 %b) { … }", "add.ll")
--     local add = module:lookup("add", "int64_t (*)(int64_t, int64_t)")
--     print(add(10, 20))
--
-- Errors are tables with `status`, `line`, `column`, `source_line` and `missing`; tostring gives the message.
--
-- The declarations are those of the installed header: $MGENJIT_HEADER, or else what pkg-config names. The library is
-- $MGENJIT_LIBRARY, or else what the system finds as libmgenjit.so.0. `mgenjit.C` is the whole C ABI.

local ffi = require "ffi"

local function output(command)
    local pipe = assert(io.popen(command))
    local text = pipe:read("*a")
    pipe:close()
    return text
end

local function quoted(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function header()
    local path = os.getenv("MGENJIT_HEADER")
    if path then
        return path
    end
    local folder = output("pkg-config --variable=includedir mgenjit 2>/dev/null"):gsub("%s+$", "")
    if folder == "" then
        error("mgenjit.h was not found: set MGENJIT_HEADER to its path, or PKG_CONFIG_PATH to the folder of mgenjit.pc", 0)
    end
    return folder .. "/mgenjit.h"
end

local declarations = output("cc -E -P -DMGENJIT_DECLARATIONS_ONLY -x c " .. quoted(header()))
if declarations == "" then
    error("the C preprocessor gave nothing for " .. header() .. ": is a C compiler installed as cc?", 0)
end
ffi.cdef(declarations)

local C = ffi.load(os.getenv("MGENJIT_LIBRARY") or "libmgenjit.so.0")

local M = { C = C }

-- The names of events by their numbers, such as "compiled".
local events = {}
for name in declarations:gmatch("MGENJIT_EVENT_([%u_]+)%s*=") do
    events[tonumber(C["MGENJIT_EVENT_" .. name])] = name:lower()
end

local Error = {}
Error.__index = Error
Error.__tostring = function(self) return self.message end

local function text(pointer)
    return pointer ~= nil and ffi.string(pointer) or nil
end

local function number(value)
    return value ~= 0 and tonumber(value) or nil
end

-- Makes a call that can fail; raises its error. The call may call back, which LuaJIT allows interpreted code alone.
local function check(call, ...)
    local out = ffi.new("mgenjit_error *[1]")
    local arguments, count = { ... }, select("#", ...)
    arguments[count + 1] = out
    local status = call(unpack(arguments, 1, count + 1))
    if status == C.MGENJIT_STATUS_OK then
        return
    end
    local pointer = out[0]
    local missing = {}
    for index = 0, tonumber(C.mgenjit_error_symbol_count(pointer)) - 1 do
        missing[index + 1] = text(C.mgenjit_error_symbol(pointer, index))
    end
    local raised = setmetatable({
        status = text(C.mgenjit_status_name(status)),
        message = text(C.mgenjit_error_message(pointer)),
        line = number(C.mgenjit_error_line(pointer)),
        column = number(C.mgenjit_error_column(pointer)),
        source_line = text(C.mgenjit_error_source_line(pointer)),
        missing = missing,
    }, Error)
    C.mgenjit_error_free(pointer)
    error(raised, 0)
end
jit.off(check)

-- The C function for a function that is told of events. An error in it cannot pass through the library: it is a warning.
local function hook(told)
    local function call(event)
        local ok, failure = pcall(told, {
            kind = events[event.kind] or event.kind,
            key = text(event.key),
            name = text(event.name),
            message = text(event.message),
            bytes = tonumber(event.bytes),
            done = tonumber(event.done),
            total = tonumber(event.total),
        })
        if not ok then
            io.stderr:write("mgenjit: on_event: " .. tostring(failure) .. "\n")
        end
    end
    return ffi.cast("mgenjit_event_hook", call)
end

local Module = {}
Module.__index = Module

function Module:name() return text(C.mgenjit_module_name(self.handle)) end
function Module:key() return text(C.mgenjit_module_key(self.handle)) end
function Module:is_hit() return C.mgenjit_module_origin(self.handle) == C.MGENJIT_ORIGIN_CACHE end

-- The function or variable of a name, as a pointer of the C type that is given. It is valid as long as the module's
-- executor, or the module, is not collected: keep one of them.
function Module:lookup(name, ctype)
    local address = ffi.new("void *[1]")
    check(C.mgenjit_module_lookup, self.handle, name, address)
    return ffi.cast(ctype, address[0])
end

function Module:remove()
    check(C.mgenjit_module_remove, self.handle)
end

-- Compiles a new version of the module, which its functions' callers then call; the executor must be `replaceable`. `name` is
-- what messages call it. `allow` may have `vanished` and `changed`: functions may be gone, or have other types. Returns the
-- new module. What lookups gave before stays valid.
function Module:replace(ir, name, allow)
    local source = ffi.new("mgenjit_source *[1]")
    check(C.mgenjit_source_new, name, source)
    source = ffi.gc(source[0], C.mgenjit_source_free)
    check(C.mgenjit_source_add, source, name, ir, #ir)
    local allowed = (allow and allow.vanished and C.MGENJIT_ALLOW_VANISHED or 0)
        + (allow and allow.changed and C.MGENJIT_ALLOW_CHANGED or 0)
    local module = ffi.new("mgenjit_module *[1]")
    check(C.mgenjit_module_replace, self.handle, source, allowed, module)
    return setmetatable({ handle = ffi.gc(module[0], C.mgenjit_module_free), executor = self.executor }, Module)
end

-- Says that nothing runs in the module any more, after it was replaced. Tells whether its code is unmapped now.
function Module:retire()
    local unmapped = ffi.new("bool[1]")
    check(C.mgenjit_module_retire, self.handle, unmapped)
    return unmapped[0]
end

local Executor = {}
Executor.__index = Executor

-- Options: opt_level ("O0" to "O3", "Os", "Oz"), cpu, cache_dir, cache_mode ("READ_WRITE", "READ_ONLY", "OFF"),
-- server_path, replaceable (true: functions can be replaced while code runs), and on_event: a function that is told what happens, as a table with `kind`, such as "hit" or "compiled",
-- `key`, `name`, `message`, `bytes`, `done` and `total`.
function M.executor(options)
    local config = ffi.new("mgenjit_config *[1]")
    check(C.mgenjit_config_new, config)
    config = ffi.gc(config[0], C.mgenjit_config_free)
    local callbacks = {}
    for name, value in pairs(options or {}) do
        if name == "on_event" then
            callbacks[1] = hook(value)
            check(C.mgenjit_config_set_event_hook, config, callbacks[1], nil, nil)
        elseif name == "opt_level" then
            value = C["MGENJIT_OPT_" .. value:upper()]
        elseif name == "cache_mode" then
            value = C["MGENJIT_CACHE_" .. value:upper()]
        elseif name ~= "cpu" and name ~= "cache_dir" and name ~= "server_path" and name ~= "replaceable" then
            error("there is no option " .. tostring(name), 2)
        end
        if name ~= "on_event" then
            check(C["mgenjit_config_set_" .. name], config, value)
        end
    end
    local executor = ffi.new("mgenjit_executor *[1]")
    check(C.mgenjit_executor_new, config, executor)
    return setmetatable({ handle = ffi.gc(executor[0], C.mgenjit_executor_free), callbacks = callbacks }, Executor)
end

-- Compiles IR text or bitcode, or finds it in the cache. `name` is what messages call it.
function Executor:compile(ir, name)
    local module = ffi.new("mgenjit_module *[1]")
    check(C.mgenjit_executor_compile, self.handle, name, ir, #ir, module)
    -- The module keeps the executor's callbacks.
    return setmetatable({ handle = ffi.gc(module[0], C.mgenjit_module_free), executor = self }, Module)
end

-- Defines a symbol for the modules that link from now on: an address, or a Lua function and its C type. LuaJIT has room
-- for some hundreds of Lua functions.
function Executor:define(name, value, ctype)
    if type(value) == "function" then
        value = ffi.cast(ctype, value)
        table.insert(self.callbacks, value)
    end
    check(C.mgenjit_executor_define, self.handle, name, ffi.cast("const void *", value))
end

-- Runs the `main` of the modules; the first argument is the program's name.
function Executor:run_main(arguments)
    local argv = ffi.new("const char *[?]", #arguments + 1)
    for index, argument in ipairs(arguments) do
        argv[index - 1] = argument
    end
    local result = ffi.new("int[1]")
    check(C.mgenjit_executor_run_main, self.handle, #arguments, argv, result)
    return result[0]
end

M.version = text(C.mgenjit_version_string())

return M
