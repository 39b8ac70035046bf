//! The key of an entry: a digest of everything that can change the code.

use super::version::FORMAT_VERSION;
use crate::arch::system::SYSTEM;
use crate::cpu::Model;
use crate::cpu::{Cpu, Level};
use crate::types::{CodeOptions, OptLevel, Target, TargetSpec};
use crate::version::{BUILD_ID, LLVM_VERSION, PACKAGE_VERSION};
use std::fmt;

/// Names an entry. 256 bits of BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

/// A key's 64 lower-case hexadecimal digits.
pub struct Hex([u8; 64]);

impl Key {
    /// By a table: a hit needs it, and formatting each byte would be a quarter of a hit's instructions.
    pub fn hex(&self) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Hex(hex)
    }
}

impl Key {
    /// Parses 64 digits.
    pub fn parse(text: &str) -> Option<Key> {
        let (first, last) = Key::range(text)?;
        (first == last).then_some(first)
    }

    /// The first and the last key that begin with these digits.
    pub fn range(prefix: &str) -> Option<(Key, Key)> {
        if prefix.len() > 64 {
            return None;
        }
        let mut range = ([0; 32], [0xff; 32]);
        for (index, digit) in prefix.chars().enumerate() {
            let digit = digit.to_digit(16)? as u8;
            let shift = if index % 2 == 0 { 4 } else { 0 };
            let place = &mut range.0[index / 2];
            *place |= digit << shift;
            let place = &mut range.1[index / 2];
            *place = *place & !(0xf << shift) | digit << shift;
        }
        Some((Key(range.0), Key(range.1)))
    }
}

impl AsRef<str> for Hex {
    fn as_ref(&self) -> &str {
        // Digits are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Its hexadecimal digits.
impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.hex().as_ref())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({self})")
    }
}

/// Everything that decides what code comes out, except the IR.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    pub opt_level: OptLevel,
    pub target: TargetPart<'a>,
    pub options: CodeOptions,
    pub llvm: &'a str,
    pub package: &'a str,
    pub build: &'a str,
    pub entry_format: u32,
}

/// The machine to compile for.
#[derive(Clone, Copy, Debug)]
pub enum TargetPart<'a> {
    /// One with a CPU like the client's.
    Native(Model),
    /// Any machine of this system with a CPU of this level: they all have the same key.
    Level(Level),
    /// Another system, or another CPU.
    Other(&'a TargetSpec),
}

impl TargetPart<'_> {
    /// The level's name, "native" with the first digits of a digest, or a target.
    pub fn describe(self) -> String {
        match self {
            TargetPart::Native(model) => {
                format!("native {}", &blake3::hash(&model.bytes()).to_hex()[..16])
            }
            TargetPart::Level(level) => level.name().to_owned(),
            TargetPart::Other(target) => target.describe(),
        }
    }
}

impl<'a> KeyParts<'a> {
    pub fn new(opt_level: OptLevel, target: &'a Target, options: CodeOptions) -> KeyParts<'a> {
        KeyParts {
            opt_level,
            options,
            target: match target {
                Target::Host(Cpu::Native(model)) => TargetPart::Native(*model),
                Target::Host(Cpu::Level(level)) => TargetPart::Level(*level),
                Target::Other(target) => TargetPart::Other(target),
            },
            llvm: LLVM_VERSION,
            package: PACKAGE_VERSION,
            build: BUILD_ID,
            entry_format: FORMAT_VERSION,
        }
    }
}

/// Takes the place of the IR's digest in the key, if a module has several inputs or keeps only some symbols. `keep` is
/// sorted.
pub fn digest_of_unit(inputs: &[blake3::Hash], keep: Option<&[String]>) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("libmgenjit 2026 unit");
    hasher.update(&(inputs.len() as u64).to_le_bytes());
    for input in inputs {
        hasher.update(input.as_bytes());
    }
    if let Some(keep) = keep {
        hasher.update(b"keep");
        for name in keep {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
    }
    hasher.finalize()
}

/// Computes keys from digests of IR.
///
/// The IR has a digest of its own, because BLAKE3 hashes pieces of 1024 bytes, counted from the start, side by side: it
/// is twice as fast if nothing precedes the IR.
#[derive(Clone)]
pub struct Keys(blake3::Hasher);

impl Keys {
    pub fn new(parts: KeyParts<'_>) -> Keys {
        // Field by field, so that a new field does not compile until it is hashed here.
        let KeyParts {
            opt_level,
            target,
            options,
            llvm,
            package,
            build,
            entry_format,
        } = parts;
        let mut hasher = blake3::Hasher::new_derive_key("libmgenjit 2026 entry key");
        // Each part behind its length, so that no two lists of parts give the same bytes.
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(&[opt_level as u8]);
        match target {
            TargetPart::Native(model) => {
                part(SYSTEM.as_bytes());
                part(b"native");
                part(&model.bytes());
            }
            TargetPart::Level(level) => {
                part(SYSTEM.as_bytes());
                part(b"level");
                part(level.name().as_bytes());
            }
            TargetPart::Other(TargetSpec {
                triple,
                cpu,
                features,
            }) => {
                // One part more than the other kinds have.
                part(triple.as_bytes());
                part(b"other");
                part(cpu.as_bytes());
                part(features.as_bytes());
            }
        }
        part(options.text().as_bytes());
        part(llvm.as_bytes());
        part(package.as_bytes());
        part(build.as_bytes());
        part(&entry_format.to_le_bytes());
        // A digest of the parts, so that each key hashes one short block.
        Keys(blake3::Hasher::new_keyed(hasher.finalize().as_bytes()))
    }

