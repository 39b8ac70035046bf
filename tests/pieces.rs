//! Modules in pieces do what they do whole, and become the same code whatever the cache has.

mod support;

#[path = "pieces/modules.rs"]
mod modules;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use support::fatal::fatal;
use support::tools::{self, Place};
use support::workspace::{Run, Workspace};

fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| tools::build("pieces", &["run", "build", "cache"]))
}

fn place() -> Place {
    Place::new(tools().join("run"))
}

/// A tool, which cuts modules into pieces of this size; "off": it does not.
fn tool(place: &Place, name: &str, pieces: &str) -> Command {
    let mut command = place.command(tools().join(name));
    command.env("MGENJIT_PIECES", pieces);
    command
}

/// What a program prints and how it ends.
fn outcome(mut command: Command) -> String {
    let output = command.stderr(Stdio::piped()).output().expect("a program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}{}{}",
        text(&output.stdout),
        text(&output.stderr),
        output.status
    )
}

fn ran(place: &Place, pieces: &str, arguments: &[&str]) -> String {
    let mut command = tool(place, "run", pieces);
    command.arg("--no-cache").args(arguments);
    outcome(command)
}

/// As [`ran`], of a module that must have been cut.
fn ran_cut(place: &Place, pieces: &str, arguments: &[&str]) -> String {
    let mut command = tool(place, "run", pieces);
    let output = command
        .args(["--no-cache", "--time"])
        .args(arguments)
        .output()
        .expect("run");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains(" pieces found"),
        "{pieces}, {arguments:?}: {told}"
    );
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        output.status
    )
}

/// Builds `output` and returns its bytes.
fn built(place: &Place, pieces: &str, cache: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = tool(place, "build", pieces);
    command.env("MGENJIT_CACHE_DIR", place.path(cache));
    let told = outcome_of_build(command.args(arguments));
    assert!(told.is_empty(), "{arguments:?}: {told}");
    let output = arguments.iter().position(|argument| *argument == "-o");
    let output = arguments[output.expect("an output") + 1];
    std::fs::read(place.path(output)).expect("what was built")
}

fn outcome_of_build(command: &mut Command) -> String {
    let output = command.output().expect("build");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SEEDS: u64 = 12;

#[test]
fn random_modules_do_in_memory_what_they_do_whole() {
    let place = place();
    for seed in 0..SEEDS {
        let (module, strong) = modules::module(seed);
        place.write("module.ll", module);
        place.write("strong.ll", strong);
        for level in ["-O0", "-O2"] {
            let alone: &[&str] = &[level, "module.ll"];
            let overridden: &[&str] = &[level, "--add", "strong.ll", "module.ll"];
            for arguments in [alone, overridden] {
                let whole = ran(&place, "off", arguments);
                assert!(whole.ends_with("exit status: 0"), "{seed}: {whole}");
                for size in ["1", "25", "120"] {
                    let pieces = ran_cut(&place, size, arguments);
                    assert_eq!(
                        whole, pieces,
                        "seed {seed}, {arguments:?}, pieces of {size}"
                    );
                }
            }
        }
    }
}

#[test]
fn random_modules_do_exported_what_they_do_whole() {
    let place = place();
    for seed in SEEDS..SEEDS + 4 {
        place.write("module.ll", modules::module(seed).0);
        for level in ["-O0", "-O2"] {
            let whole = ran(&place, "off", &[level, "module.ll"]);
            for size in ["1", "60"] {
                built(
                    &place,
                    size,
                    "cache",
                    &[level, "-o", "program", "module.ll"],
                );
                let exported = outcome(place.command(place.path("program")));
                assert_eq!(whole, exported, "seed {seed}, {level}, pieces of {size}");
                // One object, which other linkers take.
                built(
                    &place,
                    size,
                    "cache",
                    &[level, "-o", "module.o", "module.ll"],
                );
                for linker in ["bfd", "gold", "lld"] {
                    let linker = format!("-fuse-ld={linker}");
                    let mut command = place.command("clang-22");
                    command.args([&linker, "-o", "linked", "module.o"]);
                    assert!(outcome(command).starts_with("exit status: 0"), "{linker}");
                    let linked = outcome(place.command(place.path("linked")));
                    assert_eq!(
                        whole, linked,
                        "seed {seed}, {level}, pieces of {size}, {linker}"
                    );
                }
            }
        }
    }
}

/// Another number in one function of a module.
fn edited(module: &str, number: usize) -> String {
    let function = module
        .find(&format!("@f{number}(i64 %x, i64 %d)"))
        .expect("a function");
    let stop = function + module[function..].find("%s = add i64 %x, ").expect("code");
    let (before, after) = module.split_at(stop);
    format!(
        "{before}{}",
        after.replacen("%s = add i64 %x, ", "%s = add i64 %x, 9", 1)
    )
}

#[test]
fn an_edited_module_becomes_what_it_becomes_with_an_empty_cache() {
    let place = place();
    for (size, level) in [("1", "-O2"), ("40", "-O2"), ("40", "-O0")] {
        let mut module = modules::module(100).0;
        for edit in 0..6 {
            place.write("module.ll", &module);
            let arguments = [level, "-o", "module.o", "module.ll"];
            let kept = built(&place, size, "kept", &arguments);
            let empty = format!("empty-{size}{level}-{edit}");
            assert!(
                kept == built(&place, size, &empty, &arguments),
                "edit {edit}, pieces of {size}, {level}"
            );
            module = edited(&module, edit * 5);
        }
    }
}

/// The files of the cache's entries.
fn entries(place: &Place) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for folder in std::fs::read_dir(place.path("cache/v4/entries"))
        .into_iter()
        .flatten()
    {
        let files = std::fs::read_dir(folder.expect("a folder").path()).expect("entries");
        all.extend(files.map(|file| file.expect("a file").path()));
    }
    all
}

