//! Files are small, and each folder says what lives there.

use crate::sources::sources;

const MOST_LINES: usize = 600;

#[test]
fn no_file_is_long() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "files of more than {MOST_LINES} lines: split them by what they hold:\n{}",
        long.join("\n")
    );
}

#[test]
fn each_folder_says_what_lives_there() {
    for (name, text) in sources() {
        let file = name.rsplit('/').next().unwrap_or_default();
        if ["mod.rs", "lib.rs", "main.rs"].contains(&file) {
            assert!(text.starts_with("//! "), "{name} does not begin with `//!`");
        }
    }
}

#[test]
fn each_folder_has_a_mod_file() {
    let all = sources();
    for (name, _) in &all {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let has = |file: &str| {
            all.iter()
                .any(|(other, _)| *other == format!("{folder}/{file}"))
        };
        // Tests and fuzzing of one file lie in a folder of its name.
        let of_a_file = all
            .iter()
            .any(|(other, _)| *other == format!("{folder}.rs"));
        assert!(
            has("mod.rs") || has("main.rs") || has("lib.rs") || of_a_file || folder == "src/bin",
            "{folder} has no mod.rs"
        );
    }
}
