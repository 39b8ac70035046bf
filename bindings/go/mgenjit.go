// Package mgenjit compiles LLVM IR to native functions, and never compiles it twice: libmgenjit for Go.
//
// pkg-config must find mgenjit.pc, and the system the library, as for any C library that is used through cgo.
package mgenjit

/*
#cgo pkg-config: mgenjit
#include <stdlib.h>
#include "shims.h"
*/
import "C"

import (
	"fmt"
	"math"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// Error tells why a call failed.
type Error struct {
	// Status is such as "MGENJIT_STATUS_PARSE".
	Status string
	// Message has the place, if it is about one.
	Message string
	// Line and Column are where the IR text is wrong, from 1; 0 if the error has no place there.
	Line, Column int
	// SourceLine is the text of that line.
	SourceLine string
	// Missing has the symbols that are defined nowhere.
	Missing []string
}

func (e *Error) Error() string { return e.Message }

// check makes an error of the status of a call, and frees the library's own.
func check(status C.mgenjit_status, out **C.mgenjit_error) error {
	if status == C.MGENJIT_STATUS_OK {
		return nil
	}
	raised := *out
	defer C.mgenjit_error_free(raised)
	e := &Error{
		Status:     C.GoString(C.mgenjit_status_name(status)),
		Message:    C.GoString(C.mgenjit_error_message(raised)),
		Line:       int(C.mgenjit_error_line(raised)),
		Column:     int(C.mgenjit_error_column(raised)),
		SourceLine: C.GoString(C.mgenjit_error_source_line(raised)),
	}
	for i := C.size_t(0); i < C.mgenjit_error_symbol_count(raised); i++ {
		e.Missing = append(e.Missing, C.GoString(C.mgenjit_error_symbol(raised, i)))
	}
	return e
}

// invalid is an error that the package itself finds.
func invalid(format string, values ...any) error {
	return &Error{Status: "MGENJIT_STATUS_INVALID_ARGUMENT", Message: fmt.Sprintf(format, values...)}
}

// Version is that of the library.
func Version() string { return C.GoString(C.mgenjit_version_string()) }

// Event is what an executor does.
type Event struct {
	Kind               EventKind
	Key, Name, Message string
	Bytes              uint64
	// Done and Total are of Progress.
	Done, Total uint64
}

// EventKind says what happened. mgenjit.h explains each.
type EventKind int

// The kinds of events.
const (
	Hit            EventKind = C.MGENJIT_EVENT_HIT
	Miss           EventKind = C.MGENJIT_EVENT_MISS
	CompileStarted EventKind = C.MGENJIT_EVENT_COMPILE_STARTED
	Compiled       EventKind = C.MGENJIT_EVENT_COMPILED
	Stored         EventKind = C.MGENJIT_EVENT_STORED
	Loaded         EventKind = C.MGENJIT_EVENT_LOADED
	CacheWarning   EventKind = C.MGENJIT_EVENT_CACHE_WARNING
	Different      EventKind = C.MGENJIT_EVENT_DIFFERENT
	NotIsolated    EventKind = C.MGENJIT_EVENT_NOT_ISOLATED
	ServerWarning  EventKind = C.MGENJIT_EVENT_SERVER_WARNING
	Progress       EventKind = C.MGENJIT_EVENT_PROGRESS
	Warning        EventKind = C.MGENJIT_EVENT_WARNING
	RemoteHit      EventKind = C.MGENJIT_EVENT_REMOTE_HIT
	RemoteWarning  EventKind = C.MGENJIT_EVENT_REMOTE_WARNING
	Switched       EventKind = C.MGENJIT_EVENT_SWITCHED
)

// Config has the options of an executor. The zero value of each is the default.
type Config struct {
	// OptLevel is one of "O0", "O1", "O2", "O3", "Os" and "Oz".
	OptLevel string
	// CPU is "native", or a level such as "x86-64-v3".
	CPU string
	// CacheDir is the cache's folder.
	CacheDir string
	// NoCache is whether to compile always.
	NoCache bool
	// Replaceable is whether functions can be replaced while code runs: see Module.Replace.
	Replaceable bool
	// ServerPath is the compile server's program.
	ServerPath string
	// OnEvent is told what the executor does, perhaps on several goroutines at once.
	OnEvent func(Event)
}

var optLevels = map[string]C.int32_t{
	"O0": C.MGENJIT_OPT_O0, "O1": C.MGENJIT_OPT_O1, "O2": C.MGENJIT_OPT_O2,
	"O3": C.MGENJIT_OPT_O3, "Os": C.MGENJIT_OPT_OS, "Oz": C.MGENJIT_OPT_OZ,
}

func (c Config) build() (config *C.mgenjit_config, err error) {
	var raised *C.mgenjit_error
	if err = check(C.mgenjit_config_new(&config, &raised), &raised); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			C.mgenjit_config_free(config)
			config = nil
		}
	}()
	if c.OptLevel != "" {
		level, known := optLevels[c.OptLevel]
		if !known {
			return config, invalid("OptLevel is %q: it must be one of O0, O1, O2, O3, Os and Oz", c.OptLevel)
		}
		if err = check(C.mgenjit_config_set_opt_level(config, level, &raised), &raised); err != nil {
			return config, err
		}
	}
	if c.CPU != "" {
		cpu := C.CString(c.CPU)
		defer C.free(unsafe.Pointer(cpu))
		if err = check(C.mgenjit_config_set_cpu(config, cpu, &raised), &raised); err != nil {
			return config, err
		}
	}
	if c.CacheDir != "" {
		path := C.CString(c.CacheDir)
		defer C.free(unsafe.Pointer(path))
		if err = check(C.mgenjit_config_set_cache_dir(config, path, &raised), &raised); err != nil {
			return config, err
		}
	}
	if c.NoCache {
		if err = check(C.mgenjit_config_set_cache_mode(config, C.MGENJIT_CACHE_OFF, &raised), &raised); err != nil {
			return config, err
		}
	}
	if c.Replaceable {
		if err = check(C.mgenjit_config_set_replaceable(config, true, &raised), &raised); err != nil {
			return config, err
		}
	}
	if c.ServerPath != "" {
		path := C.CString(c.ServerPath)
		defer C.free(unsafe.Pointer(path))
		if err = check(C.mgenjit_config_set_server_path(config, path, &raised), &raised); err != nil {
			return config, err
		}
	}
	if c.OnEvent != nil {
		hook := cgo.NewHandle(c.OnEvent)
		err = check(C.mgenjit_go_set_event_hook(config, C.uintptr_t(hook), &raised), &raised)
		if err != nil {
			hook.Delete()
		}
	}
	return config, err
}

