//! Folds the journal into the index.

use super::database::{Index, signed, unsigned};
use super::error::Result;
use super::query::IS_PIECE;
use crate::cache::directory::{OpenError, entry_path, pin_path};
use crate::cache::entry::{self, Peeked};
use crate::cache::journal::{
    HEADER_LEN, Header, HitKind, Journal, Kind, MissReason, Record, RemoteKind, StoreKind,
};
use crate::cache::key::Key;
use crate::cache::policy;
use rusqlite::{OptionalExtension, params};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

/// How much of the journal one transaction folds: 1024 records, or a few where time is short.
const BATCH: usize = 64 << 10;
const SMALL_BATCH: usize = 8 << 10;

/// How much becomes a hole at once, because that may wait for the disk.
const PUNCH_AT: u64 = 1 << 20;

/// What the journal recorded about one key.
#[derive(Default)]
struct Change {
    stores: u64,
    imported: bool,
    hits: u64,
    used: u64,
}

/// What is added to the counters, all at once.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn add(&mut self, name: &'static str, by: u64) {
        let count = self.0.entry(name).or_default();
        *count = count.saturating_add(by);
    }
}

impl Index {
    /// Folds the whole journal. Each record counts once, whatever happens, because the position is part of the transaction.
    pub fn fold(&mut self, journal: &Journal) -> Result<()> {
        self.fold_until(journal, None).map(|_| ())
    }

    /// As [`Index::fold`], but stops at a deadline. Returns which part of the journal was folded.
    pub fn fold_until(
        &mut self,
        journal: &Journal,
        deadline: Option<Instant>,
    ) -> Result<Range<u64>> {
        let (header, folded) = self.take_in(journal, deadline)?;
        let (bytes, entries) = self.totals()?;
        let start = header.folded;
        let header = Header {
            folded,
            bytes,
            entries,
            ..header
        };
        // The header tells those who store, and a rebuilt index, what was folded.
        journal.set_header(&self.root, &header)?;
        if start / PUNCH_AT != folded / PUNCH_AT {
            journal.punch(&self.root, folded);
        }
        Ok(start..folded)
    }

