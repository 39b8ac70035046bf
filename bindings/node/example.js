'use strict';

// A compile, a call, an error with its line, a callback, and a hook for events: node example.js

const { Executor } = require('./mgenjit');

const executor = new Executor({
    opt_level: 'O2',
    on_event: (event) => {
        if (event.kind === 'compiled' || event.kind === 'hit')
            console.log(`${event.name}: ${event.kind}`);
    },
});

const module_ = executor.compile(`
define i64 @add(i64 %a, i64 %b) {
  %sum = add i64 %a, %b
  ret i64 %sum
}
`, 'add.ll');
console.log('add(10, 20) =', module_.function('add')(10, 20));

try {
    executor.compile('define i64 @f() {\n  ret i64 %x\n}\n', 'bad.ll');
} catch (error) {
    console.log(`${error.status} in line ${error.line}: ${error.sourceLine}`);
}

executor.define('twice', (x) => 2 * Number(x), 'int64_t', ['int64_t']);
const caller = executor.compile(`
declare i64 @twice(i64)
define i64 @call_twice(i64 %x) {
  %y = call i64 @twice(i64 %x)
  %z = add i64 %y, 1
  ret i64 %z
}
`, 'caller.ll');
console.log('call_twice(20) =', caller.function('call_twice')(20));
