//! The inputs that are not IR: objects and archives, and what of them is linked.

use crate::input::archive;
use crate::input::buffer::Named;
use crate::input::buffer::{Input, Kind, is_bitcode};
use crate::input::object_file::{self, Architecture, Unfit};
use crate::input::symbols::Symbols;
use crate::link::images::{self, Bytes};
use crate::link::visibility::{self, Marks};
use mgenjit::protocol::messages::{Failure, FailureKind};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

#[derive(Default)]
pub struct NativeInputs {
    /// All inputs that are not IR, for the digest.
    inputs: Vec<(u32, Arc<Input>)>,
    /// Objects, and the members of archives that could be linked.
    files: Vec<File>,
    /// Those that are linked, in their order.
    selected: Vec<usize>,
    /// The first member of an archive that defines a name.
    definers: HashMap<String, usize>,
}

/// An object, or a member of an archive.
pub struct File {
    pub input: u32,
    /// What messages call it.
    pub display: String,
    member: Option<String>,
    bytes: Slice,
    content: Content,
    pub symbols: Symbols,
}

enum Content {
    Object { unfit: Option<Unfit> },
    Bitcode,
}

/// A part of an input.
#[derive(Clone)]
struct Slice {
    input: Arc<Input>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        &self.input.bytes()[self.range.clone()]
    }
}

/// The names that are defined by what is linked so far, and those that it still needs.
#[derive(Default)]
pub struct Scope {
    defined: HashSet<String>,
    wanted: VecDeque<String>,
}

impl Scope {
    pub fn add(&mut self, symbols: &Symbols) {
        let names = symbols.defined.iter().map(|one| one.name.clone());
        self.defined.extend(names);
        // As linkers have it, what may stay undefined is no reason to link a member.
        let wanted = symbols.undefined.iter().filter(|one| !one.weak);
        self.wanted.extend(wanted.map(|one| one.name.clone()));
    }

    pub fn want(&mut self, name: &str) {
        self.wanted.push_back(name.to_owned());
    }
}