//export mgenjitGoEvent
func mgenjitGoEvent(event *C.mgenjit_event, hook C.uintptr_t) {
	cgo.Handle(hook).Value().(func(Event))(Event{
		Kind:    EventKind(event.kind),
		Key:     C.GoString(event.key),
		Name:    C.GoString(event.name),
		Message: C.GoString(event.message),
		Bytes:   uint64(event.bytes),
		Done:    uint64(event.done),
		Total:   uint64(event.total),
	})
}

//export mgenjitGoFree
func mgenjitGoFree(hook C.uintptr_t) { cgo.Handle(hook).Delete() }

// Executor is a set of modules that link to each other. Many goroutines may use it at once.
type Executor struct {
	pointer *C.mgenjit_executor
}

// NewExecutor makes an executor.
func NewExecutor(options Config) (*Executor, error) {
	config, err := options.build()
	if err != nil {
		return nil, err
	}
	defer C.mgenjit_config_free(config)
	executor := &Executor{}
	var raised *C.mgenjit_error
	if err := check(C.mgenjit_executor_new(config, &executor.pointer, &raised), &raised); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(executor, func(e *Executor) { C.mgenjit_executor_free(e.pointer) })
	return executor, nil
}

// Compile compiles IR text or bitcode, or finds it in the cache. The name is what messages call it.
func (e *Executor) Compile(ir []byte, name string) (*Module, error) {
	defer runtime.KeepAlive(e)
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var bytes unsafe.Pointer
	if len(ir) > 0 {
		bytes = unsafe.Pointer(&ir[0])
	} else {
		bytes = unsafe.Pointer(text)
	}
	module := &Module{}
	var raised *C.mgenjit_error
	status := C.mgenjit_executor_compile(e.pointer, text, bytes, C.size_t(len(ir)), &module.pointer, &raised)
	if err := check(status, &raised); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(module, func(m *Module) { C.mgenjit_module_free(m.pointer) })
	return module, nil
}

// CompileString is Compile of text.
func (e *Executor) CompileString(ir, name string) (*Module, error) {
	return e.Compile([]byte(ir), name)
}

// DefineAddress defines a symbol for the modules that link from now on: a C function or variable.
func (e *Executor) DefineAddress(name string, address unsafe.Pointer) error {
	return e.define(name, C.uintptr_t(uintptr(address)))
}

