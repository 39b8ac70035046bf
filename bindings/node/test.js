'use strict';

// What the example does not show: node test.js

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Executor, MgenjitError, version } = require('./mgenjit');

const ADD = 'define i64 @add(i64 %a, i64 %b) {\n  %c = add i64 %a, %b\n  ret i64 %c\n}\n';

assert.match(version, /^\d+\.\d+\.\d+$/);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mgenjit-node-'));
for (const hit of [false, true]) {
    const module = new Executor({ cache_dir: folder, opt_level: 'O3' }).compile(ADD, 'add.ll');
    assert.deepEqual([module.hit, module.name, module.key.length], [hit, 'add.ll', 64]);
    assert.deepEqual(module.signatures, ['i64 @add(i64, i64)']);
    assert.equal(module.function('add')(0x7fffffffffffffffn, 1), -0x8000000000000000n);
}
fs.rmSync(folder, { recursive: true });

const executor = new Executor({ cache_mode: 'read_write' });

// Every type, there and back.
executor.define('host', (a, b, c, d) => a + b + c + d, 'double', ['int8_t', 'int32_t', 'float', 'double']);
const types = executor.compile(`
declare double @host(i8 signext, i32, float, double)
define double @f(i8 signext %a, i32 %b, float %c, double %d, ptr %out) {
  %r = call double @host(i8 signext %a, i32 %b, float %c, double %d)
  store double %r, ptr %out
  ret double %r
}
define i1 @less(i64 %a, i64 %b) {
  %c = icmp slt i64 %a, %b
  ret i1 %c
}
define void @nothing() {
  ret void
}
define fastcc i64 @fast(i64 %a) {
  ret i64 %a
}
define i64 @many(i64 %a, ...) {
  ret i64 %a
}
define <4 x i32> @vector(<4 x i32> %a) {
  ret <4 x i32> %a
}
`, 'types.ll');
const out = new Float64Array(1);
assert.equal(types.function('f')(-1, -2, 0.5, 0.25, out), -2.25);
assert.equal(out[0], -2.25);
assert.deepEqual([types.function('less')(1, 2), types.function('less')(2, 1)], [true, false]);
assert.equal(types.function('nothing')(), undefined);
for (const name of ['fast', 'many', 'vector'])
    assert.throws(() => types.function(name), { name: 'TypeError', message: /cannot be called from JavaScript/ });
assert.throws(() => types.function('none'), { message: 'types.ll: it defines no function none' });

// Errors.
assert.throws(() => executor.compile('\n\n  what\n', 'bad.ll'), (error) => {
    assert(error instanceof MgenjitError && error instanceof Error);
    assert.deepEqual([error.status, error.line, error.column, error.sourceLine],
        ['MGENJIT_STATUS_PARSE', 3, 3, '  what']);
    return error.message.startsWith('bad.ll:3:3: ');
});
const missing = executor.compile('declare void @nowhere()\ndefine void @g() {\n  call void @nowhere()\n  ret void\n}\n', 'g.ll');
assert.throws(() => missing.function('g'), { status: 'MGENJIT_STATUS_UNRESOLVED', missing: ['nowhere'], line: null });
missing.remove();
assert.throws(() => missing.function('g'), { status: 'MGENJIT_STATUS_REMOVED' });
assert.throws(() => new Executor({ cpu: 'z80' }), { status: 'MGENJIT_STATUS_INVALID_ARGUMENT' });
assert.throws(() => new Executor({ opt_level: 'O9' }), TypeError);
assert.throws(() => new Executor({ optt_level: 'O2' }), /there is no option optt_level/);

// Events.
const events = [];
new Executor({ cache_mode: 'off', on_event: (event) => events.push(event) }).compile(ADD, 'add.ll');
const compiled = events.find((event) => event.kind === 'compiled');
assert.deepEqual([compiled.name, compiled.key.length, compiled.bytes > 0], ['add.ll', 64, true]);
assert(events.some((event) => event.kind === 'miss'));
process.once('uncaughtException', (error) => {
    assert.equal(error.message, 'not now');
    console.log('ok');
});
new Executor({ cache_mode: 'off', on_event: ({ kind }) => { if (kind === 'loaded') throw new Error('not now'); } })
    .compile(ADD, 'add.ll');

// Replacement.
const live = new Executor({ replaceable: true });
const returning = (number) => `define i32 @version() {\n  ret i32 ${number}\n}\n`;
const first = live.compile(returning(1), 'one.ll');
const current = first.function('version');
assert.equal(current(), 1);
const second = first.replace(returning(2), 'two.ll');
assert.equal(current(), 2);
// The function is a handle, which keeps its module.
assert.equal(first.retire(), false);
assert.throws(() => second.replace(ADD, 'other.ll'), { status: 'MGENJIT_STATUS_TYPE', missing: ['version'] });
second.replace('define i32 @version(i32 %x) {\n  ret i32 %x\n}\n', 'three.ll', { changed: true });
live.compile(returning(4), 'four.ll').function('version');
assert.equal(current(), 4);

// main.
executor.compile('define i32 @main(i32 %argc, ptr %argv) {\n  ret i32 %argc\n}\n', 'main.ll');
assert.equal(executor.runMain(['prog', '5']), 2);
