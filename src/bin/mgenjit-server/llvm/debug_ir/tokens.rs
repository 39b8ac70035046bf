//! The words of IR text, as far as it takes to tell where each instruction begins.

/// A piece of IR text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'text> {
    /// A keyword, a type, an opcode or a number.
    Word(&'text [u8]),
    /// `name:`, which begins a block.
    Label,
    /// `%name`
    Local(Name<'text>),
    /// `@name`
    Global(Name<'text>),
    /// `#0` or `#dbg_value`
    Hash,
    /// What else has a sigil, and strings.
    Other,
    Sign(u8),
}

/// A name as the text spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'text> {
    Plain(&'text [u8]),
    /// In quotes, with `\xx` for what they could not hold.
    Quoted(&'text [u8]),
}

impl Name<'_> {
    /// The name; `None` if it is a number, which is the name of what has none.
    pub fn decoded(self) -> Option<Vec<u8>> {
        match self {
            Name::Plain(name) if name.iter().all(u8::is_ascii_digit) => None,
            Name::Plain(name) => Some(name.to_vec()),
            Name::Quoted(name) => Some(unescape(name)),
        }
    }

    pub fn number(self) -> Option<u32> {
        let Name::Plain(name) = self else {
            return None;
        };
        std::str::from_utf8(name).ok()?.parse().ok()
    }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'\\', _, _) if text.get(at + 1) == Some(&b'\\') => {
                bytes.push(b'\\');
                at += 2;
            }
            (b'\\', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}

/// Where a token begins. Both count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// Yields the tokens of a text.
pub struct Tokens<'text> {
    text: &'text [u8],
    at: usize,
    line: u32,
    line_start: usize,
}

impl<'text> Tokens<'text> {
    pub fn new(text: &'text [u8]) -> Tokens<'text> {
        Tokens {
            text,
            at: 0,
            line: 1,
            line_start: 0,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes a byte that is not the end.
    fn step(&mut self) {
        if self.text[self.at] == b'\n' {
            self.line += 1;
            self.line_start = self.at + 1;
        }
        self.at += 1;
    }

    /// Passes over spaces and comments.
    fn skip(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b';' {
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.at += 1;
                }
            } else if self.text[self.at..].starts_with(b"/*") {
                while self.at < self.text.len() && !self.text[self.at..].starts_with(b"*/") {
                    self.step();
                }
                self.at = self.text.len().min(self.at + 2);
            } else if byte.is_ascii_whitespace() || byte == 0 {
                self.step();
            } else {
                return;
            }
        }
    }

    fn word(&mut self, is_part: impl Fn(u8) -> bool) -> &'text [u8] {
        let start = self.at;
        while self.peek().is_some_and(&is_part) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// What lies between two quotes, at the first of which it stands.
    fn quoted(&mut self) -> &'text [u8] {
        self.at += 1;
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != b'"') {
            self.step();
        }
        let inside = &self.text[start..self.at];
        self.at = self.text.len().min(self.at + 1);
        inside
    }

    fn name(&mut self) -> Name<'text> {
        match self.peek() {
            Some(b'"') => Name::Quoted(self.quoted()),
            _ => Name::Plain(self.word(is_part)),
        }
    }

    fn takes_colon(&mut self) -> bool {
        let colon = self.peek() == Some(b':');
        self.at += usize::from(colon);
        colon
    }
}

impl<'text> Iterator for Tokens<'text> {
    type Item = (Token<'text>, Place);

    fn next(&mut self) -> Option<(Token<'text>, Place)> {
        self.skip();
        let byte = self.peek()?;
        let place = Place {
            line: self.line,
            column: u32::try_from(self.at - self.line_start + 1).unwrap_or(0),
        };
        let token = match byte {
            b'"' => {
                self.quoted();
                match self.takes_colon() {
                    true => Token::Label,
                    false => Token::Other,
                }
            }
            b'%' | b'@' | b'$' | b'!' | b'^' | b'#' => {
                self.at += 1;
                match byte {
                    b'%' => Token::Local(self.name()),
                    b'@' => Token::Global(self.name()),
                    b'#' => {
                        self.word(is_part);
                        Token::Hash
                    }
                    b'!' => {
                        self.word(|byte| is_part(byte) || byte == b'\\');
                        Token::Other
                    }
                    _ => {
                        self.name();
                        // A label may begin with `$`.
                        match byte == b'$' && self.takes_colon() {
                            true => Token::Label,
                            false => Token::Other,
                        }
                    }
                }
            }
            _ if is_part(byte) => {
                let word = self.word(is_part);
                match self.takes_colon() {
                    true => Token::Label,
                    false => Token::Word(word),
                }
            }
            _ => {
                self.at += 1;
                Token::Sign(byte)
            }
        };
        Some((token, place))
    }
}

/// Whether a byte can be part of a word or of a name without quotes.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'$' | b'.' | b'_') || byte >= 0x80
}
