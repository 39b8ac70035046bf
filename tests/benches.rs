//! What `make bench` prepares, where cargo has more or less of the dependencies.

mod support;

use std::path::Path;
use support::tools::Place;

/// Runs `prepare.sh` with a program in the place of cargo. Returns what it said.
fn prepare(place: &Place, cargo: &str) -> String {
    place.write_program("cargo", cargo);
    let output = place
        .command(support::source("benches/prepare.sh"))
        .arg(place.path("out"))
        .env("CARGO", place.path("cargo"))
        .output()
        .expect("prepare.sh");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    for name in ["small.ll", "add.so", "work-matrix.ll"] {
        assert!(place.path("out").join(name).exists(), "{name}: {said}");
    }
    said
}

#[test]
fn what_cannot_be_had_is_skipped_with_the_reason() {
    let place = Place::new("none".into());
    let said = prepare(&place, "#!/bin/sh\necho 'no network' >&2\nexit 101\n");
    assert!(said.contains("no network"), "{said}");
    assert!(said.contains("SQLite is skipped"), "{said}");
}

/// A build alone fetches no dependency of the tests, and then `cargo metadata --offline` fails.
#[test]
fn sources_are_found_in_a_fresh_clone() {
    let place = Place::new("none".into());
    let sources = place.path("libsqlite3-sys-0.1.0");
    std::fs::create_dir_all(sources.join("sqlite3")).expect("a folder");
    let functions = "typedef void sqlite3, sqlite3_stmt;\nenum { SQLITE_OK, SQLITE_ROW };\n\
                     int sqlite3_libversion_number(), sqlite3_open(), sqlite3_prepare_v2(), sqlite3_step();\n\
                     int sqlite3_column_int(), sqlite3_finalize(), sqlite3_close();\n";
    std::fs::write(sources.join("sqlite3/sqlite3.c"), functions).expect("a source");
    let manifest = Path::join(&sources, "Cargo.toml");
    let cargo = format!(
        "#!/bin/sh\ncase \"$*\" in *--offline*) exit 101;; esac\n\
         echo '{{\"packages\":[{{\"name\":\"libsqlite3-sys\",\"manifest_path\":\"{}\"}}]}}'\n",
        manifest.display()
    );
    let said = prepare(&place, &cargo);
    assert!(
        place.path("out").join("sqlite.ll").exists() && !said.contains("skipped"),
        "{said}"
    );
}
