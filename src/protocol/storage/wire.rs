//! The bytes of requests and answers.
//!
//! ```text
//! greeting   version 1, u8; how many capabilities, u8; one byte for each
//! get        0, key                    answer: 0, value | 1 (not there) | 2, message
//! put        1, key, flags, value      answer: 0 | 1 (not stored) | 2, message
//! remove     2, key                    answer: 0 | 1 (not removed) | 2, message
//! stop       3                         answer: 0, or the end of the connection
//! info       4                         answer: message, how many u8, messages
//! exists     5, key                    answer: 0, bool | 2, message
//! collect    128, prefix, limits       answer: 0, four u64 | 2, message
//! fill       129, key                  answer: 3, length; then 4 | an answer to get
//! ```
//!
//! `collect` and `fill` are not of ccache's: `mgenjit-remote` says with capabilities 128 and 129 that it knows them.
//!
//! Limits are an age in seconds and a number of bytes, u64 each, 0 for none; the answer is how many values were removed and their
//! bytes, and how many are left and theirs.
//!
//! `fill` is a get that can be answered with 3 and the length of a long value. The client says one byte, to which it may attach
//! an empty file (`SCM_RIGHTS`). With a file, the helper writes the value there and says 4. If it can or may not, it answers as
//! to a get.
//!
//! A key and a message are a length, u8, and as many bytes. A value is a length, u64 of this machine's byte order, and as
//! many bytes. Nothing is allocated for a length before it was compared with a limit, and for a value's length not before
//! the bytes are there.

use std::io;

/// The one version of the protocol.
pub const VERSION: u8 = 1;

pub const GET: u8 = 0;
pub const PUT: u8 = 1;
pub const REMOVE: u8 = 2;
pub const STOP: u8 = 3;
pub const INFO: u8 = 4;
pub const EXISTS: u8 = 5;
pub const COLLECT: u8 = 128;
pub const FILL: u8 = 129;

/// What `mgenjit-remote` can do: the first three are the specification's.
pub const CAPABILITIES: [u8; 5] = [0, 1, 2, COLLECT, FILL];

pub const OK: u8 = 0;
pub const NOOP: u8 = 1;
pub const ERROR: u8 = 2;
pub const ROOM: u8 = 3;
pub const FILLED: u8 = 4;

/// Bit 0 of a put's flags: replace what is there.
pub const OVERWRITE: u8 = 1;

/// How much memory is for a value at first.
const CHUNK_LEN: usize = 256 << 10;

/// The length of what is before a value.
const HEAD_LEN: usize = 9;

/// What a helper says it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// `get`, `put` and `remove`.
    pub basic: bool,
    pub info: bool,
    pub exists: bool,
    pub collect: bool,
    pub fill: bool,
}

/// What a store may keep. Zero: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Since a value was put, in seconds.
    pub age: u64,
    pub bytes: u64,
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub removed: u64,
    pub removed_bytes: u64,
    pub left: u64,
    pub left_bytes: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store, in its helper's words.
    #[error("{0}")]
    Refused(String),
    #[error("it closed the connection")]
    Closed,
    #[error("it did not answer in time")]
    TimedOut,
    #[error("it cannot be talked to: {}", crate::error::reason(.0))]
    Io(io::Error),
    #[error("it does not speak the protocol of storage helpers: {0}")]
    Malformed(String),
    #[error("its value of {0} bytes is longer than the {1} that are allowed")]
    TooLong(u64, u64),
}

/// Where an answer's bytes come from.
pub trait Source {
    /// Fills the whole buffer.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Failure>;

    /// Appends what is there to `bytes`, into room that it has: at least one byte, at most `most`.
    fn append(&mut self, bytes: &mut Vec<u8>, most: usize) -> Result<(), Failure>;

    /// Says whether there is a file for a value of this length, and attaches it.
    fn give_room(&mut self, len: u64) -> Result<(), Failure>;
}

/// What lies under a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    Bytes(Vec<u8>),
    /// It is in the file that was given for it.
    Filled,
}

/// The answer to a get, as far as it came. After [`Failure::TimedOut`], it can be read on.
#[derive(Debug, Default)]
pub struct Incoming {
    /// The status and the length.
    head: Vec<u8>,
    value: Vec<u8>,
    /// Whether it was said if there is a file for it.
    is_offered: bool,
}

