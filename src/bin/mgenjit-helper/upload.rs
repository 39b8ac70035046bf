//! Puts entries into remote stores: `mgenjit-helper upload`.
//!
//! The library sends orders and waits for nothing. They are done one after the other, by a thread, and what there is no room
//! for is left out: whoever misses it compiles it. When the library's process ends, the rest is done, for a while.

use mgenjit::protocol::messages::Hello;
use mgenjit::protocol::storage::breaker::{Breaker, End};
use mgenjit::protocol::storage::connection::Connection;
use mgenjit::protocol::storage::endpoint::Endpoint;
use mgenjit::protocol::storage::upload::{MAX_VALUE_LEN, Order, Put, compressed};
use mgenjit::protocol::storage::wire::{Failure, WireKey};
use mgenjit::protocol::transport::{self, TransportError};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// How many orders wait.
const MOST_WAITING: usize = 4096;

/// What a store may take to be connected to, with its helper's start, and for one put.
const CONNECT: Duration = Duration::from_secs(5);
const PUT: Duration = Duration::from_secs(30);

/// How long this waits, in all, for stores that are left alone for a while.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long this goes on after the library's process has ended.
const AFTERWARDS: Duration = Duration::from_mins(2);

pub fn serve(socket: &UnixStream) -> Result<(), String> {
    match transport::receive::<Hello>(socket) {
        Ok((theirs, _)) if theirs == Hello::ours() => {}
        Ok(_) => return Err("the library is of another build: install the two together".to_owned()),
        Err(TransportError::Closed) => return Ok(()),
        Err(error) => return Err(format!("no greeting came: {error}")),
    }
    let (sender, orders) = sync_channel(MOST_WAITING);
    let (done, all_done) = sync_channel::<()>(1);
    std::thread::spawn(move || {
        work(&orders);
        let _ = done.send(());
    });
    while let Ok((order, _)) = transport::receive::<Order>(socket) {
        let _ = sender.try_send(order);
    }
    drop(sender);
    let _ = all_done.recv_timeout(AFTERWARDS);
    Ok(())
}

struct Store {
    endpoint: Endpoint,
    breaker: Breaker,
    connection: Option<Connection>,
}

fn work(orders: &Receiver<Order>) {
    let mut stores: Vec<Store> = Vec::new();
    let mut patience = PATIENCE;
    for order in orders {
        match order {
            Order::Stores(endpoints) => {
                let store = |endpoint: Endpoint| Store {
                    breaker: Breaker::of(&endpoint.socket()),
                    endpoint,
                    connection: None,
                };
                stores = endpoints.into_iter().map(store).collect();
            }
            Order::Put(put) => {
                let Some(store) = stores.get_mut(put.store as usize) else {
                    continue;
                };
                // What is not there any more was evicted, and is no fault of the store's.
                let Ok(file) = read(&put) else { continue };
                let was_put = store.put(&put, &file, &mut patience);
                record(&put, &put.records[usize::from(!was_put)]);
            }
        }
    }
}

impl Store {
    /// Returns whether the store has it now.
    fn put(&mut self, put: &Put, file: &[u8], patience: &mut Duration) -> bool {
        let Some(key) = WireKey::new(put.key.clone()) else {
            return false;
        };
        while !self.breaker.ask() {
            let pause = self
                .breaker
                .paused()
                .map_or(Duration::ZERO, |(rest, _)| rest);
            let pause = pause.max(Duration::from_millis(10));
            if pause > *patience {
                return false;
            }
            *patience -= pause;
            std::thread::sleep(pause);
        }
        // A kept connection may have ended meanwhile.
        let mut result = self.try_put(&key, file);
        if matches!(result, Err((Failure::Closed, false))) {
            result = self.try_put(&key, file);
        }
        if result.is_err() {
            self.connection = None;
        }
        self.breaker.ended(match result {
            Ok(()) => End::Answered,
            Err(_) => End::Failed,
        });
        result.is_ok()
    }

    /// An error comes with whether the connection was new.
    fn try_put(&mut self, key: &WireKey, file: &[u8]) -> Result<(), (Failure, bool)> {
        let deadline = Instant::now() + PUT;
        let kept = self.connection.take();
        let is_new = kept.is_none();
        let failed = |failure| (failure, is_new);
        let mut connection = match kept {
            Some(connection) => connection,
            None => self
                .endpoint
                .connect(Instant::now() + CONNECT, start)
                .map_err(failed)?,
        };
        // An entry never changes, so what is there need not be sent.
        if connection.exists(key, deadline).map_err(failed)? != Some(true) {
            let compressed = compressed(file);
            let value = compressed.as_deref().unwrap_or(file);
            connection
                .put(key, value, false, deadline)
                .map_err(failed)?;
        }
        self.connection = Some(connection);
        Ok(())
    }
}

fn read(put: &Put) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(
        OsStr::from_bytes(&put.path),
        flags,
        Mode::empty(),
    )?);
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_VALUE_LEN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    Read::by_ref(&mut file)
        .take(MAX_VALUE_LEN)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Appends to the cache's journal, if it has one.
fn record(put: &Put, record: &[u8]) {
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(OsStr::from_bytes(&put.journal), flags, Mode::empty()) {
        let _ = File::from(file).write_all(record);
    }
}

/// Starts a storage helper, which outlives this process.
fn start(endpoint: &Endpoint) -> Result<(), Failure> {
    let mut command = Command::new(endpoint.program());
    command
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for variable in &endpoint.environment {
        if let Some(at) = variable.iter().position(|byte| *byte == b'=') {
            let (name, value) = (&variable[..at], &variable[at + 1..]);
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
    }
    // SAFETY: the call is one system call, which may be made between `fork` and `execve`.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    command.spawn().map(drop).map_err(Failure::Io)
}
