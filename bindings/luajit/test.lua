-- What the example does not show: luajit test.lua

package.path = arg[0]:match("^(.*/)") .. "?.lua;" .. package.path
local ffi = require "ffi"
local mgenjit = require "mgenjit"

assert(mgenjit.version:match("^%d+%.%d+%.%d+$"))

-- The constants and the structs are the header's.
local times = ffi.new("mgenjit_times")
times.size = ffi.sizeof(times)
local add_ir = "define i64 @add(i64 %a, i64 %b) {\n  %c = add i64 %a, %b\n  ret i64 %c\n}\n"
local folder = os.tmpname()
os.remove(folder)
for _, hit in ipairs { false, true } do
    local module = mgenjit.executor({ cache_dir = folder, opt_level = "O3" }):compile(add_ir, "add.ll")
    assert(module:is_hit() == hit)
    assert(module:name() == "add.ll" and #module:key() == 64)
    assert(mgenjit.C.mgenjit_module_times(module.handle, times, nil) == mgenjit.C.MGENJIT_STATUS_OK)
    assert(times.total_us > 0)
    -- The module keeps its code, whatever is collected.
    local add = module:lookup("add", "int64_t (*)(int64_t, int64_t)")
    collectgarbage()
    assert(add(0x7fffffffffffffffLL, 1) == -0x7fffffffffffffffLL - 1)
end
os.execute("rm -rf '" .. folder .. "'")

-- Checked calls, by the header's struct.
local executor = mgenjit.executor()
executor:compile(add_ir, "add.ll")
local fn = ffi.new("mgenjit_function *[1]")
assert(mgenjit.C.mgenjit_executor_lookup_function(executor.handle, "add", fn, nil) == 0)
local values = ffi.new("mgenjit_value[3]")
for index = 0, 1 do
    values[index].kind = mgenjit.C.MGENJIT_TYPE_I64
    values[index].of.integer = index + 4
end
assert(mgenjit.C.mgenjit_function_call(fn[0], values, 2, values + 2, nil) == 0)
assert(values[2].of.integer == 9)
mgenjit.C.mgenjit_function_free(fn[0])

-- Errors.
local function fails(status, part, call, ...)
    local ok, failure = pcall(call, ...)
    assert(not ok)
    assert(failure.status == "MGENJIT_STATUS_" .. status, failure.status)
    assert(tostring(failure):find(part, 1, true), tostring(failure))
    return failure
end
local failure = fails("PARSE", "bad.ll:3:3: ", executor.compile, executor, "\n\n  what\n", "bad.ll")
assert(failure.line == 3 and failure.column == 3 and failure.source_line == "  what")
local module = executor:compile("declare void @nowhere()\ndefine void @f() {\n  call void @nowhere()\n  ret void\n}\n", "f.ll")
failure = fails("UNRESOLVED", "nowhere", module.lookup, module, "f", "void (*)(void)")
assert(failure.missing[1] == "nowhere" and not failure.line)
module:remove()
fails("REMOVED", "was removed", module.lookup, module, "f", "void (*)(void)")
fails("INVALID_ARGUMENT", "z80", mgenjit.executor, { cpu = "z80" })
assert(not pcall(mgenjit.executor, { optt_level = "O2" }))

-- Events. The hook lives as long as what it is told of.
local kinds = {}
local told = mgenjit.executor({
    cache_mode = "OFF",
    on_event = function(event)
        kinds[event.kind] = event
        if event.kind == "loaded" then
            error("not now")
        end
    end,
})
local stderr = io.stderr
local warned = ""
io.stderr = { write = function(_, line) warned = warned .. line end }
local kept = told:compile(add_ir, "add.ll")
io.stderr = stderr
assert(warned:match("^mgenjit: on_event: .*not now\n$"), warned)
assert(kinds.miss and kinds.compiled.name == "add.ll" and #kinds.loaded.key == 64)
told = nil
collectgarbage()
assert(kept:lookup("add", "int64_t (*)(int64_t, int64_t)")(1, 2) == 3)

-- Replacement.
local live = mgenjit.executor { replaceable = true }
local function version(number)
    return ("define i32 @version() {\n  ret i32 %d\n}\n"):format(number)
end
local first = live:compile(version(1), "one.ll")
local call = first:lookup("version", "int32_t (*)(void)")
assert(call() == 1)
local second = first:replace(version(2), "two.ll")
assert(call() == 2 and second:lookup("version", "int32_t (*)(void)") == call)
assert(first:retire() == true)
failure = fails("TYPE", "version", second.replace, second, add_ir, "other.ll")
assert(failure.missing[1] == "version" and call() == 2)
second:replace("define i32 @version(i32 %x) {\n  ret i32 %x\n}\n", "three.ll", { changed = true })
live:compile(version(4), "four.ll"):lookup("version", "void *")
assert(call() == 4)

-- main.
executor:compile("define i32 @main(i32 %argc, ptr %argv) {\n  ret i32 %argc\n}\n", "main.ll")
assert(executor:run_main { "prog", "5" } == 2)

print("ok")
