//! Static archives. Writes them for linkers of every target; reads those that the server writes.

use super::symbols;
use crate::archive;
use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, ObjectReader};
use object::read::archive::ArchiveFile;
use std::io;

/// An object in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub bytes: Vec<u8>,
}

const MAGIC: &[u8] = b"!<arch>\n";

pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The members of an archive.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Member>, object::read::Error> {
    let archive = ArchiveFile::parse(bytes)?;
    let member = |member: object::read::Result<object::read::archive::ArchiveMember<'_>>| {
        let member = member?;
        Ok(Member {
            name: String::from_utf8_lossy(member.name()).into_owned(),
            bytes: member.data(bytes)?.to_vec(),
        })
    };
    archive.members().map(member).collect()
}

/// Writes an archive with a symbol table.
pub fn write(members: Vec<Member>) -> io::Result<Vec<u8>> {
    let kind = members
        .first()
        .map_or(ArchiveKind::Gnu, |member| kind_for(&member.bytes));
    let members = members.into_iter().map(|one| (one.name, one.bytes));
    archive::write(members, kind, &READER)
}

/// The archive format for an object's system.
fn kind_for(object: &[u8]) -> ArchiveKind {
    const MACH_O: [&[u8]; 2] = [&[0xcf, 0xfa, 0xed, 0xfe], &[0xce, 0xfa, 0xed, 0xfe]];
    if MACH_O.iter().any(|magic| object.starts_with(magic)) {
        ArchiveKind::Darwin
    } else {
        ArchiveKind::Gnu
    }
}

static READER: ObjectReader = ObjectReader {
    get_symbols: |object, add| match symbols::read(object) {
        Some(symbols) => {
            for name in symbols.defined {
                add(name)?;
            }
            Ok(true)
        }
        None => (DEFAULT_OBJECT_READER.get_symbols)(object, add),
    },
    ..DEFAULT_OBJECT_READER
};

/// A member's name: the source's file name, with characters that every file system accepts.
pub fn member_name(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or_default();
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    let plain = |byte: char| byte.is_ascii_alphanumeric() || "._-+".contains(byte);
    let stem: String = stem
        .chars()
        .map(|one| if plain(one) { one } else { '_' })
        .collect();
    match stem.trim_start_matches(['.', '-']) {
        "" => "module.o".to_owned(),
        stem => format!("{stem}.o"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let member = |name: &str, bytes: &[u8]| Member {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
        };
        let packed = write(vec![
            member("a.o", b"one"),
            member("a.o", b"two!"),
            member("a name that is longer than sixteen letters.o", b""),
        ])
        .expect("an archive");
        assert!(is_archive(&packed));
        assert_eq!(
            unpack(&packed).expect("members"),
            [
                member("a.o", b"one"),
                member("a-2.o", b"two!"),
                member("a name that is longer than sixteen letters.o", b""),
            ]
        );
    }

    #[test]
    fn broken_archives_are_errors() {
        for bytes in [b"!<arch>\nx".as_slice(), b"\x7fELF", b""] {
            assert!(unpack(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn members_have_plain_names() {
        fn check(name: &str, expect: &str) {
            assert_eq!(member_name(name), expect);
        }
        check("answer", "answer.o");
        check("/tmp/some where/answer.ll", "answer.o");
        check("libanswer.so.1", "libanswer.so.o");
        check("a b*c.bc", "a_b_c.o");
        check("<memory>", "_memory_.o");
        check("", "module.o");
        check("/", "module.o");
        check("..", "module.o");
        check("-rf", "rf.o");
        check(".ll", "ll.o");
    }
}
