//! Redis, by its own client, and by `redis_get` for what is asked for most.
//!
//! Not by opendal, which sends a PING before each request, has no TLS for it, cannot list what is there, and tries for nine seconds
//! to log in with a wrong password.

use super::redis_get::Connections;
use super::value::Value;
use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue,
    IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError, cmd,
};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// How many connections are kept.
const MOST_IDLE: usize = 10;

const CONNECT: Duration = Duration::from_secs(10);

/// How many keys are asked about at once.
const BATCH: usize = 500;

pub struct Redis {
    client: Client,
    /// For values that are asked for, unless it takes TLS.
    plain: Option<Rc<Connections>>,
    /// Before each key.
    root: String,
    /// After how many seconds Redis removes an entry by itself.
    ttl: Option<u64>,
    idle: RefCell<Vec<MultiplexedConnection>>,
}

/// A key of a list.
pub struct Listed {
    /// Seconds since it was used.
    pub age: u64,
    pub len: u64,
    /// Without the root.
    pub path: String,
}

impl Redis {
    /// By opendal's names: `endpoint`, `username`, `password`, `db`, `root`, `default_ttl` in seconds.
    pub fn new(mut options: BTreeMap<String, String>) -> Result<Redis, String> {
        let mut take = |name: &str| options.remove(name);
        let endpoint = take("endpoint").ok_or_else(|| "the URL has no host".to_owned())?;
        let number = |name: &str, text: Option<String>| match text {
            Some(text) => match text.trim_end_matches('s').parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("{name} is not a number")),
            },
            None => Ok(None),
        };
        let mut login = RedisConnectionInfo::default();
        if let Some(name) = take("username") {
            login = login.set_username(name);
        }
        if let Some(password) = take("password") {
            login = login.set_password(password);
        }
        if let Some(db) = number("the database", take("db"))? {
            login = login.set_db(db as i64);
        }
        let ttl = number("default_ttl", take("default_ttl"))?;
        let root = take("root").unwrap_or_default();
        let root = root.trim_matches('/');
        let info = address(&endpoint)?.set_redis_settings(login);
        Ok(Redis {
            plain: Connections::new(&info),
            client: Client::open(info).map_err(|error| error.to_string())?,
            root: match root {
                "" => String::new(),
                root => format!("{root}/"),
            },
            ttl: ttl.filter(|ttl| *ttl != 0),
            idle: RefCell::default(),
        })
    }

    /// `None`: it is not there.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, String> {
        let key = self.key(path);
        if let Some(plain) = &self.plain {
            let found = plain.get(&key).await;
            return found
                .map(|value| value.map(Value::Arriving))
                .map_err(|error| error.to_string());
        }
        let found: Result<Option<Bytes>, _> = self.ask(cmd("GET").arg(key)).await;
        found
            .map(|value| value.map(|bytes| Value::Whole(bytes.into())))
            .map_err(|error| error.to_string())
    }

    pub async fn exists(&self, path: &str) -> Result<bool, RedisError> {
        self.ask(cmd("EXISTS").arg(self.key(path))).await
    }

    pub async fn put(&self, path: &str, value: &[u8]) -> Result<(), RedisError> {
        let mut set = cmd("SET");
        set.arg(self.key(path)).arg(value);
        if let Some(ttl) = self.ttl {
            set.arg("EX").arg(ttl);
        }
        self.ask(&set).await
    }

    /// Returns whether it was there.
    pub async fn remove(&self, path: &str) -> Result<bool, RedisError> {
        self.ask(cmd("DEL").arg(self.key(path))).await
    }

    /// All keys below a folder.
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>, RedisError> {
        let pattern = format!("{}*", escaped(&self.key(folder)));
        let mut all = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor);
            scan.arg("MATCH").arg(&pattern).arg("COUNT").arg(BATCH);
            let (next, keys): (u64, Vec<String>) = self.ask(&scan).await?;
            self.examine(&keys, &mut all).await?;
            if next == 0 {
                // A scan may tell of a key twice.
                all.sort_unstable_by(|one: &Listed, other| one.path.cmp(&other.path));
                all.dedup_by(|one, other| one.path == other.path);
                return Ok(all);
            }
            cursor = next;
        }
    }

    async fn examine(&self, keys: &[String], all: &mut Vec<Listed>) -> Result<(), RedisError> {
        for keys in keys.chunks(BATCH) {
            let mut asked = Pipeline::new();
            for key in keys {
                asked.cmd("OBJECT").arg("IDLETIME").arg(key);
                asked.cmd("STRLEN").arg(key);
            }
            let mut connection = self.connection().await?.0;
            // Nothing of one that was removed meanwhile.
            let answers: Vec<Option<u64>> = asked.query_async(&mut connection).await?;
            self.keep(connection);
            for (key, answer) in keys.iter().zip(answers.chunks(2)) {
                if let ([Some(age), Some(len)], Some(path)) = (answer, key.strip_prefix(&self.root))
                {
                    all.push(Listed {
                        age: *age,
                        len: *len,
                        path: path.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        loop {
            let (mut connection, is_new) = self.connection().await?;
            match command.query_async(&mut connection).await {
                Ok(answer) => {
                    self.keep(connection);
                    return Ok(answer);
                }
                // The server ended it while it was idle. Each retry uses one up.
                Err(error) if !is_new && error.is_unrecoverable_error() => {}
                Err(error) => {
                    if !error.is_unrecoverable_error() {
                        self.keep(connection);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// A connection that nobody else uses, and whether it is new.
    async fn connection(&self) -> Result<(MultiplexedConnection, bool), RedisError> {
        let kept = self.idle.borrow_mut().pop();
        if let Some(kept) = kept {
            return Ok((kept, false));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            // Whoever asks has a limit.
            .set_response_timeout(None);
        let client = &self.client;
        let connected = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok((connected, true))
    }

    fn keep(&self, connection: MultiplexedConnection) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }
}

/// `endpoint`: redis://HOST:PORT, rediss://HOST:PORT or redis+unix:///PATH.
fn address(endpoint: &str) -> Result<ConnectionInfo, String> {
    let wrong = || "the URL's host or port is wrong".to_owned();
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(wrong)?;
    let address = if scheme.ends_with("unix") {
        ConnectionAddr::Unix(PathBuf::from(rest))
    } else {
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        // The brackets of an IPv6 address are the URL's.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = port.parse().map_err(|_| wrong())?;
        match scheme {
            "rediss" => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
            _ => ConnectionAddr::Tcp(host, port),
        }
    };
    address
        .into_connection_info()
        .map_err(|error| error.to_string())
}

/// As a pattern that matches nothing else.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if "*?[]^\\".contains(char) {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_understood() {
        let check = |endpoint: &str, expect: &str| {
            let shown = match address(endpoint) {
                Ok(info) => info.addr().to_string(),
                Err(why) => why,
            };
            assert_eq!(shown, expect, "{endpoint}");
        };
        check("redis://host:6379", "host:6379");
        check("rediss://host:1", "host:1");
        check("redis://[::1]:6379", "::1:6379");
        check("redis+unix:///run/redis", "/run/redis");
        check("redis://host", "the URL's host or port is wrong");
        check("redis://host:x", "the URL's host or port is wrong");
        check("redis://host:70000", "the URL's host or port is wrong");
    }

    #[test]
    fn patterns_match_what_they_are_made_of() {
        assert_eq!(escaped("mgenjit/v4/"), "mgenjit/v4/");
        assert_eq!(escaped("a*b?[c]\\"), "a\\*b\\?\\[c\\]\\\\");
    }
}
