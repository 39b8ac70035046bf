//! Removes entries: for room, by age, or on request. Always by unlink, which does not affect code that is running.

use super::database::{Index, signed, unsigned};
use super::error::Result;
use crate::cache::directory::{alias_path, entry_path, pin_path};
use crate::cache::key::Key;
use crate::cache::options::Limits;
use crate::clock;
use rusqlite::{OptionalExtension, params};
use rustix::io::Errno;

/// How many entries one transaction removes.
const SLICE: usize = 32;

/// How many removed entries are remembered.
const REMEMBERED: i64 = 1 << 16;

/// Why an entry is gone. The numbers are stored in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// For room.
    Evicted = 1,
    /// It was not used for too long.
    Aged = 2,
    /// Somebody asked.
    Removed = 3,
    /// Its file was deleted by something else.
    Vanished = 4,
}

/// An entry that is gone.
#[derive(Clone, Debug)]
pub struct Gone {
    pub why: Why,
    /// Microseconds since 1970.
    pub time: u64,
    pub cost: u64,
}

impl Gone {
    pub fn evicted(&self) -> bool {
        matches!(self.why, Why::Evicted | Why::Aged)
    }
}

impl Index {
    /// Removes some entries that are over a limit. Returns whether there may be more to remove.
    pub fn evict_some(&mut self, limits: &Limits) -> Result<bool> {
        let max_age = u64::try_from(limits.max_age.as_micros()).unwrap_or(u64::MAX);
        if max_age > 0 {
            let oldest = clock::now().saturating_sub(max_age);
            let removed = self.transaction(|index| {
                let old = index.select(
                    "SELECT key, priority FROM entry WHERE NOT pinned AND used < ?1 ORDER BY used LIMIT ?2",
                    signed(oldest),
                )?;
                for (key, _) in &old {
                    index.take(key, Why::Aged)?;
                }
                Ok(old.len())
            })?;
            if removed == SLICE {
                return Ok(true);
            }
        }
        self.transaction(|index| {
            if !index.is_over(limits)? {
                return Ok(false);
            }
            let first = index.select(
                "SELECT key, priority FROM entry WHERE NOT pinned AND priority >= ?1
                 ORDER BY priority LIMIT ?2",
                f64::MIN,
            )?;
            for (key, priority) in &first {
                index.set_meta("clock", priority.max(index.clock()?))?;
                index.take(key, Why::Evicted)?;
                if !index.is_over(limits)? {
                    return Ok(false);
                }
            }
            // The pinned entries alone may exceed the limit.
            Ok(!first.is_empty())
        })
    }

    fn select(&self, sql: &str, from: impl rusqlite::ToSql) -> Result<Vec<(Key, f64)>> {
        let mut select = self.db.prepare_cached(sql)?;
        let rows = select.query_map(params![from, SLICE as i64], |row| {
            Ok((Key(row.get(0)?), row.get(1)?))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    fn is_over(&self, limits: &Limits) -> Result<bool> {
        let (bytes, entries) = self.totals()?;
        Ok(limits.are_exceeded(bytes, entries))
    }

    /// Removes an entry and its aliases. Returns whether there was one.
    pub fn remove_entry(&mut self, key: &Key, why: Why) -> Result<bool> {
        self.transaction(|index| index.take(key, why))
    }

    pub(super) fn take(&self, key: &Key, why: Why) -> Result<bool> {
        let aliases: Vec<Key> = self
            .db
            .prepare_cached("DELETE FROM alias WHERE target = ?1 RETURNING key")?
            .query_map([&key.0], |row| row.get(0).map(Key))?
            .collect::<std::result::Result<_, _>>()?;
        self.count("aliases", -(aliases.len() as i64))?;
        let there = match self.root.unlink(&entry_path(key)) {
            Ok(()) => true,
            Err(Errno::NOENT) => false,
            Err(error) => return Err(error.into()),
        };
        for alias in aliases {
            let _ = self.root.unlink(&alias_path(&alias));
        }
        let _ = self.root.unlink(&pin_path(key));
        let bytes = self.forget_as(key, if there { why } else { Why::Vanished })?;
        if there && why != Why::Removed {
            self.count("evictions", 1)?;
            self.count("evicted_bytes", signed(bytes))?;
        } else if there {
            self.count("removals", 1)?;
        }
        Ok(there)
    }

    /// Remembers that an entry is gone. Returns what its length was.
    pub(super) fn forget_as(&self, key: &Key, why: Why) -> Result<u64> {
        let known: Option<(String, i64)> = self
            .db
            .prepare_cached("SELECT name, cost FROM entry WHERE key = ?1")?
            .query_row([&key.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((name, cost)) = known else {
            return Ok(0);
        };
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO gone (key, name, why, time, cost) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                &key.0,
                name,
                why as i64,
                signed(clock::now()),
                cost
            ])?;
        let newest = self.db.last_insert_rowid();
        self.db
            .prepare_cached("DELETE FROM gone WHERE id <= ?1")?
            .execute([newest.saturating_sub(REMEMBERED)])?;
        Ok(self.forget(key)?.unwrap_or(0))
    }

    /// What is known of an entry that is gone.
    pub fn gone(&self, key: &Key) -> Result<Option<Gone>> {
        let gone = self
            .db
            .prepare_cached("SELECT why, time, cost FROM gone WHERE key = ?1")?
            .query_row([&key.0], read_gone)
            .optional()?;
        Ok(gone)
    }

    /// What is known of the entry of this name that was removed last.
    pub(super) fn gone_by_name(&self, name: &str) -> Result<Option<Gone>> {
        let gone = self
            .db
            .prepare_cached(
                "SELECT why, time, cost FROM gone WHERE name = ?1 ORDER BY id DESC LIMIT 1",
            )?
            .query_row([name], read_gone)
            .optional()?;
        Ok(gone)
    }

    /// Returns whether there is such an entry.
    pub fn set_pinned(&mut self, key: &Key, pinned: bool) -> Result<bool> {
        let changed = self
            .db
            .prepare_cached("UPDATE entry SET pinned = ?2 WHERE key = ?1")?
            .execute(params![&key.0, pinned])?;
        Ok(changed > 0)
    }
}

fn read_gone(row: &rusqlite::Row<'_>) -> rusqlite::Result<Gone> {
    Ok(Gone {
        why: match row.get::<_, i64>(0)? {
            1 => Why::Evicted,
            2 => Why::Aged,
            3 => Why::Removed,
            _ => Why::Vanished,
        },
        time: unsigned(row.get(1)?),
        cost: unsigned(row.get(2)?),
    })
}
