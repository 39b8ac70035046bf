//! What an entry says about itself. How that is encoded is in `entry/manifest_format.rs`.

use super::key::{Key, KeyParts};
use crate::cpu::{Cpu, Level};
use crate::protocol::{profile, source_paths};
use crate::signature::Function;
use crate::types::{CodeOptions, CompileTimes, Input, OptLevel, Target, TargetSpec};
use std::ops::Range;

/// Lies behind the image. A hit does not decode it; a checked call does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub about: About,
    pub functions: Vec<Function>,
}

/// All but the functions. It comes first, so that it can be decoded alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The module's name when it was compiled.
    pub name: String,
    /// The parts of the key, to tell what differs when a module misses.
    pub parts: Parts,
    /// The key of the canonical module, if the server sent it.
    pub canonical: Option<Key>,
    /// The target, if it is not this kind of machine. Then there is no image.
    pub target: Option<TargetSpec>,
    /// The inputs, whose contents are stored one after the other.
    pub inputs: Vec<Input>,
    /// The symbols to keep visible, sorted; `None`: all external ones.
    pub keep: Option<Vec<String>>,
    pub triple: String,
    pub cpu: String,
    pub features: String,
    /// Microseconds since 1970.
    pub created: u64,
    pub times: CompileTimes,
    /// This is one piece of a module: there is no image, and the object is what a server needs to join it to others.
    pub piece: Option<Piece>,
    /// The pieces that it was made of; none: it was compiled as one.
    pub pieces: Vec<UsedPiece>,
    /// The relocatable object, or a GNU archive if objects were among the inputs.
    pub object: Option<Stored>,
    /// The inputs, as they were given.
    pub input: Option<Stored>,
}

impl About {
    /// What it was compiled for.
    pub fn compiled_for(&self) -> Target {
        let mut levels = Level::ALL.into_iter();
        let level = levels.find(|level| level.name() == self.parts.machine);
        match &self.target {
            Some(target) => Target::Other(target.clone()),
            None => Target::Host(level.map_or_else(Cpu::native, Cpu::Level)),
        }
    }

    /// The inputs that were given: all but a profile and the one that says where their sources are.
    pub fn given(&self) -> &[Input] {
        let mut given = &self.inputs[..];
        for name in [source_paths::NAME, profile::NAME] {
            if let Some((last, others)) = given.split_last()
                && last.name == name
            {
                given = others;
            }
        }
        given
    }

    /// Where the profile is among the inputs, which lie one behind the other.
    pub fn profile(&self) -> Option<Range<usize>> {
        let index = self
            .inputs
            .iter()
            .rposition(|one| one.name == profile::NAME)?;
        let (before, rest) = self.inputs.split_at(index);
        let start = before.iter().map(|input| input.len).sum::<u64>();
        let end = start.checked_add(rest.first()?.len)?;
        Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// Microseconds that this compile took by itself, without those of its pieces, which have entries of their own.
    pub fn own_time(&self) -> u64 {
        let pieces = self.pieces.iter().map(|piece| piece.time);
        let pieces = pieces.fold(0, u64::saturating_add);
        self.times.total().saturating_sub(pieces)
    }

    /// The length of all inputs together.
    pub fn input_len(&self) -> u64 {
        let lens = self.inputs.iter().map(|input| input.len);
        lens.fold(0, u64::saturating_add)
    }

    /// Splits the stored inputs; `None` if their lengths do not add up to the content's.
    pub fn split_input(&self, mut all: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let (bytes, rest) = all.split_at_checked(usize::try_from(input.len).ok()?)?;
            inputs.push(bytes.to_vec());
            all = rest;
        }
        all.is_empty().then_some(inputs)
    }
}

/// A piece of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first function.
    pub name: String,
    pub functions: u32,
    pub instructions: u32,
}

/// A piece that a module was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedPiece {
    pub piece: Piece,
    pub key: Key,
    /// It was compiled for this module. Else it was found in the cache.
    pub compiled: bool,
    /// Microseconds that its compile took, whenever that was.
    pub time: u64,
}

/// How many pieces are named.
const NAMED: usize = 4;

/// How a module was made of pieces, in words. Empty: it was compiled as one.
pub fn describe_pieces(pieces: &[UsedPiece]) -> String {
    let numbered = pieces.iter().zip(1_usize..);
    let compiled: Vec<String> = numbered
        .filter(|(used, _)| used.compiled)
        .map(|(used, number)| format!("piece {number} with `{}`", used.piece.name))
        .collect();
    let (all, found) = (pieces.len(), pieces.len() - compiled.len());
    if all == 0 {
        return String::new();
    }
    if found == 0 || compiled.is_empty() {
        let how = if found == 0 { "compiled" } else { "found" };
        return match all {
            1 => format!("1 piece, {how}"),
            _ => format!("{all} pieces, all {how}"),
        };
    }
    let named = compiled[..compiled.len().min(NAMED)].join(", ");
    let more = match compiled.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{found} of {all} pieces found; compiled {}: {named}{more}",
        compiled.len()
    )
}

