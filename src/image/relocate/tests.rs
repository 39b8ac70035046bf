use super::*;
use crate::arch::assembly as types;
use crate::arch::call::{self, Frame};
use crate::image::elf::Headers;
use crate::image::map::Source;
use crate::page::page_size;
use object::elf::RelocationType;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::Command;
use std::ptr;

/// A shared object that refers to one name and defines another.
fn shared_object() -> Vec<u8> {
    compiled("extern int x; int *f(void) { return &x; }\n")
}

fn compiled(text: &str) -> Vec<u8> {
    compiled_with(text, &[])
}

fn compiled_with(text: &str, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source.c");
    let output = folder.path().join("output.so");
    std::fs::write(&source, text).expect("written");
    let status = Command::new("cc")
        .args([
            "-shared",
            "-nostdlib",
            "-fPIC",
            "-O2",
            "-Wl,--hash-style=gnu",
        ])
        .args(options)
        .args([&source, std::path::Path::new("-o"), &output])
        .status()
        .expect("cc runs");
    assert!(status.success());
    std::fs::read(output).expect("an output")
}

fn map(bytes: &[u8]) -> Image {
    Image::map(Source::Memory(bytes), bytes, bytes.len() as u64).expect("an image")
}

/// Where the object's one relocation lies in its bytes, and the symbol's index.
fn relocation_in(bytes: &[u8]) -> (usize, u32) {
    let references = map(bytes).references().expect("a reference");
    assert_eq!(references.len(), 1);
    let index = references[0].index;
    let info = info(types::GLOB_DAT, index);
    let place = bytes
        .windows(8)
        .position(|word| word == info.to_le_bytes())
        .expect("its relocation");
    // Its offset comes first.
    (place - 8, index)
}

fn info(kind: RelocationType, index: u32) -> u64 {
    u64::from(index) << 32 | u64::from(kind.0)
}

fn set_word(bytes: &mut [u8], place: usize, word: u64) {
    bytes[place..place + 8].copy_from_slice(&word.to_le_bytes());
}

fn word_at(image: &Image, address: usize) -> usize {
    let bytes: &[[u8; 8]] = image.mapping.slice(address, 1).expect("a word");
    usize::from_le_bytes(bytes[0])
}

extern "C" fn resolver() -> usize {
    0x5000
}

#[test]
fn each_kind_of_relocation_writes_its_word() {
    let original = shared_object();
    let (place, index) = relocation_in(&original);
    let mut offset = [0; 8];
    offset.copy_from_slice(&original[place..place + 8]);
    let at = usize::from_le_bytes(offset);
    let untouched = word_at(&map(&original), at);

    // With the addend 8. What is written, less the image's base where that is added.
    let check = |kind, index, target: Option<Target>, expect: Result<usize, &str>| {
        let mut bytes = original.clone();
        set_word(&mut bytes, place + 8, info(kind, index));
        set_word(&mut bytes, place + 16, 8);
        let image = map(&bytes);
        let mut targets = vec![None; index as usize];
        targets.push(target);
        let written = image.relocate(&targets).map(|deferred| {
            image.finish_relocation(&deferred);
            let base = match kind {
                types::RELATIVE => image.mapping.base(),
                _ => 0,
            };
            word_at(&image, at).wrapping_sub(base)
        });
        match (written, expect) {
            (Ok(written), Ok(expect)) => assert_eq!(written, expect, "{}", kind.0),
            (Err(error), Err(expect)) => {
                assert!(error.to_string().contains(expect), "{}: {error}", kind.0);
            }
            (written, expect) => panic!("{}: {written:?}, not {expect:?}", kind.0),
        }
    };
    let address = Some(Target::Address(0x1000));
    let indirect = Some(Target::Indirect(resolver as *const () as usize));
    let local = Some(Target::ThreadLocal {
        module: 7,
        offset: 0x20,
    });
    let not_ordinary = Err("a thread-local variable is used as an ordinary one");
    let not_local = Err("an ordinary variable is used as a thread-local one");

    check(types::NONE, index, None, Ok(untouched));
    check(types::RELATIVE, 0, None, Ok(8));
    check(types::ADDRESS, index, address, Ok(0x1008));
    check(types::ADDRESS, index, indirect, Ok(0x5008));
    check(types::ADDRESS, index, local, not_ordinary);
    check(types::ADDRESS, index, None, Err("has no symbol"));
    for kind in [types::GLOB_DAT, types::JUMP_SLOT] {
        let has_addend = image::kind(kind) == image::kind(types::ADDRESS);
        let addend = if has_addend { 8 } else { 0 };
        check(kind, index, address, Ok(0x1000 + addend));
        check(kind, index, indirect, Ok(0x5000 + addend));
        check(kind, index, local, not_ordinary);
    }
    check(types::TLS_MODULE, index, local, Ok(7));
    check(types::TLS_MODULE, index, address, not_local);
    check(types::TLS_OFFSET, index, local, Ok(0x28));
    check(types::TLS_OFFSET, index, address, not_local);
    check(types::TLS_OFFSET, 0, None, Ok(8));
    let storage = Err("it has no thread-local storage");
    check(types::TLS_MODULE, 0, None, storage);
    for kind in [types::COPY, types::TLS_FIXED] {
        let expect = format!("of type {}", kind.0);
        check(kind, index, address, Err(&expect));
    }
}