#[test]
fn whoever_goes_on_after_a_kill_uses_what_was_stored() {
    let place = place();
    place.write_large("large.ll", 120, "");
    let mut command = tool(&place, "build", "60");
    command.args(["-O2", "-o", "large.o", "large.ll"]);
    let mut client = command.spawn().expect("build");
    support::wait::until("a few pieces are stored", || {
        entries(&place).len() > 3 || client.try_wait().expect("a child").is_some()
    });
    client.kill().expect("a child");
    let _ = client.wait();
    let before = entries(&place);
    let mut again = tool(&place, "build", "60");
    again.args(["-O2", "--verbose", "-o", "large.o", "large.ll"]);
    let told = outcome_of_build(&mut again);
    let found = told.contains(" pieces found") && !told.contains(" 0 of ");
    assert!(found, "{told}");
    for entry in before {
        assert!(entry.exists(), "{}", entry.display());
    }
    let large = std::fs::read(place.path("large.o")).expect("an object");
    let fresh = built(&place, "60", "fresh", &["-O2", "-o", "large.o", "large.ll"]);
    assert!(large == fresh);
}

/// The processes that run a program.
fn processes_of(program: &Path) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = processes.filter_map(|one| one.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number| {
            std::fs::read_link(format!("/proc/{number}/exe")).is_ok_and(|exe| exe == program)
        })
        .collect()
}

