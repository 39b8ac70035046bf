//! Credentials, which nobody else need see.

use std::ffi::{CStr, c_char};

/// Overwrites the values of the variables that may hold some, which `ps` and `/proc` show as long as the process lives.
pub fn wipe() {
    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    // SAFETY: one thread runs, and nothing changes the environment, which is a list of strings that ends with NULL. The
    // strings are the process's own, and may be written.
    unsafe {
        let mut variable = environ;
        while !variable.is_null() && !(*variable).is_null() {
            let text = CStr::from_ptr(*variable).to_bytes();
            let is_secret = [&b"CRSH_URL="[..], b"CRSH_ATTR_VALUE_"]
                .iter()
                .any(|name| text.starts_with(name));
            if is_secret && let Some(at) = text.iter().position(|byte| *byte == b'=') {
                let len = text.len();
                (*variable).add(at + 1).write_bytes(0, len - at - 1);
            }
            variable = variable.add(1);
        }
    }
}

/// Takes secrets out of messages.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Short ones are everywhere, and no secret.
    const SHORTEST: usize = 4;

    pub fn add(&mut self, secret: &str) {
        if secret.len() >= Secrets::SHORTEST {
            self.0.push(secret.to_owned());
        }
    }

    /// A message of at most 255 bytes.
    pub fn redact(&self, message: &str) -> String {
        let mut message = message.replace(|char: char| char.is_control(), " ");
        for secret in &self.0 {
            message = message.replace(secret.as_str(), "***");
        }
        let mut len = message.len().min(u8::MAX.into());
        while !message.is_char_boundary(len) {
            len -= 1;
        }
        message.truncate(len);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_short_and_without_secrets() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        secrets.add("x");
        assert_eq!(secrets.redact("no\nhunter2 x"), "no *** x");
        assert_eq!(secrets.redact(&"ü".repeat(200)).len(), 254);
    }
}
