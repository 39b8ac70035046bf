//! Which entries go first: GreedyDual-Size, in which use counts, but only once.
//!
//! Each entry has a priority, `clock + uses × cost / size`, set when it is stored or used: the compile time that it
//! saves, for each byte that it takes; twice that if it was used since it was stored. The one with the lowest goes
//! first, and the clock then becomes its priority, so that what is not used any more sinks below what is (Cao and
//! Irani, "Cost-aware WWW proxy caching algorithms", USENIX 1997).
//!
//! Uses are not counted further, as GreedyDual-Size-Frequency does. A module is run a hundred times and then edited:
//! its entry would have a priority that the clock reaches after the cache has been filled a hundred times anew. On a
//! recorded trace that saves less than LRU does (`super::replay`, and benches/README.md).

/// How many uses count.
const USES: u64 = 2;

/// The priority of an entry that was stored or used just now.
///
/// `uses` counts hits and the store itself. `cost` is in microseconds, `bytes` the file's length.
pub fn priority(clock: f64, uses: u64, cost: u64, bytes: u64) -> f64 {
    // What costs nothing measurable still counts for something: the smaller goes last.
    clock + uses.clamp(1, USES) as f64 * cost.max(1) as f64 / bytes.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::priority;

    #[test]
    fn dear_small_and_used_entries_stay() {
        let plain = priority(5.0, 1, 1000, 1000);
        assert!(priority(5.0, 2, 1000, 1000) > plain);
        assert!(priority(5.0, 1, 2000, 1000) > plain);
        assert!(priority(5.0, 1, 1000, 2000) < plain);
        assert!(priority(6.0, 1, 1000, 1000) > plain);
        assert!(priority(0.0, 0, 0, 0).is_finite());
        assert!(priority(0.0, u64::MAX, u64::MAX, 0).is_finite());
    }

    #[test]
    fn what_was_used_often_does_not_stay_for_ever() {
        let once = priority(5.0, 2, 1000, 1000);
        assert!(priority(5.0, 1000, 1000, 1000) <= once);
        assert!(priority(9.0, 1, 1000, 1000) > priority(5.0, 1000, 1000, 1000));
    }
}
