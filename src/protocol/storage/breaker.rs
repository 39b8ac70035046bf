//! Leaves a store alone for a while after it failed, so that a dead store costs each start-up nothing.
//!
//! What is known of a store lies in a file beside its helper's socket, because most programs live too short to learn it by
//! themselves: until when it is left alone, u64, microseconds since 1970; how often in a row it failed, u32; how often in
//! a row it was too slow to be of use, u32. No file: nothing is wrong. Two who write at once lose one failure of two.

use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How often in a row a store may be slower than a compile.
const MOST_SLOW: u32 = 3;
const SLOW_PAUSE: Duration = Duration::from_secs(5);

/// How long others wait for whoever tries a store again.
const TRIAL: Duration = Duration::from_secs(2);

/// What is known of a store. The default: nothing is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    until: u64,
    failures: u32,
    slow: u32,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Answered,
    Failed,
    /// Something else was faster, and did not wait for it.
    TooSlow,
}

impl State {
    /// Whether the store may be asked, and what is known from then on.
    fn ask(self, now: u64) -> Option<State> {
        // A time that far ahead is of a clock that was set back.
        let far = now.saturating_add(2 * micros(LONGEST_PAUSE));
        if now < self.until && self.until < far {
            return None;
        }
        let until = match self.failures {
            0 => 0,
            _ => now + micros(TRIAL),
        };
        Some(State { until, ..self })
    }

    /// `random`: so that not all machines come back at once.
    fn after(self, end: End, now: u64, random: u8) -> State {
        let paused = |pause: Duration| {
            // Between 3/4 and 5/4 of it.
            let share = 768 + 2 * u64::from(random);
            now + micros(pause) / 1024 * share
        };
        match end {
            End::Answered => State::default(),
            End::Failed => {
                let failures = self.failures.saturating_add(1);
                let pause = FIRST_PAUSE
                    .saturating_mul(1 << (failures - 1).min(16))
                    .min(LONGEST_PAUSE);
                State {
                    until: paused(pause),
                    failures,
                    slow: 0,
                }
            }
            End::TooSlow if self.slow + 1 >= MOST_SLOW => State {
                until: paused(SLOW_PAUSE),
                slow: 0,
                ..self
            },
            End::TooSlow => State {
                slow: self.slow + 1,
                ..self
            },
        }
    }

    fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.until.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.failures.to_ne_bytes());
        bytes[12..].copy_from_slice(&self.slow.to_ne_bytes());
        bytes
    }

    fn decode(bytes: [u8; 16]) -> State {
        let number = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut until = [0; 8];
        until.copy_from_slice(&bytes[..8]);
        State {
            until: u64::from_ne_bytes(until),
            failures: number(8),
            slow: number(12).min(MOST_SLOW),
        }
    }
}

/// The breaker of the store whose helper listens at a socket.
#[derive(Clone, Debug)]
pub struct Breaker(PathBuf);

impl Breaker {
    pub fn of(socket: &Path) -> Breaker {
        Breaker(socket.with_extension("down"))
    }

    /// Whether the store may be asked now.
    pub fn ask(&self) -> bool {
        let Some(state) = self.read() else {
            return true;
        };
        match state.ask(now()) {
            Some(state) => {
                self.write(state);
                true
            }
            None => false,
        }
    }

    /// For how long the store is left alone, and after how many failures.
    pub fn paused(&self) -> Option<(Duration, u32)> {
        let (state, now) = (self.read()?, now());
        let rest = state.until.saturating_sub(now);
        state
            .ask(now)
            .is_none()
            .then(|| (Duration::from_micros(rest), state.failures))
    }

    /// Takes note of how an attempt ended.
    pub fn ended(&self, end: End) {
        let state = self.read();
        if state.is_none() && end == End::Answered {
            return;
        }
        let mut random = [0];
        // Without randomness, the pauses of several machines are the same, and no more.
        let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::NONBLOCK);
        self.write(state.unwrap_or_default().after(end, now(), random[0]));
    }

    fn read(&self) -> Option<State> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(&self.0, flags, Mode::empty()).ok()?;
        let mut bytes = [0; 16];
        File::from(file).read_exact(&mut bytes).ok()?;
        Some(State::decode(bytes))
    }

    /// A state that cannot be written is forgotten: then a store is asked once more than it need be.
    fn write(&self, state: State) {
        if state == State::default() {
            let _ = rustix::fs::unlink(&self.0);
            return;
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if crate::process_limits::is_file_size_limited() {
            return;
        }
        if let Ok(file) = rustix::fs::open(&self.0, flags, Mode::RUSR | Mode::WUSR) {
            let _ = File::from(file).write_all(&state.encode());
        }
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const NOW: u64 = 1_000 * SECOND;

    #[test]
    fn pauses_grow_and_end() {
        let mut state = State::default();
        assert_eq!(state.ask(NOW), Some(State::default()));
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            state = state.after(End::Failed, NOW, 128);
            let rest = state.until - NOW;
            assert!(
                rest.abs_diff(pause * SECOND) < SECOND / 100 * pause,
                "{rest}"
            );
            assert_eq!(state.ask(NOW), None);
            assert_eq!(state.ask(state.until - 1), None);
            // One tries, and the others wait for it.
            let tried = state.ask(state.until).expect("it may be asked");
            assert_eq!(tried.ask(state.until + SECOND), None);
            assert_eq!(tried.failures, state.failures);
        }
        assert_eq!(state.after(End::Answered, NOW, 0), State::default());
        for failures in [u32::MAX, u32::MAX - 1] {
            let many = State { failures, ..state };
            let _ = many.after(End::Failed, NOW, 255);
        }
    }

    #[test]
    fn machines_do_not_come_back_at_once() {
        let until = |random| State::default().after(End::Failed, NOW, random).until - NOW;
        assert!(until(0) >= SECOND * 7 / 10 && until(255) <= SECOND * 13 / 10);
        assert!(until(0) + SECOND / 3 < until(255));
    }

    #[test]
    fn a_slow_store_is_left_alone_for_a_while() {
        let mut state = State::default();
        for _ in 1..MOST_SLOW {
            state = state.after(End::TooSlow, NOW, 0);
            assert!(state.ask(NOW).is_some());
        }
        state = state.after(End::TooSlow, NOW, 0);
        assert_eq!(state.ask(NOW), None);
        assert!(state.ask(NOW + 10 * SECOND).is_some());
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_matter() {
        let state = State::default().after(End::Failed, NOW, 0);
        assert!(state.ask(NOW - 500 * SECOND).is_some());
    }

    #[test]
    fn what_one_learns_others_know() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("remote.socket");
        let [one, other] = [Breaker::of(&socket), Breaker::of(&socket)];
        assert!(other.ask() && other.paused().is_none());
        one.ended(End::Answered);
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            0
        );
        one.ended(End::Failed);
        assert!(!other.ask());
        assert_eq!(other.paused().expect("a pause").1, 1);
        one.ended(End::Answered);
        assert!(other.ask());
        std::fs::write(socket.with_extension("down"), b"short").expect("written");
        assert!(other.ask());
    }
}
