//! What the shared library needs, is called, and exports; that it contains no LLVM.

mod support;

use object::elf::{DF_1_NODELETE, DT_FLAGS_1, DT_NEEDED, DT_SONAME, DynamicTag};
use object::{Endianness, Object, ObjectSymbol};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

type ElfFile<'data> = object::read::elf::ElfFile64<'data, Endianness>;

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parse(bytes: &[u8]) -> ElfFile<'_> {
    ElfFile::parse(bytes).expect("an ELF file")
}

/// The entries of the dynamic section with this tag: their values, or the strings they stand for.
fn dynamic<T>(bytes: &[u8], tag: DynamicTag, value: impl Fn(u64, &[u8]) -> T) -> Vec<T> {
    let file = parse(bytes);
    let table = file.elf_dynamic_table().expect("a dynamic section");
    table
        .iter()
        .filter(|entry| entry.tag == tag)
        .map(|entry| value(entry.val, table.string(entry).unwrap_or_default()))
        .collect()
}

fn dynamic_strings(bytes: &[u8], tag: DynamicTag) -> Vec<String> {
    dynamic(bytes, tag, |_, name| {
        String::from_utf8_lossy(name).into_owned()
    })
}

/// The symbols of `.symtab` and `.dynsym` that are LLVM's or of what only the server uses.
fn llvm_symbols(bytes: &[u8]) -> Vec<String> {
    let file = parse(bytes);
    file.symbols()
        .chain(file.dynamic_symbols())
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| {
            name.starts_with("LLVM")
                || ["4llvm", "7inkwell", "8llvm_sys", "7libwild"]
                    .iter()
                    .any(|part| name.contains(part))
        })
        .map(str::to_owned)
        .collect()
}

fn needs_llvm(bytes: &[u8]) -> bool {
    dynamic_strings(bytes, DT_NEEDED)
        .iter()
        .any(|name| name.to_lowercase().contains("llvm"))
}

#[test]
fn only_the_server_contains_llvm() {
    let helper = PathBuf::from(env!("CARGO_BIN_EXE_mgenjit-helper"));
    for file in [support::shared_library(), helper] {
        let bytes = read(&file);
        assert!(!needs_llvm(&bytes), "{}", file.display());
        let found = llvm_symbols(&bytes);
        assert!(found.is_empty(), "{}: {found:?}", file.display());
        // There are symbols to look at.
        assert!(parse(&bytes).symbols().count() > 100);
    }

    // The same questions find LLVM where it is.
    let server = read(Path::new(env!("CARGO_BIN_EXE_mgenjit-server")));
    assert!(needs_llvm(&server) || !llvm_symbols(&server).is_empty());
}

/// What every Linux has that has glibc.
#[test]
fn library_and_helper_need_the_c_library_alone() {
    let known = [
        "libc.so.6",
        "libgcc_s.so.1",
        "libm.so.6",
        "ld-linux-x86-64.so.2",
        "ld-linux-aarch64.so.1",
        "libdl.so.2",
        "libpthread.so.0",
    ];
    let helper = PathBuf::from(env!("CARGO_BIN_EXE_mgenjit-helper"));
    for file in [support::shared_library(), helper] {
        for name in dynamic_strings(&read(&file), DT_NEEDED) {
            let is_known = known.contains(&name.as_str());
            assert!(is_known, "{} needs {name}", file.display());
        }
    }
}

/// Where whoever built it has the sources: their own, those of the crates, and what build scripts wrote.
#[test]
fn nothing_names_the_builders_folders() {
    // Where one is set, cargo does not use .cargo/rustc.sh.
    for variable in ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"] {
        if std::env::var_os(variable).is_some() {
            support::skips::skip("the builder's folders", &format!("{variable} is set"));
            return;
        }
    }
    let library = support::shared_library();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let target = target.expect("the folder above");
    let folders = [
        Path::new(env!("CARGO_MANIFEST_DIR")),
        target,
        Path::new("registry/src/"),
    ];
    let server = PathBuf::from(env!("CARGO_BIN_EXE_mgenjit-server"));
    let helper = PathBuf::from(env!("CARGO_BIN_EXE_mgenjit-helper"));
    for file in [library.with_extension("a"), library, server, helper] {
        let bytes = read(&file);
        for folder in folders {
            // Near the root, other paths can have such parts.
            if folder.is_absolute() && folder.components().count() < 3 {
                continue;
            }
            let folder = folder.to_str().expect("UTF-8").as_bytes();
            let at = memmem(&bytes, folder);
            let text = at.map(|at| String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 200)]));
            let text = text.unwrap_or_default();
            assert!(
                at.is_none(),
                "{}: {text}\n(cargo does not compile crates again when .cargo/rustc.sh changes: remove {})",
                file.display(),
                target.display()
            );
        }
    }
}

