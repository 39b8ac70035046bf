//! Lists the entries of a cache, a page at a time.

use super::directory::{Directory, Root};
use super::index::{Filter, Index, Row};
use super::key::Key;
use super::maintain;
use crate::error::{Error, Status};
use crate::fork;
use std::sync::Arc;

/// Pages through the entries.
pub struct Iter {
    index: Index,
    directory: Arc<Directory>,
    root: Arc<Root>,
    filter: Filter,
    after: Option<Key>,
    page: std::vec::IntoIter<Row>,
    ended: bool,
    /// A forked child must not use its parent's database.
    generation: u32,
}

/// How many entries are read at once.
const PAGE: usize = 256;

impl Iter {
    /// The entries that a filter lets through, in the order of their keys.
    pub fn new(index: Index, directory: Arc<Directory>, root: Arc<Root>, filter: Filter) -> Iter {
        Iter {
            index,
            directory,
            root,
            filter,
            after: None,
            page: Vec::new().into_iter(),
            ended: false,
            generation: fork::generation(),
        }
    }

    pub fn next(&mut self) -> Result<Option<Row>, Error> {
        if self.generation != fork::generation() {
            return Err(Error::new(
                Status::InvalidArgument,
                "this list was started before the process forked: start a new one",
            ));
        }
        if let Some(row) = self.page.next() {
            self.after = Some(row.key);
            return Ok(Some(row));
        }
        if self.ended {
            return Ok(None);
        }
        let list = |index: &Index| index.list(&self.filter, self.after.as_ref(), PAGE);
        let page = match list(&self.index) {
            // The next one who needs the index rebuilds it. This list goes on with an index made from the files.
            Err(error) if error.is_corrupt() => {
                maintain::discard_index(&self.root);
                Index::of_files(&self.directory, &self.root).and_then(|index| {
                    self.index = index;
                    list(&self.index)
                })
            }
            other => other,
        }
        .map_err(|error| Error::new(Status::Cache, self.index.warning(&error).0))?;
        self.page = page.into_iter();
        let row = self.page.next();
        self.after = row.as_ref().map(|row| row.key);
        self.ended = row.is_none();
        Ok(row)
    }
}
