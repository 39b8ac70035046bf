//! Static archives. Their symbol tables are not read: each member has its own, which cannot be out of date.

use object::archive::{MAGIC, THIN_MAGIC};
use object::read::archive::ArchiveFile;
use std::ops::Range;

pub struct Member {
    pub name: String,
    pub range: Range<usize>,
}

pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) || bytes.starts_with(&THIN_MAGIC)
}

/// The members in their order. An error says what is wrong: "is …".
pub fn members(bytes: &[u8]) -> Result<Vec<Member>, String> {
    if bytes.starts_with(&THIN_MAGIC) {
        return Err(
            "is a thin archive, which holds no more of its members than their paths: make it without `T` \
             (`ar rcs`), or add the members themselves"
                .to_owned(),
        );
    }
    let damaged =
        |how: &dyn std::fmt::Display| format!("is an archive that is cut short or damaged: {how}");
    let unreadable = |error: object::read::Error| damaged(&error);
    check_first(bytes).map_err(|how| damaged(&how))?;
    let file = ArchiveFile::parse(bytes).map_err(unreadable)?;
    let mut members = Vec::new();
    for member in file.members() {
        let member = member.map_err(unreadable)?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let (start, len) = member.file_range();
        let range = start
            .checked_add(len)
            .filter(|end| *end <= bytes.len() as u64)
            .map(|end| start as usize..end as usize);
        let Some(range) = range else {
            return Err(damaged(&format_args!(
                "{name} would end behind the archive's end"
            )));
        };
        // Symbol tables that the reader takes for members.
        if !name.starts_with("__.SYMDEF") && !name.starts_with('/') {
            members.push(Member { name, range });
        }
    }
    Ok(members)
}

/// Length of a member's header, and where in it the member's length stands, in decimal digits.
const HEADER: usize = 60;
const LENGTH: Range<usize> = 48..58;

/// The reader takes an archive that ends inside its first member, if that is a symbol table, for one without members.
fn check_first(bytes: &[u8]) -> Result<(), &'static str> {
    let Some(first) = bytes.get(MAGIC.len()..).filter(|rest| !rest.is_empty()) else {
        return Ok(());
    };
    let header = first
        .get(..HEADER)
        .ok_or("it ends inside its first header")?;
    let digits = str::from_utf8(&header[LENGTH]).ok();
    let len: Option<usize> = digits.and_then(|digits| digits.trim_end().parse().ok());
    match len {
        Some(len) if len <= first.len() - HEADER => Ok(()),
        _ => Err("it ends inside its first member"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_is_cut_is_never_taken_for_a_whole_one() {
        let mut whole = MAGIC.to_vec();
        for (name, content) in [("/", "index!"), ("a.o/", "12345678")] {
            let len = content.len();
            whole.extend(format!("{name:<48}{len:<10}`\n{content}").bytes());
        }
        let names = |bytes: &[u8]| -> Result<Vec<String>, String> {
            Ok(members(bytes)?.into_iter().map(|one| one.name).collect())
        };
        assert_eq!(names(&whole), Ok(vec!["a.o".to_owned()]));
        assert_eq!(names(&MAGIC), Ok(Vec::new()));
        let first_end = MAGIC.len() + HEADER + 6;
        for len in MAGIC.len() + 1..whole.len() {
            // There is nothing to be seen of what followed.
            if len != first_end {
                assert!(names(&whole[..len]).is_err(), "{len}");
            }
        }
    }
}
