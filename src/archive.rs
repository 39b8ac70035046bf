//! Writes static archives.

use ar_archive_writer::{ArchiveKind, NewArchiveMember, ObjectReader, write_archive_to_stream};
use std::collections::HashSet;
use std::io::{self, Cursor};

/// An archive of members, given by their names, with a table of the symbols that `reader` finds. A name that is taken gets
/// a number. It is reproducible: no time, user or machine is in it.
pub fn write<T: AsRef<[u8]>>(
    members: impl IntoIterator<Item = (String, T)>,
    kind: ArchiveKind,
    reader: &'static ObjectReader,
) -> io::Result<Vec<u8>> {
    let mut taken = HashSet::new();
    // A new member has no date, belongs to user and group 0, and has the mode 644.
    let members: Vec<NewArchiveMember<'_>> = members
        .into_iter()
        .map(|(name, bytes)| NewArchiveMember::new(bytes, reader, unused(&name, &mut taken)))
        .collect();
    let mut archive = Cursor::new(Vec::new());
    write_archive_to_stream(&mut archive, &members, kind, false, None)?;
    Ok(archive.into_inner())
}

/// The name, with a number if it is taken: `list.o`, `list-2.o`.
fn unused(name: &str, taken: &mut HashSet<String>) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "o"));
    let mut unused = name.to_owned();
    for number in 2_u64.. {
        if taken.insert(unused.clone()) {
            break;
        }
        unused = format!("{stem}-{number}.{extension}");
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        fn check(names: &[&str], expect: &[&str]) {
            let mut taken = HashSet::new();
            let found: Vec<String> = names.iter().map(|name| unused(name, &mut taken)).collect();
            assert_eq!(found, expect);
        }
        check(&["a.o", "b.o"], &["a.o", "b.o"]);
        check(&["a.o", "a.o", "a.o"], &["a.o", "a-2.o", "a-3.o"]);
        check(&["a.o", "a-2.o", "a.o"], &["a.o", "a-2.o", "a-3.o"]);
        check(&["a", "a"], &["a", "a-2.o"]);
        check(&["a.b.obj", "a.b.obj"], &["a.b.obj", "a.b-2.obj"]);
    }
}