    /// The key of IR with this BLAKE3 digest.
    pub fn key(&self, ir: &blake3::Hash) -> Key {
        let mut hasher = self.0.clone();
        hasher.update(ir.as_bytes());
        Key(*hasher.finalize().as_bytes())
    }

    /// The key of the canonical module with this digest. It never equals one of [`Keys::key`] or [`Keys::piece`], which hash
    /// fewer bytes.
    pub fn canonical(&self, digest: &[u8; 32]) -> Key {
        let mut hasher = self.0.clone();
        hasher.update(digest);
        hasher.update(b"canonical");
        Key(*hasher.finalize().as_bytes())
    }

    /// The key of a piece with this digest.
    pub fn piece(&self, digest: &blake3::Hash) -> Key {
        let mut hasher = self.0.clone();
        hasher.update(digest.as_bytes());
        hasher.update(b"piece");
        Key(*hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Partition, ProfileUse};

    const PARTS: KeyParts<'static> = KeyParts {
        opt_level: OptLevel::O2,
        target: TargetPart::Native(Model::from_bits(1, 2)),
        options: CodeOptions {
            partition: Partition::Automatic,
            replaceable: false,
            switchable: false,
            profile: ProfileUse::None,
        },
        llvm: "1",
        package: "2",
        build: "3",
        entry_format: 4,
    };

    fn level(level: Level) -> KeyParts<'static> {
        KeyParts {
            target: TargetPart::Level(level),
            ..PARTS
        }
    }

    fn spec(triple: &str, cpu: &str, features: &str) -> TargetSpec {
        TargetSpec {
            triple: triple.to_owned(),
            cpu: cpu.to_owned(),
            features: features.to_owned(),
        }
    }

