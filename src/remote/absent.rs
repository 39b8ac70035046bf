//! Remembers for a moment that a store lacks something.

use crate::cache::key::Key;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const FOR: Duration = Duration::from_secs(5);
const MOST: usize = 256;

/// What a store said that it lacks, oldest first.
#[derive(Debug, Default)]
pub struct Absent(VecDeque<(Key, Instant)>);

impl Absent {
    pub fn has(&mut self, key: &Key, now: Instant) -> bool {
        while self.0.front().is_some_and(|(_, since)| now - *since >= FOR) {
            self.0.pop_front();
        }
        self.0.iter().any(|(absent, _)| absent == key)
    }

    pub fn add(&mut self, key: Key, now: Instant) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((key, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_remembered_for_a_moment() {
        let mut absent = Absent::default();
        let start = Instant::now();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            Key(key)
        };
        for number in 0..=MOST {
            absent.add(key(number), start);
        }
        assert!(!absent.has(&key(0), start));
        assert!(absent.has(&key(1), start) && absent.has(&key(MOST), start));
        assert!(!absent.has(&key(1), start + FOR));
        assert!(absent.0.is_empty());
    }
}
