//! One compile for a key at a time, across threads and processes.

use super::directory::{Directory, LOCKS, Root, is_foreign};
use super::key::Key;
use super::warning::Warning;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Held while a key is compiled. The kernel releases a `flock` when its holder dies, so a killed process blocks nobody.
#[derive(Debug)]
pub struct Lock {
    root: Arc<Root>,
    path: String,
    file: OwnedFd,
}

#[derive(Debug)]
pub enum Outcome {
    Held(Lock),
    /// Another process or thread held it for the whole timeout.
    TimedOut,
}

impl Lock {
    /// Takes the lock of `key`, waiting for at most `timeout`.
    pub fn acquire(
        directory: &Directory,
        key: &Key,
        timeout: Duration,
    ) -> Result<Outcome, Warning> {
        let root = directory.create()?;
        let path = format!("{LOCKS}/{key}");
        let deadline = Instant::now() + timeout;
        // `flock` has no timeout, and a signal would be seen by the host. So it is polled.
        let mut pause = Duration::from_micros(200);
        let mut discarded = false;
        loop {
            // NONBLOCK: a FIFO in its place must not block.
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK;
            let file = match root.open_at(&path, flags) {
                Ok(file) => file,
                Err(error) if is_foreign(error) && !discarded && root.discard(&path) => {
                    discarded = true;
                    continue;
                }
                Err(error) => {
                    return Err(directory.warning(&format!("cannot open {path}"), error));
                }
            };
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // The last holder removes the file. Whoever opened it before that locked a file that is gone.
                    let links = rustix::fs::fstat(&file).map_or(0, |stat| stat.st_nlink);
                    if links > 0 {
                        return Ok(Outcome::Held(Lock { root, path, file }));
                    }
                    // Bounded, because some file systems count no links.
                    if Instant::now() < deadline {
                        continue;
                    }
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => {
                    if is_unsupported(error) {
                        // Nobody holds it, and nobody else would remove it.
                        let _ = root.unlink(&path);
                    }
                    return Err(directory.warning(&format!("cannot lock {path}"), error));
                }
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(Outcome::TimedOut);
            }
            std::thread::sleep(pause.min(deadline - now));
            pause = (pause * 3 / 2).min(Duration::from_millis(10));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If the file was removed already, another one may be in its place, which is not ours to remove.
        if rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink > 0) {
            let _ = self.root.unlink(&self.path);
        }
        // Closing is not enough: a child that was forked meanwhile holds it as well.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// Whether a file system, or a sandbox, has no `flock`.
pub fn is_unsupported(error: Errno) -> bool {
    [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP].contains(&error)
}

#[cfg(test)]
mod tests {
    use super::super::directory::Owner;
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const KEY: Key = Key([3; 32]);

    #[test]
    fn a_second_holder_waits_until_its_time_is_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path().join("cache"), Owner::User);
        let acquire =
            |key| Lock::acquire(&directory, &key, Duration::from_millis(20)).expect("a lock");
        let held = acquire(KEY);
        assert!(matches!(held, Outcome::Held(_)));
        assert!(matches!(acquire(KEY), Outcome::TimedOut));
        assert!(matches!(acquire(Key([4; 32])), Outcome::Held(_)));
        drop(held);
        assert!(matches!(acquire(KEY), Outcome::Held(_)));
    }

    #[test]
    fn one_holder_at_a_time_among_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cache");
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let directory = Directory::new(path.clone(), Owner::User);
                    for _ in 0..50 {
                        let lock = Lock::acquire(&directory, &KEY, Duration::from_mins(1));
                        assert!(matches!(lock, Ok(Outcome::Held(_))));
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