impl NativeInputs {
    /// Takes in an input that is an object or an archive. `symbols_of_bitcode` reads a member.
    pub fn add(
        &mut self,
        index: u32,
        Named { name, input }: Named,
        wanted: Option<Architecture>,
        symbols_of_bitcode: &dyn Fn(&[u8]) -> Result<Symbols, Failure>,
    ) -> Result<(), Failure> {
        let kind = input.kind();
        let input = Arc::new(input);
        self.inputs.push((index, input.clone()));
        if kind == Kind::Object {
            let object = object_file::read(input.bytes(), wanted).map_err(|reason| {
                failure(index, FailureKind::Parse, format!("the input {reason}"))
            })?;
            let range = 0..input.bytes().len();
            self.selected.push(self.files.len());
            self.files.push(File {
                input: index,
                display: name,
                member: None,
                bytes: Slice { input, range },
                content: Content::Object {
                    unfit: object.unfit,
                },
                symbols: object.symbols,
            });
            return self.files.last().map_or(Ok(()), File::check);
        }
        let members = archive::members(input.bytes())
            .map_err(|reason| failure(index, FailureKind::Parse, format!("the input {reason}")))?;
        let first_file = self.files.len();
        let mut first_other = None;
        for archive::Member {
            name: member,
            range,
        } in members
        {
            let bytes = Slice {
                input: input.clone(),
                range,
            };
            let member_failure = |reason: &str| {
                let message = format!("its member {member} {reason}");
                failure(index, FailureKind::Parse, message)
            };
            let data = bytes.as_ref();
            let (content, symbols) = if data.starts_with(b"\x7fELF") {
                let object =
                    object_file::read(data, wanted).map_err(|reason| member_failure(&reason))?;
                let unfit = object.unfit;
                (Content::Object { unfit }, object.symbols)
            } else if is_bitcode(data) {
                let symbols = symbols_of_bitcode(data).map_err(|failure| Failure {
                    message: format!("its member {member}: {}", failure.message),
                    input: Some(index),
                    ..failure
                })?;
                (Content::Bitcode, symbols)
            } else if archive::is_archive(data) {
                return Err(member_failure(
                    "is an archive itself, which no linker looks into: add it as an input of its own",
                ));
            } else {
                // Linkers leave alone what they do not know, lists and notes above all.
                first_other.get_or_insert_with(|| {
                    let what = object_file::other_format(data).unwrap_or("something else");
                    format!("{member} is {what}")
                });
                continue;
            };
            self.files.push(File {
                input: index,
                display: format!("{name}({member})"),
                member: Some(member),
                bytes,
                content,
                symbols,
            });
        }
        if let Some(other) = first_other
            && self.files.len() == first_file
        {
            let message = format!(
                "the input is an archive without an ELF object or bitcode: its member {other}"
            );
            return Err(failure(index, FailureKind::Parse, message));
        }
        for (file, number) in self.files[first_file..].iter().zip(first_file..) {
            for definition in &file.symbols.defined {
                if !self.definers.contains_key(&definition.name) {
                    self.definers.insert(definition.name.clone(), number);
                }
            }
            // It has no symbols, so that nothing would be found in it, and nobody be told why.
            if let Content::Object { unfit: Some(unfit) } = &file.content
                && !unfit.other_target
            {
                file.check()?;
            }
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Whether something is linked so far.
    pub fn has_selected(&self) -> bool {
        !self.selected.is_empty()
    }

    /// Whether an object is linked.
    pub fn has_objects(&self) -> bool {
        self.selected().any(File::is_object)
    }

    pub fn selected(&self) -> impl Iterator<Item = &File> {
        self.selected.iter().map(|number| &self.files[*number])
    }

    /// All that are linked or might be.
    pub fn all(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The inputs, by their indices.
    pub fn indices(&self) -> Vec<u32> {
        self.inputs.iter().map(|(index, _)| *index).collect()
    }

    /// What is linked so far, by number.
    pub fn selection(&self) -> Vec<u32> {
        self.selected.iter().map(|number| *number as u32).collect()
    }

    /// Links these alone, which [`NativeInputs::selection`] said of the same inputs.
    pub fn select(&mut self, selection: Vec<u32>) -> Result<(), Failure> {
        self.selected = selection
            .into_iter()
            .map(|number| number as usize)
            .collect();
        if self
            .selected
            .iter()
            .any(|number| *number >= self.files.len())
        {
            let message = "what is to be linked is not among the inputs".to_owned();
            return Err(Failure::new(FailureKind::Protocol, message));
        }
        self.selected().try_for_each(File::check)
    }

    /// Links every member.
    pub fn select_all(&mut self) -> Result<(), Failure> {
        self.selected = (0..self.files.len()).collect();
        self.selected().try_for_each(File::check)
    }

    /// Links the members that define what is wanted, and what these want in turn, until a member is bitcode: its
    /// symbols are in the scope, but what the optimiser makes of it with the rest is not known. Returns it, and
    /// for what it was chosen.
    pub fn pull(&mut self, scope: &mut Scope) -> Result<Option<(&File, String)>, Failure> {
        while let Some(name) = scope.wanted.pop_front() {
            if scope.defined.contains(&name) {
                continue;
            }
            let Some(number) = self.definers.get(&name).copied() else {
                continue;
            };
            let file = &self.files[number];
            file.check()?;
            scope.add(&file.symbols);
            self.selected.push(number);
            if matches!(file.content, Content::Bitcode) {
                return Ok(Some((&self.files[number], name)));
            }
        }
        Ok(None)
    }

    /// Feeds `hasher` with all that the code depends on beside the IR. Members that are not linked are part of it:
    /// generated code may call for them. So are those that are: what referred to them may be gone from the IR.
    pub fn hash(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&(self.inputs.len() as u64).to_le_bytes());
        for (index, input) in &self.inputs {
            hasher.update(&index.to_le_bytes());
            hasher.update(blake3::hash(input.bytes()).as_bytes());
        }
        for number in &self.selected {
            hasher.update(&(*number as u64).to_le_bytes());
        }
    }

    /// What is linked beside the module's object, for an image of which all that it defines is in `defined`.
    pub fn objects(
        &self,
        defined: &HashSet<&str>,
        marks: &mut Marks,
    ) -> Result<Vec<images::Object>, Failure> {
        let objects = self.numbered_objects().map(|(number, file)| {
            let opened = visibility::open(file.bytes(), defined, &HashSet::new(), marks)
                .map_err(|place| file.failure(FailureKind::Link, &place.reason()))?;
            Ok(images::Object {
                name: file.link_name(number),
                bytes: opened.map_or_else(|| file.shared(), |bytes| Arc::new(bytes) as Bytes),
            })
        });
        objects.collect()
    }

    /// The objects that are linked, as they were given, and their names in an archive.
    pub fn members(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.numbered_objects()
            .map(|(_, file)| (file.archive_name(), file.bytes()))
    }

    /// Puts the names of files in place of what the linker calls them.
    pub fn name_files(&self, message: &str) -> String {
        self.numbered_objects()
            .fold(message.to_owned(), |message, (number, file)| {
                message.replace(&file.link_name(number), &file.display)
            })
    }

    fn numbered_objects(&self) -> impl Iterator<Item = (usize, &File)> {
        let numbered = self
            .selected
            .iter()
            .map(|number| (*number, &self.files[*number]));
        numbered.filter(|(_, file)| matches!(file.content, Content::Object { .. }))
    }
}

impl File {
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    pub fn is_bitcode(&self) -> bool {
        matches!(self.content, Content::Bitcode)
    }

    pub fn is_object(&self) -> bool {
        !self.is_bitcode()
    }

    /// A failure that is this file's fault. The reason begins with a verb.
    pub fn failure(&self, kind: FailureKind, reason: &str) -> Failure {
        let message = match &self.member {
            Some(member) => format!("its member {member} {reason}"),
            None => format!("the input {reason}"),
        };
        failure(self.input, kind, message)
    }

    /// Says of a failure of this file's IR whose it is.
    pub fn blame(&self, failure: Failure) -> Failure {
        let message = match &self.member {
            Some(member) => format!("its member {member}: {}", failure.message),
            None => failure.message,
        };
        Failure {
            message,
            input: Some(self.input),
            ..failure
        }
    }

    /// Refuses what cannot be linked.
    fn check(&self) -> Result<(), Failure> {
        match &self.content {
            Content::Object { unfit: Some(unfit) } => {
                let kind = if unfit.other_target {
                    FailureKind::Target
                } else {
                    FailureKind::Parse
                };
                Err(self.failure(kind, &unfit.reason))
            }
            Content::Object { unfit: None } => object_file::check(self.bytes())
                .map_err(|reason| self.failure(FailureKind::Parse, &reason)),
            Content::Bitcode => Ok(()),
        }
    }

    fn shared(&self) -> Bytes {
        Arc::new(self.bytes.clone())
    }

    /// Unlike names that people give, no two are alike, and none looks like an option.
    fn link_name(&self, number: usize) -> String {
        match self.member {
            Some(_) => format!("input-{}-{number}.o", self.input),
            None => format!("input-{}.o", self.input),
        }
    }

    fn archive_name(&self) -> String {
        let Some(member) = &self.member else {
            return format!("input-{}.o", self.input);
        };
        let plain = |letter: char| letter.is_control() || letter == '/';
        match member.replace(plain, "_") {
            name if name.is_empty() => "member.o".to_owned(),
            name => name,
        }
    }
}

fn failure(input: u32, kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        message,
        input: Some(input),
        position: None,
    }
}
