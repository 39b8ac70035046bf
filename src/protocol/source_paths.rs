//! The input that asks for debug information of IR that has none: it says where the sources are, which are the other inputs.
//!
//! It is an input like others, so it is part of the key, of the entry and of every request to compile it again.

use std::path::Path;

/// What messages call it.
pub const NAME: &str = "<source paths>";

const MAGIC: &[u8] = b"\x7fMGENJIT source paths\0";

/// Where debuggers look for the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePaths {
    /// The folder for the text of what is in no file of its own.
    pub folder: String,
    /// Of each other input: an absolute path, if it is a file of the user's; else what a file in the folder is to be called.
    pub inputs: Vec<String>,
}

impl SourcePaths {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for text in std::iter::once(&self.folder).chain(&self.inputs) {
            // Nothing that C or the kernel calls a path has a NUL.
            bytes.extend(text.bytes().filter(|byte| *byte != 0));
            bytes.push(0);
        }
        bytes
    }

    /// `None`: it is another input.
    pub fn decode(bytes: &[u8]) -> Option<SourcePaths> {
        let rest = std::str::from_utf8(bytes.strip_prefix(MAGIC)?).ok()?;
        let mut texts = rest.split_terminator('\0').map(str::to_owned);
        Some(SourcePaths {
            folder: texts.next()?,
            inputs: texts.collect(),
        })
    }
}

/// What a file with the text of an input is called.
pub fn file_name(input: &str) -> String {
    const MAX_LEN: usize = 100;
    let last = input.rsplit('/').next().unwrap_or_default();
    let last = last.trim_matches(['<', '>']);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
    let plain = last.chars().map(|c| if is_plain(c) { c } else { '_' });
    let mut name: String = plain.take(MAX_LEN).collect();
    while name.len() > MAX_LEN {
        name.pop();
    }
    let stem = name.trim_start_matches('.');
    let stem = if stem.is_empty() { "module" } else { stem };
    match Path::new(stem).extension() {
        Some(extension) if extension == "ll" => stem.to_owned(),
        _ => format!("{stem}.ll"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for inputs in [vec![], vec!["/a b/c.ll"], vec!["", "x.ll", "/\u{e9}.ll"]] {
            let paths = SourcePaths {
                folder: "/cache/ir".to_owned(),
                inputs: inputs.into_iter().map(str::to_owned).collect(),
            };
            assert_eq!(SourcePaths::decode(&paths.encode()), Some(paths));
        }
        for other in ["", "define void @f() {", "\x7fMGENJIT source paths\0"] {
            assert_eq!(SourcePaths::decode(other.as_bytes()), None);
        }
    }

    #[test]
    fn names_of_files_are_plain() {
        for (input, name) in [
            ("a.ll", "a.ll"),
            ("dir/prog.ll", "prog.ll"),
            ("prog.bc", "prog.bc.ll"),
            ("quickstart", "quickstart.ll"),
            ("", "module.ll"),
            ("<memory>", "memory.ll"),
            ("..", "module.ll"),
            (".ll", "ll.ll"),
            ("a b\n\"c", "a_b__c.ll"),
            ("lib.a(m.bc)", "lib.a_m.bc_.ll"),
        ] {
            assert_eq!(file_name(input), name, "{input}");
        }
        let long = file_name(&"\u{e9}".repeat(300));
        assert_eq!(long, format!("{}.ll", "\u{e9}".repeat(50)));
    }
}
