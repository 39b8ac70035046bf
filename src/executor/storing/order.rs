//! What is to be compiled and stored, and how.

use crate::cache::options::{CacheMode, Limits as CacheLimits};
use crate::cache::trust::Trust;
use crate::client::limits::Limits;
use crate::client::options::ServerLog;
use crate::config::Config;
use crate::cpu::{Cpu, Level};
use crate::error::Error;
use crate::executor::core::Executor;
use crate::remote::spec::Spec;
use crate::remote::tier::Timeouts;
use crate::types::{Input, OptLevel, Partition, Target};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What one compile may take where nothing is said: one that never ends would keep others waiting.
const LONGEST: Duration = Duration::from_hours(1);

/// What the storing process is told, after a `Hello`.
#[derive(Serialize, Deserialize)]
pub enum Said {
    /// The payload has the inputs, one after the other.
    Order(Box<Order>),
    /// The payload is a connection on which somebody says more.
    Adopt,
}

/// A module to compile and to store.
#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    pub(super) name: String,
    /// What the library makes of all below. What is compiled must have this key.
    pub key: [u8; 32],
    pub(super) inputs: Vec<Input>,
    pub(super) keep: Option<Vec<String>>,
    pub(super) setting: Setting,
}

/// What of a configuration decides how a module is compiled and stored. No path is relative.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    level: OptLevel,
    /// `None`: for the CPU that both processes run on.
    cpu: Option<Level>,
    partition: Option<Partition>,
    replaceable: bool,
    cache: OsString,
    layers: Vec<OsString>,
    cache_limits: CacheLimits,
    sync: bool,
    keep_input: bool,
    index: bool,
    signing_key: Option<OsString>,
    trusted_keys: Vec<OsString>,
    remotes: Vec<Spec>,
    remote_timeouts: Timeouts,
    server: OsString,
    log: Option<OsString>,
    max_servers: u64,
    limits: Limits,
}

fn absolute(path: PathBuf) -> OsString {
    std::path::absolute(&path).unwrap_or(path).into()
}

impl Order {
    /// How many bytes its inputs have.
    pub fn input_len(&self) -> Option<u64> {
        let mut lens = self.inputs.iter().map(|input| input.len);
        lens.try_fold(0, u64::checked_add)
    }

    /// Whether it has the same to be made as another one, in the same cache.
    pub fn is_same(&self, other: &Order) -> bool {
        self.key == other.key && self.setting.cache == other.setting.cache
    }
}

impl Setting {
    /// That of an executor with a cache. The program of its server must be found.
    pub fn of(executor: &Executor, cache: PathBuf) -> Result<Setting, Error> {
        let config = &executor.config;
        let all = |paths: &[PathBuf]| paths.iter().cloned().map(absolute).collect();
        let log = executor.pool.log();
        Ok(Setting {
            level: config.opt_level,
            cpu: match executor.target {
                Target::Host(Cpu::Level(level)) => Some(level),
                Target::Host(Cpu::Native(_)) | Target::Other(_) => None,
            },
            partition: config.partition,
            replaceable: config.replaceable,
            cache: absolute(cache),
            layers: all(&config.cache_layers),
            cache_limits: config.cache_limits,
            sync: config.cache_sync,
            keep_input: config.cache_keep_input,
            index: config.cache_index,
            signing_key: config.signing_key.clone().map(absolute),
            trusted_keys: all(&config.trusted_keys),
            remotes: match executor.remote {
                Some(_) => config.remotes()?,
                None => Vec::new(),
            },
            remote_timeouts: config.remote_timeouts,
            server: absolute(executor.pool.program()?),
            log: match log {
                Some(ServerLog::File(path)) => Some(absolute(path)),
                // That of this process, which may have ended by then.
                Some(ServerLog::Stderr) | None => None,
            },
            max_servers: config.max_servers as u64,
            limits: config.limits,
        })
    }

    /// The configuration that it is of, for what nobody waits for.
    pub fn config(self) -> Result<Config, Error> {
        let all = |paths: Vec<OsString>| paths.into_iter().map(PathBuf::from).collect();
        let mut config = Config {
            background: true,
            level: self.cpu,
            partition: self.partition,
            replaceable: self.replaceable,
            cache_dir: Some(self.cache.into()),
            cache_mode: CacheMode::ReadWrite,
            cache_layers: all(self.layers),
            cache_limits: self.cache_limits,
            cache_sync: self.sync,
            cache_keep_input: self.keep_input,
            cache_index: self.index,
            trusted_keys: all(self.trusted_keys),
            remotes: Some(self.remotes),
            remote_timeouts: self.remote_timeouts,
            server_path: Some(self.server.into()),
            server_log: self.log.map(|path| ServerLog::File(path.into())),
            max_servers: usize::try_from(self.max_servers).unwrap_or_default(),
            limits: Limits {
                time: match self.limits.time {
                    Duration::ZERO => LONGEST,
                    time => time,
                },
                ..self.limits
            },
            ..Config::default()
        };
        config.set_level(self.level);
        config.set_signing_key(self.signing_key.map(PathBuf::from).as_deref())?;
        if !config.trusted_keys.is_empty() {
            config.trust = Some(Arc::new(Trust::read(&config.trusted_keys)?));
        }
        Ok(config)
    }
}