#[test]
fn whoever_goes_on_after_a_server_was_killed_uses_what_was_stored() {
    let place = place();
    place.write_large("large.ll", 400, "");
    // The servers of this test alone.
    let server = place.path("mgenjit-server");
    std::fs::copy(env!("CARGO_BIN_EXE_mgenjit-server"), &server).expect("a copy");
    let build = |verbose: &[&str]| {
        let mut command = tool(&place, "build", "300");
        command.env("MGENJIT_SERVER", &server).args(verbose);
        command.args(["-O2", "-o", "large.o", "large.ll"]);
        command
    };
    let mut client = build(&[]).stderr(Stdio::piped()).spawn().expect("build");
    support::wait::until("a few pieces are stored", || {
        entries(&place).len() > 3 || client.try_wait().expect("a child").is_some()
    });
    for process in processes_of(&server) {
        let process = rustix::process::Pid::from_raw(process).expect("a process");
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
    let output = client.wait_with_output().expect("build");
    let told = String::from_utf8_lossy(&output.stderr);
    // Unless it was done already.
    assert!(
        output.status.success() || told.contains("(piece with `"),
        "{told}"
    );
    let told = outcome_of_build(&mut build(&["--verbose"]));
    let found = told.contains(" pieces found") && !told.contains(" 0 of ");
    assert!(found || output.status.success(), "{told}");
    let large = std::fs::read(place.path("large.o")).expect("an object");
    let fresh = built(
        &place,
        "300",
        "fresh",
        &["-O2", "-o", "large.o", "large.ll"],
    );
    assert!(large == fresh);
}

/// A large module that cannot be cut, because its assembly names what only the module can see, is compiled as one.
#[test]
fn what_cannot_be_cut_is_compiled_as_one() {
    let place = place();
    let main = "module asm \".globl seen\"\nmodule asm \"seen = hidden_from_all\"\n\
        define internal i32 @hidden_from_all() noinline {\n  ret i32 7\n}\n\
        define i32 @main() {\n  %r = call i32 @hidden_from_all()\n  ret i32 %r\n}\n";
    place.write_large("large.ll", 800, main);
    for pieces in ["off", "auto", "100"] {
        let ran = ran(&place, pieces, &["-O2", "large.ll"]);
        assert!(ran.ends_with("exit status: 7"), "{pieces}: {ran}");
    }
    let build = |pieces: &str| {
        built(
            &place,
            pieces,
            pieces,
            &["-O2", "-o", "large.o", "large.ll"],
        )
    };
    assert!(build("off") == build("auto"));
}

#[test]
fn a_piece_that_a_server_does_not_survive_is_named_and_the_others_are_stored() {
    let place = place();
    place.write_large("large.ll", 30, &fatal("fatal"));
    let mut command = tool(&place, "build", "100");
    command.args([
        "-O2",
        "--reproducers",
        "reproducers",
        "-o",
        "large.o",
        "large.ll",
    ]);
    let told = outcome_of_build(&mut command);
    assert!(told.contains("large.ll (piece with `"), "{told}");
    assert!(told.contains("Cannot select"), "{told}");
    assert!(told.contains("on function '@fatal'"), "{told}");
    assert!(told.contains("what reproduces it is in "), "{told}");
    let folders = std::fs::read_dir(place.path("reproducers")).expect("reproducers");
    let folders: Vec<PathBuf> = folders.map(|one| one.expect("a folder").path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    let input = std::fs::metadata(folders[0].join("input-0.bc")).expect("one piece");
    let whole = std::fs::metadata(place.path("large.ll")).expect("the module");
    assert!(
        input.len() < whole.len() / 4,
        "{} of {}",
        input.len(),
        whole.len()
    );

    place.write_large("large.ll", 30, "define void @fatal() {\n  ret void\n}\n");
    let mut again = tool(&place, "build", "100");
    let told = outcome_of_build(again.args(["-O2", "--verbose", "-o", "large.o", "large.ll"]));
    let found = told.contains(" pieces found") && !told.contains(" 0 of ");
    assert!(found, "{told}");
}

/// Programs of `tests/c` that use modules in many ways, with every module in pieces of one function each.
macro_rules! in_pieces {
    ($($name:ident . $extension:ident)*) => {
        $(
            #[test]
            fn $name() {
                let file = concat!(stringify!($name), ".", stringify!($extension));
                let mut workspace = Workspace::new(file);
                workspace.set_variable("MGENJIT_PIECES", "1");
                for run in [Run::Cold, Run::Warm] {
                    if run == Run::Cold || !workspace.directives.once {
                        workspace.run(run).expect_success(&format!("{file}, {run:?}"));
                    }
                }
            }
        )*
    };
}

in_pieces! {
    cache_verify.c
    calls.c
    cplusplus.c
    exceptions.cpp
    export_programs.c
    export_helpers.c
    flavours.c
    hidden.c
    lifecycle.c
    linking.c
    real_programs.c
    singletons.cpp
    symbols.c
    tasks.c
    thread_locals.cpp
    threads.c
}

/// The folder of a dependency's sources.
fn crate_folder(name: &str) -> PathBuf {
    let output = Command::new(support::source("benches/crate.sh"))
        .arg(name)
        .env("CARGO", env!("CARGO"))
        .output()
        .expect("crate.sh");
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(String::from_utf8(output.stdout).expect("UTF-8").trim_end())
}

/// Compiles C files as a front end does, for the optimiser, and links them to NAME.ll.
fn compile_c(place: &Place, name: &str, files: &[PathBuf], flags: &[&str]) {
    let mut linked = place.command("llvm-link-22");
    linked
        .args(["-S", "-o"])
        .arg(place.path(&format!("{name}.ll")));
    for (number, file) in files.iter().enumerate() {
        let bitcode = place.path(&format!("{name}-{number}.bc"));
        let mut command = place.command("clang-22");
        command
            .args([
                "-O2",
                "-Xclang",
                "-disable-llvm-passes",
                "-fPIC",
                "-w",
                "-c",
                "-emit-llvm",
            ])
            .args(flags)
            .arg("-o")
            .arg(&bitcode)
            .arg(file);
        let compiled = outcome(command);
        assert_eq!(compiled, "exit status: 0", "{}", file.display());
        linked.arg(bitcode);
    }
    assert_eq!(outcome(linked), "exit status: 0");
}

fn c_files(folder: &Path, without: &[&str]) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("sources");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".c") && !without.contains(&&*name)
    });
    files.sort();
    files
}