/// A key longer than 255 bytes cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WireKey(Vec<u8>);

impl WireKey {
    pub const MAX_LEN: usize = u8::MAX as usize;

    pub fn new(bytes: Vec<u8>) -> Option<WireKey> {
        (bytes.len() <= WireKey::MAX_LEN).then_some(WireKey(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn append_to(&self, request: &mut Vec<u8>) {
        request.push(self.0.len() as u8);
        request.extend_from_slice(&self.0);
    }
}

/// A request that has a key and nothing else.
pub fn request(kind: u8, key: &WireKey) -> Vec<u8> {
    let mut bytes = vec![kind];
    key.append_to(&mut bytes);
    bytes
}

/// A put's bytes before its value.
pub fn put(key: &WireKey, overwrite: bool, len: u64) -> Vec<u8> {
    let mut bytes = request(PUT, key);
    bytes.push(if overwrite { OVERWRITE } else { 0 });
    bytes.extend_from_slice(&len.to_ne_bytes());
    bytes
}

pub fn collect(prefix: &WireKey, limits: Limits) -> Vec<u8> {
    let mut bytes = request(COLLECT, prefix);
    for limit in [limits.age, limits.bytes] {
        bytes.extend_from_slice(&limit.to_ne_bytes());
    }
    bytes
}

pub fn greeting(capabilities: &[u8]) -> Vec<u8> {
    let mut bytes = vec![VERSION, capabilities.len() as u8];
    bytes.extend_from_slice(capabilities);
    bytes
}

pub fn read_greeting(source: &mut impl Source) -> Result<Capabilities, Failure> {
    let version = byte(source)?;
    if version != VERSION {
        return Err(Failure::Malformed(format!(
            "its version is {version}, not {VERSION}"
        )));
    }
    let mut has = Capabilities::default();
    for _ in 0..byte(source)? {
        match byte(source)? {
            0 => has.basic = true,
            1 => has.info = true,
            2 => has.exists = true,
            COLLECT => has.collect = true,
            FILL => has.fill = true,
            // Of a later version.
            _ => {}
        }
    }
    Ok(has)
}

/// A value of at most `limit` bytes; `None`: it is not there.
pub fn read_value(
    source: &mut impl Source,
    incoming: &mut Incoming,
    limit: u64,
) -> Result<Option<Value>, Failure> {
    let Incoming {
        head,
        value,
        is_offered,
    } = incoming;
    let len = loop {
        let is_new = head.is_empty();
        if is_new {
            head.push(byte(source)?);
        }
        match head[0] {
            OK => {}
            NOOP => return Ok(None),
            ERROR if is_new => return Err(Failure::Refused(message(source)?)),
            // Its message did not come in time.
            ERROR => return Err(Failure::TimedOut),
            ROOM if !*is_offered => {}
            FILLED if *is_offered => return Ok(Some(Value::Filled)),
            other => return Err(unknown_status(other)),
        }
        head.reserve(HEAD_LEN);
        while let missing @ 1.. = HEAD_LEN - head.len() {
            source.append(head, missing)?;
        }
        let mut len = [0; 8];
        len.copy_from_slice(&head[1..]);
        let len = u64::from_ne_bytes(len);
        if len > limit {
            return Err(Failure::TooLong(len, limit));
        }
        if head[0] == OK {
            break len;
        }
        source.give_room(len)?;
        *is_offered = true;
        head.clear();
    };
    while (value.len() as u64) < len {
        let rest = len as usize - value.len();
        if value.len() == value.capacity() {
            // Memory is a problem of this one value.
            value
                .try_reserve_exact(CHUNK_LEN.max(value.len()).min(rest))
                .map_err(|_| Failure::TooLong(len, limit))?;
        }
        let room = value.capacity() - value.len();
        source.append(value, rest.min(room))?;
    }
    Ok(Some(Value::Bytes(std::mem::take(value))))
}

/// Whether a put or a removal was done.
pub fn read_done(source: &mut impl Source) -> Result<bool, Failure> {
    match status(source)? {
        OK => Ok(true),
        NOOP => Ok(false),
        other => Err(unknown_status(other)),
    }
}

pub fn read_exists(source: &mut impl Source) -> Result<bool, Failure> {
    match status(source)? {
        OK => {}
        other => return Err(unknown_status(other)),
    }
    match byte(source)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Failure::Malformed(format!("{other} is no truth value"))),
    }
}

pub fn read_collected(source: &mut impl Source) -> Result<Collected, Failure> {
    match status(source)? {
        OK => {}
        other => return Err(unknown_status(other)),
    }
    Ok(Collected {
        removed: read_len(source)?,
        removed_bytes: read_len(source)?,
        left: read_len(source)?,
        left_bytes: read_len(source)?,
    })
}

/// Who the helper is, and what it has to say.
pub fn read_info(source: &mut impl Source) -> Result<(String, Vec<String>), Failure> {
    let identity = message(source)?;
    let diagnostics = (0..byte(source)?)
        .map(|_| message(source))
        .collect::<Result<_, _>>()?;
    Ok((identity, diagnostics))
}

pub fn read_len(source: &mut impl Source) -> Result<u64, Failure> {
    let mut len = [0; 8];
    source.fill(&mut len)?;
    Ok(u64::from_ne_bytes(len))
}

/// The first byte of an answer; an error of the store is one here.
fn status(source: &mut impl Source) -> Result<u8, Failure> {
    match byte(source)? {
        ERROR => Err(Failure::Refused(message(source)?)),
        other => Ok(other),
    }
}

fn unknown_status(status: u8) -> Failure {
    Failure::Malformed(format!("{status} is no answer to what it was asked"))
}

/// A message, of which nothing but printable characters is kept: it becomes a part of ours.
fn message(source: &mut impl Source) -> Result<String, Failure> {
    let mut bytes = vec![0; usize::from(byte(source)?)];
    source.fill(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect())
}

pub fn byte(source: &mut impl Source) -> Result<u8, Failure> {
    let mut byte = [0];
    source.fill(&mut byte)?;
    Ok(byte[0])
}

impl Source for &[u8] {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        let Some((taken, rest)) = self.split_at_checked(buffer.len()) else {
            return Err(Failure::Closed);
        };
        buffer.copy_from_slice(taken);
        *self = rest;
        Ok(())
    }