fn memmem(bytes: &[u8], part: &[u8]) -> Option<usize> {
    // SAFETY: both slices may be read.
    let found = unsafe {
        libc::memmem(
            bytes.as_ptr().cast(),
            bytes.len(),
            part.as_ptr().cast(),
            part.len(),
        )
    };
    (!found.is_null()).then(|| found.addr() - bytes.as_ptr().addr())
}

#[test]
fn library_has_its_name_and_stays_loaded() {
    let library = read(&support::shared_library());
    assert_eq!(dynamic_strings(&library, DT_SONAME), ["libmgenjit.so.0"]);
    let flags = dynamic(&library, DT_FLAGS_1, |flags, _| flags);
    let [flags] = flags[..] else {
        panic!("no DT_FLAGS_1");
    };
    assert!(flags & DF_1_NODELETE.0 != 0, "{flags:x}");
}

fn listed() -> Vec<String> {
    std::fs::read_to_string(support::source("tests/exports.txt"))
        .expect("tests/exports.txt")
        .lines()
        .map(str::to_owned)
        .collect()
}

/// What the library exports because debuggers look for it by name. No program may take its place.
const FOR_DEBUGGERS: [&str; 3] = [
    "__jit_debug_descriptor",
    "__jit_debug_register_code",
    "__mgenjit_images",
];

#[test]
fn what_debuggers_look_for_is_the_librarys_own() {
    let bytes = read(&support::shared_library());
    let library = parse(&bytes);
    let symbol = |name: &str| {
        library
            .dynamic_symbols()
            .find(|symbol| symbol.name() == Ok(name))
            .unwrap_or_else(|| panic!("no {name}"))
    };
    for name in FOR_DEBUGGERS {
        let object::SymbolFlags::Elf { st_other, .. } = symbol(name).flags() else {
            panic!("{name} is not of ELF");
        };
        assert_eq!(
            st_other.visibility(),
            object::elf::STV_PROTECTED,
            "{name} could be another library's"
        );
    }
}

#[test]
fn library_exports_what_is_listed() {
    let bytes = read(&support::shared_library());
    let library = parse(&bytes);
    let exported: BTreeSet<String> = library
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && (symbol.is_global() || symbol.is_weak()))
        .map(|symbol| symbol.name().expect("a UTF-8 name").to_owned())
        .filter(|name| !FOR_DEBUGGERS.contains(&name.as_str()))
        .collect();
    let exported: Vec<String> = exported.into_iter().collect();
    assert_eq!(
        exported,
        listed(),
        "the library's exports and tests/exports.txt, sorted"
    );
}

/// The names in `text` that are followed by a parenthesis.
fn called(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices("mgenjit_")
        .filter(|(at, _)| !text[..*at].ends_with(word))
        .filter_map(|(at, _)| {
            let name: String = text[at..].chars().take_while(|c| word(*c)).collect();
            text[at + name.len()..].starts_with('(').then_some(name)
        })
        .collect()
}

#[test]
fn header_declares_what_is_listed() {
    let header = std::fs::read_to_string(support::source("include/mgenjit.h")).expect("the header");
    let inline: BTreeSet<String> = header
        .lines()
        .filter(|line| line.starts_with("static inline"))
        .flat_map(called)
        .collect();
    assert!(inline.contains("mgenjit_i64"));
    let declared: Vec<String> = called(&header).difference(&inline).cloned().collect();
    assert_eq!(
        declared,
        listed(),
        "the header's functions and tests/exports.txt, sorted"
    );
}

/// `tests/c/nulls.c` gives NULL for every parameter of every function, so it has to name them all.
#[test]
fn every_function_is_given_nulls() {
    let read = |file: &str| std::fs::read_to_string(support::source(file)).expect(file);
    let mut called = called(&read("tests/c/nulls.c"));
    called.extend(self::called(&read("tests/c/cache_nulls.c")));
    for name in listed() {
        assert!(
            called.contains(&name),
            "neither tests/c/nulls.c nor cache_nulls.c calls {name}"
        );
    }
}