func (e *Executor) define(name string, address C.uintptr_t) error {
	defer runtime.KeepAlive(e)
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var raised *C.mgenjit_error
	return check(C.mgenjit_go_define(e.pointer, text, address, &raised), &raised)
}

// RunMain calls the main of the modules. The first argument is the program's name.
func (e *Executor) RunMain(arguments ...string) (int, error) {
	defer runtime.KeepAlive(e)
	argv := C.mgenjit_go_strings(C.size_t(len(arguments) + 1))
	defer C.free(unsafe.Pointer(argv))
	pointers := unsafe.Slice(argv, len(arguments)+1)
	for i, argument := range arguments {
		pointers[i] = C.CString(argument)
		defer C.free(unsafe.Pointer(pointers[i]))
	}
	var result C.int
	var raised *C.mgenjit_error
	status := C.mgenjit_executor_run_main(e.pointer, C.int(len(arguments)), argv, &result, &raised)
	return int(result), check(status, &raised)
}

// Module is a module of an executor.
type Module struct {
	pointer *C.mgenjit_module
}

// Name is what messages call the module.
func (m *Module) Name() string {
	defer runtime.KeepAlive(m)
	return C.GoString(C.mgenjit_module_name(m.pointer))
}

// Key is the module's key in the cache.
func (m *Module) Key() string {
	defer runtime.KeepAlive(m)
	return C.GoString(C.mgenjit_module_key(m.pointer))
}

// Hit is whether the module was in the cache.
func (m *Module) Hit() bool {
	defer runtime.KeepAlive(m)
	return C.mgenjit_module_origin(m.pointer) == C.MGENJIT_ORIGIN_CACHE
}

// Remove removes the module from its executor. No goroutine may be running its code.
func (m *Module) Remove() error {
	defer runtime.KeepAlive(m)
	var raised *C.mgenjit_error
	return check(C.mgenjit_module_remove(m.pointer, &raised), &raised)
}

// Allow says what a new version of a module need not keep.
type Allow int

// What a new version need not keep: all functions, and their types.
const (
	Vanished Allow = C.MGENJIT_ALLOW_VANISHED
	Changed  Allow = C.MGENJIT_ALLOW_CHANGED
)

// Replace compiles a new version of the module, which its functions' callers then call, and returns it. The executor must be
// Replaceable. The name is what messages call it. Functions that were looked up before call the new version.
func (m *Module) Replace(ir []byte, name string, allow ...Allow) (*Module, error) {
	defer runtime.KeepAlive(m)
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var source *C.mgenjit_source
	var raised *C.mgenjit_error
	if err := check(C.mgenjit_source_new(text, &source, &raised), &raised); err != nil {
		return nil, err
	}
	defer C.mgenjit_source_free(source)
	bytes := unsafe.Pointer(text)
	if len(ir) > 0 {
		bytes = unsafe.Pointer(&ir[0])
	}
	if err := check(C.mgenjit_source_add(source, text, bytes, C.size_t(len(ir)), &raised), &raised); err != nil {
		return nil, err
	}
	var allowed Allow
	for _, one := range allow {
		allowed |= one
	}
	module := &Module{}
	status := C.mgenjit_module_replace(m.pointer, source, C.int32_t(allowed), &module.pointer, &raised)
	if err := check(status, &raised); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(module, func(m *Module) { C.mgenjit_module_free(m.pointer) })
	return module, nil
}

// Retire says that nothing runs in the module any more, after it was replaced. It tells whether its code is unmapped now.
func (m *Module) Retire() (bool, error) {
	defer runtime.KeepAlive(m)
	var unmapped C.bool
	var raised *C.mgenjit_error
	err := check(C.mgenjit_module_retire(m.pointer, &unmapped, &raised), &raised)
	return bool(unmapped), err
}

// Function finds a function that the module defines.
func (m *Module) Function(name string) (*Function, error) {
	defer runtime.KeepAlive(m)
	for i := C.size_t(0); i < C.mgenjit_module_function_count(m.pointer); i++ {
		var pointer *C.mgenjit_function
		var raised *C.mgenjit_error
		if err := check(C.mgenjit_module_function(m.pointer, i, &pointer, &raised), &raised); err != nil {
			return nil, err
		}
		if C.GoString(C.mgenjit_function_name(pointer)) != name {
			C.mgenjit_function_free(pointer)
			continue
		}
		function := &Function{pointer: pointer}
		runtime.SetFinalizer(function, func(f *Function) { C.mgenjit_function_free(f.pointer) })
		return function, nil
	}
	return nil, &Error{
		Status:  "MGENJIT_STATUS_NOT_FOUND",
		Message: fmt.Sprintf("%s: it defines no function %s", m.Name(), name),
	}
}

