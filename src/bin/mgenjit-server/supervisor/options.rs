//! What can be said of a shared server on its command line.

use std::path::PathBuf;
use std::time::Duration;

/// What the command line says of a shared server.
pub struct Options {
    /// Where clients find it.
    pub socket: PathBuf,
    /// How long it waits for a request before it ends.
    pub idle_timeout: Duration,
    /// How many workers may work at once; 0: as many as there are cores.
    pub workers: usize,
    /// Bytes of memory with which a worker is replaced when it has answered.
    pub worker_memory: u64,
    /// How long a client may take to say who it is, to send the rest of a frame, and to read what it is sent.
    pub client_timeout: Duration,
    /// Processor time and bytes of memory that one request may take; 0: as much as there is.
    pub max_time: Duration,
    pub max_memory: u64,
    /// How long a request waits for a worker until its client may use a private server; 0: for ever.
    pub queue_timeout: Duration,
    /// How long a worker that has a request may take no processor time.
    pub hang_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            socket: PathBuf::new(),
            idle_timeout: Duration::from_mins(10),
            workers: 0,
            worker_memory: 512 << 20,
            client_timeout: Duration::from_secs(10),
            max_time: Duration::from_mins(10),
            max_memory: default_memory(),
            queue_timeout: Duration::from_secs(10),
            hang_timeout: Duration::from_mins(2),
        }
    }
}

/// Machines with less memory than twice this let one request have this all the same.
const LEAST_MEMORY: u64 = 1 << 30;

/// Half of the machine's memory.
fn default_memory() -> u64 {
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
