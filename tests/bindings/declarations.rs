//! What the bindings for Node.js and Rust declare by hand is what the header declares: each is written as C, after the
//! header, and a C compiler compares. LuaJIT and Go read the header itself, and Python's table is written from it.

use crate::support::source;
use std::fmt::Write;
use std::process::Command;

/// What a binding declares, as C.
#[derive(Default)]
struct Declared {
    /// Prototypes.
    functions: Vec<String>,
    /// Their names, and the types and names of their fields.
    structs: Vec<(String, Vec<(String, String)>)>,
    /// Names and values.
    constants: Vec<(String, i64)>,
}

/// The error of a C compiler that sees the header and then these declarations.
fn compare(declared: &Declared) -> Result<(), String> {
    let mut text = "#include \"mgenjit.h\"\n#include <stddef.h>\n".to_owned();
    for function in &declared.functions {
        writeln!(text, "{function};").expect("a string");
    }
    for (name, fields) in &declared.structs {
        writeln!(text, "struct declared_{name} {{").expect("a string");
        for (kind, field) in fields {
            writeln!(text, "    {kind} {field};").expect("a string");
        }
        writeln!(text, "}};").expect("a string");
        let mut assert =
            |what: &str| writeln!(text, "_Static_assert({what}, \"\");").expect("a string");
        assert(&format!("sizeof({name}) == sizeof(struct declared_{name})"));
        for (_, field) in fields {
            assert(&format!(
                "offsetof({name}, {field}) == offsetof(struct declared_{name}, {field})"
            ));
            assert(&format!(
                "__builtin_types_compatible_p(__typeof__((({name} *)0)->{field}), \
                 __typeof__(((struct declared_{name} *)0)->{field}))"
            ));
        }
    }
    for (name, value) in &declared.constants {
        writeln!(text, "_Static_assert({name} == {value}, \"{name}\");").expect("a string");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("declared.c");
    std::fs::write(&path, &text).expect("a file");
    // The bindings need not say what is constant.
    let output = Command::new("cc")
        .args(["-std=gnu11", "-fsyntax-only", "-Dconst=", "-I"])
        .args([source("include"), path])
        .output()
        .expect("cc runs");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What is between two texts.
#[track_caller]
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("there is no {before}"));
    rest.split_once(after)
        .unwrap_or_else(|| panic!("there is no {after} after {before}"))
        .0
}

fn node(text: &str) -> Declared {
    let mut declared = Declared::default();
    // There, the name of a handle is that of a pointer.
    let handles: Vec<_> = between(text, "for (const name of [", "]")
        .split(", ")
        .map(unquoted)
        .collect();
    let kind = |kind: &str| {
        kind.split_inclusive([' ', '(', ','])
            .map(|word| {
                match word
                    .trim_end_matches([' ', '(', ','])
                    .strip_prefix("mgenjit_")
                {
                    Some(name) if handles.contains(&name) => {
                        word.replace(name, &format!("{name} *"))
                    }
                    _ => word.replace("_Out_ ", ""),
                }
            })
            .collect::<String>()
    };
    let functions =
        between(text, "const call = Object.fromEntries([", "].map(").replace("' +\n", "");
    for function in functions.split("',\n") {
        let function = function.replace('\'', "");
        if !function.trim().is_empty() {
            // A function of C's is any pointer to koffi.
            let function = kind(function.trim())
                .replace("mgenjit_event_hook *hook", "mgenjit_event_hook hook");
            declared
                .functions
                .push(function.replace("void *user_free", "void (*user_free)(void *)"));
        }
    }
    for body in text.split("koffi.struct('").skip(1) {
        let fields = between(body, "{", "}")
            .split(',')
            .filter_map(|line| line.trim().split_once(": "));
        let fields = fields.map(|(name, kind)| match name {
            "times" => ("mgenjit_times *".to_owned(), name.to_owned()),
            _ => (unquoted(kind).to_owned(), name.to_owned()),
        });
        declared.structs.push((
            between(&format!("'{body}"), "'", "'").to_owned(),
            fields.collect(),
        ));
    }
    let lists = [
        ("OPT_LEVELS", "OPT"),
        ("CACHE_MODES", "CACHE"),
        ("EVENTS", "EVENT"),
    ];
    for (list, prefix) in lists {
        let names = between(text, &format!("const {list} = ["), "];");
        for (value, name) in (0..).zip(
            names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty()),
        ) {
            if name != "null" {
                let name = format!("MGENJIT_{prefix}_{}", unquoted(name).to_uppercase());
                declared.constants.push((name, value));
            }
        }
    }
    for (value, line) in (0..).zip(
        between(text, "const TYPES = [", "\n];")
            .split("],")
            .filter(|line| line.contains('[')),
    ) {
        let name = unquoted(between(line, "[", ","))
            .to_uppercase()
            .replace("PTR", "POINTER");
        declared
            .constants
            .push((format!("MGENJIT_TYPE_{name}"), value));
    }
    for name in ["STATUS_OK", "ORIGIN_CACHE", "TYPE_I1"] {
        let value = between(text, &format!("const {name} = "), ";");
        declared
            .constants
            .push((format!("MGENJIT_{name}"), value.parse().expect("a number")));
    }
    declared
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches('\'')
}

