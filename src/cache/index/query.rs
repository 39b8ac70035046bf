//! Answers queries.

use super::database::{Index, signed, unsigned};
use super::error::Result;
use super::evict::Gone;
use crate::cache::key::Key;
use crate::cache::manifest::Parts;
use rusqlite::{OptionalExtension, params};

/// What the cache has done since its index was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Whether what follows `pieces` is known.
    pub has_history: bool,
    pub entries: u64,
    /// Of all entries together.
    pub bytes: u64,
    pub pinned: u64,
    pub aliases: u64,
    /// Entries that are pieces of modules.
    pub pieces: u64,
    pub hits: u64,
    pub hits_by_alias: u64,
    pub hits_in_layers: u64,
    pub piece_hits: u64,
    pub misses_new: u64,
    pub misses_evicted: u64,
    pub misses_removed: u64,
    pub misses_damaged: u64,
    pub misses_untrusted: u64,
    pub stores: u64,
    pub piece_stores: u64,
    pub imports: u64,
    pub evictions: u64,
    pub evicted_bytes: u64,
    pub removals: u64,
    /// Microseconds of compilation.
    pub spent: u64,
    pub saved: u64,
    pub remote_hits: u64,
    pub remote_misses: u64,
    pub remote_errors: u64,
    pub remote_bytes: u64,
    /// Microseconds of compilation that remote hits saved, and that other answers were waited for.
    pub remote_saved: u64,
    pub remote_lost: u64,
    pub remote_puts: u64,
    pub remote_put_bytes: u64,
    pub remote_put_errors: u64,
}

/// An entry, as the index has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub key: Key,
    pub name: String,
    pub parts: Parts,
    pub triple: String,
    pub cpu: String,
    pub input_len: u64,
    pub bytes: u64,
    pub image_bytes: u64,
    pub cost: u64,
    pub created: u64,
    pub used: u64,
    pub hits: u64,
    pub pinned: bool,
    /// How many pieces it was made of; 0: it was compiled as one; -1: it is a piece.
    pub pieces: i64,
}

/// [`Row::pieces`] of a piece.
pub(super) const IS_PIECE: i64 = -1;

impl Row {
    pub fn is_piece(&self) -> bool {
        self.pieces == IS_PIECE
    }
}

/// Selects the entries of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A pattern for names, with `*`, `?` and `[…]`.
    pub name: Option<String>,
    pub pinned: Option<bool>,
    /// Not used since then, in microseconds since 1970.
    pub unused_since: Option<u64>,
    pub min_bytes: u64,
    /// Only pieces of modules, or only modules.
    pub pieces: Option<bool>,
}

/// Why a key has no entry.
#[derive(Clone, Debug)]
pub enum Verdict {
    Gone(Gone),
    /// The nearest entry of the same name.
    Differs(Box<Row>),
    /// No entry has its name. There may have been one, which is gone.
    Never(Option<Gone>),
}

const COLUMNS: &str = "key, name, input, opt_level, machine, options, llvm, package, build, triple, cpu, \
     input_len, bytes, image_bytes, cost, created, used, hits, pinned, pieces";

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let level: u8 = row.get(3)?;
    Ok(Row {
        key: Key(row.get(0)?),
        name: row.get(1)?,
        parts: Parts {
            input: row.get(2)?,
            opt_level: crate::types::OptLevel::ALL
                .into_iter()
                .find(|known| *known as u8 == level)
                .ok_or(rusqlite::Error::IntegralValueOutOfRange(3, level.into()))?,
            machine: row.get(4)?,
            options: row.get(5)?,
            llvm: row.get(6)?,
            package: row.get(7)?,
            build: row.get(8)?,
        },
        triple: row.get(9)?,
        cpu: row.get(10)?,
        input_len: unsigned(row.get(11)?),
        bytes: unsigned(row.get(12)?),
        image_bytes: unsigned(row.get(13)?),
        cost: unsigned(row.get(14)?),
        created: unsigned(row.get(15)?),
        used: unsigned(row.get(16)?),
        hits: unsigned(row.get(17)?),
        pinned: row.get(18)?,
        pieces: row.get(19)?,
    })
}

