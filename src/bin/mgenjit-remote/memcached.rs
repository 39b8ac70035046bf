//! memcached, by its binary protocol.
//!
//! Not by opendal, which sends a request in several writes and asks for the server's version before each: Nagle's algorithm and
//! delayed acknowledgements then make 88 ms of a request that takes a tenth of one.

use std::cell::RefCell;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: u8 = 0;
const SET: u8 = 1;
const DELETE: u8 = 4;
const AUTHENTICATE: u8 = 0x21;

const REQUEST: u8 = 0x80;
const RESPONSE: u8 = 0x81;
const HEADER_LEN: usize = 24;

const NOT_FOUND: u16 = 1;

/// What a server takes.
const MAX_KEY_LEN: usize = 250;

/// How many connections are kept.
const MOST_IDLE: usize = 10;

pub struct Memcached {
    address: String,
    /// Before each key.
    root: String,
    login: Option<(String, String)>,
    idle: RefCell<Vec<TcpStream>>,
}

impl Memcached {
    /// `address`: a host and a port.
    pub fn new(address: String, root: String, login: Option<(String, String)>) -> Memcached {
        Memcached {
            address,
            root,
            login,
            idle: RefCell::default(),
        }
    }

    /// `None`: it is not there.
    pub async fn get(&self, key: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.ask(GET, key, &[], &[], most).await
    }

    pub async fn put(&self, key: &str, value: &[u8]) -> io::Result<()> {
        // Flags, and when it expires: never.
        self.ask(SET, key, &[0; 8], value, 0).await.map(drop)
    }

    /// Returns whether it was there.
    pub async fn remove(&self, key: &str) -> io::Result<bool> {
        let answer = self.ask(DELETE, key, &[], &[], 0).await?;
        Ok(answer.is_some())
    }

    /// The value that is answered, of at most `most` bytes; `None`: there is no such key.
    async fn ask(
        &self,
        opcode: u8,
        key: &str,
        extras: &[u8],
        value: &[u8],
        most: u64,
    ) -> io::Result<Option<Vec<u8>>> {
        let key = format!("{}{key}", self.root);
        if key.len() > MAX_KEY_LEN {
            return Err(io::Error::other(format!(
                "memcached takes no key of more than {MAX_KEY_LEN} bytes: use a shorter namespace or path"
            )));
        }
        let request = request(opcode, key.as_bytes(), extras, value);
        loop {
            let kept = self.idle.borrow_mut().pop();
            let is_new = kept.is_none();
            let mut stream = match kept {
                Some(stream) => stream,
                None => self.connect().await?,
            };
            match exchange(&mut stream, &request, most).await {
                Ok(answer) => {
                    let mut idle = self.idle.borrow_mut();
                    if idle.len() < MOST_IDLE {
                        idle.push(stream);
                    }
                    return answer.map_err(io::Error::other);
                }
                // The server ended it while it was idle. Each retry uses one up.
                Err(_) if !is_new => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        if let Some((name, password)) = &self.login {
            let value = format!("\0{name}\0{password}");
            let request = request(AUTHENTICATE, b"PLAIN", &[], value.as_bytes());
            exchange(&mut stream, &request, 0).await?.map_err(|_| {
                io::Error::other("the server refuses the user name or the password")
            })?;
        }
        Ok(stream)
    }
}

fn request(opcode: u8, key: &[u8], extras: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![REQUEST, opcode];
    bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[extras.len() as u8, 0, 0, 0]);
    let body = extras.len() + key.len() + value.len();
    bytes.extend_from_slice(&(body as u32).to_be_bytes());
    bytes.resize(HEADER_LEN, 0);
    for part in [extras, key, value] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The inner error is what the server says; after it, the connection can go on.
async fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
    most: u64,
) -> io::Result<Result<Option<Vec<u8>>, String>> {
    stream.write_all(request).await?;
    let mut header = [0; HEADER_LEN];
    stream.read_exact(&mut header).await?;
    let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (key_len, extras_len, status) = (number(2), header[4], number(6));
    let body_len = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let before = u64::from(key_len) + u64::from(extras_len);
    let value_len = u64::from(body_len).checked_sub(before);
    // What a server says of an error is short.
    let most = if status == 0 { most } else { 4096 };
    let Some(value_len) = value_len.filter(|len| header[0] == RESPONSE && *len <= most) else {
        return Err(io::Error::other("it does not answer as memcached does"));
    };
    let mut body = Vec::new();
    (&mut *stream)
        .take(before + value_len)
        .read_to_end(&mut body)
        .await?;
    if body.len() as u64 != before + value_len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let value = body.split_off(before as usize);
    Ok(match status {
        0 => Ok(Some(value)),
        NOT_FOUND => Ok(None),
        _ => Err(format!("{} ({status})", String::from_utf8_lossy(&value))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server that answers so is understood as.
    fn check(answer: &[u8], expect: Result<Option<&[u8]>, &str>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let got = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a port");
            let address = listener.local_addr().expect("its address").to_string();
            let store = Memcached::new(address, "/".to_owned(), None);
            let server = async {
                let (mut client, _) = listener.accept().await.expect("a client");
                let mut asked = vec![0; HEADER_LEN + 2];
                client.read_exact(&mut asked).await.expect("a request");
                assert_eq!(asked, request(GET, b"/k", &[], &[]));
                client.write_all(answer).await.expect("said");
            };
            tokio::join!(store.get("k", 100), server).0
        });
        match (got, expect) {
            (Ok(got), Ok(expect)) => assert_eq!(got.as_deref(), expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (got, _) => panic!("{got:?}"),
        }
    }

    fn answer(status: u8, extras: &[u8], value: &[u8]) -> Vec<u8> {
        let mut bytes = request(GET, &[], extras, value);
        bytes[0] = RESPONSE;
        bytes[7] = status;
        bytes
    }

    #[test]
    fn answers_are_understood() {
        check(&answer(0, &[0; 4], b"value"), Ok(Some(b"value")));
        check(&answer(0, &[], b""), Ok(Some(b"")));
        check(&answer(1, &[], b"Not found"), Ok(None));
        check(&answer(3, &[], b"Too large."), Err("Too large. (3)"));
        check(&answer(0, &[], &[7; 101]), Err("as memcached does"));
        check(&answer(3, &[], &[7; 5000]), Err("as memcached does"));
        let whole = answer(0, &[0; 4], b"value");
        check(&whole[..whole.len() - 1], Err("end of file"));
        check(&whole[..HEADER_LEN - 1], Err("eof"));
        let mut shorter = whole;
        shorter[11] = 3;
        check(&shorter, Err("as memcached does"));
        check(
            b"ERROR\r\nERROR\r\nERROR\r\nERROR\r\n",
            Err("as memcached does"),
        );
    }
}
