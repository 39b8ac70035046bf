//! Signatures of entries: who may put code into a cache.
//!
//! What is signed is the part of an entry's tail that says what the file is and has the digest of its content.
//! Keys come from files that the user names:
//!
//! | file | made by | signs | is trusted |
//! |---|---|---|---|
//! | Ed25519 private key, PEM | `openssl genpkey -algorithm ed25519 -out FILE` | yes | no: it is refused |
//! | Ed25519 public key, PEM | `openssl pkey -in PRIVATE -pubout -out FILE` | no | yes |
//! | shared secret, 64 hexadecimal digits | `openssl rand -hex 32 > FILE` | yes | yes |

use crate::error::{Error, Status, reason};
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use std::fmt;
use std::fs::{Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Precedes what is signed, so that a signature that the same key made for something else is not valid for an entry, nor
/// the other way round. A format whose signed bytes mean something else needs another context.
const CONTEXT: &str = "libmgenjit 2026 entry signature";

/// Larger than any file that holds one key.
const MAX_FILE_LEN: usize = 16 << 10;

const SECRET_LEN: usize = 32;

/// A signature as an entry's tail holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    pub scheme: u32,
    pub bytes: [u8; 64],
}

impl Signature {
    pub const NONE: Signature = Signature {
        scheme: 0,
        bytes: [0; 64],
    };
    /// Keyed BLAKE3: 32 bytes, and zeros.
    pub const KEYED_BLAKE3: u32 = 1;
    pub const ED25519: u32 = 2;
}

/// A key that signs.
#[derive(Debug)]
pub struct Signer(Signing);

#[derive(Debug)]
enum Signing {
    Secret(Secret),
    // Wiped by its own `Drop`, and its `Debug` shows the public half only.
    Ed25519(Box<SigningKey>),
}

/// The keys whose signatures are trusted.
#[derive(Debug)]
pub struct Trust {
    secrets: Vec<Secret>,
    keys: Vec<VerifyingKey>,
}

/// Why something is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("it has no signature")]
    Unsigned,
    /// The two look the same: a signature does not name its key.
    #[error("its signature is wrong, or made with a key that is not trusted")]
    Wrong,
    #[error("its signature has an unknown scheme: {0}")]
    Scheme(u32),
    #[error("its signature has other bytes where zeros must be")]
    Padding,
}

impl Signer {
    /// Reads a private key or a shared secret from a file that nobody else can read.
    pub fn read(path: &Path) -> Result<Signer, Error> {
        match KeyFile::read(path)? {
            KeyFile::Secret(secret) => Ok(Signer(Signing::Secret(secret))),
            KeyFile::Private(key) => Ok(Signer(Signing::Ed25519(key))),
            KeyFile::Public(_) => Err(unusable(
                path,
                "it holds a public key, which cannot sign: name the private key that it belongs to",
            )),
        }
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = Signature::NONE;
        match &self.0 {
            Signing::Secret(secret) => {
                signature.scheme = Signature::KEYED_BLAKE3;
                signature.bytes[..blake3::OUT_LEN].copy_from_slice(secret.mac(message).as_bytes());
            }
            Signing::Ed25519(key) => {
                signature.scheme = Signature::ED25519;
                signature.bytes = key.sign(&in_context(message)).to_bytes();
            }
        }
        signature
    }
}

impl Trust {
    /// Reads public keys and shared secrets, one from each file, of either kind.
    pub fn read(paths: &[PathBuf]) -> Result<Trust, Error> {
        if paths.is_empty() {
            return Err(Error::new(
                Status::InvalidArgument,
                "no trusted key was given, so nothing in the cache could be used",
            ));
        }
        let mut trust = Trust {
            secrets: Vec::new(),
            keys: Vec::new(),
        };
        for path in paths {
            match KeyFile::read(path)? {
                KeyFile::Secret(secret) => trust.secrets.push(secret),
                KeyFile::Public(key) => trust.keys.push(key),
                KeyFile::Private(_) => {
                    return Err(unusable(
                        path,
                        "it holds a private key, which a machine that only checks signatures should not have: \
                         name the public key that `openssl pkey -in PRIVATE -pubout -out FILE` writes",
                    ));
                }
            }
        }
        Ok(trust)
    }

    pub fn check(&self, message: &[u8], signature: &Signature) -> Result<(), Untrusted> {
        let Signature { scheme, bytes } = signature;
        let right = match *scheme {
            0 if bytes.iter().all(|byte| *byte == 0) => return Err(Untrusted::Unsigned),
            0 => return Err(Untrusted::Padding),
            Signature::KEYED_BLAKE3 => {
                let mut mac = [0; blake3::OUT_LEN];
                let (given, zeros) = bytes.split_at(mac.len());
                mac.copy_from_slice(given);
                if zeros.iter().any(|byte| *byte != 0) {
                    return Err(Untrusted::Padding);
                }
                // Hashes compare in constant time.
                let mac = blake3::Hash::from_bytes(mac);
                self.secrets.iter().any(|key| key.mac(message) == mac)
            }
            Signature::ED25519 => {
                let message = in_context(message);
                let signature = ed25519_dalek::Signature::from_bytes(bytes);
                self.keys
                    .iter()
                    .any(|key| key.verify_strict(&message, &signature).is_ok())
            }
            scheme => return Err(Untrusted::Scheme(scheme)),
        };
        if right { Ok(()) } else { Err(Untrusted::Wrong) }
    }
}