impl Index {
    pub fn stats(&self) -> Result<Stats> {
        // One consistent state, whoever writes meanwhile.
        let _snapshot = self.db.unchecked_transaction()?;
        let pinned = self
            .db
            .prepare_cached("SELECT count(*) FROM entry WHERE pinned")?
            .query_row([], |row| row.get(0))?;
        let (bytes, entries) = self.totals()?;
        Ok(Stats {
            has_history: self.has_history,
            entries,
            bytes,
            pinned: unsigned(pinned),
            aliases: self.counter("aliases")?,
            pieces: self.counter("pieces")?,
            hits: self.counter("hits")?,
            hits_by_alias: self.counter("hits_by_alias")?,
            hits_in_layers: self.counter("hits_in_layers")?,
            piece_hits: self.counter("piece_hits")?,
            misses_new: self.counter("misses_new")?,
            misses_evicted: self.counter("misses_evicted")?,
            misses_removed: self.counter("misses_removed")?,
            misses_damaged: self.counter("misses_damaged")?,
            misses_untrusted: self.counter("misses_untrusted")?,
            stores: self.counter("stores")?,
            piece_stores: self.counter("piece_stores")?,
            imports: self.counter("imports")?,
            evictions: self.counter("evictions")?,
            evicted_bytes: self.counter("evicted_bytes")?,
            removals: self.counter("removals")?,
            spent: self.counter("spent")?,
            saved: self.counter("saved")?,
            remote_hits: self.counter("remote_hits")?,
            remote_misses: self.counter("remote_misses")?,
            remote_errors: self.counter("remote_errors")?,
            remote_bytes: self.counter("remote_bytes")?,
            remote_saved: self.counter("remote_saved")?,
            remote_lost: self.counter("remote_lost")?,
            remote_puts: self.counter("remote_puts")?,
            remote_put_bytes: self.counter("remote_put_bytes")?,
            remote_put_errors: self.counter("remote_put_errors")?,
        })
    }

    /// The next `limit` entries that the filter lets through, in the order of their keys, after `after`.
    pub fn list(&self, filter: &Filter, after: Option<&Key>, limit: usize) -> Result<Vec<Row>> {
        let mut select = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM entry LEFT JOIN compiler ON compiler.id = entry.compiler
             WHERE key > ?1 AND (?2 IS NULL OR name GLOB ?2) AND (?3 IS NULL OR pinned = ?3)
                 AND (?4 IS NULL OR used < ?4) AND bytes >= ?5 AND (?6 IS NULL OR (pieces = ?7) = ?6)
             ORDER BY key LIMIT ?8"
        ))?;
        let after: &[u8] = after.map_or(&[], |key| &key.0);
        let rows = select.query_map(
            params![
                after,
                filter.name,
                filter.pinned,
                filter.unused_since.map(signed),
                signed(filter.min_bytes),
                filter.pieces,
                IS_PIECE,
                limit as i64
            ],
            row,
        )?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    pub fn entry(&self, key: &Key) -> Result<Option<Row>> {
        let row = self
            .db
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM entry LEFT JOIN compiler ON compiler.id = entry.compiler WHERE key = ?1"
            ))?
            .query_row([&key.0], row)
            .optional()?;
        Ok(row)
    }

    /// The keys from `first` to `last`, at most two: enough to see whether a prefix is unique.
    pub fn keys_between(&self, first: &Key, last: &Key) -> Result<Vec<Key>> {
        let mut select = self
            .db
            .prepare_cached("SELECT key FROM entry WHERE key BETWEEN ?1 AND ?2 LIMIT 2")?;
        let keys = select.query_map([&first.0, &last.0], |row| row.get(0).map(Key))?;
        Ok(keys.collect::<std::result::Result<_, _>>()?)
    }

    /// The entries to which the aliases from `first` to `last` lead, at most two.
    pub fn targets_between(&self, first: &Key, last: &Key) -> Result<Vec<Key>> {
        let mut select = self.db.prepare_cached(
            "SELECT DISTINCT target FROM alias WHERE key BETWEEN ?1 AND ?2
                 AND EXISTS (SELECT 1 FROM entry WHERE entry.key = target) LIMIT 2",
        )?;
        let keys = select.query_map([&first.0, &last.0], |row| row.get(0).map(Key))?;
        Ok(keys.collect::<std::result::Result<_, _>>()?)
    }

    /// The aliases of an entry.
    pub fn aliases(&self, target: &Key) -> Result<Vec<Key>> {
        let mut select = self
            .db
            .prepare_cached("SELECT key FROM alias WHERE target = ?1 ORDER BY key")?;
        let keys = select.query_map([&target.0], |row| row.get(0).map(Key))?;
        Ok(keys.collect::<std::result::Result<_, _>>()?)
    }

    /// Why `key`, of a module of this name, has no entry.
    pub fn explain(&self, key: &Key, name: &str, parts: &Parts) -> Result<Verdict> {
        if let Some(gone) = self.gone(key)? {
            return Ok(Verdict::Gone(gone));
        }
        let mut select = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM entry LEFT JOIN compiler ON compiler.id = entry.compiler
             WHERE name = ?1 AND pieces != ?2 ORDER BY entry.created DESC LIMIT 1000"
        ))?;
        let rows = select.query_map(params![name, IS_PIECE], row)?;
        let mut nearest: Option<((usize, bool), Row)> = None;
        for row in rows {
            let row = row?;
            // Among equally near ones, one with the same IR; among those, the newest.
            let distance = (
                parts.differences(&row.parts).len(),
                parts.input != row.parts.input,
            );
            if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                nearest = Some((distance, row));
            }
        }
        Ok(match nearest {
            Some((_, row)) => Verdict::Differs(Box::new(row)),
            None => Verdict::Never(self.gone_by_name(name)?),
        })
    }
}