#[test]
fn what_is_not_writable_is_not_relocated() {
    let original = shared_object();
    let (place, index) = relocation_in(&original);
    let check = |kind, target, at: u64| {
        let mut bytes = original.clone();
        set_word(&mut bytes, place, at);
        set_word(&mut bytes, place + 8, info(kind, index));
        let mut targets = vec![None; index as usize];
        targets.push(Some(target));
        let error = map(&bytes).relocate(&targets).expect_err("refused");
        let text = error.to_string();
        assert!(text.contains("outside of what is writable"), "{text}");
    };
    let end = map(&original).mapping.len() as u64;
    for at in [0, 8, end, end + 8, u64::MAX - 7, u64::MAX] {
        check(types::GLOB_DAT, Target::Address(0x1000), at);
        // Before its resolver is called.
        check(types::GLOB_DAT, Target::Indirect(0), at);
        check(types::IRELATIVE, Target::Indirect(0), at);
    }
}

#[test]
fn a_relocation_of_a_symbol_that_is_not_there_is_refused() {
    let original = shared_object();
    let (place, _) = relocation_in(&original);
    let count = map(&original).symbols.count();
    for index in [count, count + 1, u32::MAX] {
        let mut bytes = original.clone();
        set_word(&mut bytes, place + 8, info(types::GLOB_DAT, index));
        let error = map(&bytes).references().expect_err("refused");
        assert!(matches!(error, LoadError::Malformed(_)), "{error}");
    }
}

/// An image that is linked: its undefined names mean these.
fn linked(text: &str, targets: &[(&str, Target)]) -> Image {
    link(map(&compiled(text)), targets)
}

fn link(image: Image, targets: &[(&str, Target)]) -> Image {
    let mut found = vec![None; image.symbols.count() as usize];
    for symbol in image.references().expect("references") {
        let name = std::str::from_utf8(image.name(&symbol).expect("a name")).expect("UTF-8");
        let target = targets.iter().find(|(other, _)| *other == name);
        found[symbol.index as usize] = Some(match (target, name) {
            (Some((_, target)), _) => *target,
            (None, "__tls_get_addr") => Target::Address(tls::tls_get_addr as *const () as usize),
            _ if symbol.kind == SymbolKind::ThreadLocal => Target::ThreadLocal {
                module: image.tls_module().expect("its own"),
                offset: symbol.value as usize,
            },
            _ => Target::Address(image.address(symbol.value)),
        });
    }
    let deferred = image.relocate(&found).expect("relocated");
    image.finish_relocation(&deferred);
    image
}

