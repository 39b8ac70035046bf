//! What is known of a section.

use std::ops::Range;

/// A section that has bytes in the file.
pub struct Section<'a> {
    pub name: &'a [u8],
    pub range: Range<usize>,
}
