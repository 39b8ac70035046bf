//! The README shows what there is.

use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_smallest_program_is_the_example() {
    let example = read("examples-c/quickstart.c");
    assert!(
        read("README.md").contains(&format!("```c\n{example}```\n")),
        "README.md does not show examples-c/quickstart.c as it is"
    );
}

#[test]
fn every_function_that_is_named_exists() {
    let exports = read("tests/exports.txt");
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = read(document);
        for (at, _) in text.match_indices("mgenjit_") {
            let word = |one: char| one.is_ascii_alphanumeric() || one == '_';
            let rest = &text[at..];
            let name = &rest[..rest.find(|one| !word(one)).unwrap_or(rest.len())];
            let known = exports.lines().any(|export| export == name)
                || read("include/mgenjit.h").contains(&format!("typedef struct {name} "))
                || read("include/mgenjit.h").contains(&format!(" {name};"))
                || text[..at].ends_with("__");
            assert!(
                known,
                "{document} names {name}, which the header does not have"
            );
        }
    }
}
