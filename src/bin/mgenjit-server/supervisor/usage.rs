//! What a worker takes of the processor, and when that is too much or too little.

use mgenjit::protocol::messages::Cause;
use std::time::{Duration, Instant};

/// A worker that took less than this part of the time that passed is stopped or hangs: the thread that tells of progress
/// takes less, and a compile on a machine that is busy takes much more.
const IDLE_PART: u32 = 1000;

/// What a worker has taken of the processor.
#[derive(Clone, Copy)]
pub struct Usage {
    /// Before its request.
    before: Duration,
    /// When it was last seen to work, and what it had taken then.
    seen: Instant,
    taken: Duration,
}

impl Usage {
    /// Of a worker that begins, and has taken so much before.
    pub fn new(now: Instant, taken: Duration) -> Usage {
        Usage {
            before: taken,
            seen: now,
            taken,
        }
    }

    /// It has waited for a decision, and goes on.
    pub fn go_on(&mut self, now: Instant) {
        self.seen = now;
    }

    /// Why a worker that has taken so much until now is to be ended, if it is. `max_time`: 0 is no limit.
    pub fn excess(
        &mut self,
        now: Instant,
        taken: Duration,
        max_time: Duration,
        hang_timeout: Duration,
    ) -> Option<Cause> {
        if !max_time.is_zero() && taken.saturating_sub(self.before) > max_time {
            return Some(Cause::Time(max_time.as_millis() as u64));
        }
        let passed = now - self.seen;
        if taken.saturating_sub(self.taken) > hang_timeout / IDLE_PART {
            self.seen = now;
            self.taken = taken;
        } else if passed >= hang_timeout {
            return Some(Cause::Hung(passed.as_millis() as u64));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// What becomes of a worker that had taken a minute before. `seen`: milliseconds since its request, and of the
    /// processor's time since.
    fn check(max_time: u64, hang_timeout: u64, seen: &[(u64, u64)], expect: Option<Cause>) {
        let begin = Instant::now();
        let mut usage = Usage::new(begin, MINUTE);
        let found = seen.iter().find_map(|(passed, taken)| {
            usage.excess(
                begin + Duration::from_millis(*passed),
                MINUTE + Duration::from_millis(*taken),
                Duration::from_millis(max_time),
                Duration::from_millis(hang_timeout),
            )
        });
        assert_eq!(found, expect, "{max_time} {hang_timeout} {seen:?}");
    }

    #[test]
    fn too_much_is_an_end_and_too_little_for_long() {
        check(0, 1000, &[(1, 0), (999, 0)], None);
        check(0, 1000, &[(1, 0), (1000, 0)], Some(Cause::Hung(1000)));
        // A thousandth of it is nothing.
        check(0, 1000, &[(500, 1), (1000, 1)], Some(Cause::Hung(1000)));
        check(0, 1000, &[(500, 2), (1400, 2)], None);
        check(0, 1000, &[(500, 2), (1500, 3)], Some(Cause::Hung(1000)));
        check(0, 1000, &[(900, 90_000), (1800, 900_000)], None);
        check(50, 1000, &[(50, 50)], None);
        check(50, 1000, &[(51, 51)], Some(Cause::Time(50)));
    }

    #[test]
    fn waiting_for_a_decision_is_no_hang() {
        let begin = Instant::now();
        let mut usage = Usage::new(begin, MINUTE);
        usage.go_on(begin + MINUTE);
        let hang_timeout = MINUTE;
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(usage.excess(at(119), MINUTE, MINUTE, hang_timeout), None);
        let hung = Some(Cause::Hung(60_000));
        assert_eq!(usage.excess(at(120), MINUTE, MINUTE, hang_timeout), hung);
    }
}
