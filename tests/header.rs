//! The committed header is what `src/capi` says. `make header` writes it.

use std::path::Path;

/// The order of the header's sections.
const FILES: [&str; 16] = [
    "status",
    "error",
    "event",
    "config",
    "config_server",
    "value",
    "source",
    "executor",
    "module",
    "function",
    "task",
    "blob",
    "export",
    "cache",
    "cache_entry",
    "server",
];

#[test]
fn header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in FILES {
        builder = builder.with_src(root.join(format!("src/capi/{file}.rs")));
    }
    let mut generated = Vec::new();
    builder
        .generate()
        .expect("cbindgen reads src/capi")
        .write(&mut generated);
    let generated = String::from_utf8(generated).expect("a header is UTF-8");

    let path = root.join("include/mgenjit.h");
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capi");
    for entry in std::fs::read_dir(folder).expect("src/capi").flatten() {
        let name = entry.file_name().into_string().expect("a UTF-8 name");
        let stem = name.trim_end_matches(".rs");
        assert!(
            FILES.contains(&stem) || ["mod", "ffi"].contains(&stem),
            "src/capi/{name} is in no section of the header: add it to FILES"
        );
    }
}
