//! Hands what was stored to the uploader, a process that puts it into remote stores when this one has long gone on.

use crate::client::locate;
use crate::client::uploader;
use crate::fork;
use crate::protocol::storage::endpoint::Endpoint;
use crate::protocol::storage::upload::{Order, Put};
use crate::protocol::transport;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// This process's uploader. It is started when there is something to put.
#[derive(Debug)]
pub struct Uploader {
    server: Option<PathBuf>,
    started: Mutex<Started>,
}

#[derive(Debug, Default)]
struct Started {
    connection: Option<UnixStream>,
    /// The process that started it, whose children have their own.
    owner: u32,
}

impl Uploader {
    /// Starts nothing yet. `server`: the configured compile server, beside which the helper is looked for.
    pub fn new(server: Option<PathBuf>) -> Uploader {
        Uploader {
            server,
            started: Mutex::default(),
        }
    }

    /// Has files put into stores, of which `stores` is the list. Waits for nothing: what the uploader has no room for is
    /// not put. The error says why nothing can be.
    pub fn put(&self, stores: &dyn Fn() -> Vec<Endpoint>, puts: Vec<Put>) -> Result<(), String> {
        let taken = self.lock().connection.take();
        let mut connection = match taken {
            Some(connection) => connection,
            None => self.start(stores())?,
        };
        for put in puts {
            let order = Order::Put(put);
            match transport::send_if_room(&connection, &order) {
                Ok(true) => {}
                // It has a hundred to do: others will find this one missing, and compile it.
                Ok(false) => break,
                // It ended. A new one gets this.
                Err(_) => {
                    connection = self.start(stores())?;
                    if transport::send_if_room(&connection, &order).is_err() {
                        return Err("the uploader ended at once".to_owned());
                    }
                }
            }
        }
        self.lock().connection = Some(connection);
        Ok(())
    }

    fn start(&self, stores: Vec<Endpoint>) -> Result<UnixStream, String> {
        let path = locate::helper(self.server.as_deref(), "put what is compiled into remotes")
            .map_err(|error| error.message)?;
        start(&path, stores)
    }

    fn lock(&self) -> fork::Guarded<MutexGuard<'_, Started>> {
        let mut started =
            fork::guard(|| self.started.lock().unwrap_or_else(PoisonError::into_inner));
        let owner = std::process::id();
        if started.owner != owner {
            *started = Started {
                connection: None,
                owner,
            };
        }
        started
    }
}

fn start(path: &Path, stores: Vec<Endpoint>) -> Result<UnixStream, String> {
    let connection = uploader::start(path).map_err(|error| error.message)?;
    transport::send(&connection, &Order::Stores(stores), None)
        .map_err(|error| error.to_string())?;
    Ok(connection)
}
