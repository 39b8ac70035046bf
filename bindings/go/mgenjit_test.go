package mgenjit_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"mgenjit"
)

const addIR = "define i64 @add(i64 %a, i64 %b) {\n  %c = add i64 %a, %b\n  ret i64 %c\n}\n"

func executor(t *testing.T, config mgenjit.Config) *mgenjit.Executor {
	t.Helper()
	made, err := mgenjit.NewExecutor(config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func compile(t *testing.T, e *mgenjit.Executor, ir, name string) *mgenjit.Module {
	t.Helper()
	module, err := e.CompileString(ir, name)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func call(t *testing.T, m *mgenjit.Module, name string, arguments ...any) any {
	t.Helper()
	function, err := m.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	result, err := function.Call(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func expect(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%#v, not %#v", got, want)
	}
}

func TestCacheAndHook(t *testing.T) {
	var mutex sync.Mutex
	seen := map[mgenjit.EventKind]bool{}
	config := mgenjit.Config{CacheDir: t.TempDir(), OptLevel: "O3", OnEvent: func(event mgenjit.Event) {
		mutex.Lock()
		defer mutex.Unlock()
		seen[event.Kind] = event.Name == "add.ll" && len(event.Key) == 64
	}}
	for _, hit := range []bool{false, true} {
		module := compile(t, executor(t, config), addIR, "add.ll")
		expect(t, module.Hit(), hit)
		expect(t, module.Name(), "add.ll")
		// The module keeps its code, whatever is collected.
		runtime.GC()
		expect(t, call(t, module, "add", int64(math.MaxInt64), 1), int64(math.MinInt64))
	}
	if !seen[mgenjit.Hit] || !seen[mgenjit.Miss] {
		t.Fatal(seen)
	}
	config.NoCache = true
	expect(t, compile(t, executor(t, config), addIR, "add.ll").Hit(), false)
}

func TestTypes(t *testing.T) {
	e := executor(t, mgenjit.Config{})
	host := func(a int8, b uint16, c int32, d float32, e float64, p unsafe.Pointer) float64 {
		*(*int64)(p) = int64(a)
		return float64(a) + float64(b) + float64(c) + float64(d) + e
	}
	if err := e.Define("host", host); err != nil {
		t.Fatal(err)
	}
	var order []int64
	if err := e.Define("note", func(x int64) { order = append(order, x) }); err != nil {
		t.Fatal(err)
	}
	module := compile(t, e, `
declare double @host(i8, i16, i32, float, double, ptr)
declare void @note(i64)
define double @f(i8 %a, i16 %b, i32 %c, float %d, double %e, ptr %p) {
  call void @note(i64 7)
  %r = call double @host(i8 %a, i16 %b, i32 %c, float %d, double %e, ptr %p)
  ret double %r
}
define i1 @not(i1 %a) {
  %b = xor i1 %a, 1
  ret i1 %b
}
define ptr @same(ptr %p) {
  ret ptr %p
}
define float @half(float %x) {
  %y = fmul float %x, 5.0e-01
  ret float %y
}
define void @nothing() {
  ret void
}
`, "types.ll")
	out := new(int64)
	result := call(t, module, "f", int8(-1), uint16(65535), -2, float32(0.5), 0.25, unsafe.Pointer(out))
	expect(t, result, 65532.75)
	expect(t, *out, int64(-1))
	expect(t, order, []int64{7})
	expect(t, call(t, module, "not", true), false)
	expect(t, call(t, module, "same", unsafe.Pointer(out)), unsafe.Pointer(out))
	expect(t, call(t, module, "half", float32(3)), float32(1.5))
	expect(t, call(t, module, "nothing"), nil)
}

func TestErrors(t *testing.T) {
	e := executor(t, mgenjit.Config{})
	check := func(err error, status, part string) *mgenjit.Error {
		t.Helper()
		var failure *mgenjit.Error
		if !errors.As(err, &failure) || failure.Status != "MGENJIT_STATUS_"+status || !strings.Contains(err.Error(), part) {
			t.Fatalf("%#v", err)
		}
		return failure
	}
	_, err := e.CompileString("\n\n  what\n", "bad.ll")
	failure := check(err, "PARSE", "bad.ll:3:3: ")
	expect(t, []any{failure.Line, failure.Column, failure.SourceLine}, []any{3, 3, "  what"})

	module := compile(t, e, "declare void @nowhere()\ndefine void @f() {\n  call void @nowhere()\n  ret void\n}\n", "f.ll")
	function, err := module.Function("f")
	expect(t, err, nil)
	expect(t, function.Signature(), "void @f()")
	_, err = function.Address()
	expect(t, check(err, "UNRESOLVED", "nowhere").Missing, []string{"nowhere"})
	expect(t, module.Remove(), nil)
	check(module.Remove(), "REMOVED", "")

	add, err := compile(t, e, addIR, "add.ll").Function("add")
	expect(t, err, nil)
	_, err = add.Call(1)
	check(err, "TYPE", "add")
	_, err = add.Call(1, 2.0)
	check(err, "TYPE", "add")
	_, err = add.Call(1, "2")
	check(err, "INVALID_ARGUMENT", "argument 2 is a string")
	_, err = compile(t, e, addIR, "add.ll").Function("none")
	check(err, "NOT_FOUND", "add.ll: it defines no function none")
	_, err = mgenjit.NewExecutor(mgenjit.Config{CPU: "z80"})
	check(err, "INVALID_ARGUMENT", "z80")
	_, err = mgenjit.NewExecutor(mgenjit.Config{OptLevel: "O9"})
	check(err, "INVALID_ARGUMENT", "O9")
	_, err = e.Compile(nil, "empty.ll")
	check(err, "PARSE", "empty.ll: the input is empty")
	for _, wrong := range []any{nil, 1, func(string) {}, func(...int64) {}, func() (int64, error) { return 0, nil }} {
		check(e.Define("wrong", wrong), "INVALID_ARGUMENT", "wrong")
	}
}

func TestRunMain(t *testing.T) {
	e := executor(t, mgenjit.Config{})
	compile(t, e, "define i32 @main(i32 %argc, ptr %argv) {\n  ret i32 %argc\n}\n", "main.ll")
	status, err := e.RunMain("prog", "5")
	expect(t, err, nil)
	expect(t, status, 2)
}

func TestManyGoroutines(t *testing.T) {
	e := executor(t, mgenjit.Config{})
	if err := e.Define("twice", func(x int64) int64 { return 2 * x }); err != nil {
		t.Fatal(err)
	}
	module := compile(t, e, "declare i64 @twice(i64)\ndefine i64 @f(i64 %x) {\n  %y = call i64 @twice(i64 %x)\n  ret i64 %y\n}\n", "f.ll")
	function, err := module.Function("f")
	expect(t, err, nil)
	var group sync.WaitGroup
	for i := int64(0); i < 16; i++ {
		group.Add(1)
		go func(i int64) {
			defer group.Done()
			if result, err := function.Call(i); err != nil || result != 2*i {
				t.Error(result, err)
			}
		}(i)
	}
	group.Wait()
}

func TestReplace(t *testing.T) {
	version := func(number int) string {
		return fmt.Sprintf("define i32 @version() {\n  ret i32 %d\n}\n", number)
	}
	e := executor(t, mgenjit.Config{Replaceable: true})
	first := compile(t, e, version(1), "one.ll")
	function, err := first.Function("version")
	expect(t, err, nil)
	current := func(wanted int32) {
		t.Helper()
		result, err := function.Call()
		expect(t, err, nil)
		expect(t, result, any(wanted))
	}
	current(1)
	second, err := first.Replace([]byte(version(2)), "two.ll")
	expect(t, err, nil)
	current(2)
	// The function keeps its module.
	unmapped, err := first.Retire()
	expect(t, err, nil)
	expect(t, unmapped, false)
	_, err = second.Replace([]byte("define void @other() {\n  ret void\n}\n"), "other.ll")
	var failure *mgenjit.Error
	if !errors.As(err, &failure) || failure.Status != "MGENJIT_STATUS_TYPE" || failure.Missing[0] != "version" {
		t.Error(err)
	}
	_, err = second.Replace([]byte("define i64 @version(i64 %x) {\n  ret i64 %x\n}\n"), "three.ll", mgenjit.Changed)
	expect(t, err, nil)
	fourth := compile(t, e, version(4), "four.ll")
	_, err = fourth.Function("version")
	expect(t, err, nil)
}
