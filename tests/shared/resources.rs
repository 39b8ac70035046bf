//! What a server takes of the system.

use crate::server::Server;
use crate::wait;

#[derive(Clone, Copy, Debug)]
pub struct Resources {
    pub descriptors: usize,
    /// KiB in memory now, and at most so far.
    pub memory: u64,
    pub most_memory: u64,
}

/// KiB that a process may have more in memory than before, when all is over: allocators keep some.
const KEPT: u64 = 32 << 10;

impl Resources {
    pub fn of(server: &Server) -> Resources {
        let pid = server.pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number.unwrap().parse().unwrap()
        };
        Resources {
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd"))
                .unwrap()
                .count(),
            memory: field("VmRSS:"),
            most_memory: field("VmHWM:"),
        }
    }

    /// Waits until the server has no more than it had. Workers come and go, and have two descriptors each.
    pub fn wait_for_return(&self, server: &Server) {
        const WORKERS: usize = 3 * 2;
        wait::until_ok(&format!("{self:?} again"), || {
            let now = Resources::of(server);
            if now.descriptors <= self.descriptors + WORKERS && now.memory <= self.memory + KEPT {
                Ok(())
            } else {
                Err(now)
            }
        });
    }
}
