//! What one request may take: of its worker, and of its client's time before a worker has it.

use super::Supervisor;
use super::clients::{Client, State};
use super::frame;
use super::worker::{self, Worker};
use mgenjit::protocol::messages::{Cause, Reply};
use std::time::{Duration, Instant};

/// A worker that took less than this part of the time that passed is stopped or hangs: the thread that tells of progress
/// takes less, and a compile on a machine that is busy takes much more.
const IDLE_PART: u32 = 1000;

/// Machines with less memory than twice this let one request have this all the same.
const LEAST_MEMORY: u64 = 1 << 30;

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
    pub fn now(process: u32) -> Usage {
        let taken = worker::processor_time(process).unwrap_or_default();
        Usage {
            before: taken,
            seen: Instant::now(),
            taken,
        }
    }

    /// It has waited for a decision, and goes on.
    pub fn go_on(&mut self) {
        self.seen = Instant::now();
    }
}

/// Half of the machine's memory.
pub fn default_memory() -> u64 {
    // SAFETY: the numbers are written before they are read; all zeros is valid.
    let total = unsafe {
        let mut info: libc::sysinfo = std::mem::zeroed();
        match libc::sysinfo(&raw mut info) {
            0 => info.totalram.saturating_mul(info.mem_unit.into()),
            _ => 0,
        }
    };
    (total / 2).max(LEAST_MEMORY)
}

/// Whether a worker that ended said so for want of memory.
pub fn is_out_of_memory(words: &str) -> bool {
    words.to_ascii_lowercase().contains("out of memory")
}

impl Supervisor {
    /// Ends workers whose requests take too long, and those that do nothing although they have one.
    pub fn end_limited_workers(&mut self) {
        let ended: Vec<(u64, Cause)> = self
            .workers
            .iter_mut()
            .filter_map(|(id, worker)| {
                let cause = excess(worker, self.options.max_time, self.options.silence)?;
                Some((*id, cause))
            })
            .collect();
        for (id, cause) in ended {
            if let Cause::Hung(_) = cause {
                self.status.hung_workers += 1;
            }
            self.lose(id, cause);
        }
    }

    /// Lets clients that have waited for too long use private servers, the one that has waited for longest first.
    pub fn send_away(&mut self) {
        let timeout = self.options.queue_timeout;
        let room = (self.status.max_private_servers as usize).saturating_sub(self.sent_away());
        if timeout.is_zero() || room == 0 {
            return;
        }
        let waits = |client: &Client| match client.state {
            State::Held => true,
            State::Waiting(job) => {
                let job = self.jobs.get(&job);
                // One that has heard that its request has begun does not expect this.
                !client.started && job.is_some_and(|job| job.worker.is_none())
            }
            _ => false,
        };
        let mut late: Vec<(Instant, u64)> = self
            .clients
            .iter()
            .filter(|(_, client)| waits(client) && client.came.elapsed() >= timeout)
            .map(|(id, client)| (client.came, *id))
            .collect();
        late.sort_unstable();
        for (came, id) in late.into_iter().take(room) {
            self.send_client_away(id, came.elapsed());
        }
    }

    fn send_client_away(&mut self, id: u64, waited: Duration) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut client.state, State::Elsewhere);
        let (asked, process) = (client.asked.take(), client.process);
        self.status.sent_away += 1;
        let waited = waited.as_millis() as u64;
        if let Some(asked) = &asked {
            let details = [("waited_ms", serde_json::json!(waited))];
            self.log_of("sent_away", asked, process, &details);
        }
        match before {
            State::Waiting(job) => self.leave(id, job),
            _ => self.held.retain(|held| *held != id),
        }
        if let Some(frame) = frame(&Reply::Elsewhere { waited }) {
            self.send(id, frame);
        }
        self.set_state(id, State::Elsewhere);
    }

    /// How many clients have private servers because of this one.
    pub fn sent_away(&self) -> usize {
        let elsewhere = |client: &&Client| matches!(client.state, State::Elsewhere);
        self.clients.values().filter(elsewhere).count()
    }
}

/// Why a worker is to be ended, if it is.
fn excess(worker: &mut Worker, max_time: Duration, silence: Duration) -> Option<Cause> {
    if !worker.has_to_work() {
        return None;
    }
    let taken = worker::processor_time(worker.child.id())?;
    let usage = &mut worker.usage;
    if !max_time.is_zero() && taken.saturating_sub(usage.before) > max_time {
        return Some(Cause::Time(max_time.as_millis() as u64));
    }
    let passed = usage.seen.elapsed();
    if taken.saturating_sub(usage.taken) > silence / IDLE_PART {
        usage.seen = Instant::now();
        usage.taken = taken;
    } else if passed >= silence {
        return Some(Cause::Hung(passed.as_millis() as u64));
    }
    None
}
