//! The shared vocabulary: what is compiled, for what, to what, and how long it took.

use crate::cpu::Cpu;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// The standard optimisation pipelines. The numbers are the C API's and part of every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OptLevel {
    O0 = 0,
    O1 = 1,
    O2 = 2,
    O3 = 3,
    Os = 4,
    Oz = 5,
}

impl OptLevel {
    pub const ALL: [OptLevel; 6] = [
        OptLevel::O0,
        OptLevel::O1,
        OptLevel::O2,
        OptLevel::O3,
        OptLevel::Os,
        OptLevel::Oz,
    ];

    /// As in a pipeline's name, `default<O2>`.
    pub fn name(self) -> &'static str {
        match self {
            OptLevel::O0 => "O0",
            OptLevel::O1 => "O1",
            OptLevel::O2 => "O2",
            OptLevel::O3 => "O3",
            OptLevel::Os => "Os",
            OptLevel::Oz => "Oz",
        }
    }

    /// As it is named, or without the O.
    pub fn parse(text: &str) -> Option<OptLevel> {
        let is_it = |level: &OptLevel| text == level.name() || text == &level.name()[1..];
        OptLevel::ALL.into_iter().find(is_it)
    }
}

/// Whether a module is compiled in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Partition {
    /// Never.
    Off,
    /// If it is large enough to gain by it.
    #[default]
    Automatic,
    /// In pieces of about this many IR instructions.
    Size(NonZeroU32),
}

/// Whether code counts what it does, or is optimised by such counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProfileUse {
    #[default]
    None,
    Generate,
    Use,
}

/// What decides about code beside the level and the target. Part of every key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CodeOptions {
    pub partition: Partition,
    /// Functions that others can see may be replaced: nothing relies on what they do.
    pub replaceable: bool,
    /// Functions that others can see may be switched to code of another level, where that is sound.
    pub switchable: bool,
    /// The profile itself is an input.
    pub profile: ProfileUse,
}

impl CodeOptions {
    /// What differs from the defaults, such as `pieces=off`, with spaces between. Entries keep this.
    pub fn text(self) -> String {
        let CodeOptions {
            partition,
            replaceable,
            switchable,
            profile,
        } = self;
        let mut words = Vec::new();
        match partition {
            Partition::Automatic => {}
            Partition::Off => words.push("pieces=off".to_owned()),
            Partition::Size(size) => words.push(format!("pieces={size}")),
        }
        if replaceable {
            words.push("replaceable=yes".to_owned());
        }
        if switchable {
            words.push("switchable=yes".to_owned());
        }
        match profile {
            ProfileUse::None => {}
            ProfileUse::Generate => words.push("profile=generate".to_owned()),
            ProfileUse::Use => words.push("profile=use".to_owned()),
        }
        words.join(" ")
    }

    /// Reads [`CodeOptions::text`]. `None`: something else, or of a later version.
    pub fn parse(text: &str) -> Option<CodeOptions> {
        let mut options = CodeOptions::default();
        for word in text.split_ascii_whitespace() {
            match word.split_once('=')? {
                ("pieces", "off") => options.partition = Partition::Off,
                ("replaceable", "yes") => options.replaceable = true,
                ("switchable", "yes") => options.switchable = true,
                ("profile", "generate") => options.profile = ProfileUse::Generate,
                ("profile", "use") => options.profile = ProfileUse::Use,
                ("pieces", size) => options.partition = Partition::Size(size.parse().ok()?),
                _ => return None,
            }
        }
        Some(options)
    }
}

/// The system and the machine that code is generated for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// This machine's system: the code is to run here.
    Host(Cpu),
    /// Any that LLVM knows: the code is to be exported.
    Other(TargetSpec),
}

/// A target by LLVM's names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TargetSpec {
    pub triple: String,
    /// Empty: the triple's generic CPU.
    pub cpu: String,
    /// As `+sve,-crc`; empty: those of the CPU.
    pub features: String,
}

impl TargetSpec {
    /// For people: `aarch64-linux-gnu cortex-a72 +sve`.
    pub fn describe(&self) -> String {
        let TargetSpec {
            triple,
            cpu,
            features,
        } = self;
        let parts = [triple, cpu, features].map(String::as_str);
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }
}

/// One of a request's inputs. They lie in one memfd, each from a multiple of [`input_alignment`] on, with at least
/// one zero behind each but the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What messages call it: a path, or a name that the caller chose.
    pub name: String,
    pub len: u64,
}

/// A page: the server, which runs on the same machine, maps each input by itself.
pub fn input_alignment() -> u64 {
    crate::page::page_size() as u64
}

