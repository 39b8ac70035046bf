//! The input that asks for code that counts what it does, or for code that is optimised by what other code counted.
//!
//! It is an input like others, so it is part of the key, of the entry and of every request to compile it again. It comes
//! behind the inputs that are compiled.

/// What messages call it.
pub const NAME: &str = "<profile>";

const MAGIC: &[u8] = b"\x7fMGENJIT profile\0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile<'a> {
    /// The code counts how often its parts run.
    Generate,
    /// The code is optimised by this profile.
    Use(&'a [u8]),
}

impl<'a> Profile<'a> {
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        match self {
            Profile::Generate => bytes.push(0),
            Profile::Use(profile) => {
                bytes.push(1);
                bytes.extend_from_slice(profile);
            }
        }
        bytes
    }

    /// `None`: it is another input.
    pub fn decode(bytes: &'a [u8]) -> Option<Profile<'a>> {
        match bytes.strip_prefix(MAGIC)?.split_first()? {
            (0, []) => Some(Profile::Generate),
            (1, profile) => Some(Profile::Use(profile)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_it_is_written() {
        for profile in [Profile::Generate, Profile::Use(b""), Profile::Use(b"\0x")] {
            assert_eq!(Profile::decode(&profile.encode()), Some(profile));
        }
        for other in [
            &b""[..],
            b"define void @f() {",
            MAGIC,
            &[MAGIC, b"\0x"].concat(),
            &[MAGIC, b"\x02"].concat(),
        ] {
            assert_eq!(Profile::decode(other), None);
        }
    }
}
