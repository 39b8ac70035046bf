//! The store, by opendal, except Redis and memcached.

use super::memcached::Memcached;
use super::path;
use super::redis::{Listed, Redis};
use super::secrets::Secrets;
use super::value::Value;
use mgenjit::environment;
use mgenjit::protocol::storage::upload::MAX_VALUE_LEN;
use mgenjit::protocol::storage::wire::{Collected, Limits};
use opendal::services::{Azblob, Fs, Gcs, S3, Webdav};
use opendal::{Buffer, ErrorKind, Operator};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::time::{Duration, SystemTime};

/// The longest that a store may take for one request. Clients wait less long.
const LONGEST: Duration = Duration::from_mins(1);

pub struct Store {
    engine: Engine,
    secrets: Secrets,
}

enum Engine {
    Opendal(Operator),
    Redis(Redis),
    Memcached(Memcached),
}

/// The options of a service, by opendal's names.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    service: &'static str,
    options: BTreeMap<String, String>,
}

impl Store {
    /// Connects to nothing yet.
    pub fn open(url: &str, attributes: &[(String, String)]) -> Result<Store, String> {
        opendal::install_default();
        let mut secrets = Secrets::default();
        let Options { service, options } = options_of(url, attributes)?;
        for (name, value) in &options {
            if !["endpoint", "root", "bucket", "container", "region"].contains(&name.as_str()) {
                secrets.add(value);
            }
        }
        if service == "memcached" {
            let engine = Engine::Memcached(memcached(options)?);
            return Ok(Store { engine, secrets });
        }
        if service == "redis" {
            let redis = Redis::new(options).map_err(|why| secrets.redact(&why))?;
            let engine = Engine::Redis(redis);
            return Ok(Store { engine, secrets });
        }
        let operator = match service {
            "azblob" => Operator::from_iter::<Azblob>(options),
            "fs" => Operator::from_iter::<Fs>(options),
            "gcs" => Operator::from_iter::<Gcs>(options),
            "s3" => Operator::from_iter::<S3>(options),
            _ => Operator::from_iter::<Webdav>(options),
        }
        .map_err(|error| secrets.redact(error.message()))?;
        let engine = Engine::Opendal(operator);
        Ok(Store { engine, secrets })
    }