/// Runs a program whole and in pieces of each of these sizes.
fn check_sizes(place: &Place, program: &str, arguments: &[&str], levels: &[&str], sizes: &[&str]) {
    for level in levels {
        let all = [&[*level, program], arguments].concat();
        let whole = ran(place, "off", &all);
        assert!(
            whole.ends_with("exit status: 0"),
            "{program} {level}: {whole}"
        );
        for size in sizes {
            assert_eq!(
                whole,
                ran_cut(place, size, &all),
                "{program} {level} in pieces of {size}"
            );
        }
    }
}

/// What its usual benchmarks do, and errors, which are `longjmp`s.
const SCRIPT: &str = r#"
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(22))
local words = {}
for word in ("the quick brown fox jumps over the lazy dog"):rep(20, " "):gmatch("%a+") do
  words[word] = (words[word] or 0) + 1
end
local names = {}
for name in pairs(words) do names[#names + 1] = name end
table.sort(names, function(a, b)
  if words[a] ~= words[b] then return words[a] > words[b] end
  return a < b
end)
for _, name in ipairs(names) do io.write(name, "=", words[name], " ") end
print()
local many = {}
for i = 1, 20000 do many[i] = (i * 7919) % 20011 end
table.sort(many)
print(many[1], many[10000], many[20000])
local generate = coroutine.wrap(function() for i = 1, 100 do coroutine.yield(i * i) end end)
local sum = 0
for i = 1, 100 do sum = sum + generate() end
print(sum)
print(pcall(error, { code = 1 } and "an error"))
print(select(2, pcall(function() local x = nil; return x.field end)))
print(string.format("%5.2f|%x|%q", math.pi, 255, "a\nb"), #string.rep("x", 1000, ","))
local object = setmetatable({}, { __index = function(_, k) return k .. "!" end, __call = function(_, x) return x * 2 end })
print(object.name, object(21), load("return 1 + 1")())
"#;

const INTERPRETER: &str = r#"
#include "lauxlib.h"
#include "lualib.h"
#include <stdio.h>
int main(int argc, char **argv)
{
    lua_State *lua = luaL_newstate();
    luaL_openlibs(lua);
    if (luaL_dofile(lua, argv[argc - 1]) != 0) {
        puts(lua_tostring(lua, -1));
        return 1;
    }
    lua_close(lua);
    return 0;
}
"#;

/// Makes lua.ll and script.lua.
fn make_lua(place: &Place) {
    let folder = crate_folder("lua-src").join("lua-5.4.7");
    place.write("main.c", INTERPRETER);
    place.write("script.lua", SCRIPT);
    let mut files = vec![place.path("main.c")];
    files.extend(c_files(&folder, &[]));
    let include = format!("-I{}", folder.display());
    compile_c(place, "lua", &files, &["-DLUA_USE_POSIX", &include]);
}

#[test]
fn lua_in_pieces() {
    let place = place();
    make_lua(&place);
    check_sizes(
        &place,
        "lua.ll",
        &["script.lua"],
        &["-O2"],
        &["auto", "300", "4000"],
    );
}

/// The long run: `make soak`.
#[test]
#[ignore = "takes minutes"]
fn soak_lua_at_every_size() {
    let place = place();
    make_lua(&place);
    let levels = ["-O0", "-O1", "-O2", "-O3", "-Os"];
    check_sizes(
        &place,
        "lua.ll",
        &["script.lua"],
        &levels,
        &["1", "50", "1000", "20000"],
    );
}

const COMPRESS: &str = r#"
#include "zstd.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    size_t size = 300000, most = ZSTD_compressBound(size);
    unsigned char *plain = malloc(size), *packed = malloc(most), *again = malloc(size);
    unsigned state = 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 1103515245 + 12345;
        plain[i] = i % 1000 < 700 ? "some text that repeats "[i % 23] : state >> 24;
    }
    for (int level = -3; level <= 19; level += level < 4 ? 1 : 5) {
        size_t packed_size = ZSTD_compress(packed, most, plain, size, level);
        unsigned sum = 0;
        for (size_t i = 0; i < packed_size; i++)
            sum = sum * 31 + packed[i];
        if (ZSTD_decompress(again, size, packed, packed_size) != size || memcmp(again, plain, size) != 0)
            return 1;
        printf("%d %zu %u\n", level, packed_size, sum);
    }
    return 0;
}
"#;

