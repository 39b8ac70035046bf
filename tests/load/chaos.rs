//! What happens to clients, workers, the server and the cache while the clients work.

use crate::clients::Clients;
use crate::server::Server;
use crate::support::workspace::Workspace;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fmt;
use std::time::Duration;

/// Between two things that happen. Nothing is waited for: a kill comes at whatever moment.
const PAUSE: Duration = Duration::from_millis(40);

pub struct Chaos<'a> {
    workspace: &'a Workspace,
    server: &'a Server,
    clients: &'a Clients,
    random: Random,
}

/// How often what happens, or has happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kills {
    pub clients: usize,
    pub workers: usize,
    servers: usize,
    trims: usize,
    clears: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Client,
    Worker,
    Server,
    Trim,
    Clear,
}

impl Kills {
    pub fn planned(factor: usize) -> Kills {
        Kills {
            clients: 40 * factor,
            workers: 40 * factor,
            servers: 10 * factor,
            trims: 10 * factor,
            clears: 10 * factor,
        }
    }

    /// Each often enough that it is no accident if nothing came of it.
    pub fn check_all_happened(&self) {
        let least = [
            (self.clients, 10),
            (self.workers, 10),
            (self.servers, 3),
            (self.trims, 3),
            (self.clears, 3),
        ];
        assert!(
            least.iter().all(|(happened, least)| happened >= least),
            "too little happened while the clients worked: {self:?}"
        );
    }
}

impl<'a> Chaos<'a> {
    pub fn new(
        workspace: &'a Workspace,
        server: &'a Server,
        clients: &'a Clients,
        seed: u64,
    ) -> Chaos<'a> {
        Chaos {
            workspace,
            server,
            clients,
            random: Random(seed),
        }
    }

    /// Does all that is planned, in any order, unless the clients are done before. Returns what did happen.
    pub fn run(mut self, planned: Kills) -> Kills {
        let mut happened = Kills::default();
        for kind in self.shuffled(planned) {
            std::thread::sleep(PAUSE);
            if self.clients.are_done() {
                break;
            }
            let (count, did) = match kind {
                Kind::Client => (&mut happened.clients, {
                    let random = &mut self.random;
                    self.clients.kill(|count| random.below(count))
                }),
                Kind::Worker => {
                    let workers = self.server.workers();
                    let chosen = self.random.of(&workers);
                    (&mut happened.workers, self.kill(chosen))
                }
                Kind::Server => (&mut happened.servers, self.kill(self.server.process())),
                Kind::Trim => (&mut happened.trims, self.change_cache(&["trim", "100"])),
                Kind::Clear => (&mut happened.clears, self.change_cache(&["clear"])),
            };
            *count += usize::from(did);
        }
        happened
    }

    fn shuffled(&mut self, planned: Kills) -> Vec<Kind> {
        let mut kinds = Vec::new();
        for (kind, count) in [
            (Kind::Client, planned.clients),
            (Kind::Worker, planned.workers),
            (Kind::Server, planned.servers),
            (Kind::Trim, planned.trims),
            (Kind::Clear, planned.clears),
        ] {
            kinds.extend(std::iter::repeat_n(kind, count));
        }
        for index in (1..kinds.len()).rev() {
            kinds.swap(index, self.random.below(index + 1));
        }
        kinds
    }

    /// Kills a process of the server's program, and waits until it is dead. Whether it was alive.
    fn kill(&self, process: Option<Pid>) -> bool {
        let Some(process) = process else {
            return false;
        };
        let Ok(handle) = pidfd_open(process, PidfdFlags::empty()) else {
            return false;
        };
        let has_ended = |timeout: &Timespec| {
            let mut ended = [PollFd::new(&handle, PollFlags::IN)];
            poll(&mut ended, Some(timeout)).is_ok_and(|count| count > 0)
        };
        // Another process may have got its number meanwhile.
        self.server.is_one(process)
            && !has_ended(&Timespec::default())
            && pidfd_send_signal(&handle, Signal::KILL).is_ok()
            && has_ended(&Timespec {
                tv_sec: 30,
                tv_nsec: 0,
            })
    }

    /// Fails if it cannot be done.
    fn change_cache(&self, arguments: &[&str]) -> bool {
        Clients::run_one(self.workspace, arguments);
        true
    }
}

impl fmt::Display for Kills {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "killed: {} clients, {} workers, {} servers; the cache: trimmed {} times, emptied {} times",
            self.clients, self.workers, self.servers, self.trims, self.clears
        )
    }
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> Option<T> {
        (!values.is_empty()).then(|| values[self.below(values.len())])
    }
}