    /// Reads the journal into the index and leaves the journal unchanged. Returns its header and where to go on.
    pub(super) fn take_in(
        &mut self,
        journal: &Journal,
        deadline: Option<Instant>,
    ) -> Result<(Header, u64)> {
        let header = match journal.header()? {
            Some(header) => header,
            // Damaged, for example by a write that a full disk cut short. The index knows what was folded.
            None => {
                let id: Option<Vec<u8>> = self.meta("journal")?;
                Header {
                    id: id
                        .and_then(|id| id.try_into().ok())
                        .unwrap_or(*b"damaged journal."),
                    folded: HEADER_LEN,
                    bytes: 0,
                    entries: 0,
                }
            }
        };
        let batch = if deadline.is_some() {
            SMALL_BATCH
        } else {
            BATCH
        };
        let folded = loop {
            let (from, next) = self.transaction(|index| {
                let known: Option<Vec<u8>> = index.meta("journal")?;
                let from = if known.as_deref() == Some(&header.id[..]) {
                    unsigned(index.meta("folded")?.unwrap_or(0))
                } else {
                    header.folded
                };
                // A shorter journal is a new one.
                let from = if from > journal.len()? {
                    HEADER_LEN
                } else {
                    from
                };
                let mut records = Vec::new();
                let next = journal.read(from, batch, |record| records.push(record))?;
                index.apply(&records)?;
                index.set_meta("journal", &header.id[..])?;
                index.set_meta("folded", signed(next))?;
                Ok((from, next))
            })?;
            if next == from || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break next;
            }
        };
        Ok((header, folded))
    }

    fn apply(&self, records: &[Record]) -> Result<()> {
        // In the index's order.
        let mut changes: BTreeMap<Key, Change> = BTreeMap::new();
        let mut counts = Counts::default();
        for record in records {
            match record.kind {
                Kind::Hit if record.detail == HitKind::Layer as u8 => {
                    counts.add("hits_in_layers", 1);
                    counts.add("saved", record.cost);
                }
                Kind::Hit if record.detail == HitKind::PieceInLayer as u8 => {
                    counts.add("piece_hits", 1);
                    counts.add("saved", record.cost);
                }
                Kind::Hit => {
                    let counter = match record.detail {
                        detail if detail == HitKind::Alias as u8 => "hits_by_alias",
                        detail if detail == HitKind::Piece as u8 => "piece_hits",
                        _ => "hits",
                    };
                    counts.add(counter, 1);
                    let change = changes.entry(record.key).or_default();
                    change.hits += 1;
                    change.used = change.used.max(record.time);
                }
                Kind::Store => {
                    let is_piece = record.detail == StoreKind::Piece as u8;
                    counts.add(if is_piece { "piece_stores" } else { "stores" }, 1);
                    counts.add("spent", record.cost);
                    let change = changes.entry(record.key).or_default();
                    change.stores += 1;
                    change.used = change.used.max(record.time);
                }
                Kind::Import => {
                    counts.add("imports", 1);
                    let change = changes.entry(record.key).or_default();
                    change.imported = true;
                    change.used = change.used.max(record.time);
                }
                Kind::Alias => self.adopt_alias(&record.key)?,
                Kind::Miss => counts.add(self.miss(record)?, 1),
                Kind::Remote => of_remote(record, &mut changes, &mut counts),
            }
        }
        for (key, change) in &changes {
            self.change(key, change, &mut counts)?;
        }
        counts
            .0
            .iter()
            .try_for_each(|(name, by)| self.count(name, signed(*by)))
    }

    /// The counter of a miss's reason.
    fn miss(&self, record: &Record) -> Result<&'static str> {
        Ok(match record.detail {
            reason if reason == MissReason::Damaged as u8 => "misses_damaged",
            reason if reason == MissReason::Untrusted as u8 => "misses_untrusted",
            _ => match self.gone(&record.key)? {
                Some(gone) if gone.time <= record.time => {
                    if gone.evicted() {
                        "misses_evicted"
                    } else {
                        "misses_removed"
                    }
                }
                _ => "misses_new",
            },
        })
    }

    fn change(&self, key: &Key, change: &Change, counts: &mut Counts) -> Result<()> {
        let known = self
            .db
            .prepare_cached("SELECT cost, hits, bytes, used, priority FROM entry WHERE key = ?1")?
            .query_row([&key.0], |row| {
                Ok((
                    unsigned(row.get(0)?),
                    unsigned(row.get(1)?),
                    unsigned(row.get(2)?),
                    unsigned(row.get(3)?),
                    row.get::<_, f64>(4)?,
                ))
            })
            .optional()?;
        let cost = match known {
            Some((cost, hits, bytes, used, priority)) if change.stores == 0 && !change.imported => {
                let hits = hits.saturating_add(change.hits);
                self.db
                    .prepare_cached("UPDATE entry SET hits = ?2, used = ?3 WHERE key = ?1")?
                    .execute(params![&key.0, signed(hits), signed(used.max(change.used))])?;
                let raised = policy::priority(self.clock()?, hits.saturating_add(1), cost, bytes);
                // Most often it is unchanged, and its index need not be updated.
                #[expect(clippy::float_cmp, reason = "the same computation gives the same bits")]
                let same = raised == priority;
                if !same {
                    self.db
                        .prepare_cached("UPDATE entry SET priority = ?2 WHERE key = ?1")?
                        .execute(params![&key.0, raised])?;
                }
                Some(cost)
            }
            _ => {
                let hits = known
                    .map_or(0, |(_, hits, ..)| hits)
                    .saturating_add(change.hits);
                self.adopt(key, hits, Some(change.used))?
            }
        };
        let cost = match cost {
            Some(cost) => Some(cost),
            // It was removed since.
            None => self.gone(key)?.map(|gone| gone.cost),
        };
        if let Some(cost) = cost {
            counts.add("saved", cost.saturating_mul(change.hits));
        }
        Ok(())
    }

    /// Adds an entry's file. Returns its cost; `None` if there is no readable file.
    pub(super) fn adopt(&self, key: &Key, hits: u64, used: Option<u64>) -> Result<Option<u64>> {
        let (file, stat) = match self.root.open_examined(&entry_path(key), OFlags::RDONLY) {
            Ok(opened) => opened,
            Err(OpenError::Io(Errno::NOENT)) => {
                self.forget(key)?;
                return Ok(None);
            }
            Err(_) => return Ok(None),
        };
        let Ok(Peeked { tail, about, len }) = entry::peek(&file, key) else {
            return Ok(None);
        };
        let compiler = self.compiler(&about)?;
        // No compile takes longer than a year. A file that says so must not spoil the sums.
        let cost = about.times.total().min(365 * 86_400 * 1_000_000);
        let pinned = self.root.open_file(&pin_path(key), OFlags::RDONLY).is_ok();
        // First, so that an older file of this key is no longer counted.
        self.forget(key)?;
        self.db
            .prepare_cached(
                "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                &key.0,
                about.name,
                compiler,
                about.parts.opt_level as u8,
                &about.parts.input,
                signed(about.input_len()),
                signed(len),
                signed(tail.image_len),
                signed(cost),
                signed(about.created),
                // An import is newer than its content.
                signed(used.unwrap_or_else(|| about.created.max(modified(&stat)))),
                signed(hits),
                pinned,
                match about.piece {
                    Some(_) => IS_PIECE,
                    None => i64::try_from(about.pieces.len()).unwrap_or(i64::MAX),
                },
                policy::priority(self.clock()?, hits.saturating_add(1), cost, len)
            ])?;
        self.count("bytes", signed(len))?;
        self.count("entries", 1)?;
        if about.piece.is_some() {
            self.count("pieces", 1)?;
        }
        self.db
            .prepare_cached("DELETE FROM gone WHERE key = ?1")?
            .execute([&key.0])?;
        if let Some(canonical) = &about.canonical {
            self.adopt_alias(canonical)?;
        }
        Ok(Some(cost))
    }

    /// Adds an alias's file, if there is one.
    pub(super) fn adopt_alias(&self, key: &Key) -> Result<()> {
        let path = crate::cache::directory::alias_path(key);
        if let Ok(file) = self.root.open_file(&path, OFlags::RDONLY)
            && let Ok(target) = entry::read_alias(&file, key, None)
        {
            let added = self
                .db
                .prepare_cached("INSERT OR IGNORE INTO alias VALUES (?1, ?2)")?
                .execute([&key.0, &target.0])?;
            if added == 1 {
                self.count("aliases", 1)?;
            } else {
                self.db
                    .prepare_cached("UPDATE alias SET target = ?2 WHERE key = ?1")?
                    .execute([&key.0, &target.0])?;
            }
        }
        Ok(())
    }

    /// Removes an entry's row. Returns its length, if it had one.
    pub(super) fn forget(&self, key: &Key) -> Result<Option<u64>> {
        let row: Option<(i64, i64)> = self
            .db
            .prepare_cached("DELETE FROM entry WHERE key = ?1 RETURNING bytes, pieces")?
            .query_row([&key.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((bytes, pieces)) = row {
            self.count("bytes", bytes.saturating_neg())?;
            self.count("entries", -1)?;
            if pieces == IS_PIECE {
                self.count("pieces", -1)?;
            }
        }
        Ok(row.map(|(bytes, _)| unsigned(bytes)))
    }

    fn compiler(&self, about: &crate::cache::manifest::About) -> Result<i64> {
        let parts = &about.parts;
        let values = params![
            about.triple,
            about.cpu,
            parts.machine,
            parts.options,
            parts.llvm,
            parts.package,
            parts.build
        ];
        let found = self
            .db
            .prepare_cached(
                "SELECT id FROM compiler WHERE triple = ?1 AND cpu = ?2 AND machine = ?3 AND options = ?4
                     AND llvm = ?5 AND package = ?6 AND build = ?7",
            )?
            .query_row(values, |row| row.get(0))
            .optional()?;
        match found {
            Some(id) => Ok(id),
            None => Ok(self
                .db
                .prepare_cached("INSERT INTO compiler VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                .insert(values)?),
        }
    }

    /// The policy's clock.
    pub(super) fn clock(&self) -> Result<f64> {
        Ok(self.meta("clock")?.unwrap_or(0.0))
    }
}

/// Counts what a remote store did.
fn of_remote(record: &Record, changes: &mut BTreeMap<Key, Change>, counts: &mut Counts) {
    let kind = |kind: RemoteKind| record.detail == kind as u8;
    if kind(RemoteKind::Hit) {
        counts.add("remote_hits", 1);
        counts.add("remote_bytes", record.bytes);
        counts.add("remote_saved", record.cost);
        let change = changes.entry(record.key).or_default();
        change.imported = true;
        change.used = change.used.max(record.time);
    } else if kind(RemoteKind::Put) {
        counts.add("remote_puts", 1);
        counts.add("remote_put_bytes", record.bytes);
    } else if kind(RemoteKind::PutError) {
        counts.add("remote_put_errors", 1);
    } else {
        let name = if kind(RemoteKind::Miss) {
            "remote_misses"
        } else {
            "remote_errors"
        };
        counts.add(name, 1);
        counts.add("remote_lost", record.cost);
    }
}

/// Microseconds since 1970.
fn modified(stat: &rustix::fs::Stat) -> u64 {
    unsigned(stat.st_mtime).saturating_mul(1_000_000)
}
