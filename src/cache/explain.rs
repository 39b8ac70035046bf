//! Why a module is in a cache, or is not.

use super::admin::Admin;
use super::index::{Gone, Row, Verdict, Why};
use super::journal::MissReason;
use super::key::Key;
use super::manifest::{Part, Parts, UsedPiece};
use super::warning::Warning;
use crate::error::Error;

/// Whether a compile of a module would be a hit, and why.
#[derive(Debug)]
pub enum Explanation {
    Hit {
        /// The key of the entry, which may differ from the module's.
        entry: Key,
        /// What it was made of.
        pieces: Vec<UsedPiece>,
    },
    Damaged(Warning),
    Untrusted(Warning),
    Missing {
        verdict: Verdict,
        /// Of the nearest entry's pieces, those that the cache has, if a compile may use them.
        pieces: usize,
    },
}

/// Why a module of this name, with these parts of a key, would be a hit or a miss.
pub fn explain(admin: &Admin, key: &Key, name: &str, parts: &Parts) -> Result<Explanation, Error> {
    let root = admin.open_root()?;
    let verdict = match admin.store().look(key) {
        Ok(Some(entry)) => {
            let about = entry.manifest.decode_about();
            return Ok(Explanation::Hit {
                entry: entry.tail.key(),
                pieces: about.map_or_else(|_| Vec::new(), |about| about.pieces),
            });
        }
        Err((MissReason::Untrusted, warning)) => return Ok(Explanation::Untrusted(warning)),
        Err((MissReason::Damaged, warning)) => return Ok(Explanation::Damaged(warning)),
        // There is no directory yet, because nothing was ever stored.
        Ok(None) | Err((MissReason::Absent, _)) if root.is_none() => Verdict::Never(None),
        // A directory that cannot be used counts as empty.
        Ok(None) | Err((MissReason::Absent, _)) => {
            admin.ask(|index| match index.entry(key)? {
                // The index has not noticed yet.
                Some(row) => Ok(Verdict::Gone(Gone {
                    why: Why::Vanished,
                    time: 0,
                    cost: row.cost,
                })),
                None => index.explain(key, name, parts),
            })?
        }
    };
    let pieces = match &verdict {
        // With other options, all pieces have other keys.
        Verdict::Differs(row) if parts.differences(&row.parts) == [Part::Input] => {
            pieces_here(admin, row)
        }
        _ => 0,
    };
    Ok(Explanation::Missing { verdict, pieces })
}

/// How many of an entry's pieces a compile would find.
fn pieces_here(admin: &Admin, row: &Row) -> usize {
    let entry = admin.store().reopen(&row.key).ok().flatten();
    let about = entry.and_then(|entry| entry.manifest.decode_about().ok());
    let pieces = about.map_or_else(Vec::new, |about| about.pieces);
    let is_here = |piece: &&UsedPiece| matches!(admin.store().look(&piece.key), Ok(Some(_)));
    pieces.iter().filter(is_here).count()
}