fn function(image: &Image, name: &str) -> usize {
    image.address(image.find(name.as_bytes()).expect(name).value)
}

fn address_in(image: &Image, name: &str) -> usize {
    // SAFETY: the function has this type.
    let function: extern "C" fn() -> usize = unsafe { std::mem::transmute(function(image, name)) };
    function()
}

fn value_in(image: &Image, name: &str) -> i32 {
    // SAFETY: the function returns the address of an `int`.
    unsafe { *(address_in(image, name) as *const i32) }
}

#[test]
fn thread_local_variables_are_found_in_each_thread() {
    let definer = linked(
        "__thread int t = 5, u = 6; static __thread int hidden = 7; __thread char zeros[100];
         int *of_t(void) { return &t; } int *of_u(void) { return &u; }
         int *of_hidden(void) { return &hidden; } char *of_zeros(void) { return &zeros[99]; }
         void add(void) { t++; hidden++; }",
        &[],
    );
    let module = definer.tls_module().expect("a module");
    let symbol = definer.find(b"u").expect("it is defined");
    let offset = symbol.value as usize;
    let user = linked(
        "extern __thread int u; int *of_u(void) { return &u; } int *behind(void) { return &(&u)[3]; }",
        &[("u", Target::ThreadLocal { module, offset })],
    );
    let check = |added| {
        assert_eq!(value_in(&definer, "of_t"), 5 + added);
        assert_eq!(value_in(&definer, "of_hidden"), 7 + added);
        assert_eq!(value_in(&user, "of_u"), 6);
        assert_eq!(address_in(&user, "of_u"), address_in(&definer, "of_u"));
        assert_eq!(address_in(&user, "behind"), address_in(&user, "of_u") + 12);
        assert_ne!(address_in(&definer, "of_zeros"), 0);
        // SAFETY: a function without parameters.
        let add: extern "C" fn() = unsafe { std::mem::transmute(function(&definer, "add")) };
        add();
    };
    check(0);
    check(1);
    let here = address_in(&user, "of_u");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            check(0);
            assert_ne!(address_in(&user, "of_u"), here);
        });
    });
    check(2);
}

std::thread_local! {
    /// It lies in the program's own block.
    static OWN: std::cell::Cell<i32> = const { std::cell::Cell::new(1) };
}

#[test]
fn thread_local_variables_of_the_process_are_found() {
    // SAFETY: it returns the address of a variable that the C library has in each thread.
    let of_library = || unsafe { libc::__errno_location() }.addr();
    let of_program = || OWN.with(|own| ptr::from_ref(own).addr());
    let check = |of_system: &(dyn Fn() -> usize + Sync)| {
        let found = tls::of_the_system(of_system()).expect("a module");
        let (module, offset) = (found.module, found.offset);
        let image = linked(
            "extern __thread int t; int *of_t(void) { return &t; }",
            &[("t", Target::ThreadLocal { module, offset })],
        );
        let compare = || assert_eq!(address_in(&image, "of_t"), of_system());
        compare();
        std::thread::scope(|scope| {
            scope.spawn(compare);
        });
        compare();
    };
    check(&of_library);
    check(&of_program);
    let (module, offset) = (tls::NOWHERE, 0);
    let image = linked(
        "extern __thread int t __attribute__((weak)); int *of_t(void) { return &t; }",
        &[("t", Target::ThreadLocal { module, offset })],
    );
    assert_eq!(address_in(&image, "of_t"), 0);
}