    /// `None`: it is not there.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Value>, String> {
        let path = path::of(key);
        match &self.engine {
            Engine::Opendal(operator) => match self.limited(operator.read(&path)).await? {
                Ok(value) => Ok(Some(Value::Whole(value))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.words(&error)),
            },
            Engine::Redis(store) => {
                let found = self.limited(store.get(&path)).await?;
                found.map_err(|why| self.secrets.redact(&why))
            }
            Engine::Memcached(store) => {
                let found = self.limited(store.get(&path, MAX_VALUE_LEN)).await?;
                found
                    .map(|value| value.map(|value| Value::Whole(value.into())))
                    .map_err(|error| self.secrets.redact(&error.to_string()))
            }
        }
    }

    /// All of a value.
    pub async fn whole(&self, value: Value) -> Result<Buffer, String> {
        match value {
            Value::Whole(value) => Ok(value),
            Value::Arriving(value) if value.len > MAX_VALUE_LEN => {
                Err("the value is too long".to_owned())
            }
            Value::Arriving(value) => {
                let value = self.limited(value.into_bytes()).await?;
                value.map(Buffer::from).map_err(|error| error.to_string())
            }
        }
    }

    pub async fn exists(&self, key: &[u8]) -> Result<bool, String> {
        match &self.engine {
            Engine::Opendal(operator) => {
                let path = path::of(key);
                let found = self.limited(operator.exists(&path)).await?;
                found.map_err(|error| self.words(&error))
            }
            Engine::Redis(store) => {
                let found = self.limited(store.exists(&path::of(key))).await?;
                found.map_err(|error| self.secrets.redact(&error.to_string()))
            }
            Engine::Memcached(_) => Ok(self.get(key).await?.is_some()),
        }
    }

    pub async fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), String> {
        let path = path::of(key);
        match &self.engine {
            Engine::Opendal(operator) => {
                let done = self.limited(operator.write(&path, value)).await?;
                done.map(drop).map_err(|error| self.words(&error))
            }
            Engine::Redis(store) => {
                let done = self.limited(store.put(&path, &value)).await?;
                done.map_err(|error| self.secrets.redact(&error.to_string()))
            }
            Engine::Memcached(store) => {
                let done = self.limited(store.put(&path, &value)).await?;
                done.map_err(|error| self.secrets.redact(&error.to_string()))
            }
        }
    }

    /// Returns whether it was there.
    pub async fn remove(&self, key: &[u8]) -> Result<bool, String> {
        let path = path::of(key);
        match &self.engine {
            Engine::Opendal(operator) => {
                if !self.exists(key).await? {
                    return Ok(false);
                }
                let done = self.limited(operator.delete(&path)).await?;
                done.map(|()| true).map_err(|error| self.words(&error))
            }
            Engine::Redis(store) => {
                let done = self.limited(store.remove(&path)).await?;
                done.map_err(|error| self.secrets.redact(&error.to_string()))
            }
            Engine::Memcached(store) => {
                let done = self.limited(store.remove(&path)).await?;
                done.map_err(|error| self.secrets.redact(&error.to_string()))
            }
        }
    }

    /// Removes what was put too long ago, and then the oldest until the rest fits.
    pub async fn collect(&self, prefix: &[u8], limits: Limits) -> Result<Collected, String> {
        let folder = path::folder(prefix).ok_or_else(|| "that is no folder".to_owned())?;
        let mut all = self.list(&folder).await?;
        // The oldest first.
        all.sort_unstable_by(|one, other| {
            let order = |listed: &Listed| (listed.age, listed.len);
            order(other).cmp(&order(one))
        });
        let mut done = Collected {
            left: all.len() as u64,
            left_bytes: all.iter().map(|listed| listed.len).sum(),
            ..Collected::default()
        };
        for Listed { age, len, path } in all {
            let is_old = limits.age > 0 && age > limits.age;
            let is_much = limits.bytes > 0 && done.left_bytes > limits.bytes;
            if !is_old && !is_much {
                break;
            }
            match &self.engine {
                Engine::Opendal(operator) => {
                    let removed = operator.delete(&path).await;
                    removed.map_err(|error| self.words(&error))?;
                }
                Engine::Redis(store) => {
                    let removed = store.remove(&path).await;
                    removed.map_err(|error| self.secrets.redact(&error.to_string()))?;
                }
                Engine::Memcached(_) => {}
            }
            done.left -= 1;
            done.left_bytes -= len;
            done.removed += 1;
            done.removed_bytes += len;
        }
        Ok(done)
    }

    /// The keys of a folder, without those of folders in it.
    async fn list(&self, folder: &str) -> Result<Vec<Listed>, String> {
        let mut all = match &self.engine {
            Engine::Opendal(operator) => self.list_files(operator, folder).await?,
            Engine::Redis(store) => {
                let listed = store.list(folder).await;
                listed.map_err(|error| self.secrets.redact(&error.to_string()))?
            }
            Engine::Memcached(_) => {
                return Err(
                    "memcached cannot list what is there: it removes what it has no room for by itself"
                        .to_owned(),
                );
            }
        };
        // Folders of other namespaces may lie in the same one.
        all.retain(|listed| path::is_in(&listed.path, folder));
        Ok(all)
    }

    async fn list_files(&self, operator: &Operator, folder: &str) -> Result<Vec<Listed>, String> {
        let words = |error: opendal::Error| self.words(&error);
        if !operator.info().capability().list {
            return Err("it cannot list what is there: set a limit in the store itself".to_owned());
        }
        let listed = operator
            .list_with(folder)
            .recursive(true)
            .await
            .map_err(words)?;
        let now = SystemTime::now();
        let mut all = Vec::new();
        for entry in listed {
            let path = entry.path().to_owned();
            let mut metadata = entry.metadata().clone();
            if !metadata.is_file() || !path::is_in(&path, folder) {
                continue;
            }
            // Some lists have no times.
            if metadata.last_modified().is_none() {
                match operator.stat(&path).await {
                    Ok(more) => metadata = more,
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(self.words(&error)),
                }
            }
            let put: Option<SystemTime> = metadata.last_modified().map(Into::into);
            let age = put
                .and_then(|put| now.duration_since(put).ok())
                .unwrap_or_default();
            all.push(Listed {
                age: age.as_secs(),
                len: metadata.content_length(),
                path,
            });
        }
        Ok(all)
    }

    /// No request may take for ever.
    pub async fn limited<T>(&self, what: impl Future<Output = T>) -> Result<T, String> {
        tokio::time::timeout(LONGEST, what)
            .await
            .map_err(|_| format!("the store did not answer within {} s", LONGEST.as_secs()))
    }

    /// Without the context, which has addresses and headers.
    fn words(&self, error: &opendal::Error) -> String {
        use std::error::Error as _;
        let mut words = format!("{}: {}", error.kind(), error.message());
        if let Some(source) = error.source() {
            words.push_str(&format!(": {source}"));
        }
        self.secrets.redact(&words)
    }
}

fn memcached(mut options: BTreeMap<String, String>) -> Result<Memcached, String> {
    let mut take = |name: &str| options.remove(name);
    let address = take("endpoint").ok_or_else(|| "the URL has no host".to_owned())?;
    let root = match take("root") {
        Some(root) if root != "/" => format!("{root}/"),
        _ => String::new(),
    };
    let login = take("username").zip(take("password"));
    Ok(Memcached::new(address, root, login))
}

