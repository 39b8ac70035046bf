//! The header compiles as C and C++ with every compiler that people use, without a warning. Other languages read it, and
//! compile and call a function through what they made of it.

mod support;

use std::path::Path;
use std::process::Command;

const C: &str = "\
#include \"mgenjit.h\"
#include \"mgenjit.h\"
mgenjit_value first(void);
mgenjit_value first(void) { return mgenjit_i64(MGENJIT_VERSION_NUMBER + MGENJIT_STATUS_OK); }
";

const CPP: &str = "\
#include \"mgenjit.h\"
#include \"mgenjit.h\"
mgenjit_value first();
mgenjit_value first() { return mgenjit_pointer(nullptr); }
mgenjit_status (*compile)(mgenjit_executor *, const char *, const void *, size_t, mgenjit_module **, mgenjit_error **) =
    mgenjit_executor_compile;
";

fn check(compiler: &str, language: &str, standard: &str, program: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("program");
    std::fs::write(&source, program).expect("write the program");
    let output = Command::new(compiler)
        .args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wshadow",
            "-Wconversion",
            "-Wundef",
            "-Werror",
        ])
        .args(["-x", language, "-fsyntax-only"])
        .arg(format!("-std={standard}"))
        .arg("-I")
        .arg(support::source("include"))
        .arg(&source)
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}; `make setup` installs it"));
    assert!(
        output.status.success(),
        "{compiler} -std={standard}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn c() {
    for compiler in ["gcc", "clang-22"] {
        for standard in ["c99", "c11", "c17", "gnu99", "gnu17", "c2x"] {
            check(compiler, "c", standard, C);
        }
    }
}

#[test]
fn cpp() {
    for compiler in ["g++", "clang++-22"] {
        for standard in ["c++11", "c++17", "c++20"] {
            check(compiler, "c++", standard, CPP);
        }
    }
}

#[test]
#[should_panic(expected = "Werror")]
fn a_warning_is_an_error() {
    check(
        "gcc",
        "c",
        "c99",
        "#include \"mgenjit.h\"\nint f(void) { int unused; return 0; }\n",
    );
}

