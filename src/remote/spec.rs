//! What a user writes about a store: `URL|ATTRIBUTE|…`, and several after each other, separated by spaces.

use super::key::MAX_NAMESPACE;
use crate::error::{Error, Status};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// How a store is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode {
    pub read: bool,
    pub write: bool,
    /// Entries that nobody signed are taken and put.
    pub unsigned: bool,
}

impl Mode {
    /// That of stores for which nothing is said.
    pub const READ: Mode = Mode {
        read: true,
        write: false,
        unsigned: false,
    };
}

/// One store. Its URL and its attributes may have credentials in them, so it is shown without them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub scheme: String,
    pub url: String,
    pub mode: Mode,
    pub namespace: String,
    /// Those for its helper, without the `@`.
    pub attributes: Vec<(String, String)>,
    /// The helper's program.
    pub helper: Option<PathBuf>,
}

/// The stores of a text. `mode`: that of those that name none.
pub fn parse(text: &str, mode: Mode) -> Result<Vec<Spec>, Error> {
    text.split_ascii_whitespace()
        .map(|text| Spec::parse(text, mode))
        .collect()
}

impl Spec {
    fn parse(text: &str, mode: Mode) -> Result<Spec, Error> {
        let mut parts = text.split('|');
        let url = parts.next().unwrap_or_default();
        let scheme = url.split_once(":/").map(|(scheme, _)| scheme);
        let is_scheme = |scheme: &&str| {
            scheme.starts_with(|first: char| first.is_ascii_lowercase())
                && scheme.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
                })
        };
        let Some(scheme) = scheme.filter(is_scheme) else {
            // Not shown: what is no URL may still hold a password.
            return Err(invalid(
                "the remote is not a URL: it must begin with a scheme, as in redis://host or s3://bucket/prefix",
            ));
        };
        let mut spec = Spec {
            scheme: scheme.to_owned(),
            url: url.to_owned(),
            mode,
            namespace: String::new(),
            attributes: Vec::new(),
            helper: None,
        };
        for (position, part) in (1..).zip(parts) {
            spec.add(part, position)?;
        }
        Ok(spec)
    }

    /// `position` counts from 1. What is no attribute is not shown: it may be a password.
    fn add(&mut self, attribute: &str, position: usize) -> Result<(), Error> {
        let (name, value) = match attribute.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (attribute, None),
        };
        match (name, value) {
            ("read", None) => (self.mode.read, self.mode.write) = (true, false),
            ("write", None) => (self.mode.read, self.mode.write) = (false, true),
            ("read-write", None) => (self.mode.read, self.mode.write) = (true, true),
            ("unsigned", None) => self.mode.unsigned = true,
            ("helper", Some(path)) if path.starts_with('/') => self.helper = Some(path.into()),
            ("namespace", Some(namespace)) => {
                let may = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
                if namespace.len() > MAX_NAMESPACE || !namespace.bytes().all(may) {
                    return Err(invalid(format!(
                        "{self}: a namespace has at most {MAX_NAMESPACE} letters, digits, \".\", \"_\" and \"-\""
                    )));
                }
                namespace.clone_into(&mut self.namespace);
            }
            (name, value) => match name.strip_prefix('@') {
                Some(name) if !name.is_empty() => self
                    .attributes
                    .push((name.to_owned(), value.unwrap_or_default().to_owned())),
                _ => {
                    return Err(invalid(format!(
                        "{self}: attribute {position} after the URL is unknown: use read, write, read-write, unsigned, \
                         namespace=NAME, helper=/PATH, or @NAME=VALUE for the helper"
                    )));
                }
            },
        }
        Ok(())
    }

    /// Whether its helper looks at the first bytes of a key alone.
    pub fn has_short_keys(&self) -> bool {
        self.attributes
            .iter()
            .any(|(name, value)| name == "layout" && value == "bazel")
    }
}

/// Without user, password, query and fragment.
impl fmt::Display for Spec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        let rest = url.get(self.scheme.len() + 1..).unwrap_or_default();
        let (slashes, rest) = match rest.strip_prefix("//") {
            Some(rest) => ("//", rest),
            None => ("", rest),
        };
        // A password may have a slash in it that should have been escaped: up to the last @.
        let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let shown = rest.chars().filter(|char| !char.is_control());
        write!(
            out,
            "{}:{slashes}{}",
            self.scheme,
            shown.collect::<String>()
        )
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Spec({self}, {:?})", self.mode)
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Mode = Mode::READ;

    #[test]
    fn what_is_written_is_understood() {
        let check = |text: &str, shown: &str, mode: [bool; 3], namespace: &str| {
            let specs = parse(text, READ).expect("it is right");
            let [spec] = &specs[..] else {
                panic!("{specs:?}")
            };
            assert_eq!(spec.to_string(), shown);
            let Mode {
                read,
                write,
                unsigned,
            } = spec.mode;
            assert_eq!([read, write, unsigned], mode, "{text}");
            assert_eq!(spec.namespace, namespace);
            assert!(!format!("{spec:?}").contains("secret"));
        };
        let read = [true, false, false];
        check("redis://host", "redis://host", read, "");
        check(
            "redis://me:secret@host:6379/1|read-write",
            "redis://host:6379/1",
            [true, true, false],
            "",
        );
        check(
            "s3://bucket/a/b?secret_access_key=secret|write|unsigned|namespace=team-1",
            "s3://bucket/a/b",
            [false, true, true],
            "team-1",
        );
        check("https://me:se/cret@host/x", "https://host/x", read, "");
        check("redis://me:p@secret@host", "redis://host", read, "");
        check(
            "crsh:/run/x.socket|@bearer-token=secret",
            "crsh:/run/x.socket",
            read,
            "",
        );
        check(
            "redis+unix:/run/redis?db=1",
            "redis+unix:/run/redis",
            read,
            "",
        );
        check("http://host/#secret", "http://host/", read, "");
    }

    #[test]
    fn several_are_taken_in_their_order() {
        let specs = parse(
            "  redis://one|write \n http://two|@layout=bazel|@a=b=c ",
            READ,
        )
        .expect("they are right");
        assert_eq!(specs.len(), 2);
        assert!(specs[0].mode.write && !specs[1].mode.write);
        assert!(!specs[0].has_short_keys() && specs[1].has_short_keys());
        let attribute = ("a".to_owned(), "b=c".to_owned());
        assert_eq!(specs[1].attributes[1], attribute);
        assert_eq!(parse(" ", READ).expect("none"), []);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let check = |text: &str, expect: &str| {
            let error = parse(text, READ).expect_err("it is wrong");
            assert!(error.message.contains(expect), "{}", error.message);
            assert!(!error.message.contains("secret"), "{}", error.message);
        };
        check("host:secret", "is not a URL");
        check("secret", "is not a URL");
        check("://secret", "is not a URL");
        check("HTTP://secret", "is not a URL");
        check(
            "redis://u:secret@h|readonly",
            "attribute 1 after the URL is unknown: use read,",
        );
        check("redis://u:secret@h|namespace=a/b", "a namespace has");
        check("redis://u:secret@h|helper=relative", "attribute 1 ");
        check("redis://u:secret@h|@=secret", "attribute 1 ");
        check("redis://u:secret@h|write|password=secret", "attribute 2 ");
        check("redis://u:secret@h|write|secret", "attribute 2 ");
    }
}