// Function is a function of a module. It keeps its code mapped.
type Function struct {
	pointer *C.mgenjit_function
}

// Signature is as IR writes it, such as "i64 @add(i64, i64)".
func (f *Function) Signature() string {
	defer runtime.KeepAlive(f)
	return C.GoString(C.mgenjit_function_signature(f.pointer))
}

// Address is where the function is. Links what is not linked yet.
func (f *Function) Address() (unsafe.Pointer, error) {
	defer runtime.KeepAlive(f)
	var address unsafe.Pointer
	var raised *C.mgenjit_error
	err := check(C.mgenjit_function_address(f.pointer, &address, &raised), &raised)
	return address, err
}

// Call calls the function, and compares what it is given with the IR: bool is i1; int8, int16, int32, int64 and their
// unsigned kin are i8 to i64; int is whatever integer the parameter is, if it fits; float32, float64 and unsafe.Pointer are
// float, double and ptr. A pointer must not be to memory of Go that has pointers to such. The result is nil, bool, int8 to
// int64, float32, float64 or unsafe.Pointer.
func (f *Function) Call(arguments ...any) (any, error) {
	defer runtime.KeepAlive(f)
	values := make([]C.mgenjit_value, len(arguments)+1)
	for i, argument := range arguments {
		if err := f.set(&values[i], i, argument); err != nil {
			return nil, err
		}
	}
	result := &values[len(arguments)]
	var raised *C.mgenjit_error
	status := C.mgenjit_function_call(f.pointer, &values[0], C.size_t(len(arguments)), result, &raised)
	// Pointers are handed over as numbers, which do not keep what they point to.
	runtime.KeepAlive(arguments)
	if err := check(status, &raised); err != nil {
		return nil, err
	}
	bits := *(*uint64)(unsafe.Pointer(&result.of))
	switch result.kind {
	case C.MGENJIT_TYPE_I1:
		return bits != 0, nil
	case C.MGENJIT_TYPE_I8:
		return int8(bits), nil
	case C.MGENJIT_TYPE_I16:
		return int16(bits), nil
	case C.MGENJIT_TYPE_I32:
		return int32(bits), nil
	case C.MGENJIT_TYPE_I64:
		return int64(bits), nil
	case C.MGENJIT_TYPE_FLOAT:
		return math.Float32frombits(uint32(bits)), nil
	case C.MGENJIT_TYPE_DOUBLE:
		return math.Float64frombits(bits), nil
	case C.MGENJIT_TYPE_POINTER:
		return *(*unsafe.Pointer)(unsafe.Pointer(&result.of)), nil
	}
	return nil, nil
}

func (f *Function) set(value *C.mgenjit_value, index int, argument any) error {
	integer := func(kind C.int32_t, bits uint64) {
		value.kind = kind
		*(*uint64)(unsafe.Pointer(&value.of)) = bits
	}
	switch argument := argument.(type) {
	case bool:
		integer(C.MGENJIT_TYPE_I1, 0)
		if argument {
			integer(C.MGENJIT_TYPE_I1, 1)
		}
	case int:
		kind := C.mgenjit_function_parameter_type(f.pointer, C.size_t(index))
		if kind < C.MGENJIT_TYPE_I1 || kind > C.MGENJIT_TYPE_I64 {
			kind = C.MGENJIT_TYPE_I64
		}
		integer(kind, uint64(argument))
	case int8:
		integer(C.MGENJIT_TYPE_I8, uint64(argument))
	case uint8:
		integer(C.MGENJIT_TYPE_I8, uint64(argument))
	case int16:
		integer(C.MGENJIT_TYPE_I16, uint64(argument))
	case uint16:
		integer(C.MGENJIT_TYPE_I16, uint64(argument))
	case int32:
		integer(C.MGENJIT_TYPE_I32, uint64(argument))
	case uint32:
		integer(C.MGENJIT_TYPE_I32, uint64(argument))
	case int64:
		integer(C.MGENJIT_TYPE_I64, uint64(argument))
	case uint64:
		integer(C.MGENJIT_TYPE_I64, argument)
	case float32:
		integer(C.MGENJIT_TYPE_FLOAT, uint64(math.Float32bits(argument)))
	case float64:
		integer(C.MGENJIT_TYPE_DOUBLE, math.Float64bits(argument))
	case unsafe.Pointer:
		integer(C.MGENJIT_TYPE_POINTER, uint64(uintptr(argument)))
	default:
		return invalid("argument %d is a %T: IR has no such type", index+1, argument)
	}
	return nil
}
