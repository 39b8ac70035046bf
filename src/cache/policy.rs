//! Which entries are evicted first: GreedyDual-Size, with each entry's uses counted once.
//!
//! Each entry has a priority, `clock + uses × cost / size`, which is set when it is stored or used. It is the compile time
//! that the entry saves for each of its bytes, and twice that if it was used since it was stored. The entry with the lowest
//! priority is evicted first, and the clock becomes its priority. So entries that are no longer used sink below the others
//! (Cao and Irani, "Cost-aware WWW proxy caching algorithms", USENIX 1997).
//!
//! Further uses do not count, as they do in GreedyDual-Size-Frequency. If a module is run a hundred times and then edited,
//! the clock would reach its old entry's priority only after the cache was filled a hundred times. On a recorded trace,
//! that saves less than LRU (`super::replay`, and benches/README.md).

/// How many uses count.
const USES: u64 = 2;

/// The priority of an entry that is stored or used now.
///
/// `uses` counts hits and the store itself. `cost` is in microseconds, `bytes` the file's length.
pub fn priority(clock: f64, uses: u64, cost: u64, bytes: u64) -> f64 {
    // An entry without a measurable cost counts as 1: of those, the larger are evicted first.
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