    fn append(&mut self, bytes: &mut Vec<u8>, most: usize) -> Result<(), Failure> {
        let (taken, rest) = self.split_at(self.len().min(most));
        if taken.is_empty() {
            return Err(Failure::Closed);
        }
        bytes.extend_from_slice(taken);
        *self = rest;
        Ok(())
    }

    fn give_room(&mut self, _: u64) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &[u8]) -> WireKey {
        WireKey::new(bytes.to_vec()).expect("a short key")
    }

    #[test]
    fn requests_are_what_the_specification_says() {
        assert_eq!(request(GET, &key(b"ab")), [0, 2, b'a', b'b']);
        assert_eq!(request(EXISTS, &key(b"")), [5, 0]);
        let len = 258_u64.to_ne_bytes();
        let expected = [&[1, 1, b'k', 1][..], &len].concat();
        assert_eq!(put(&key(b"k"), true, 258), expected);
        assert_eq!(put(&key(b"k"), false, 0)[3], 0);
        assert_eq!(greeting(&[0, 2]), [1, 2, 0, 2]);
        assert!(WireKey::new(vec![0; 255]).is_some());
        assert!(WireKey::new(vec![0; 256]).is_none());
    }

    #[test]
    fn greetings_are_read() {
        let check = |mut bytes: &[u8], expect: Result<[bool; 3], &str>| {
            let got = read_greeting(&mut bytes).map(|found| {
                assert!(bytes.is_empty());
                [found.basic, found.info, found.exists]
            });
            match expect {
                Ok(expect) => assert_eq!(got.expect("a greeting"), expect),
                Err(expect) => {
                    let error = got.expect_err("no greeting").to_string();
                    assert!(error.contains(expect), "{error}");
                }
            }
        };
        check(&[1, 1, 0], Ok([true, false, false]));
        check(&[1, 4, 2, 9, 1, 0], Ok([true, true, true]));
        check(&[1, 0], Ok([false; 3]));
        check(&[2, 0], Err("version is 2"));
        check(&[1, 2, 0], Err("closed"));
        check(&[], Err("closed"));
    }

    #[test]
    fn values_are_bounded_before_they_are_read() {
        let value = |len: u64, rest: &[u8]| [&[OK][..], &len.to_ne_bytes(), rest].concat();
        let check = |bytes: &[u8], limit: u64, expect: Result<Option<&[u8]>, &str>| match (
            read_value(&mut &*bytes, &mut Incoming::default(), limit),
            expect,
        ) {
            (Ok(got), Ok(expect)) => {
                assert_eq!(got, expect.map(|value| Value::Bytes(value.to_vec())));
            }
            (Err(error), Err(expect)) => {
                let error = error.to_string();
                assert!(error.contains(expect), "{error}");
            }
            (got, expect) => panic!("{got:?}, not {expect:?}"),
        };
        check(&value(3, b"abc"), 3, Ok(Some(b"abc")));
        check(&value(0, b""), 0, Ok(Some(b"")));
        check(&value(4, b"abcd"), 3, Err("4 bytes is longer than the 3"));
        check(&value(u64::MAX, b""), u64::MAX - 1, Err("longer"));
        // It says more than it has: only as much is allocated as comes.
        check(&value(1 << 40, b"abc"), 1 << 41, Err("closed"));
        check(&[NOOP], 9, Ok(None));
        check(b"\x02\x04no\n!", 9, Err("no !"));
        check(&[9], 9, Err("9 is no answer"));
        check(&[], 9, Err("closed"));
        // What is offered for a file is bounded too, and may be declined.
        let offer = |len: u64, rest: &[u8]| [&[ROOM][..], &len.to_ne_bytes(), rest].concat();
        check(&offer(10, &[]), 9, Err("10 bytes is longer than the 9"));
        check(&offer(3, &value(3, b"abc")), 9, Ok(Some(b"abc")));
        check(&offer(3, &[NOOP]), 9, Ok(None));
        check(&offer(3, b"\x02\x04full"), 9, Err("full"));
        check(&offer(3, &[]), 9, Err("closed"));
        check(&offer(3, &offer(3, &[])), 9, Err("3 is no answer"));
        check(&[FILLED], 9, Err("4 is no answer"));
        let filled = read_value(&mut &*offer(3, &[FILLED]), &mut Incoming::default(), 9);
        assert_eq!(filled.expect("an answer"), Some(Value::Filled));
    }

    /// Gives one byte at a time, and none in between.
    struct Slow<'a>(&'a [u8], bool);

    impl Source for Slow<'_> {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
            self.0.fill(buffer)
        }

        fn append(&mut self, bytes: &mut Vec<u8>, _: usize) -> Result<(), Failure> {
            self.1 = !self.1;
            match self.1 {
                true => Err(Failure::TimedOut),
                false => self.0.append(bytes, 1),
            }
        }

        fn give_room(&mut self, len: u64) -> Result<(), Failure> {
            self.0.give_room(len)
        }
    }

    #[test]
    fn a_value_is_read_on_after_a_while() {
        let bytes = [&[OK][..], &3_u64.to_ne_bytes(), b"abcd"].concat();
        let (mut slow, mut incoming) = (Slow(&bytes, false), Incoming::default());
        let mut waited = 0;
        let value = loop {
            match read_value(&mut slow, &mut incoming, 9) {
                Err(Failure::TimedOut) => waited += 1,
                other => break other.expect("a value"),
            }
        };
        assert_eq!((value, waited), (Some(Value::Bytes(b"abc".to_vec())), 11));
        assert_eq!(slow.0, b"d");
    }

    #[test]
    fn the_other_answers_are_read() {
        assert!(read_done(&mut &[OK][..]).expect("done"));
        assert!(!read_done(&mut &[NOOP][..]).expect("an answer"));
        assert!(read_done(&mut &b"\x02\x01x"[..]).is_err());
        assert!(read_exists(&mut &[OK, 1][..]).expect("there"));
        assert!(!read_exists(&mut &[OK, 0][..]).expect("an answer"));
        for bad in [&[OK, 2][..], &[NOOP], &[OK]] {
            assert!(read_exists(&mut &*bad).is_err());
        }
        let info = read_info(&mut &b"\x02me\x02\x01a\x00"[..]).expect("it is whole");
        assert_eq!(info, ("me".to_owned(), vec!["a".to_owned(), String::new()]));
    }
}