#[test]
#[ignore = "takes minutes"]
fn soak_zstd_at_every_size() {
    let place = place();
    let library = crate_folder("zstd-sys").join("zstd/lib");
    place.write("compress.c", COMPRESS);
    let mut files = vec![place.path("compress.c")];
    for folder in ["common", "compress", "decompress"] {
        files.extend(c_files(&library.join(folder), &[]));
    }
    let include = format!("-I{}", library.display());
    compile_c(&place, "zstd", &files, &["-DZSTD_DISABLE_ASM", &include]);
    let levels = ["-O0", "-O2"];
    check_sizes(
        &place,
        "zstd.ll",
        &[],
        &levels,
        &["1", "1000", "20000", "auto"],
    );
}

#[test]
#[ignore = "takes minutes"]
fn soak_sqlite_at_every_size() {
    let place = place();
    let sqlite = crate_folder("libsqlite3-sys").join("sqlite3");
    let files = [
        sqlite.join("sqlite3.c"),
        support::source("benches/sqlite_workload.c"),
    ];
    let flags = ["-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_THREADSAFE=0"];
    compile_c(&place, "sqlite", &files, &flags);
    check_sizes(
        &place,
        "sqlite.ll",
        &["2000"],
        &["-O0", "-O2"],
        &["1", "2000", "20000", "auto"],
    );
}

#[test]
#[ignore = "takes minutes"]
fn soak_random_modules() {
    let place = place();
    for seed in 1000..1300 {
        let (module, strong) = modules::module(seed);
        place.write("module.ll", module);
        place.write("strong.ll", strong);
        let level = ["-O0", "-O1", "-O2", "-O3"][(seed % 4) as usize];
        for arguments in [
            &[level, "module.ll"][..],
            &[level, "--add", "strong.ll", "module.ll"],
        ] {
            let whole = ran(&place, "off", arguments);
            assert!(whole.ends_with("exit status: 0"), "{seed}: {whole}");
            for size in ["1", "10", "60", "300"] {
                let pieces = ran_cut(&place, size, arguments);
                assert_eq!(
                    whole, pieces,
                    "seed {seed}, {arguments:?}, pieces of {size}"
                );
            }
        }
    }
}