    fn other(target: &TargetSpec) -> KeyParts<'_> {
        KeyParts {
            target: TargetPart::Other(target),
            ..PARTS
        }
    }

    fn key(parts: KeyParts<'_>, ir: &[u8]) -> Key {
        Keys::new(parts).key(&blake3::hash(ir))
    }

    #[test]
    fn every_part_changes_the_key() {
        let keys = [
            key(PARTS, b"ir"),
            key(PARTS, b"ir "),
            key(
                KeyParts {
                    opt_level: OptLevel::O3,
                    ..PARTS
                },
                b"ir",
            ),
            key(
                KeyParts {
                    target: TargetPart::Native(Model::from_bits(3, 2)),
                    ..PARTS
                },
                b"ir",
            ),
            key(level(Level::ALL[0]), b"ir"),
            key(level(Level::ALL[2]), b"ir"),
            // Tuned for another model.
            key(
                KeyParts {
                    target: TargetPart::Native(Model::from_bits(1, 3)),
                    ..PARTS
                },
                b"ir",
            ),
            Keys::new(PARTS).canonical(blake3::hash(b"ir").as_bytes()),
            Keys::new(PARTS).canonical(&[0; 32]),
            Keys::new(level(Level::ALL[0])).canonical(&[0; 32]),
            key(other(&spec("a", "b", "c")), b"ir"),
            key(other(&spec("a", "b", "")), b"ir"),
            key(other(&spec("a", "", "c")), b"ir"),
            key(other(&spec("", "b", "c")), b"ir"),
            key(other(&spec("a", "bc", "")), b"ir"),
            key(
                KeyParts {
                    options: CodeOptions {
                        partition: Partition::Off,
                        ..CodeOptions::default()
                    },
                    ..PARTS
                },
                b"ir",
            ),
            key(
                KeyParts {
                    options: CodeOptions {
                        replaceable: true,
                        ..CodeOptions::default()
                    },
                    ..PARTS
                },
                b"ir",
            ),
            key(
                KeyParts {
                    options: CodeOptions {
                        switchable: true,
                        ..CodeOptions::default()
                    },
                    ..PARTS
                },
                b"ir",
            ),
            key(
                KeyParts {
                    options: CodeOptions {
                        profile: ProfileUse::Generate,
                        ..CodeOptions::default()
                    },
                    ..PARTS
                },
                b"ir",
            ),
            Keys::new(PARTS).piece(&blake3::hash(b"ir")),
            key(KeyParts { llvm: "2", ..PARTS }, b"ir"),
            key(
                KeyParts {
                    package: "3",
                    ..PARTS
                },
                b"ir",
            ),
            key(
                KeyParts {
                    build: "4",
                    ..PARTS
                },
                b"ir",
            ),
            key(
                KeyParts {
                    entry_format: 5,
                    ..PARTS
                },
                b"ir",
            ),
            // The same bytes, cut elsewhere.
            key(
                KeyParts {
                    llvm: "12",
                    package: "",
                    ..PARTS
                },
                b"ir",
            ),
            key(
                KeyParts {
                    llvm: "",
                    package: "12",
                    ..PARTS
                },
                b"ir",
            ),
        ];
        for (index, one) in keys.iter().enumerate() {
            for other in &keys[..index] {
                assert_ne!(one, other);
            }
        }
    }

    #[test]
    fn digits_are_read_as_they_are_printed() {
        let key = key(PARTS, b"ir");
        let digits = key.to_string();
        assert_eq!(Key::parse(&digits), Some(key));
        assert_eq!(Key::parse(&digits.to_uppercase()), Some(key));
        for wrong in [
            "",
            &digits[1..],
            &format!("{digits}0"),
            &digits.replace(&digits[..1], "g"),
        ] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
        for len in 0..=64 {
            let (first, last) = Key::range(&digits[..len]).expect("digits");
            assert!(first <= key && key <= last);
            assert!(first.to_string().starts_with(&digits[..len]));
            assert!(last.to_string().starts_with(&digits[..len]));
            assert!(first.to_string()[len..].chars().all(|digit| digit == '0'));
            assert!(last.to_string()[len..].chars().all(|digit| digit == 'f'));
        }
    }

    #[test]
    fn a_level_has_one_key_on_all_machines() {
        let target = Target::Host(Cpu::Level(Level::ALL[1]));
        let parts = KeyParts::new(OptLevel::O2, &target, CodeOptions::default());
        assert!(matches!(parts.target, TargetPart::Level(level) if level == Level::ALL[1]));
        // Another on each: what native code may use there.
        let native = |bits| {
            let target = Target::Host(Cpu::Native(Model::from_bits(bits, 0)));
            let parts = KeyParts::new(OptLevel::O2, &target, CodeOptions::default());
            assert!(matches!(parts.target, TargetPart::Native(_)));
            (key(parts, b"ir"), parts.target.describe())
        };
        assert_eq!(native(1), native(1));
        assert_ne!(native(1).0, native(3).0);
        assert_ne!(native(1).1, native(3).1);
    }

    #[test]
    fn units_have_digests_of_their_own() {
        let hash = |text: &[u8]| blake3::hash(text);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let keep: [Vec<String>; 4] = [
            names(&[]),
            names(&["a"]),
            names(&["a", "b"]),
            names(&["ab"]),
        ];
        let (a, b) = (hash(b"a"), hash(b"b"));
        let digests = [
            a,
            digest_of_unit(&[], None),
            digest_of_unit(&[a], None),
            digest_of_unit(&[a, b], None),
            digest_of_unit(&[b, a], None),
            digest_of_unit(&[a], Some(&keep[0])),
            digest_of_unit(&[a], Some(&keep[1])),
            digest_of_unit(&[a], Some(&keep[2])),
            digest_of_unit(&[a], Some(&keep[3])),
            digest_of_unit(&[a, b], Some(&keep[1])),
        ];
        for (index, one) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(one), "{index}");
        }
    }

    #[test]
    fn keys_print_as_hexadecimal_digits() {
        let mut bytes = [0; 32];
        bytes[0] = 0x01;
        bytes[1] = 0xaf;
        bytes[31] = 0xf9;
        assert_eq!(Key(bytes).to_string(), format!("01af{}f9", "0".repeat(58)));
    }
}
