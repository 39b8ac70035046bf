//! The socket: the protocol of storage helpers, each client by a task of its own.

use super::fill::{self, Client, Offered};
use super::store::Store;
use bytes::Buf;
use mgenjit::protocol::storage::upload::MAX_VALUE_LEN;
use mgenjit::protocol::storage::wire::{self, Limits};
use std::cell::Cell;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const SEND_BUFFER_LEN: usize = 1 << 20;

/// What is said of clients, by all tasks.
struct Shared {
    store: Store,
    used: Cell<Instant>,
    busy: Cell<usize>,
    stop: tokio::sync::Notify,
}

/// Serves until nobody has asked for anything for this long; zero: for ever.
pub async fn serve(socket: &str, store: Store, idle: Duration) -> Result<(), String> {
    // Nobody else may connect.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let listener = UnixListener::bind(socket);
    rustix::process::umask(before);
    let listener = listener.map_err(|error| format!("{socket}: {error}"))?;
    let inode = inode(socket);
    let shared = Rc::new(Shared {
        store,
        used: Cell::new(Instant::now()),
        busy: Cell::new(0),
        stop: tokio::sync::Notify::new(),
    });
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            loop {
                let pause = match idle.is_zero() {
                    true => Duration::from_hours(1),
                    false => idle.saturating_sub(shared.used.get().elapsed()),
                };
                tokio::select! {
                    client = listener.accept() => {
                        if let Ok((client, _)) = client {
                            tokio::task::spawn_local(talk(client, shared.clone()));
                        } else {
                            // Out of descriptors, for example.
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                    () = shared.stop.notified() => break,
                    () = tokio::time::sleep(pause) => {
                        let is_idle = shared.busy.get() == 0 && shared.used.get().elapsed() >= idle;
                        if !idle.is_zero() && is_idle {
                            break;
                        }
                        if shared.busy.get() > 0 {
                            shared.used.set(Instant::now());
                        }
                    }
                }
            }
        })
        .await;
    // Who comes now starts another one. If somebody did already, the socket is that one's.
    if self::inode(socket) == inode {
        let _ = std::fs::remove_file(socket);
    }
    Ok(())
}

fn inode(path: &str) -> Option<u64> {
    std::fs::symlink_metadata(path)
        .ok()
        .map(|metadata| metadata.ino())
}

/// A client's requests, until it goes.
async fn talk(client: UnixStream, shared: Rc<Shared>) {
    // A long value goes in fewer turns. What the system does not allow is not needed.
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&client, SEND_BUFFER_LEN);
    let mut client = Client::new(client);
    let _ = client.write_all(&wire::greeting(&wire::CAPABILITIES)).await;
    loop {
        let mut kind = [0];
        if client.read_exact(&mut kind).await.is_err() {
            return;
        }
        shared.busy.set(shared.busy.get() + 1);
        let goes_on = answer(&mut client, kind[0], &shared).await;
        shared.busy.set(shared.busy.get() - 1);
        shared.used.set(Instant::now());
        if !matches!(goes_on, Ok(true)) {
            return;
        }
    }
}

/// Answers one request. Returns whether the connection can go on.
async fn answer(client: &mut Client, kind: u8, shared: &Shared) -> io::Result<bool> {
    let store = &shared.store;
    match kind {
        wire::GET | wire::FILL => {
            let key = key(client).await?;
            let mut value = store.get(&key).await;
            if kind == wire::FILL
                && let Ok(Some(asked)) = value
            {
                value = match fill::offer(client, asked, store).await? {
                    Offered::Filled => return Ok(true),
                    Offered::Declined(asked) => Ok(Some(asked)),
                    // A part of it is gone.
                    Offered::Failed => store.get(&key).await,
                };
            }
            let value = match value {
                Ok(Some(value)) => store.whole(value).await.map(Some),
                Ok(None) => Ok(None),
                Err(why) => Err(why),
            };
            match value {
                Ok(Some(value)) => {
                    let mut head = vec![wire::OK];
                    head.extend_from_slice(&(value.len() as u64).to_ne_bytes());
                    let mut answer = Buf::chain(head.as_slice(), value);
                    client.write_all_buf(&mut answer).await?;
                }
                Ok(None) => client.write_all(&[wire::NOOP]).await?,
                Err(why) => refuse(client, &why).await?,
            }
        }
        wire::PUT => {
            let key = key(client).await?;
            let overwrite = client.read_u8().await? & wire::OVERWRITE != 0;
            let mut len = [0; 8];
            client.read_exact(&mut len).await?;
            let len = u64::from_ne_bytes(len);
            if len > MAX_VALUE_LEN {
                refuse(client, "the value is too long").await?;
                return Ok(false);
            }
            // As it comes: no memory for what is only announced.
            let mut value = Vec::new();
            (&mut *client).take(len).read_to_end(&mut value).await?;
            if value.len() as u64 != len {
                return Ok(false);
            }
            let is_there = !overwrite && matches!(store.exists(&key).await, Ok(true));
            let done = match is_there {
                true => Ok(wire::NOOP),
                false => store.put(&key, value).await.map(|()| wire::OK),
            };
            match done {
                Ok(status) => client.write_all(&[status]).await?,
                Err(why) => refuse(client, &why).await?,
            }
        }
        wire::REMOVE => {
            let key = key(client).await?;
            match store.remove(&key).await {
                Ok(true) => client.write_all(&[wire::OK]).await?,
                Ok(false) => client.write_all(&[wire::NOOP]).await?,
                Err(why) => refuse(client, &why).await?,
            }
        }
        wire::EXISTS => {
            let key = key(client).await?;
            match store.exists(&key).await {
                Ok(there) => client.write_all(&[wire::OK, u8::from(there)]).await?,
                Err(why) => refuse(client, &why).await?,
            }
        }
        wire::COLLECT => {
            let prefix = key(client).await?;
            let mut limits = [0; 16];
            client.read_exact(&mut limits).await?;
            let [age, bytes] = [0, 8].map(|at| {
                let mut number = [0; 8];
                number.copy_from_slice(&limits[at..at + 8]);
                u64::from_ne_bytes(number)
            });
            match store.collect(&prefix, Limits { age, bytes }).await {
                Ok(done) => {
                    let mut answer = vec![wire::OK];
                    for number in [done.removed, done.removed_bytes, done.left, done.left_bytes] {
                        answer.extend_from_slice(&number.to_ne_bytes());
                    }
                    client.write_all(&answer).await?;
                }
                Err(why) => refuse(client, &why).await?,
            }
        }
        wire::INFO => {
            let name = format!("mgenjit-remote {}", mgenjit::version::PACKAGE_VERSION);
            let mut info = vec![name.len() as u8];
            info.extend_from_slice(name.as_bytes());
            info.push(0);
            client.write_all(&info).await?;
        }
        wire::STOP => {
            client.write_all(&[wire::OK]).await?;
            shared.stop.notify_one();
            return Ok(false);
        }
        _ => {
            refuse(client, "there is no such request").await?;
            return Ok(false);
        }
    }
    Ok(true)
}

async fn key(client: &mut Client) -> io::Result<Vec<u8>> {
    let mut key = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut key).await?;
    Ok(key)
}

async fn refuse(client: &mut Client, why: &str) -> io::Result<()> {
    let why = &why.as_bytes()[..why.len().min(u8::MAX.into())];
    let answer = [&[wire::ERROR, why.len() as u8], why].concat();
    client.write_all(&answer).await
}