/// A type of Rust as C writes it, with what it is the type of.
fn c_type(kind: &str, name: &str) -> String {
    let kind = kind.trim();
    if let Some(target) = kind.strip_prefix("*mut ").or(kind.strip_prefix("*const ")) {
        return c_type(target, &format!("*{name}"));
    }
    let kind = match kind {
        "Option<unsafe extern \"C\" fn(*mut c_void)>" => return format!("void (*{name})(void *)"),
        "Option<mgenjit_event_hook>" => "mgenjit_event_hook",
        "c_char" => "char",
        "c_int" => "int",
        "c_void" => "void",
        "usize" => "size_t",
        "i32" | "u32" | "i64" | "u64" => {
            &format!("{}_t", kind.replace('i', "int").replace('u', "uint"))
        }
        other => other,
    };
    format!("{kind} {name}")
}

fn rust(text: &str) -> Declared {
    let mut declared = Declared::default();
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for function in between(text, "extern \"C\" {", "\n}").split(';') {
        let function = one_line(function);
        let Some(function) = function.strip_prefix("pub fn ") else {
            continue;
        };
        let (function, result) = function.split_once(" -> ").unwrap_or((function, "c_void"));
        let (name, parameters) = function.split_once('(').expect("parameters");
        let parameters = parameters
            .trim_end_matches(')')
            .split(", ")
            .filter_map(|parameter| {
                let (name, kind) = parameter.trim_end_matches(',').split_once(": ")?;
                Some(c_type(kind, name))
            });
        let parameters: Vec<_> = parameters.collect();
        let parameters = if parameters.is_empty() {
            "void".to_owned()
        } else {
            parameters.join(", ")
        };
        declared
            .functions
            .push(c_type(result, &format!("{name}({parameters})")));
    }
    for body in text
        .split("pub struct ")
        .skip(1)
        .filter(|body| !body.starts_with('$'))
    {
        let (name, fields) = body.split_once(" {").expect("fields");
        let fields = between(fields, "\n", "}").lines().filter_map(|line| {
            let (name, kind) = line
                .trim()
                .strip_prefix("pub ")?
                .trim_end_matches(',')
                .split_once(": ")?;
            Some((c_type(kind, ""), name.to_owned()))
        });
        declared.structs.push((name.to_owned(), fields.collect()));
    }
    for constant in text.split("pub const ").skip(1) {
        let (name, rest) = constant.split_once(": ").expect("a type");
        let value = between(rest, "= ", ";").parse().expect("a number");
        declared.constants.push((name.to_owned(), value));
    }
    declared
}

/// Reads a binding's file, and checks that it declares what it should, and that an error in each part would be seen.
fn check(path: &str, read: fn(&str) -> Declared, least: [usize; 3], changes: &[(&str, &str)]) {
    let text = std::fs::read_to_string(source(path)).expect("the binding");
    let declared = read(&text);
    let counts = [
        declared.functions.len(),
        declared.structs.len(),
        declared.constants.len(),
    ];
    assert!(
        counts
            .iter()
            .zip(least)
            .all(|(count, least)| *count >= least),
        "{path}: {counts:?}"
    );
    if let Err(error) = compare(&declared) {
        panic!("{path} declares something else than the header: {error}");
    }
    for (before, after) in changes {
        assert!(text.contains(before), "{path} has no {before}");
        let changed = compare(&read(&text.replacen(before, after, 1)));
        assert!(
            changed.is_err(),
            "{path}: {after} in the place of {before} is not seen"
        );
    }
}

#[test]
fn node_declares_what_the_header_does() {
    let changes = [
        (
            "mgenjit_error_line(mgenjit_error error)",
            "mgenjit_error_line(mgenjit_module error)",
        ),
        ("uint32_t mgenjit_error_line", "uint64_t mgenjit_error_line"),
        ("void *address, ", ""),
        ("bytes: 'uint64_t'", "bytes: 'uint32_t'"),
        ("'O1', 'O2'", "'O2', 'O1'"),
        ("'hit', 'miss'", "'miss', 'hit'"),
        (
            "['i1', 'uint8_t'], ['i8', 'int8_t']",
            "['i8', 'int8_t'], ['i1', 'uint8_t']",
        ),
    ];
    check("bindings/node/mgenjit.js", node, [30, 1, 25], &changes);
}

#[test]
fn rust_declares_what_the_header_does() {
    let changes = [
        (
            "ir: *const c_void,\n        length: usize",
            "length: usize,\n        ir: *const c_void",
        ),
        ("-> u32", "-> u64"),
        ("pub wait_us: u64,\n", ""),
        ("pub kind: i32", "pub kind: i64"),
        ("MGENJIT_EVENT_MISS: i32 = 2", "MGENJIT_EVENT_MISS: i32 = 3"),
    ];
    check("bindings/rust/src/sys.rs", rust, [35, 2, 14], &changes);
}
