use super::*;
use std::time::Duration;

#[test]
fn who_goes_when_there_are_too_many() {
    /// Connections by their process, and for how long each is idle (0: something is done for it); they are called 1, 2 and
    /// so on.
    fn check(all: &[(u32, u64)], expect: Option<u64>) {
        let begin = Instant::now();
        let seen = (1..).zip(all).map(|(id, (process, idle))| Seen {
            id,
            process: *process,
            idle_since: (*idle > 0).then(|| begin + Duration::from_secs(100 - idle)),
        });
        let found = least_needed(seen.collect()).map(|one| one.id);
        assert_eq!(found, expect, "{all:?}");
    }
    check(&[], None);
    check(&[(7, 0), (7, 0)], None);
    check(&[(7, 5)], Some(1));
    check(&[(7, 5), (7, 9), (7, 0)], Some(2));
    // The process that has the most goes first, however short its connections were idle.
    check(&[(7, 1), (7, 2), (8, 50)], Some(2));
    // What works counts as well.
    check(&[(7, 1), (7, 0), (7, 0), (8, 50), (8, 60)], Some(1));
    // Of a process of which all work, none goes.
    check(&[(7, 0), (7, 0), (8, 3)], Some(3));
    check(&[(7, 5), (8, 5)], Some(1));
}

#[test]
fn who_goes_when_too_much_is_kept() {
    fn check(sizes: &[usize], bound: usize, expect: Option<u64>) {
        let buffered = (1..).zip(sizes.iter().copied());
        assert_eq!(largest(buffered, bound), expect, "{sizes:?}");
    }
    check(&[], 0, None);
    check(&[10, 30, 20], 60, None);
    check(&[10, 30, 20], 59, Some(2));
    check(&[30, 10, 30], 0, Some(1));
    check(&[usize::MAX, 1], 100, Some(1));
}
