//! Which entries go first: GreedyDual-Size-Frequency.
//!
//! Each entry has a priority, `clock + uses × cost / size`: the compile time that it has shown to save, for each
//! byte that it takes. The one with the lowest goes first, and the clock then becomes its priority, so that what
//! is not used any more sinks below what is (Cherkasova, "Improving WWW proxies performance with
//! Greedy-Dual-Size-Frequency caching policy", HP Laboratories, 1998). `make bench` compares it with LRU.

/// The priority of an entry that was stored or used just now.
///
/// `uses` counts hits and the store itself. `cost` is in microseconds, `bytes` the file's length.
pub fn priority(clock: f64, uses: u64, cost: u64, bytes: u64) -> f64 {
    // What costs nothing measurable still counts for something: the smaller goes last.
    clock + uses.max(1) as f64 * cost.max(1) as f64 / bytes.max(1) as f64
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
}
