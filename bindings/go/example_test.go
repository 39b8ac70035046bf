package mgenjit_test

import (
	"errors"
	"fmt"
	"log"

	"mgenjit"
)

// A compile, a call, an error with its line, a callback, and a hook for events.
func Example() {
	executor, err := mgenjit.NewExecutor(mgenjit.Config{OptLevel: "O2", NoCache: true, OnEvent: func(event mgenjit.Event) {
		if event.Kind == mgenjit.Compiled {
			fmt.Println(event.Name + ": compiled")
		}
	}})
	if err != nil {
		log.Fatal(err)
	}
	module, err := executor.CompileString(`
define i64 @add(i64 %a, i64 %b) {
  %sum = add i64 %a, %b
  ret i64 %sum
}
`, "add.ll")
	if err != nil {
		log.Fatal(err)
	}
	add, err := module.Function("add")
	if err != nil {
		log.Fatal(err)
	}
	sum, err := add.Call(10, 20)
	fmt.Println("add(10, 20) =", sum, err)

	_, err = executor.CompileString("define i64 @f() {\n  ret i64 %x\n}\n", "bad.ll")
	var failure *mgenjit.Error
	if errors.As(err, &failure) {
		fmt.Printf("%s in line %d: %s\n", failure.Status, failure.Line, failure.SourceLine)
	}

	if err := executor.Define("twice", func(x int64) int64 { return 2 * x }); err != nil {
		log.Fatal(err)
	}
	caller, err := executor.CompileString(`
declare i64 @twice(i64)
define i64 @call_twice(i64 %x) {
  %y = call i64 @twice(i64 %x)
  %z = add i64 %y, 1
  ret i64 %z
}
`, "caller.ll")
	if err != nil {
		log.Fatal(err)
	}
	twice, err := caller.Function("call_twice")
	if err != nil {
		log.Fatal(err)
	}
	result, err := twice.Call(20)
	fmt.Println("call_twice(20) =", result, err)
	// Output:
	// add.ll: compiled
	// add(10, 20) = 30 <nil>
	// MGENJIT_STATUS_PARSE in line 2:   ret i64 %x
	// the Go function twice: compiled
	// caller.ll: compiled
	// call_twice(20) = 41 <nil>
}
