//! The sources.

use std::path::{Path, PathBuf};

/// Each Rust file below `src`, by its path in the repository, with its text.
pub fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    list(&root.join("src"), &mut files);
    assert!(files.len() > 100, "only {} files", files.len());
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).expect("a file below");
        let text = std::fs::read_to_string(&path).expect("a source");
        (name.to_str().expect("UTF-8").to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