fn in_context(message: &[u8]) -> Vec<u8> {
    [CONTEXT.as_bytes(), b"\0", message].concat()
}

/// A key derived from a shared secret for this context. The secret itself is not kept.
struct Secret(Zeroizing<[u8; SECRET_LEN]>);

impl Secret {
    fn derive(secret: &[u8; SECRET_LEN]) -> Secret {
        Secret(Zeroizing::new(blake3::derive_key(CONTEXT, secret)))
    }

    fn mac(&self, message: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, message)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// What a key file holds.
enum KeyFile {
    Secret(Secret),
    Private(Box<SigningKey>),
    Public(VerifyingKey),
}

impl KeyFile {
    fn read(path: &Path) -> Result<KeyFile, Error> {
        let (text, metadata) = read_file(path)?;
        // No kind of key file is binary.
        let text = std::str::from_utf8(&text).unwrap_or_default();
        let key = KeyFile::parse(text).map_err(|why| unusable(path, why))?;
        // Its owner can write it, whatever its permissions are.
        let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != user && owner != 0 {
            return Err(unusable(
                path,
                format!(
                    "it belongs to user {owner}, who can change it; this process is user {user}'s: copy it to a file \
                     of your own, or have root own it"
                ),
            ));
        }
        let (wrong, what, command) = match key {
            KeyFile::Public(_) => (
                0o022,
                "others can write it, and what it names is trusted",
                "go-w",
            ),
            KeyFile::Secret(_) | KeyFile::Private(_) => (
                0o077,
                "others can read it, and whoever has it can sign",
                "go=",
            ),
        };
        let mode = metadata.mode();
        if mode & wrong != 0 {
            let what = format!("{what} (mode {:03o}): `chmod {command}` it", mode & 0o777);
            return Err(unusable(path, what));
        }
        Ok(key)
    }

    fn parse(text: &str) -> Result<KeyFile, &'static str> {
        let label = text
            .split_once("-----BEGIN ")
            .and_then(|(_, rest)| rest.split_once("-----"))
            .map(|(label, _)| label);
        match label {
            Some("PRIVATE KEY") => SigningKey::from_pkcs8_pem(text.trim())
                .map(|key| KeyFile::Private(Box::new(key)))
                .map_err(|_| {
                    "its private key is not one for Ed25519, or is damaged: \
                     `openssl genpkey -algorithm ed25519 -out FILE` makes one"
                }),
            Some("PUBLIC KEY") => VerifyingKey::from_public_key_pem(text.trim())
                .ok()
                // Anybody can make signatures that a weak key accepts.
                .filter(|key| !key.is_weak())
                .map(KeyFile::Public)
                .ok_or(
                    "its public key is not one for Ed25519, or is damaged or weak: \
                     `openssl pkey -in PRIVATE -pubout -out FILE` writes one",
                ),
            Some("ENCRYPTED PRIVATE KEY") => Err(
                "its private key is encrypted, and there is nobody to ask for the password: \
                 `openssl pkey -in FILE -out PLAIN` decrypts it",
            ),
            Some("OPENSSH PRIVATE KEY") => Err(
                "it is a key for SSH: `openssl genpkey -algorithm ed25519 -out FILE` makes one that signs",
            ),
            Some(_) => Err(NO_KEY),
            None => parse_secret(text.trim())
                .map(|secret| KeyFile::Secret(Secret::derive(&secret)))
                .ok_or(NO_KEY),
        }
    }
}

const NO_KEY: &str = "it holds no key that can sign or be trusted: give a private key \
     (`openssl genpkey -algorithm ed25519 -out FILE`), a public key (`openssl pkey -in PRIVATE -pubout -out FILE`) or \
     a shared secret of 64 hexadecimal digits (`openssl rand -hex 32 > FILE`)";

fn parse_secret(text: &str) -> Option<Zeroizing<[u8; SECRET_LEN]>> {
    let digits = text.as_bytes();
    if digits.len() != 2 * SECRET_LEN {
        return None;
    }
    let mut secret = Zeroizing::new([0; SECRET_LEN]);
    let digit = |byte: u8| char::from(byte).to_digit(16);
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(secret)
}

/// A key file's bytes and metadata.
fn read_file(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), Error> {
    let unreadable = |error: &std::io::Error| {
        let why = reason(error);
        Error::new(
            Status::Io,
            format!("the key file {} cannot be read: {why}", path.display()),
        )
    };
    let mut file = OpenOptions::new()
        .read(true)
        // A FIFO must not block, and a terminal must not become the controlling terminal.
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(unusable(path, "it is not a regular file"));
    }
    // Into one buffer, so that growing leaves no copies in freed memory.
    let mut bytes = Zeroizing::new(vec![0; MAX_FILE_LEN + 1]);
    let mut len = 0;
    while len < bytes.len() {
        match file.read(&mut bytes[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    if len > MAX_FILE_LEN {
        return Err(unusable(path, NO_KEY));
    }
    bytes.truncate(len);
    Ok((bytes, metadata))
}

fn unusable(path: &Path, why: impl fmt::Display) -> Error {
    Error::new(
        Status::InvalidArgument,
        format!("the key file {} cannot be used: {why}", path.display()),
    )
}

#[cfg(test)]
pub(super) mod tests;
