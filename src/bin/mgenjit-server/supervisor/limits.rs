//! What one request may take: of its worker, and of its client's time before a worker has it.

use super::client::Client;
use super::state::{Supervisor, frame};
use super::turn::{self, State};
use mgenjit::protocol::messages::{Cause, Reply};
use std::time::{Duration, Instant};

/// Whether a worker that ended said so for want of memory.
pub fn is_out_of_memory(words: &str) -> bool {
    words.to_ascii_lowercase().contains("out of memory")
}

impl Supervisor {
    /// Ends workers whose requests take too long, and those that do nothing although they have one.
    pub fn end_limited_workers(&mut self) {
        let mut ended = Vec::new();
        for (id, worker) in &mut self.workers {
            if self.schedule.has_to_work(*id)
                && let Some(taken) = worker.processor_time()
            {
                let (max_time, hang_timeout) = (self.options.max_time, self.options.hang_timeout);
                let cause = worker
                    .usage
                    .excess(Instant::now(), taken, max_time, hang_timeout);
                ended.extend(cause.map(|cause| (*id, cause)));
            }
        }
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
        let now = Instant::now();
        let is_queued = |job: u64| self.jobs.get(job).is_some() && !self.schedule.is_running(job);
        let waiting = self.clients.iter().filter_map(|(id, client)| {
            let waited = client.turn.waits_too_long(now, timeout, is_queued)?;
            Some((*id, waited))
        });
        for (id, waited) in turn::sent_away(waiting, room) {
            self.send_client_away(id, waited);
        }
    }

    fn send_client_away(&mut self, id: u64, waited: Duration) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let before = client.turn.state().clone();
        client.turn.set(Instant::now(), State::Elsewhere);
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
        let elsewhere = |client: &&Client| matches!(client.turn.state(), State::Elsewhere);
        self.clients.values().filter(elsewhere).count()
    }
}
