package mgenjit

/*
#include "shims.h"
*/
import "C"

import (
	"fmt"
	"math"
	"reflect"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// callback is a Go function that compiled code calls.
type callback struct {
	function reflect.Value
	kinds    []reflect.Kind
}

// Define defines a Go function for the modules that link from now on: of parameters, and at most one result, of types int8
// to int64, their unsigned kin, float32, float64 and unsafe.Pointer. It is kept as long as the process runs.
//
// C cannot call a function of Go by an address of its own. So this compiles a small module of that name, whose code hands
// the arguments to Go.
func (e *Executor) Define(name string, function any) error {
	value := reflect.ValueOf(function)
	if value.Kind() != reflect.Func || value.IsNil() || value.Type().IsVariadic() || value.Type().NumOut() > 1 {
		return invalid("%s is a %T: it must be a function of fixed parameters and at most one result", name, function)
	}
	if strings.ContainsAny(name, "\"\\\x00\n") {
		return invalid("%q is no name to define a function by", name)
	}
	made := callback{function: value}
	result := "void"
	var parameters, stores strings.Builder
	for i := 0; i < value.Type().NumIn(); i++ {
		kind := value.Type().In(i).Kind()
		ir, known := types[kind]
		if !known {
			return invalid("parameter %d of %s is a %s: IR has no such type", i+1, name, value.Type().In(i))
		}
		made.kinds = append(made.kinds, kind)
		if i > 0 {
			parameters.WriteString(", ")
		}
		fmt.Fprintf(&parameters, "%s %%a%d", ir, i)
		fmt.Fprintf(&stores, "  %%p%d = getelementptr i64, ptr %%slots, i64 %d\n  store %s %%a%d, ptr %%p%d\n", i, i, ir, i, i)
	}
	returns := "  ret void\n"
	if value.Type().NumOut() == 1 {
		ir, known := types[value.Type().Out(0).Kind()]
		if !known {
			return invalid("the result of %s is a %s: IR has no such type", name, value.Type().Out(0))
		}
		result = ir
		returns = fmt.Sprintf("  %%r = load %s, ptr %%slots\n  ret %s %%r\n", ir, ir)
	}
	// Which function it is, is the address of a symbol, and no part of the IR: so the cache has it the next time.
	ir := fmt.Sprintf("@\"%s.go\" = external global i8\ndeclare void @mgenjit.go.call(ptr, ptr)\n"+
		"define %s @\"%s\"(%s) {\n  %%slots = alloca [%d x i64]\n%s"+
		"  call void @mgenjit.go.call(ptr @\"%s.go\", ptr %%slots)\n%s}\n",
		name, result, name, parameters.String(), len(made.kinds)+1, stores.String(), name, returns)
	handle := cgo.NewHandle(made)
	if err := e.define(name+".go", C.uintptr_t(handle)); err != nil {
		handle.Delete()
		return err
	}
	if err := e.define("mgenjit.go.call", C.mgenjit_go_call_address()); err != nil {
		return err
	}
	_, err := e.CompileString(ir, "the Go function "+name)
	return err
}

var types = map[reflect.Kind]string{
	reflect.Int8: "i8", reflect.Uint8: "i8", reflect.Int16: "i16", reflect.Uint16: "i16",
	reflect.Int32: "i32", reflect.Uint32: "i32", reflect.Int64: "i64", reflect.Uint64: "i64",
	reflect.Float32: "float", reflect.Float64: "double", reflect.UnsafePointer: "ptr",
}

//export mgenjitGoCall
func mgenjitGoCall(handle C.uintptr_t, slots unsafe.Pointer) {
	called := cgo.Handle(handle).Value().(callback)
	slot := func(i int) unsafe.Pointer { return unsafe.Add(slots, 8*i) }
	arguments := make([]reflect.Value, len(called.kinds))
	for i, kind := range called.kinds {
		arguments[i] = reflect.New(called.function.Type().In(i)).Elem()
		switch bits := *(*uint64)(slot(i)); kind {
		case reflect.Int8:
			arguments[i].SetInt(int64(int8(bits)))
		case reflect.Int16:
			arguments[i].SetInt(int64(int16(bits)))
		case reflect.Int32:
			arguments[i].SetInt(int64(int32(bits)))
		case reflect.Int64:
			arguments[i].SetInt(int64(bits))
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			// It keeps as many bits as the type has.
			arguments[i].SetUint(bits)
		case reflect.Float32:
			arguments[i].SetFloat(float64(math.Float32frombits(uint32(bits))))
		case reflect.Float64:
			arguments[i].SetFloat(math.Float64frombits(bits))
		case reflect.UnsafePointer:
			arguments[i].SetPointer(*(*unsafe.Pointer)(slot(i)))
		}
	}
	results := called.function.Call(arguments)
	if len(results) == 0 {
		return
	}
	switch result := results[0]; result.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		*(*int64)(slots) = result.Int()
	case reflect.Float32:
		*(*float32)(slots) = float32(result.Float())
	case reflect.Float64:
		*(*float64)(slots) = result.Float()
	case reflect.UnsafePointer:
		*(*unsafe.Pointer)(slots) = result.UnsafePointer()
	default:
		*(*uint64)(slots) = result.Uint()
	}
}
