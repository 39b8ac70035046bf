//! What the server and its workers take of the system.

use crate::server::Server;
use crate::support::{processes, wait};
use std::fmt;

/// How much more memory than before there may be: an allocator gives back what it can.
const FACTOR: u64 = 2;
const SLACK: u64 = 16 << 20;

pub struct Resources {
    /// Of the server.
    descriptors: Vec<String>,
    /// Bytes in memory, of the server and of its workers together.
    server: u64,
    workers: u64,
}

impl Resources {
    /// Of a server that is idle.
    pub fn of(server: &Server) -> Resources {
        let process = server.process().expect("a server");
        let workers = server.workers().into_iter();
        Resources {
            descriptors: processes::descriptors(process),
            server: processes::resident(process),
            workers: workers.map(processes::resident).sum(),
        }
    }

    /// Of a server that is about to be as it was: it notices in a while what has ended.
    pub fn settled(server: &Server, before: &Resources) -> Resources {
        wait::until_ok("as many descriptors as before", || {
            let now = Resources::of(server);
            if now.descriptors.len() <= before.descriptors.len() {
                Ok(now)
            } else {
                Err(now.descriptors)
            }
        })
    }

    pub fn check_against(&self, before: &Resources) {
        assert!(
            self.descriptors.len() <= before.descriptors.len(),
            "descriptors of the server: {:#?} before, {:#?} after",
            before.descriptors,
            self.descriptors
        );
        for (after, before, what) in [
            (self.server, before.server, "the server"),
            (self.workers, before.workers, "its workers"),
        ] {
            assert!(
                after <= FACTOR * before + SLACK,
                "the memory of {what}: {before} bytes before, {after} after"
            );
        }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} descriptors, {} KiB of memory, {} KiB of workers'",
            self.descriptors.len(),
            self.server >> 10,
            self.workers >> 10
        )
    }
}