/// What code has in registers while it finds a variable is there afterwards, also when the thread's block is made just then.
#[test]
fn thread_local_variables_are_found_without_a_trace() {
    let image = linked(
        "static __thread long count = 1;
         double f(long a, long b, long c, long d, long e, long f, long g, long h,
                  double p, double q, double r, double s, double t, double u, double v, double w) {
             long own = count++;
             return own + a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h
                    + p + 2 * q + 3 * r + 4 * s + 5 * t + 6 * u + 7 * v + 8 * w;
         }
         typedef long vector __attribute__((vector_size(16)));
         vector g(vector a, vector b, vector c) { vector own = {count++, 5}; return own + a + 2 * b + 3 * c; }
         long upper(void) { vector all = g((vector){1, 2}, (vector){3, 4}, (vector){5, 6}); return all[1]; }",
        &[],
    );
    let check = |expect: f64| {
        let mut frame = Frame::new();
        for (place, word) in frame.integers.iter_mut().enumerate() {
            *word = place as u64 + 1;
        }
        for (place, word) in frame.vectors.iter_mut().enumerate() {
            *word = f64::from(place as u32 + 1).to_bits();
        }
        let rest: Vec<u64> = (frame.integers.len() as u64 + 1..=8).collect();
        frame.stack = rest.as_ptr();
        frame.stack_len = rest.len();
        // SAFETY: the function takes these.
        unsafe { call::call(&mut frame, function(&image, "f")) };
        assert_eq!(frame.vector_result, expect.to_bits());
        // 5 + 2 + 2 * 4 + 3 * 6
        assert_eq!(address_in(&image, "upper"), 33);
    };
    // 1² + … + 8² = 204
    let both = 2.0 * 204.0;
    check(both + 1.0);
    check(both + 3.0);
    std::thread::scope(|scope| {
        scope.spawn(|| check(both + 1.0));
    });
    check(both + 5.0);
}

/// Code, constants, data that is relocated, data, and zeros.
const SEGMENTS: &str = "
    static int numbers[5000] = {1}; static int zeros[50000]; extern int outside;
    static int *const places[] = {&numbers[0], &zeros[49999], &numbers[4999]};
    int *of_numbers(void) { return places[0]; } int *of_zeros(void) { return places[1]; }
    int *of_last(void) { return places[2]; } int *of_outside(void) { return &outside; }
    int *of_itself(void) { static int *itself; itself = places[0]; return itself; }
";

/// What memory is mapped with where an address lies.
fn protection_at(address: usize) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
    let found = maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let bound = |text| usize::from_str_radix(text, 16).ok();
        (bound(start)?..bound(end)?)
            .contains(&address)
            .then(|| rest[..4].to_owned())
    });
    found.unwrap_or_default()
}

#[test]
fn images_are_mapped_whatever_a_page_is() {
    let bytes = compiled_with(SEGMENTS, &["-Wl,-z,max-page-size=65536"]);
    let len = bytes.len() as u64;
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).expect("written");
    let sources = [
        Source::File {
            file: file.as_fd(),
            at: 0,
            start: &bytes,
        },
        Source::File {
            file: file.as_fd(),
            at: 0,
            start: &[],
        },
        Source::Copied {
            file: file.as_fd(),
            at: 0,
            image: &bytes,
        },
        Source::Memory(&bytes),
    ];
    for page in [4 << 10, 16 << 10, 64 << 10] {
        if page < page_size() {
            continue;
        }
        // This system maps no more of a file than its own pages.
        let is_own = page == page_size();
        let usable = |source: &&Source<'_>| is_own || !matches!(source, Source::File { .. });
        for source in sources.iter().filter(usable).copied() {
            let headers = Headers::parse_for(page, &bytes, len).expect("headers");
            let image = Image::map_by(source, headers, len).expect("an image");
            let image = link(image, &[("outside", Target::Address(0x5000))]);
            assert!(image.mapping.base().is_multiple_of(page_size()));
            assert_eq!(value_in(&image, "of_numbers"), 1, "{page}, {source:?}");
            assert_eq!(value_in(&image, "of_zeros"), 0);
            assert_eq!(value_in(&image, "of_last"), 0);
            assert_eq!(address_in(&image, "of_outside"), 0x5000);
            assert_eq!(
                address_in(&image, "of_itself"),
                address_in(&image, "of_numbers")
            );
            assert_eq!(protection_at(function(&image, "of_numbers")), "r-xp");
            assert_eq!(protection_at(address_in(&image, "of_numbers")), "rw-p");
        }
    }
}

