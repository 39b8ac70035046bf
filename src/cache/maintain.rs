use super::directory::{Directory, Root};
use super::journal::Journal;
use super::store::{Options, Trouble};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all entries together; 0 for none.
    pub max_bytes: u64,
    /// 0 for none.
    pub max_entries: u64,
    /// Since an entry was last used; zero for none.
    pub max_age: Duration,
}

pub fn is_due(_journal: &Journal, _limits: &Limits) -> bool {
    false
}

pub fn slice(_d: &Directory, _r: &Root, _j: &Journal, _o: &Options) -> Result<(), Trouble> {
    Ok(())
}