/// Where each input begins, and the length of all; `None` if there is no such file.
pub fn layout(inputs: &[Input]) -> Option<(Vec<u64>, u64)> {
    let mut offsets = Vec::with_capacity(inputs.len());
    let mut end = 0_u64;
    for (index, input) in inputs.iter().enumerate() {
        let start = match index {
            0 => 0,
            _ => end
                .checked_add(1)?
                .checked_next_multiple_of(input_alignment())?,
        };
        offsets.push(start);
        end = start.checked_add(input.len)?;
    }
    Some((offsets, end))
}

/// What a compile is to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Emit {
    /// The image and the object. The image is empty if the target is not this machine's system.
    Code,
    /// The assembly text of what the IR among the inputs becomes.
    Assembly,
    /// The IR after the optimiser, as bitcode or as text.
    Bitcode,
    Ir,
}

/// Microseconds that the phases of a compile took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileTimes {
    /// Parse, verify, make canonical.
    pub parse: u64,
    /// The optimisation pipeline.
    pub optimise: u64,
    /// Generate the object.
    pub codegen: u64,
    /// Link the object into an image.
    pub link: u64,
}

impl std::ops::AddAssign for CompileTimes {
    fn add_assign(&mut self, other: CompileTimes) {
        *self = self.with(other, u64::saturating_add);
    }
}

impl std::ops::SubAssign for CompileTimes {
    fn sub_assign(&mut self, other: CompileTimes) {
        *self = self.with(other, u64::saturating_sub);
    }
}

impl CompileTimes {
    fn with(self, other: CompileTimes, operation: fn(u64, u64) -> u64) -> CompileTimes {
        CompileTimes {
            parse: operation(self.parse, other.parse),
            optimise: operation(self.optimise, other.optimise),
            codegen: operation(self.codegen, other.codegen),
            link: operation(self.link, other.link),
        }
    }

    /// What a hit saves.
    pub fn total(&self) -> u64 {
        let CompileTimes {
            parse,
            optimise,
            codegen,
            link,
        } = *self;
        parse
            .saturating_add(optimise)
            .saturating_add(codegen)
            .saturating_add(link)
    }
}

/// A position in IR text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1; 0 if only the line is known.
    pub column: u32,
    /// The line's text, without its end.
    pub source_line: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_they_are_written() {
        fn check(partition: Partition, replaceable: bool, text: &str) {
            checked(
                CodeOptions {
                    partition,
                    replaceable,
                    ..CodeOptions::default()
                },
                text,
            );
        }
        fn checked(options: CodeOptions, text: &str) {
            assert_eq!(options.text(), text);
            assert_eq!(CodeOptions::parse(text), Some(options));
        }
        check(Partition::Automatic, false, "");
        check(Partition::Off, false, "pieces=off");
        check(Partition::Size(NonZeroU32::MIN), false, "pieces=1");
        check(Partition::Size(NonZeroU32::MAX), false, "pieces=4294967295");
        check(Partition::Automatic, true, "replaceable=yes");
        check(Partition::Off, true, "pieces=off replaceable=yes");
        for (profile, text) in [
            (ProfileUse::Generate, "profile=generate"),
            (ProfileUse::Use, "profile=use"),
        ] {
            let options = CodeOptions {
                profile,
                ..CodeOptions::default()
            };
            checked(options, text);
        }
        let options = CodeOptions {
            switchable: true,
            ..CodeOptions::default()
        };
        checked(options, "switchable=yes");
        for unknown in [
            "replaceable=no",
            "switchable=no",
            "profile=",
            "profile=off",
            "pieces",
            "pieces=",
            "pieces=0",
            "other=1",
            "pieces=1 other",
        ] {
            assert_eq!(CodeOptions::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn inputs_lie_on_pages_of_their_own_with_a_zero_between() {
        fn check(lens: &[u64], expect: Option<(&[u64], u64)>) {
            let inputs: Vec<Input> = lens
                .iter()
                .map(|len| Input {
                    name: String::new(),
                    len: *len,
                })
                .collect();
            let expect = expect.map(|(offsets, end)| (offsets.to_vec(), end));
            assert_eq!(layout(&inputs), expect, "{lens:?}");
        }
        check(&[], Some((&[], 0)));
        check(&[10], Some((&[0], 10)));
        let page = input_alignment();
        check(&[0, 0], Some((&[0, page], page)));
        check(&[page - 1, 1], Some((&[0, page], page + 1)));
        check(
            &[page, page, 5],
            Some((&[0, 2 * page, 4 * page], 4 * page + 5)),
        );
        check(&[u64::MAX], Some((&[0], u64::MAX)));
        check(&[u64::MAX, 1], None);
        check(&[1, u64::MAX - 100], None);
    }
}