/// Where the machine checks that code which is jumped to expects it.
#[test]
fn guarded_code_runs() {
    if image::GUARD.is_none() {
        return;
    }
    for (option, expect) in [("standard", true), ("none", false)] {
        let option = format!("-mbranch-protection={option}");
        let bytes = compiled_with(SEGMENTS, &[&option]);
        let headers = Headers::parse(&bytes, bytes.len() as u64).expect("headers");
        assert_eq!(headers.guarded, expect, "{option}");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("written");
        let in_file = Source::File {
            file: file.as_fd(),
            at: 0,
            start: &bytes,
        };
        for source in [in_file, Source::Memory(&bytes)] {
            let image = Image::map(source, &bytes, bytes.len() as u64).expect("an image");
            let image = link(image, &[("outside", Target::Address(0x5000))]);
            assert_eq!(value_in(&image, "of_numbers"), 1);
            let mut frame = Frame::new();
            // SAFETY: the function takes nothing.
            unsafe { call::call(&mut frame, function(&image, "of_outside")) };
            assert_eq!(frame.integer_result, 0x5000);
        }
    }
}

extern "C" fn outside() -> i32 {
    41
}

extern "C-unwind" fn throws() -> i32 {
    std::panic::resume_unwind(Box::new(7))
}

/// Calls lead through the image's own table, and so as far as they must: a call instruction of AArch64 reaches 128 MiB.
#[test]
fn calls_reach_what_is_far_away() {
    const REACH: usize = 128 << 20;
    let callee = outside as *const () as usize;
    let image = linked(
        "int outside(void); int f(void) { return outside() + 1; }",
        &[("outside", Target::Address(callee))],
    );
    assert!(function(&image, "f").abs_diff(callee) > REACH);
    assert_eq!(address_in(&image, "f") as i32, 42);
}

#[test]
fn exceptions_pass_through_images() {
    let text = "int throws(void); int f(int x) { int result = throws(); return result + x; }";
    let callee = Target::Address(throws as *const () as usize);
    let guarded = image::GUARD.map(|_| "-mbranch-protection=standard");
    for option in std::iter::once("-O1").chain(guarded) {
        let bytes = compiled_with(text, &["-fexceptions", option]);
        let image = link(map(&bytes), &[("throws", callee)]);
        let thrown = std::panic::catch_unwind(|| {
            let mut frame = Frame::new();
            // SAFETY: the function takes an integer.
            unsafe { call::call(&mut frame, function(&image, "f")) };
        });
        let thrown = thrown.expect_err("it throws");
        assert_eq!(thrown.downcast_ref::<i32>(), Some(&7), "{option}");
    }
}

/// `resolve` returns `right` if it was told what the dynamic linker tells.
#[test]
fn resolvers_are_told_what_the_dynamic_linker_tells() {
    let text = format!(
        "static int right(void) {{ return 1; }} static int wrong(void) {{ return 2; }}
         {} static int chosen(void) __attribute__((ifunc(\"resolve\")));
         int f(void) {{ return chosen(); }} int (*of_chosen(void))(void) {{ return chosen; }}",
        types::RESOLVER
    );
    let image = linked(&text, &[]);
    assert_eq!(address_in(&image, "f") as i32, 1);
    // SAFETY: it is the address of a function of this type.
    let chosen: extern "C" fn() -> i32 =
        unsafe { std::mem::transmute(address_in(&image, "of_chosen")) };
    assert_eq!(chosen(), 1);
}
