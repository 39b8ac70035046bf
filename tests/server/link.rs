//! Links for export: shared libraries as the system's loader loads them.

use crate::client::{Outcome, Server, request};
use crate::tools::{AARCH64, CC, CLANG, CXX, HOST, Machine, READELF, RISCV64, Tool, folder, run};
use mgenjit::cpu::Cpu;
use mgenjit::protocol::messages::{CompileRequest, FailureKind, LinkOutput, LinkRequest, Request};
use mgenjit::types::{Input, OptLevel, Target, TargetSpec};
use std::path::Path;

const AR: Tool = Tool("ar", "binutils");

/// Needs all that the static part of a C library or of a compiler gives a shared library.
const C: &[u8] = b"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static const char *place = \"none\";
int counter = 1;
_Thread_local int own = 7;
int from_ir(int);
static void handler(void) { printf(\"handler %d\\n\", counter); }
static void forked(void) {}
__attribute__((constructor)) static void begin(void) { place = \"constructed\"; }
__attribute__((destructor)) static void end(void) { puts(\"destructor\"); }
int start(void) {
  own += 1;
  counter += 1;
  pthread_atfork(forked, forked, forked);
  return atexit(handler) + own;
}
const char *where(void) { return place; }
int both(int x) { return from_ir(x) + counter; }
";

/// Refers to itself as an executable may, and to the C library.
const IR: &str = "@table = dso_local global [2 x i32] [i32 10, i32 20]
@tls = thread_local global i32 3
declare ptr @llvm.threadlocal.address.p0(ptr)
declare i64 @labs(i64)
define dso_local i32 @from_ir(i32 %x) {
  %w = sext i32 %x to i64
  %a = call i64 @labs(i64 %w)
  %i = and i64 %a, 1
  %p = getelementptr [2 x i32], ptr @table, i64 0, i64 %i
  %v = load i32, ptr %p
  %t = call ptr @llvm.threadlocal.address.p0(ptr @tls)
  %o = load i32, ptr %t
  %n = add i32 %o, 1
  store i32 %n, ptr %t
  %s = add i32 %v, %n
  ret i32 %s
}
";

/// Loads the library and gives it back.
const LOADS: &[u8] = b"
#include <dlfcn.h>
#include <stdio.h>
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  void *library = dlopen(\"./libunit.so\", RTLD_NOW);
  if (!library) { puts(dlerror()); return 1; }
  const char *(*where)(void) = (const char *(*)(void))dlsym(library, \"where\");
  int (*start)(void) = (int (*)(void))dlsym(library, \"start\");
  int (*both)(int) = (int (*)(int))dlsym(library, \"both\");
  int *counter = dlsym(library, \"counter\");
  int *own = dlsym(library, \"own\");
  int started = start();
  printf(\"%s %d %d\\n\", where(), started, both(-1));
  printf(\"%d %d\\n\", *counter, *own);
  puts(dlsym(library, \"__dso_handle\") || dlsym(library, \"atexit\") ? \"leaks\" : \"clean\");
  dlclose(library);
  puts(\"closed\");
  return 0;
}
";
const LOADED: &str = "constructed 8 26\n2 8\nclean\ndestructor\nhandler 2\nclosed\n";

/// Is linked with it, and has the library's variable copied into itself if it is at a fixed address.
const LINKS: &[u8] = b"
#include <stdio.h>
extern int counter;
extern _Thread_local int own;
const char *where(void);
int start(void);
int both(int);
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  int started = start();
  counter += 10;
  printf(\"%s %d %d %d\\n\", where(), started, own, both(2));
  return 0;
}
";
const LINKED: &str = "constructed 8 8 26\nhandler 12\ndestructor\n";

fn target(machine: Machine) -> Target {
    match machine.triple {
        "" => Target::Host(Cpu::native()),
        triple => Target::Other(TargetSpec {
            triple: triple.to_owned(),
            cpu: String::new(),
            features: String::new(),
        }),
    }
}

fn link(
    server: &mut Server,
    target: Target,
    output: LinkOutput,
    inputs: &[(&str, &[u8])],
    libraries: u32,
) -> Outcome {
    let inputs: Vec<(Input, &[u8])> = inputs
        .iter()
        .map(|(name, bytes)| {
            let input = Input {
                name: (*name).to_owned(),
                len: bytes.len() as u64,
            };
            (input, *bytes)
        })
        .collect();
    let (inputs, bytes): (Vec<Input>, Vec<&[u8]>) = inputs.into_iter().unzip();
    let request = Request::Link(LinkRequest {
        name: "unit".to_owned(),
        target,
        output,
        inputs,
        libraries,
    });
    server.request(&request, &bytes)
}

fn shared(soname: Option<&str>) -> LinkOutput {
    LinkOutput::SharedLibrary {
        soname: soname.map(str::to_owned),
    }
}

fn object(server: &mut Server, machine: Machine, ir: &str) -> Vec<u8> {
    let request = Request::Compile(CompileRequest {
        target: target(machine),
        opt_level: OptLevel::O2,
        ..request("ir", ir.len() as u64)
    });
    server
        .request(&request, &[ir.as_bytes()])
        .unwrap_compiled()
        .object
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

/// Where a compiler has the C library.
fn libc(machine: Machine) -> Vec<u8> {
    let path = run(machine.cc, Path::new("."), ["-print-file-name=libc.so.6"]);
    std::fs::read(path.trim()).unwrap()
}

fn installed_library(machine: Machine) {
    let mut server = Server::start();
    let ir = object(&mut server, machine, IR);
    let libc = libc(machine);
    let folder = folder(&[("unit.c", C), ("loads.c", LOADS), ("links.c", LINKS)]);
    let folder = folder.path();
    run(machine.cc, folder, ["-O1", "-fPIC", "-c", "unit.c"]);
    // An archive without an index, whose member nothing needs.
    run(AR, folder, ["rcS", "unit.a", "unit.o"]);
    let archive = read(folder, "unit.a");
    let inputs: [(&str, &[u8]); 3] = [("ir.o", &ir), ("unit.a", &archive), ("libc.so.6", &libc)];
    let output = shared(Some("libunit.so"));
    let made = link(&mut server, target(machine), output.clone(), &inputs, 1).unwrap_emitted();
    let again = link(&mut Server::start(), target(machine), output, &inputs, 1).unwrap_emitted();
    assert!(made == again);
    std::fs::write(folder.join("libunit.so"), made).unwrap();

    let dynamic = run(READELF, folder, ["-dW", "libunit.so"]);
    assert!(
        dynamic.contains("Library soname: [libunit.so]"),
        "{dynamic}"
    );
    assert!(dynamic.contains("Shared library: [libc.so.6]"), "{dynamic}");
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
    let versions = run(READELF, folder, ["-VW", "libunit.so"]);
    assert!(versions.contains("GLIBC_2."), "{versions}");

    run(machine.cc, folder, ["loads.c", "-o", "loads", "-ldl"]);
    assert_eq!(machine.run("loads", folder), LOADED, "{}", machine.triple);
    for flag in ["-pie", "-no-pie"] {
        let code = if flag == "-pie" { "-fPIE" } else { "-fno-pie" };
        let arguments = [code, flag, "links.c", "-L.", "-lunit", "-o", "links"];
        run(machine.cc, folder, arguments);
        let output = machine.run("links", folder);
        assert_eq!(output, LINKED, "{} {flag}", machine.triple);
    }
}

#[test]
fn a_library_is_loaded_linked_with_and_unloaded() {
    installed_library(HOST);
}

#[test]
fn an_aarch64_library_runs_under_qemu() {
    installed_library(AARCH64);
}

/// libwild 0.10 would write another instruction. In an object nothing is written.
#[test]
fn a_library_of_the_tiny_model_is_refused() {
    let mut server = Server::start();
    let source = b"extern int v;\nint get(void) { return v; }\n";
    let folder = folder(&[("tiny.c", source)]);
    let folder = folder.path();
    let arguments = ["-O1", "-mcmodel=tiny", "-fPIC", "-c", "tiny.c"];
    run(AARCH64.cc, folder, arguments);
    let tiny = read(folder, "tiny.o");
    let inputs: [(&str, &[u8]); 1] = [("tiny.o", &tiny)];
    let failure = link(&mut server, target(AARCH64), shared(None), &inputs, 0).unwrap_failed();
    assert_eq!(failure.kind, FailureKind::Link);
    let said = failure.message;
    assert!(said.contains("tiny.o"), "{said}");
    assert!(said.contains("-mcmodel=tiny"), "{said}");
    link(&mut server, target(AARCH64), LinkOutput::Object, &inputs, 0).unwrap_emitted();
}

#[test]
fn a_riscv_library_runs_under_qemu() {
    installed_library(RISCV64);
}

/// Exceptions, RTTI, inline variables and thread-local objects, in two objects that share them.
const THROWS: &[u8] = b"
#include <stdexcept>
#include <string>
template <class T> inline int count(T x) { static int n; return ++n + int(x); }
extern thread_local std::string text;
struct Static { Static() { text += '+'; } };
static Static object;
int thrower(int x) { if (x > 3) throw std::runtime_error(\"large \" + text); return count(x); }
const char *one() { return \"a string that both have\"; }
";
const CATCHES: &[u8] = b"
#include <cstdio>
#include <stdexcept>
#include <string>
template <class T> inline int count(T x) { static int n; return ++n + int(x); }
thread_local std::string text = \"text\";
int thrower(int);
struct Static { ~Static() { std::puts(\"destroyed\"); } };
static Static object;
extern \"C\" void catcher(int x) {
  try { int thrown = thrower(x); std::printf(\"%d %d\\n\", thrown, count(0)); }
  catch (const std::exception &error) { std::printf(\"caught %s\\n\", error.what()); }
}
const char *two() { return \"a string that both have\"; }
";
const CALLS: &[u8] = b"
extern \"C\" void catcher(int);
int main() { catcher(1); catcher(5); catcher(2); }
";
const CAUGHT: &str = "2 2\ncaught large text+\n5 4\ndestroyed\n";

fn cplusplus(output: LinkOutput, name: &str) {
    let mut server = Server::start();
    for compiler in [CXX, CLANG] {
        let files = [("a.cpp", THROWS), ("b.cpp", CATCHES), ("main.cpp", CALLS)];
        let folder = folder(&files);
        let folder = folder.path();
        for (file, _) in files {
            let arguments = ["-g", "-O1", "-fPIC", "-ffunction-sections", "-c", file];
            run(compiler, folder, arguments);
        }
        let (a, b) = (read(folder, "a.o"), read(folder, "b.o"));
        let inputs: [(&str, &[u8]); 2] = [("a.o", &a), ("b.o", &b)];
        let target = Target::Host(Cpu::native());
        let made = link(&mut server, target, output.clone(), &inputs, 0).unwrap_emitted();
        std::fs::write(folder.join(name), made).unwrap();
        for linker in [CXX, CLANG] {
            run(
                linker,
                folder,
                ["main.o", &format!("./{name}"), "-o", "main"],
            );
            assert_eq!(HOST.run("main", folder), CAUGHT, "{compiler:?} {linker:?}");
        }
    }
}

#[test]
fn a_library_of_cplusplus_throws_and_shares() {
    cplusplus(shared(None), "libunit.so");
}

#[test]
fn one_object_of_several_links_as_they_do() {
    cplusplus(LinkOutput::Object, "unit.o");
}

#[track_caller]
fn fails(
    server: &mut Server,
    target: Target,
    inputs: &[(&str, &[u8])],
    libraries: u32,
    (kind, input): (FailureKind, Option<u32>),
    expect: &str,
) {
    for output in [shared(None), LinkOutput::Object] {
        let failure = link(server, target.clone(), output, inputs, libraries).unwrap_failed();
        assert!(failure.message.contains(expect), "{expect}: {failure:?}");
        assert!(!failure.message.contains("<input-"), "{failure:?}");
        assert_eq!((failure.kind, failure.input), (kind, input), "{failure:?}");
    }
}

#[test]
fn what_cannot_be_linked_is_said() {
    let mut server = Server::start();
    let host = || Target::Host(Cpu::native());
    let good = object(&mut server, HOST, "define i32 @good() {\n  ret i32 42\n}\n");
    let inputs: [(&str, &[u8]); 1] = [("good.o", &good)];
    for triple in [
        "wasm32-unknown-unknown",
        "aarch64-apple-darwin",
        "i686-linux-gnu",
    ] {
        let target = Target::Other(TargetSpec {
            triple: triple.to_owned(),
            cpu: String::new(),
            features: String::new(),
        });
        let expect = (FailureKind::Unsupported, None);
        fails(
            &mut server,
            target,
            &inputs,
            0,
            expect,
            "export objects or an archive",
        );
    }
    let protocol = (FailureKind::Protocol, None);
    fails(&mut server, host(), &[], 0, protocol, "nothing to link");
    fails(&mut server, host(), &inputs, 1, protocol, "nothing to link");
    fails(
        &mut server,
        host(),
        &inputs,
        u32::MAX,
        protocol,
        "nothing to link",
    );

    let bad = (FailureKind::Link, Some(1));
    let cut = &good[..good.len() / 2];
    let foreign = object(
        &mut server,
        RISCV64,
        "define void @foreign() {\n  ret void\n}\n",
    );
    for (bytes, expect) in [
        (b"".as_slice(), "is neither an object nor an archive"),
        (b"garbage", "is neither an object nor an archive"),
        (
            b"!<arch>\ngarbage",
            "is an archive that is cut short or damaged",
        ),
        (cut, "-o bad"),
        (&foreign, "-o bad"),
    ] {
        let inputs = [("good.o", &*good), ("-o bad", bytes)];
        fails(&mut server, host(), &inputs, 0, bad, expect);
    }
    // The server goes on. Names mean nothing to the linker, nor does a soname that looks like an option.
    for name in ["-o", "--version", "@response", "<input-0>", ""] {
        let inputs = [(name, &*good), (name, b"!<arch>\n".as_slice())];
        for output in [
            shared(Some("-o")),
            shared(Some("@soname")),
            LinkOutput::Object,
        ] {
            let made = link(&mut server, host(), output.clone(), &inputs, 0).unwrap_emitted();
            let named = [("good.o", &*good), ("empty.a", b"!<arch>\n".as_slice())];
            assert!(made == link(&mut server, host(), output, &named, 0).unwrap_emitted());
        }
    }
}

/// Local statics, thread-local objects and handlers of C++: each goes once, when the library does or before.
const CLOSED: &[u8] = b"
#include <cstdio>
#include <cstdlib>
struct Told {
  const char *name;
  Told(const char *name) : name(name) { std::printf(\"+%s\\n\", name); }
  ~Told() { std::printf(\"-%s\\n\", name); }
};
static Told global(\"global\");
static void handler() { std::puts(\"handler\"); }
__attribute__((destructor)) static void end() { std::puts(\"end\"); }
extern \"C\" void use(int handle) {
  static Told local(\"local\");
  static thread_local Told own(\"own\");
  (void)own.name;
  if (handle) std::atexit(handler);
}
";
const CLOSES: &[u8] = b"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
static void (*use)(int);
static void *thread(void *none) { use(0); return none; }
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  for (int round = 0; round < 2; round++) {
    pthread_t other;
    void *library = dlopen(\"./libunit.so\", RTLD_NOW);
    if (!library) { puts(dlerror()); return 1; }
    use = (void (*)(int))dlsym(library, \"use\");
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    if (round) use(1);
    dlclose(library);
    puts(\"closed\");
  }
  return 0;
}
";

#[test]
fn a_library_of_cplusplus_ends_as_a_compilers_does() {
    let mut server = Server::start();
    for compiler in [CXX, CLANG] {
        let folder = folder(&[("unit.cpp", CLOSED), ("closes.c", CLOSES)]);
        let folder = folder.path();
        run(compiler, folder, ["-O1", "-fPIC", "-c", "unit.cpp"]);
        let program = [
            "closes.c",
            "-o",
            "closes",
            "-Wl,--no-as-needed",
            "-lstdc++",
            "-ldl",
        ];
        run(HOST.cc, folder, program);
        run(compiler, folder, ["-shared", "unit.o", "-o", "libunit.so"]);
        let expect = HOST.run("closes", folder);
        assert!(expect.matches("-own").count() == 3, "{expect}");
        let unit = read(folder, "unit.o");
        let made = link(
            &mut server,
            Target::Host(Cpu::native()),
            shared(None),
            &[("unit.o", &unit), ("libc.so.6", &libc(HOST))],
            1,
        )
        .unwrap_emitted();
        std::fs::write(folder.join("libunit.so"), made).unwrap();
        assert_eq!(HOST.run("closes", folder), expect, "{compiler:?}");
    }
}

#[test]
fn common_symbols_are_not_lost_in_silence() {
    let folder = folder(&[(
        "common.c",
        b"int shared;\nint get(void) { return ++shared; }\n",
    )]);
    let options = ["-fcommon", "-fPIC", "-c", "common.c", "-o", "common.o"];
    run(CC, folder.path(), options);
    run(AR, folder.path(), ["rcs", "common.a", "common.o"]);
    let mut server = Server::start();
    let good = object(&mut server, HOST, "define i32 @good() {\n  ret i32 42\n}\n");
    for name in ["common.o", "common.a"] {
        let common = read(folder.path(), name);
        let inputs: [(&str, &[u8]); 2] = [("good.o", &good), (name, &common)];
        let target = || Target::Host(Cpu::native());
        let linked = link(&mut server, target(), LinkOutput::Object, &inputs, 0);
        let failure = linked.unwrap_failed();
        assert_eq!(failure.kind, FailureKind::Unsupported);
        assert_eq!(failure.input, Some(1));
        for part in ["`shared`", "-fno-common"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        // A library has them.
        link(&mut server, target(), shared(None), &inputs, 0).unwrap_emitted();
    }
}
