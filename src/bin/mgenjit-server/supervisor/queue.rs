//! What waits for a worker: in turns between processes, so that one that wants much holds up no other.

use std::collections::{HashMap, VecDeque};

/// How many may wait of one process, and of all. What is beyond is held, one request of a connection.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub each: usize,
    pub all: usize,
}

pub struct Queue<T> {
    bounds: Bounds,
    /// Each process that waits, in the order of its turn.
    turns: VecDeque<u32>,
    waiting: HashMap<u32, VecDeque<T>>,
    len: usize,
}

impl<T: PartialEq> Queue<T> {
    pub fn new(bounds: Bounds) -> Queue<T> {
        Queue {
            bounds,
            turns: VecDeque::new(),
            waiting: HashMap::new(),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn has_room(&self, process: u32) -> bool {
        let own = self.waiting.get(&process).map_or(0, VecDeque::len);
        self.len < self.bounds.all && own < self.bounds.each
    }

    pub fn push(&mut self, process: u32, item: T) {
        let own = self.waiting.entry(process).or_default();
        if own.is_empty() {
            self.turns.push_back(process);
        }
        own.push_back(item);
        self.len += 1;
    }

    /// Puts something back that has waited already.
    pub fn push_first(&mut self, process: u32, item: T) {
        let own = self.waiting.entry(process).or_default();
        if !own.is_empty() {
            self.turns.retain(|turn| *turn != process);
        }
        self.turns.push_front(process);
        own.push_front(item);
        self.len += 1;
    }

    pub fn pop(&mut self) -> Option<T> {
        let process = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&process)?;
        let item = own.pop_front();
        if own.is_empty() {
            self.waiting.remove(&process);
        } else {
            self.turns.push_back(process);
        }
        self.len -= 1;
        item
    }

    pub fn remove(&mut self, process: u32, item: &T) {
        let Some(own) = self.waiting.get_mut(&process) else {
            return;
        };
        let before = own.len();
        own.retain(|other| other != item);
        self.len -= before - own.len();
        if own.is_empty() {
            self.waiting.remove(&process);
            self.turns.retain(|turn| *turn != process);
        }
    }

    /// All that wait, in the order in which they would be taken if nothing else came.
    pub fn order(&self) -> Vec<&T> {
        let mut order = Vec::with_capacity(self.len);
        for round in 0.. {
            let next = self
                .turns
                .iter()
                .filter_map(|process| self.waiting.get(process)?.get(round));
            let before = order.len();
            order.extend(next);
            if order.len() == before {
                break;
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of a queue into which these were put, by process.
    fn check(put: &[(u32, char)], expect: &str) {
        let mut queue = Queue::new(Bounds { each: 9, all: 99 });
        for (process, item) in put {
            queue.push(*process, *item);
        }
        assert_eq!(queue.order().into_iter().collect::<String>(), expect);
        assert_eq!(queue.len(), put.len());
        let taken: String = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(taken, expect);
        assert!(queue.is_empty() && queue.turns.is_empty() && queue.waiting.is_empty());
    }

    #[test]
    fn processes_take_turns() {
        check(&[], "");
        check(&[(1, 'a'), (1, 'b'), (1, 'c')], "abc");
        check(&[(1, 'a'), (1, 'b'), (1, 'c'), (2, 'x')], "axbc");
        check(&[(1, 'a'), (1, 'b'), (2, 'x'), (2, 'y'), (3, 'm')], "axmby");
    }

    #[test]
    fn there_is_room_until_a_bound_is_met() {
        let mut queue = Queue::new(Bounds { each: 2, all: 3 });
        queue.push(1, 'a');
        assert!(queue.has_room(1) && queue.has_room(2));
        queue.push(1, 'b');
        assert!(!queue.has_room(1) && queue.has_room(2));
        queue.push(2, 'x');
        assert!(!queue.has_room(1) && !queue.has_room(2) && !queue.has_room(3));
        queue.pop();
        assert!(queue.has_room(1) && queue.has_room(3));
    }

    #[test]
    fn what_is_removed_does_not_come_and_what_is_put_back_comes_first() {
        let mut queue = Queue::new(Bounds { each: 9, all: 9 });
        for (process, item) in [(1, 'a'), (1, 'b'), (2, 'x')] {
            queue.push(process, item);
        }
        queue.remove(1, &'a');
        queue.remove(1, &'z');
        queue.remove(7, &'a');
        assert_eq!(queue.len(), 2);
        let taken = queue.pop();
        assert_eq!(taken, Some('b'));
        queue.push_first(1, 'b');
        queue.push_first(2, 'w');
        assert_eq!(
            std::iter::from_fn(|| queue.pop()).collect::<String>(),
            "wbx"
        );
        queue.push(3, 'q');
        queue.remove(3, &'q');
        assert!(queue.is_empty() && queue.pop().is_none());
    }
}