/// What a URL and attributes say, by opendal's names. What a query has, and what attributes are, are further options.
fn options_of(url: &str, attributes: &[(String, String)]) -> Result<Options, String> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| "the URL has no ://".to_owned())?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let mut options = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            options.insert(name.to_owned(), value);
        }
    };
    let root = |path: &str| format!("/{}", path.trim_matches('/'));
    let service = match scheme {
        "s3" | "gcs" | "azblob" => {
            let place = if scheme == "azblob" {
                "container"
            } else {
                "bucket"
            };
            set(place, host.to_owned());
            set("root", root(path));
            match scheme {
                "s3" => {
                    // As Amazon's own tools: a store that is not theirs rarely cares.
                    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"];
                    set(
                        "region",
                        variable(&region).unwrap_or_else(|| "us-east-1".to_owned()),
                    );
                    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
                    set("endpoint", variable(&endpoint).unwrap_or_default());
                    "s3"
                }
                "gcs" => "gcs",
                _ => "azblob",
            }
        }
        "redis+unix" => {
            set("endpoint", format!("{scheme}:///{path}"));
            set("root", "/".to_owned());
            "redis"
        }
        "redis" | "rediss" => {
            set("endpoint", format!("{scheme}://{}", with_port(host, 6379)));
            set("db", path.trim_matches('/').to_owned());
            set("root", "/".to_owned());
            "redis"
        }
        "memcached" => {
            set("endpoint", with_port(host, 11211));
            set("root", root(path));
            "memcached"
        }
        "http" | "https" | "webdav" | "webdavs" => {
            let scheme = if scheme.ends_with('s') {
                "https"
            } else {
                "http"
            };
            set("endpoint", format!("{scheme}://{host}"));
            set("root", root(path));
            "webdav"
        }
        "file" if host.is_empty() || host == "localhost" => {
            set("root", decode(&root(path)));
            "fs"
        }
        "file" => return Err("a file system's URL has three slashes: file:///PATH".to_owned()),
        other => {
            return Err(format!(
                "{other} is no kind of store that this program knows"
            ));
        }
    };
    if let Some(user) = user {
        let (name, password) = user.split_once(':').unwrap_or(("", user));
        let (name, password) = (decode(name), decode(password));
        let names = match service {
            "s3" => ["access_key_id", "secret_access_key"],
            "azblob" => ["account_name", "account_key"],
            _ => ["username", "password"],
        };
        set(names[0], name);
        set(names[1], password);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
        set(&decode(name), decode(value));
    }
    for (name, value) in attributes {
        let name = match name.as_str() {
            "bearer-token" => "token".to_owned(),
            other => other.replace('-', "_"),
        };
        set(&name, value.clone());
    }
    Ok(Options { service, options })
}

/// The first of these that is set.
fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let name = CString::new(*name).ok()?;
        environment::variable(&name)?.into_string().ok()
    })
}

fn with_port(host: &str, port: u16) -> String {
    // An IPv6 address has colons of its own, in brackets.
    match host.rsplit_once(':') {
        Some((_, after)) if !after.contains(']') => host.to_owned(),
        _ => format!("{host}:{port}"),
    }
}

/// Undoes `%41`.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes
            .get(at + 1..at + 3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_understood() {
        let check = |url: &str, service: &str, expect: &[(&str, &str)]| {
            let got = options_of(url, &[]).expect("it is understood");
            assert_eq!(got.service, service, "{url}");
            for (name, value) in expect {
                assert_eq!(
                    got.options.get(*name).map(String::as_str),
                    Some(*value),
                    "{url}: {name}"
                );
            }
        };
        check(
            "s3://bucket/a/b/?endpoint=http%3A%2F%2Fx:1",
            "s3",
            &[
                ("bucket", "bucket"),
                ("root", "/a/b"),
                ("endpoint", "http://x:1"),
            ],
        );
        check(
            "s3://id:se%2Fcret@bucket",
            "s3",
            &[
                ("access_key_id", "id"),
                ("secret_access_key", "se/cret"),
                ("root", "/"),
            ],
        );
        check(
            "redis://host",
            "redis",
            &[("endpoint", "redis://host:6379")],
        );
        check(
            "rediss://:pw@[::1]/2",
            "redis",
            &[
                ("endpoint", "rediss://[::1]:6379"),
                ("password", "pw"),
                ("db", "2"),
            ],
        );
        check(
            "redis://pw@host:1",
            "redis",
            &[("endpoint", "redis://host:1"), ("password", "pw")],
        );
        check(
            "redis+unix:///run/redis.socket?db=1",
            "redis",
            &[("endpoint", "redis+unix:///run/redis.socket"), ("db", "1")],
        );
        check("memcached://h", "memcached", &[("endpoint", "h:11211")]);
        check(
            "https://u:p@h:8/x",
            "webdav",
            &[
                ("endpoint", "https://h:8"),
                ("root", "/x"),
                ("username", "u"),
            ],
        );
        check("file:///srv/a%20b", "fs", &[("root", "/srv/a b")]);
        check("gcs://b/p", "gcs", &[("bucket", "b"), ("root", "/p")]);
        check(
            "azblob://c?account_name=n",
            "azblob",
            &[("container", "c"), ("account_name", "n")],
        );
        for bad in ["file://host/x", "ftp://x", "redis:x"] {
            assert!(options_of(bad, &[]).is_err(), "{bad}");
        }
    }
}