/// The declarations, as the header says that other languages read them.
fn declarations() -> String {
    let output = Command::new("cpp")
        .args(["-P", "-DMGENJIT_DECLARATIONS_ONLY"])
        .arg(support::source("include/mgenjit.h"))
        .output()
        .expect("cpp runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The identifiers that declare a parameter or a field: each before a comma, a parenthesis or a semicolon.
fn declared_names(declarations: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    declarations
        .match_indices([',', ')', ';'])
        .filter_map(|(at, _)| {
            let before = declarations[..at].trim_end();
            let name = &before[before.rfind(|c| !is_word(c)).map_or(0, |at| at + 1)..];
            (!name.is_empty() && !name.starts_with("MGENJIT_")).then_some(name)
        })
        .collect()
}

#[test]
fn no_name_is_a_keyword_elsewhere() {
    let declarations = declarations();
    let names = declared_names(&declarations);
    assert!(names.contains(&"error") && names.contains(&"total_us"));
    // Of C++, Python, Rust, Go and Zig; of Lua those that a field cannot be called.
    let keywords = "alignas and as asm assert async await break catch chan class const continue crate def defer del delete \
        dyn elif else end except explicit export extern finally fn for friend from func go goto if impl import in interface \
        is lambda let local loop match mod move mut namespace new nil nonlocal not operator or package pass private \
        protected pub public raise range ref repeat return self struct super switch template then this throw trait try \
        type typename unsafe until use using var virtual where while with yield";
    for keyword in keywords.split_whitespace() {
        assert!(
            !names.contains(&keyword),
            "a parameter or field is called `{keyword}`"
        );
    }
}

/// Every function of the library.
fn functions() -> Vec<String> {
    std::fs::read_to_string(support::source("tests/exports.txt"))
        .expect("tests/exports.txt")
        .lines()
        .map(str::to_owned)
        .collect()
}

const IR: &str = "define i64 @add(i64 %a, i64 %b) { %sum = add i64 %a, %b ret i64 %sum }";

/// Runs a program that prints what `add` gives for 40 and 2, called by its address and as a value.
fn check_prints(command: &mut Command, folder: &Path, libraries: &Path) {
    let output = command
        .env("LD_LIBRARY_PATH", libraries)
        .env("MGENJIT_SERVER", env!("CARGO_BIN_EXE_mgenjit-server"))
        .env("MGENJIT_CACHE_DIR", folder.join("cache"))
        .env_remove("MGENJIT_SERVER_MODE")
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "42 42\n",
        "{errors}"
    );
}

/// Whether a command succeeds.
fn works(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

const CFFI: &str = r#"
import cffi, sys
declarations, functions, ir = open("declarations.h").read(), open("functions").read().split(), sys.argv[1].encode()
ffi = cffi.FFI()
ffi.cdef(declarations)
lib = ffi.dlopen("libmgenjit.so")
for name in functions:
    getattr(lib, name)

def check(status):
    assert status == lib.MGENJIT_STATUS_OK, (ffi.string(lib.mgenjit_error_message(error[0])), status)

error = ffi.new("mgenjit_error **")
config = ffi.new("mgenjit_config **")
executor = ffi.new("mgenjit_executor **")
module = ffi.new("mgenjit_module **")
function = ffi.new("mgenjit_function **")
address = ffi.new("void **")
check(lib.mgenjit_config_new(config, error))
check(lib.mgenjit_config_set_opt_level(config[0], lib.MGENJIT_OPT_O1, error))
check(lib.mgenjit_config_set_cache_keep_ir(config[0], False, error))
check(lib.mgenjit_executor_new(config[0], executor, error))
check(lib.mgenjit_executor_compile(executor[0], b"add.ll", ir, len(ir), module, error))
check(lib.mgenjit_executor_lookup(executor[0], b"add", address, error))
sum = ffi.cast("int64_t (*)(int64_t, int64_t)", address[0])(40, 2)
check(lib.mgenjit_executor_lookup_function(executor[0], b"add", function, error))
arguments, result = ffi.new("mgenjit_value[2]"), ffi.new("mgenjit_value *")
for argument, number in zip(arguments, [40, 2]):
    argument.kind, argument.of.integer = lib.MGENJIT_TYPE_I64, number
check(lib.mgenjit_function_call(function[0], arguments, 2, result, error))
print(sum, result.of.integer)
lib.mgenjit_function_free(function[0])
lib.mgenjit_module_free(module[0])
lib.mgenjit_executor_free(executor[0])
lib.mgenjit_config_free(config[0])
"#;

#[test]
fn python_by_cffi() {
    // The system's Python may have it where another one comes first.
    let Some(python) = ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| works(python, &["-c", "import cffi"]))
    else {
        support::skips::skip("the header in Python", "there is no cffi");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("write a file");
    };
    write("declarations.h", &declarations());
    write("functions", &functions().join("\n"));
    write("program.py", CFFI);
    check_prints(
        Command::new(python)
            .args(["program.py", IR])
            .current_dir(folder.path()),
        folder.path(),
        &support::library_folder(folder.path()),
    );
}

const LUAJIT: &str = r#"
local ffi = require("ffi")
ffi.cdef(io.open("declarations.h"):read("*a"))
local lib = ffi.load("mgenjit")
for name in io.lines("functions") do
  assert(lib[name])
end

local ir = arg[1]
local error = ffi.new("mgenjit_error *[1]")
local function check(status)
  assert(status == lib.MGENJIT_STATUS_OK, ffi.string(lib.mgenjit_error_message(error[0])))
end

local config = ffi.new("mgenjit_config *[1]")
local executor = ffi.new("mgenjit_executor *[1]")
local module = ffi.new("mgenjit_module *[1]")
local fn = ffi.new("mgenjit_function *[1]")
local address = ffi.new("void *[1]")
check(lib.mgenjit_config_new(config, error))
check(lib.mgenjit_config_set_opt_level(config[0], lib.MGENJIT_OPT_O1, error))
check(lib.mgenjit_config_set_cache_keep_ir(config[0], false, error))
check(lib.mgenjit_executor_new(config[0], executor, error))
check(lib.mgenjit_executor_compile(executor[0], "add.ll", ir, #ir, module, error))
check(lib.mgenjit_executor_lookup(executor[0], "add", address, error))
local sum = ffi.cast("int64_t (*)(int64_t, int64_t)", address[0])(40, 2)
check(lib.mgenjit_executor_lookup_function(executor[0], "add", fn, error))
local arguments, result = ffi.new("mgenjit_value[2]"), ffi.new("mgenjit_value[1]")
for index, number in ipairs({40, 2}) do
  arguments[index - 1].kind, arguments[index - 1].of.integer = lib.MGENJIT_TYPE_I64, number
end
check(lib.mgenjit_function_call(fn[0], arguments, 2, result, error))
print(("%d %d"):format(tonumber(sum), tonumber(result[0].of.integer)))
lib.mgenjit_function_free(fn[0])
lib.mgenjit_module_free(module[0])
lib.mgenjit_executor_free(executor[0])
lib.mgenjit_config_free(config[0])
"#;

#[test]
fn luajit() {
    if !works("luajit", &["-v"]) {
        support::skips::skip("the header in LuaJIT", "there is no luajit");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("write a file");
    };
    write("declarations.h", &declarations());
    write("functions", &functions().join("\n"));
    write("program.lua", LUAJIT);
    check_prints(
        Command::new("luajit")
            .args(["program.lua", IR])
            .current_dir(folder.path()),
        folder.path(),
        &support::library_folder(folder.path()),
    );
}

const RUST: &str = r#"
#![allow(warnings)]
mod mgenjit { include!("bindings.rs"); }
use mgenjit::*;
use std::ffi::c_void;
use std::ptr::{null_mut, null};

fn main() {
    let ir = std::env::args().nth(1).unwrap();
    unsafe {
        let mut error = null_mut();
        let mut config = null_mut();
        let mut executor = null_mut();
        let mut module = null_mut();
        let mut function = null_mut();
        let mut address: *mut c_void = null_mut();
        // No conversion: constants have the type of what takes and returns them.
        let ok: mgenjit_status = MGENJIT_STATUS_OK;
        assert_eq!(mgenjit_config_new(&mut config, &mut error), ok);
        assert_eq!(mgenjit_config_set_opt_level(config, MGENJIT_OPT_O1, &mut error), ok);
        assert_eq!(mgenjit_config_set_cache_keep_ir(config, false, &mut error), ok);
        assert_eq!(mgenjit_executor_new(config, &mut executor, &mut error), ok);
        let compiled = mgenjit_executor_compile(
            executor, c"add.ll".as_ptr(), ir.as_ptr().cast(), ir.len() as _, &mut module, &mut error);
        assert_eq!(compiled, ok);
        assert_eq!(mgenjit_executor_lookup(executor, c"add".as_ptr(), &mut address, &mut error), ok);
        let add: extern "C" fn(i64, i64) -> i64 = std::mem::transmute(address);
        assert_eq!(mgenjit_executor_lookup_function(executor, c"add".as_ptr(), &mut function, &mut error), ok);
        let value = |integer| mgenjit_value { kind: MGENJIT_TYPE_I64, of: mgenjit_value_of { integer } };
        let arguments = [value(40), value(2)];
        let mut result = value(0);
        assert_eq!(mgenjit_function_call(function, arguments.as_ptr(), 2, &mut result, &mut error), ok);
        println!("{} {}", add(40, 2), result.of.integer);
        mgenjit_function_free(function);
        mgenjit_module_free(module);
        mgenjit_executor_free(executor);
        mgenjit_config_free(config);
    }
}

static FUNCTIONS: &[unsafe extern "C" fn()] = unsafe { &[
"#;

/// bindgen reads the header as it is.
#[test]
fn rust_by_bindgen() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    // That of Debian 12 cannot read any anonymous enum by a libclang that is newer than it.
    let older = ["", "/usr/lib/llvm-14/lib", "/usr/lib/llvm-15/lib"];
    std::fs::write(path("try.h"), "enum { TRIED };\n").expect("write a header");
    let bindgen = |libclang: &str, header: &Path| {
        let mut command = Command::new("bindgen");
        if !libclang.is_empty() {
            command.env("LIBCLANG_PATH", libclang);
        }
        command.arg(header).arg("-o").arg(path("bindings.rs"));
        command.output().is_ok_and(|output| output.status.success())
    };
    let Some(libclang) = older
        .into_iter()
        .find(|libclang| bindgen(libclang, &path("try.h")))
    else {
        support::skips::skip("the header in Rust", "there is no bindgen that works");
        return;
    };
    assert!(bindgen(libclang, &support::source("include/mgenjit.h")));

    let mut program = RUST.to_owned();
    for name in functions() {
        program += &format!("std::mem::transmute({name} as *const ()),\n");
    }
    std::fs::write(path("program.rs"), program + "] };\n").expect("write a program");
    let libraries = support::library_folder(folder.path());
    let output = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()))
        .args(["--edition", "2021", "-lmgenjit", "-L"])
        .arg(&libraries)
        .arg("-o")
        .args([path("program"), path("program.rs")])
        .output()
        .expect("rustc runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let mut program = Command::new(path("program"));
    check_prints(program.arg(IR), folder.path(), &libraries);
}