/// What a key was made of, in a form to store and to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// BLAKE3 of the IR; of several inputs, see `key::digest_of_unit`.
    pub input: [u8; 32],
    pub opt_level: OptLevel,
    /// The requested CPU level, or "native" and a digest of this machine's CPU, or another target.
    pub machine: String,
    /// [`CodeOptions::text`]
    pub options: String,
    pub llvm: String,
    pub package: String,
    pub build: String,
}

impl KeyParts<'_> {
    /// What an entry stores of them, with the digest of its IR.
    pub fn to_keep(self, input: &blake3::Hash) -> Parts {
        let KeyParts {
            opt_level,
            target,
            options,
            llvm,
            package,
            build,
            entry_format: _,
        } = self;
        Parts {
            input: *input.as_bytes(),
            opt_level,
            machine: target.describe(),
            options: options.text(),
            llvm: llvm.to_owned(),
            package: package.to_owned(),
            build: build.to_owned(),
        }
    }
}

/// A part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Input,
    OptLevel,
    Machine,
    Options,
    Llvm,
    /// The version of this library, or the build of its server.
    Package,
}

impl Parts {
    /// `None`: those of a later version.
    pub fn code_options(&self) -> Option<CodeOptions> {
        CodeOptions::parse(&self.options)
    }

    /// What differs, the most telling first.
    pub fn differences(&self, other: &Parts) -> Vec<Part> {
        let Parts {
            input,
            opt_level,
            machine,
            options,
            llvm,
            package,
            build,
        } = self;
        [
            (*input != other.input, Part::Input),
            (*opt_level != other.opt_level, Part::OptLevel),
            (*machine != other.machine, Part::Machine),
            (*options != other.options, Part::Options),
            (*llvm != other.llvm, Part::Llvm),
            (
                *package != other.package || *build != other.build,
                Part::Package,
            ),
        ]
        .into_iter()
        .filter_map(|(differs, part)| differs.then_some(part))
        .collect()
    }
}

/// An attachment of an entry, compressed by zstd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub len: u64,
    /// BLAKE3 of the compressed bytes.
    pub digest: [u8; 32],
}

#[cfg(test)]
impl Manifest {
    /// Some manifest, for tests.
    pub fn example(name: &str) -> Manifest {
        Manifest {
            about: About {
                name: name.to_owned(),
                parts: Parts {
                    input: [1; 32],
                    opt_level: OptLevel::O2,
                    machine: "native 1".to_owned(),
                    options: String::new(),
                    llvm: "1".to_owned(),
                    package: "2".to_owned(),
                    build: "3".to_owned(),
                },
                canonical: None,
                target: None,
                inputs: Vec::new(),
                keep: None,
                triple: "t".to_owned(),
                cpu: "c".to_owned(),
                features: String::new(),
                created: 1,
                times: CompileTimes::default(),
                piece: None,
                pieces: Vec::new(),
                object: None,
                input: None,
            },
            functions: Vec::new(),
        }
    }

    /// Gives each field that may be absent or empty a value.
    pub fn fill(&mut self) {
        use crate::signature::{Extension, Parameter, Type};
        let stored = Some(Stored {
            len: 3,
            digest: [3; 32],
        });
        let parameter = |ty| Parameter {
            ty,
            extension: Extension::Sign,
        };
        let about = &mut self.about;
        about.canonical = Some(Key([4; 32]));
        about.target = Some(TargetSpec {
            triple: "t".to_owned(),
            cpu: "c".to_owned(),
            features: "f".to_owned(),
        });
        about.inputs = vec![Input {
            name: "i".to_owned(),
            len: 300,
        }];
        about.parts.options = "pieces=off".to_owned();
        let piece = Piece {
            name: "p".to_owned(),
            functions: 2,
            instructions: 300,
        };
        about.piece = Some(piece.clone());
        about.pieces = vec![UsedPiece {
            piece,
            key: Key([5; 32]),
            compiled: true,
            time: 700,
        }];
        about.keep = Some(vec!["k".to_owned(), "l".to_owned()]);
        (about.object, about.input) = (stored.clone(), stored);
        self.functions = vec![Function {
            name: "f".to_owned(),
            result: Type::Void,
            parameters: vec![
                parameter(Type::I64),
                parameter(Type::Other("i128".to_owned())),
            ],
            variadic: true,
            convention: "fastcc".to_owned(),
        }];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_told_in_words() {
        fn check(compiled: &[bool], expect: &str) {
            let used = compiled
                .iter()
                .zip('a'..)
                .map(|(compiled, name)| UsedPiece {
                    piece: Piece {
                        name: name.to_string(),
                        functions: 1,
                        instructions: 2,
                    },
                    key: Key([0; 32]),
                    compiled: *compiled,
                    time: 3,
                });
            assert_eq!(describe_pieces(&used.collect::<Vec<_>>()), expect);
        }
        check(&[], "");
        check(&[true], "1 piece, compiled");
        check(&[false], "1 piece, found");
        check(&[true; 3], "3 pieces, all compiled");
        check(&[false; 3], "3 pieces, all found");
        check(
            &[false, true, false],
            "2 of 3 pieces found; compiled 1: piece 2 with `b`",
        );
        check(
            &[false, true, true, true, true, true, true],
            "1 of 7 pieces found; compiled 6: piece 2 with `b`, piece 3 with `c`, piece 4 with `d`, \
             piece 5 with `e` and 2 more",
        );
    }
}
