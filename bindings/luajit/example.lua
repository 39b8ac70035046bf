-- A compile, a call, an error with its line, a callback, and a hook for events: luajit example.lua

package.path = arg[0]:match("^(.*/)") .. "?.lua;" .. package.path
local mgenjit = require "mgenjit"

local executor = mgenjit.executor {
    opt_level = "O2",
    on_event = function(event)
        if event.kind == "compiled" or event.kind == "hit" then
            print(event.name .. ": " .. event.kind)
        end
    end,
}

local module = executor:compile([[
define i64 @add(i64 %a, i64 %b) {
  %sum = add i64 %a, %b
  ret i64 %sum
}
]], "add.ll")
local add = module:lookup("add", "int64_t (*)(int64_t, int64_t)")
print("add(10, 20) = " .. tonumber(add(10, 20)))

local ok, failure = pcall(executor.compile, executor, "define i64 @f() {\n  ret i64 %x\n}\n", "bad.ll")
assert(not ok)
print(failure.status .. " in line " .. failure.line .. ": " .. failure.source_line)

executor:define("twice", function(x) return 2 * x end, "int64_t (*)(int64_t)")
local caller = executor:compile([[
declare i64 @twice(i64)
define i64 @call_twice(i64 %x) {
  %y = call i64 @twice(i64 %x)
  %z = add i64 %y, 1
  ret i64 %z
}
]], "caller.ll")
print("call_twice(20) = " .. tonumber(caller:lookup("call_twice", "int64_t (*)(int64_t)")(20)))
