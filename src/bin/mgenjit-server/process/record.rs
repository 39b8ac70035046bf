//! The log records of a server with one client.

use crate::process::log::Log;
use mgenjit::protocol::messages::{Reply, Request};
use mgenjit::types::CompileTimes;
use serde_json::{Value, json};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Why most servers end.
pub const CLIENT_GONE: &str = "the client is gone";

pub struct Record {
    log: Log,
    /// The client's process, if the kernel says.
    client: Option<i32>,
    /// The request that is worked on, and since when.
    request: Mutex<Option<(Details, Instant)>>,
    ended: AtomicBool,
}

type Details = Vec<(&'static str, Value)>;

impl Record {
    /// Says that the server has started. Call it before system calls are forbidden.
    pub fn new(log: Log, socket: &UnixStream) -> Record {
        let client = rustix::net::sockopt::socket_peercred(socket);
        let record = Record {
            log,
            client: client.ok().map(|client| client.pid.as_raw_nonzero().get()),
            request: Mutex::default(),
            ended: AtomicBool::new(false),
        };
        record.log.write("started", &record.client());
        record.log.prepare_death(&record.client());
        record
    }

    /// A request has come.
    pub fn begin(&self, request: &Request) {
        if !self.log.is_on() {
            return;
        }
        let mut about = self.client();
        if let Request::Compile(request) = request {
            let key = blake3::Hash::from(request.key).to_hex();
            about.push(("key", json!(key.as_str())));
            about.extend(request.step.name().map(|step| ("step", json!(step))));
        }
        about.push(("name", json!(request.name())));
        self.log.prepare_death(&about);
        let inputs = request.inputs();
        let bytes = inputs.iter().map(|input| input.len);
        let more = [
            ("inputs", json!(inputs.len())),
            ("bytes", json!(bytes.fold(0, u64::saturating_add))),
        ];
        self.log.write("request", &[&about[..], &more].concat());
        *self.lock() = Some((about, Instant::now()));
    }

    /// It is answered; `None`: the client wanted no more.
    pub fn end(&self, reply: Option<&Reply>) {
        let Some((mut about, since)) = self.lock().take() else {
            return;
        };
        let time = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        about.push(("time_us", json!(time)));
        let event = match reply {
            None => "cancelled",
            Some(Reply::Failed(failure)) => {
                about.push(("kind", json!(format!("{:?}", failure.kind).to_lowercase())));
                about.push(("message", json!(failure.message)));
                "failed"
            }
            Some(Reply::Compiled(compiled)) => {
                about.extend(times(&compiled.times));
                about.push(("image_bytes", json!(compiled.image_len)));
                about.push(("object_bytes", json!(compiled.object_len)));
                "compiled"
            }
            Some(Reply::Piece { len, times: taken }) => {
                about.extend(times(taken));
                about.push(("object_bytes", json!(len)));
                "compiled"
            }
            Some(Reply::Cut(cut)) => {
                about.extend(times(&cut.times));
                about.push(("pieces", json!(cut.pieces.len())));
                "cut"
            }
            Some(_) => "compiled",
        };
        self.log.write(event, &about);
        self.log.prepare_death(&self.client());
    }

    /// The server ends, for the first reason that is told.
    pub fn finish(&self, reason: &str) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut about = self.client();
        about.push(("reason", json!(reason)));
        self.log.write("ended", &about);
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Details, Instant)>> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Details {
        self.client
            .map(|client| ("client", json!(client)))
            .into_iter()
            .collect()
    }
}

fn times(times: &CompileTimes) -> Details {
    let CompileTimes {
        parse,
        optimise,
        codegen,
        link,
    } = times;
    vec![
        ("parse_us", json!(parse)),
        ("optimise_us", json!(optimise)),
        ("codegen_us", json!(codegen)),
        ("link_us", json!(link)),
    ]
}
