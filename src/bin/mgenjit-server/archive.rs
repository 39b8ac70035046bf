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
