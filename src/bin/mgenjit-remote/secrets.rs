//! Credentials, which nobody else need see.

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
