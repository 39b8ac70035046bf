//! Gets values from Redis over connections of its own, so that a long value can be passed on while it arrives, which no client
//! library can do. TLS is left to the client library.

use redis::{ConnectionAddr, ConnectionInfo};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// How many connections are kept.
const MOST_IDLE: usize = 10;

const CONNECT: Duration = Duration::from_secs(10);

/// How much is read at once. It stays in the second-level cache.
const BUFFER_LEN: usize = 128 << 10;

/// The longest line that is read: a value's length, or an error's words.
const MAX_LINE_LEN: usize = 4096;

/// Any connection.
trait Stream: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> Stream for T {}

/// Connections to one Redis.
pub struct Connections {
    info: ConnectionInfo,
    idle: RefCell<Vec<Connection>>,
}

struct Connection {
    stream: std::pin::Pin<Box<dyn Stream>>,
    buffer: Box<[u8]>,
    /// What was read and not yet used.
    unread: std::ops::Range<usize>,
}

/// A value whose bytes arrive. One that is dropped before its end ends its connection.
pub struct Incoming {
    connections: Rc<Connections>,
    connection: Connection,
    pub len: u64,
    rest: u64,
}

impl Connections {
    /// `None`: it takes the client library to connect.
    pub fn new(info: &ConnectionInfo) -> Option<Rc<Connections>> {
        let is_plain = matches!(
            info.addr(),
            ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_)
        );
        is_plain.then(|| {
            Rc::new(Connections {
                info: info.clone(),
                idle: RefCell::default(),
            })
        })
    }

    /// `None`: it is not there.
    pub async fn get(self: &Rc<Connections>, key: &str) -> io::Result<Option<Incoming>> {
        let request = command(&["GET", key]);
        loop {
            let kept = self.idle.borrow_mut().pop();
            let is_new = kept.is_none();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let line = match connection.ask(&request).await {
                // The server ended it while it was idle. Each retry uses one up.
                Err(error) if !is_new && is_end(&error) => continue,
                line => line?,
            };
            let Some(Ok(len)) = line.strip_prefix('$').map(str::parse::<i64>) else {
                return Err(self.refused(connection, &line));
            };
            let Ok(len) = u64::try_from(len) else {
                self.keep(connection);
                return Ok(None);
            };
            return Ok(Some(Incoming {
                connections: self.clone(),
                connection,
                len,
                rest: len,
            }));
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let connected = tokio::time::timeout(CONNECT, self.connect_to()).await;
        let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let mut connection = Connection {
            stream,
            buffer: vec![0; BUFFER_LEN].into_boxed_slice(),
            unread: 0..0,
        };
        let login = self.info.redis_settings();
        if let Some(password) = login.password() {
            let words = match login.username() {
                Some(name) => vec!["AUTH", name, password],
                None => vec!["AUTH", password],
            };
            connection.expect_ok(&command(&words)).await?;
        }
        if login.db() != 0 {
            let number = login.db().to_string();
            connection.expect_ok(&command(&["SELECT", &number])).await?;
        }
        Ok(connection)
    }

    async fn connect_to(&self) -> io::Result<std::pin::Pin<Box<dyn Stream>>> {
        Ok(match self.info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Box::pin(stream)
            }
            ConnectionAddr::Unix(path) => Box::pin(UnixStream::connect(path).await?),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    /// An error's words. The connection can go on after those of the server.
    fn refused(&self, connection: Connection, line: &str) -> io::Error {
        if line.starts_with('-') {
            self.keep(connection);
        }
        refusal(line)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }
}

impl Incoming {
    /// The next bytes; none: that was the end, and the connection is kept.
    pub async fn next(&mut self) -> io::Result<&[u8]> {
        let connection = &mut self.connection;
        if connection.unread.is_empty() && self.rest > 0 {
            connection.read().await?;
        }
        let len = connection
            .unread
            .len()
            .min(usize::try_from(self.rest).unwrap_or(usize::MAX));
        let start = connection.unread.start;
        connection.unread.start += len;
        self.rest -= len as u64;
        Ok(&connection.buffer[start..start + len])
    }

    /// Keeps the connection for the next value.
    pub async fn end(mut self) -> io::Result<()> {
        let line = self.connection.line().await?;
        if self.rest > 0 || !line.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.connections.keep(self.connection);
        Ok(())
    }

    /// All of it.
    pub async fn into_bytes(mut self) -> io::Result<Vec<u8>> {
        let mut value = Vec::new();
        loop {
            let part = self.next().await?;
            if part.is_empty() {
                break;
            }
            // As it comes: no memory for what is only announced.
            value.extend_from_slice(part);
        }
        self.end().await?;
        Ok(value)
    }
}

impl Connection {
    /// Sends a command, and reads the first line of its answer.
    async fn ask(&mut self, request: &[u8]) -> io::Result<String> {
        self.stream.write_all(request).await?;
        self.line().await
    }

    async fn expect_ok(&mut self, request: &[u8]) -> io::Result<()> {
        match self.ask(request).await? {
            line if line == "+OK" => Ok(()),
            line => Err(refusal(&line)),
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() > MAX_LINE_LEN {
                return Err(refusal(""));
            }
            if self.unread.is_empty() {
                self.read().await?;
            }
            line.push(self.buffer[self.unread.start]);
            self.unread.start += 1;
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    async fn read(&mut self) -> io::Result<()> {
        let len = self.stream.read(&mut self.buffer).await?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unread = 0..len;
        Ok(())
    }
}

/// A command's bytes.
fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

fn refusal(line: &str) -> io::Error {
    io::Error::other(match line.strip_prefix('-') {
        Some(words) => words.to_owned(),
        None => "it does not speak Redis' protocol".to_owned(),
    })
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}
