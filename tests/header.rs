//! The committed header is what `src/capi` says. `make header` writes it.
//!
//! Each file of `src/capi` is a section, which opens with the file's `//!` text. cbindgen writes what is below, file by
//! file, and this file makes of it what cbindgen cannot: constants become anonymous enums, one for each family of names,
//! and the handles of all sections come first, because sections refer to each other's.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The order of the header's sections.
const SECTIONS: [&str; 28] = [
    "status",
    "error",
    "event",
    "config",
    "config_remote",
    "config_server",
    "config_tiers",
    "source",
    "executor",
    "isolated",
    "outcome",
    "module",
    "value",
    "function",
    "isolate",
    "replace",
    "symbol",
    "task",
    "blob",
    "profile",
    "export",
    "cache",
    "cache_iterator",
    "cache_entry",
    "cache_remote",
    "piece",
    "explanation",
    "server",
];

/// The files of `src/capi` that declare nothing for C.
const OTHERS: [&str; 4] = ["mod", "piece_strings", "ffi", "call"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file_of(section: &str) -> PathBuf {
    root().join(format!("src/capi/{section}.rs"))
}

/// The `//!` text of a file as a comment. What it has between fences is code, which is indented.
fn opening(source: &str) -> String {
    let mut comment = String::from("/*\n");
    let mut is_code = false;
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            continue;
        }
        let indent = if is_code && !line.is_empty() {
            "    "
        } else {
            ""
        };
        let line = format!(" *{indent}{line}");
        let _ = writeln!(comment, "{}", line.trim_end());
    }
    comment + " */\n\n"
}

/// One item of what cbindgen writes: the lines of its comment, and its declaration.
struct Item<'text> {
    comment: Vec<&'text str>,
    declaration: Vec<&'text str>,
}

impl Item<'_> {
    fn of(text: &str) -> Item<'_> {
        let (comment, declaration) = text.lines().partition(|line| line.starts_with("//"));
        Item {
            comment,
            declaration,
        }
    }

    /// The name and value of a constant that an `int` can hold.
    fn constant(&self) -> Option<(&str, i32)> {
        let (name, value) = self.declaration[0]
            .strip_prefix("#define ")?
            .split_once(' ')?;
        Some((name, value.parse().ok()?))
    }

    fn is_handle(&self) -> bool {
        self.declaration.len() == 1 && self.declaration[0].starts_with("typedef struct")
    }

    /// With each line behind `indent`, and the last followed by `end`.
    fn write(&self, out: &mut String, indent: &str, declaration: &str, end: &str) {
        for line in &self.comment {
            let _ = writeln!(out, "{indent}{line}");
        }
        let _ = writeln!(out, "{indent}{declaration}{end}");
    }
}

/// The family of a constant: what its name has before the second underscore, as in `MGENJIT_STATUS_OK`.
fn family(name: &str) -> Option<&str> {
    name.match_indices('_').nth(1).map(|(at, _)| &name[..at])
}

/// Appends to `out` what cbindgen wrote of a section, and to `handles` the handles among it.
fn write_section(generated: &str, handles: &mut String, out: &mut String) {
    let items: Vec<Item<'_>> = generated
        .split("\n\n")
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(Item::of)
        .collect();
    let mut open = None;
    for (index, item) in items.iter().enumerate() {
        if let Some((name, value)) = item.constant() {
            if open.is_none() {
                out.push_str("MGENJIT_ENUM {\n");
            }
            let next = items.get(index + 1).and_then(Item::constant);
            let goes_on = next.is_some_and(|(next, _)| family(next) == family(name));
            open = goes_on.then_some(());
            let end = if goes_on { "," } else { "\n};\n" };
            item.write(out, "  ", &format!("{name} = {value}"), end);
        } else if item.is_handle() {
            item.write(handles, "", &item.declaration.join("\n"), "\n");
        } else {
            item.write(out, "", &item.declaration.join("\n"), "\n");
        }
    }
}

fn generate() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let (mut handles, mut sections) = (String::new(), String::new());
    for section in SECTIONS {
        let file = file_of(section);
        let source = std::fs::read_to_string(&file).expect("a file of src/capi");
        sections += &opening(&source);
        let mut generated = Vec::new();
        // The texts around all sections are written once, below.
        let mut config = config.clone();
        (config.header, config.after_includes, config.trailer) = (None, None, None);
        (config.no_includes, config.sys_includes) = (true, Vec::new());
        cbindgen::Builder::new()
            .with_config(config)
            .with_src(&file)
            .generate()
            .expect("cbindgen reads src/capi")
            .write(&mut generated);
        let generated = String::from_utf8(generated).expect("a header is UTF-8");
        write_section(&generated, &mut handles, &mut sections);
    }
    let text = |text: Option<String>| text.expect("a text in cbindgen.toml");
    let start = text(config.header) + &text(config.after_includes);
    // `struct` is needed nowhere but where a type is declared.
    let sections = sections
        .lines()
        .map(
            |line| match line.starts_with("typedef struct") || line.starts_with("//") {
                true => line.to_owned(),
                false => line.replace("struct mgenjit_", "mgenjit_"),
            },
        )
        .collect::<Vec<_>>()
        .join("\n");
    start + &handles + sections.trim_end() + "\n" + &text(config.trailer)
}

#[test]
fn header_is_up_to_date() {
    let generated = generate();
    let path = root().join("include/mgenjit.h");
    if std::env::var_os("MGENJIT_WRITE_HEADER").is_some() {
        std::fs::write(&path, &generated).expect("write the header");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        generated == committed,
        "include/mgenjit.h is not what src/capi says: run `make header` and commit it"
    );
}

#[test]
fn every_file_of_the_c_api_is_in_the_header() {
    for entry in std::fs::read_dir(root().join("src/capi"))
        .expect("src/capi")
        .flatten()
    {
        let name = entry.file_name().into_string().expect("a UTF-8 name");
        let stem = name.trim_end_matches(".rs");
        assert!(
            SECTIONS.contains(&stem) || OTHERS.contains(&stem),
            "src/capi/{name} is in no section of the header: add it to SECTIONS"
        );
    }
}
