//! How a manifest is encoded: by postcard, as the structs here.
//!
//! Only this format uses them. If the types of the library and its server change, the conversions below no longer
//! compile, and the format on disk stays the same. No field here may be changed, added or removed without a new format
//! version.

use super::error::{EntryError, UNDECODABLE};
use super::hash::Hash;
use crate::cache::key::Key;
use crate::cache::manifest::{self, Manifest, Stored};
use crate::signature;
use crate::types::{self, CompileTimes};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// An encoded manifest. A hit does not decode it.
#[derive(Debug)]
pub struct RawManifest(Vec<u8>);

impl RawManifest {
    /// The bytes of a manifest, as they are in a file.
    pub fn new(bytes: Vec<u8>) -> RawManifest {
        RawManifest(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn encode(manifest: &Manifest) -> Result<RawManifest, postcard::Error> {
        let about = About::of(&manifest.about);
        let functions: Vec<_> = manifest.functions.iter().map(Function::of).collect();
        postcard::to_stdvec(&(about, functions)).map(RawManifest)
    }

    pub fn decode(&self) -> Result<Manifest, EntryError> {
        let (about, functions): (About<'_>, Vec<Function<'_>>) =
            postcard::from_bytes(&self.0).map_err(|_| UNDECODABLE)?;
        Ok(Manifest {
            about: about.decoded(),
            functions: functions.into_iter().map(Function::decoded).collect(),
        })
    }

    /// All but the functions, of which there may be thousands.
    pub fn decode_about(&self) -> Result<manifest::About, EntryError> {
        match postcard::take_from_bytes::<About<'_>>(&self.0) {
            Ok((about, _functions)) => Ok(about.decoded()),
            Err(_) => Err(UNDECODABLE),
        }
    }

    /// What the code was compiled for, see [`manifest::Parts::machine`]. A hit asks: nothing is copied.
    pub fn machine(&self) -> Result<&str, EntryError> {
        // The fields before it, in their order.
        type Start<'a> = (&'a str, Hash, OptLevel, &'a str);
        match postcard::take_from_bytes::<Start<'_>>(&self.0) {
            Ok(((_name, _input, _level, machine), _)) => Ok(machine),
            Err(_) => Err(UNDECODABLE),
        }
    }

    /// Refuses code for another CPU or system than `machine`.
    pub fn expect_machine(&self, machine: &str) -> Result<(), EntryError> {
        match self.machine()? {
            theirs if theirs == machine => Ok(()),
            theirs => Err(EntryError::Machine {
                theirs: theirs.to_owned(),
                ours: machine.to_owned(),
            }),
        }
    }

    /// Whether [`RawManifest::decode`] would succeed, without allocating anything.
    pub(super) fn is_decodable(&self) -> bool {
        type Checked<'a> = (
            About<'a, Each<Input<'a>>, Each<&'a str>, Each<UsedPiece<'a>>>,
            Each<Function<'a, Each<Parameter<'a>>>>,
        );
        postcard::from_bytes::<Checked<'_>>(&self.0).is_ok()
    }
}

#[derive(Serialize, Deserialize)]
struct About<'a, Inputs = Vec<Input<'a>>, Names = Vec<&'a str>, Pieces = Vec<UsedPiece<'a>>> {
    name: &'a str,
    #[serde(borrow)]
    parts: Parts<'a>,
    canonical: Option<Hash>,
    #[serde(borrow)]
    target: Option<TargetSpec<'a>>,
    inputs: Inputs,
    keep: Option<Names>,
    triple: &'a str,
    cpu: &'a str,
    features: &'a str,
    created: u64,
    times: Times,
    #[serde(borrow)]
    piece: Option<Piece<'a>>,
    pieces: Pieces,
    object: Option<Attachment>,
    input: Option<Attachment>,
}

#[derive(Serialize, Deserialize)]
struct Parts<'a> {
    input: Hash,
    opt_level: OptLevel,
    machine: &'a str,
    options: &'a str,
    llvm: &'a str,
    package: &'a str,
    build: &'a str,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum OptLevel {
    O0,
    O1,
    O2,
    O3,
    Os,
    Oz,
}

#[derive(Serialize, Deserialize)]
struct TargetSpec<'a> {
    triple: &'a str,
    cpu: &'a str,
    features: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Input<'a> {
    name: &'a str,
    len: u64,
}

#[derive(Serialize, Deserialize)]
struct Times {
    parse: u64,
    optimise: u64,
    codegen: u64,
    link: u64,
}

#[derive(Serialize, Deserialize)]
struct Piece<'a> {
    name: &'a str,
    functions: u32,
    instructions: u32,
}

#[derive(Serialize, Deserialize)]
struct UsedPiece<'a> {
    #[serde(borrow)]
    piece: Piece<'a>,
    key: Hash,
    compiled: bool,
    time: u64,
}

#[derive(Serialize, Deserialize)]
struct Attachment {
    len: u64,
    digest: Hash,
}

#[derive(Serialize, Deserialize)]
struct Function<'a, Parameters = Vec<Parameter<'a>>> {
    name: &'a str,
    #[serde(borrow)]
    result: Type<'a>,
    parameters: Parameters,
    variadic: bool,
    convention: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Parameter<'a> {
    #[serde(borrow)]
    ty: Type<'a>,
    extension: Extension,
}

#[derive(Serialize, Deserialize)]
enum Type<'a> {
    Void,
    I1,
    I8,
    I16,
    I32,
    I64,
    Float,
    Double,
    Pointer,
    Other(&'a str),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Extension {
    None,
    Zero,
    Sign,
}

impl<'a> About<'a> {
    fn of(about: &'a manifest::About) -> About<'a> {
        let manifest::About {
            name,
            parts,
            canonical,
            target,
            inputs,
            keep,
            triple,
            cpu,
            features,
            created,
            times,
            piece,
            pieces,
            object,
            input,
        } = about;
        About {
            name,
            parts: Parts::of(parts),
            canonical: canonical.map(|key| Hash(key.0)),
            target: target.as_ref().map(TargetSpec::of),
            inputs: inputs.iter().map(Input::of).collect(),
            keep: keep
                .as_ref()
                .map(|names| names.iter().map(String::as_str).collect()),
            triple,
            cpu,
            features,
            created: *created,
            times: Times::of(*times),
            piece: piece.as_ref().map(Piece::of),
            pieces: pieces.iter().map(UsedPiece::of).collect(),
            object: object.as_ref().map(Attachment::of),
            input: input.as_ref().map(Attachment::of),
        }
    }

    fn decoded(self) -> manifest::About {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        manifest::About {
            name: self.name.to_owned(),
            parts: self.parts.decoded(),
            canonical: self.canonical.map(|hash| Key(hash.0)),
            target: self.target.map(TargetSpec::decoded),
            inputs: self.inputs.into_iter().map(Input::decoded).collect(),
            keep: self.keep.map(owned),
            triple: self.triple.to_owned(),
            cpu: self.cpu.to_owned(),
            features: self.features.to_owned(),
            created: self.created,
            times: self.times.decoded(),
            piece: self.piece.map(Piece::decoded),
            pieces: self.pieces.into_iter().map(UsedPiece::decoded).collect(),
            object: self.object.map(Attachment::decoded),
            input: self.input.map(Attachment::decoded),
        }
    }
}

impl<'a> Parts<'a> {
    fn of(parts: &'a manifest::Parts) -> Parts<'a> {
        let manifest::Parts {
            input,
            opt_level,
            machine,
            options,
            llvm,
            package,
            build,
        } = parts;
        Parts {
            input: Hash(*input),
            opt_level: OptLevel::of(*opt_level),
            machine,
            options,
            llvm,
            package,
            build,
        }
    }

    fn decoded(self) -> manifest::Parts {
        manifest::Parts {
            input: self.input.0,
            opt_level: self.opt_level.decoded(),
            machine: self.machine.to_owned(),
            options: self.options.to_owned(),
            llvm: self.llvm.to_owned(),
            package: self.package.to_owned(),
            build: self.build.to_owned(),
        }
    }
}

impl OptLevel {
    fn of(level: types::OptLevel) -> OptLevel {
        match level {
            types::OptLevel::O0 => OptLevel::O0,
            types::OptLevel::O1 => OptLevel::O1,
            types::OptLevel::O2 => OptLevel::O2,
            types::OptLevel::O3 => OptLevel::O3,
            types::OptLevel::Os => OptLevel::Os,
            types::OptLevel::Oz => OptLevel::Oz,
        }
    }

    fn decoded(self) -> types::OptLevel {
        match self {
            OptLevel::O0 => types::OptLevel::O0,
            OptLevel::O1 => types::OptLevel::O1,
            OptLevel::O2 => types::OptLevel::O2,
            OptLevel::O3 => types::OptLevel::O3,
            OptLevel::Os => types::OptLevel::Os,
            OptLevel::Oz => types::OptLevel::Oz,
        }
    }
}

impl<'a> TargetSpec<'a> {
    fn of(target: &'a types::TargetSpec) -> TargetSpec<'a> {
        let types::TargetSpec {
            triple,
            cpu,
            features,
        } = target;
        TargetSpec {
            triple,
            cpu,
            features,
        }
    }

    fn decoded(self) -> types::TargetSpec {
        types::TargetSpec {
            triple: self.triple.to_owned(),
            cpu: self.cpu.to_owned(),
            features: self.features.to_owned(),
        }
    }
}

impl<'a> Input<'a> {
    fn of(input: &'a types::Input) -> Input<'a> {
        let types::Input { name, len } = input;
        Input { name, len: *len }
    }

    fn decoded(self) -> types::Input {
        types::Input {
            name: self.name.to_owned(),
            len: self.len,
        }
    }
}

impl Times {
    fn of(times: CompileTimes) -> Times {
        let CompileTimes {
            parse,
            optimise,
            codegen,
            link,
        } = times;
        Times {
            parse,
            optimise,
            codegen,
            link,
        }
    }

    fn decoded(self) -> CompileTimes {
        CompileTimes {
            parse: self.parse,
            optimise: self.optimise,
            codegen: self.codegen,
            link: self.link,
        }
    }
}

impl<'a> Piece<'a> {
    fn of(piece: &'a manifest::Piece) -> Piece<'a> {
        let manifest::Piece {
            name,
            functions,
            instructions,
        } = piece;
        Piece {
            name,
            functions: *functions,
            instructions: *instructions,
        }
    }

    fn decoded(self) -> manifest::Piece {
        manifest::Piece {
            name: self.name.to_owned(),
            functions: self.functions,
            instructions: self.instructions,
        }
    }
}

impl<'a> UsedPiece<'a> {
    fn of(used: &'a manifest::UsedPiece) -> UsedPiece<'a> {
        let manifest::UsedPiece {
            piece,
            key,
            compiled,
            time,
        } = used;
        UsedPiece {
            piece: Piece::of(piece),
            key: Hash(key.0),
            compiled: *compiled,
            time: *time,
        }
    }

    fn decoded(self) -> manifest::UsedPiece {
        manifest::UsedPiece {
            piece: self.piece.decoded(),
            key: Key(self.key.0),
            compiled: self.compiled,
            time: self.time,
        }
    }
}

impl Attachment {
    fn of(stored: &Stored) -> Attachment {
        let Stored { len, digest } = stored;
        Attachment {
            len: *len,
            digest: Hash(*digest),
        }
    }

    fn decoded(self) -> Stored {
        Stored {
            len: self.len,
            digest: self.digest.0,
        }
    }
}

impl<'a> Function<'a> {
    fn of(function: &'a signature::Function) -> Function<'a> {
        let signature::Function {
            name,
            result,
            parameters,
            variadic,
            convention,
        } = function;
        Function {
            name,
            result: Type::of(result),
            parameters: parameters.iter().map(Parameter::of).collect(),
            variadic: *variadic,
            convention,
        }
    }

    fn decoded(self) -> signature::Function {
        signature::Function {
            name: self.name.to_owned(),
            result: self.result.decoded(),
            parameters: self
                .parameters
                .into_iter()
                .map(Parameter::decoded)
                .collect(),
            variadic: self.variadic,
            convention: self.convention.to_owned(),
        }
    }
}

impl<'a> Parameter<'a> {
    fn of(parameter: &'a signature::Parameter) -> Parameter<'a> {
        let signature::Parameter { ty, extension } = parameter;
        Parameter {
            ty: Type::of(ty),
            extension: match extension {
                signature::Extension::None => Extension::None,
                signature::Extension::Zero => Extension::Zero,
                signature::Extension::Sign => Extension::Sign,
            },
        }
    }

    fn decoded(self) -> signature::Parameter {
        signature::Parameter {
            ty: self.ty.decoded(),
            extension: match self.extension {
                Extension::None => signature::Extension::None,
                Extension::Zero => signature::Extension::Zero,
                Extension::Sign => signature::Extension::Sign,
            },
        }
    }
}

impl<'a> Type<'a> {
    fn of(ty: &'a signature::Type) -> Type<'a> {
        match ty {
            signature::Type::Void => Type::Void,
            signature::Type::I1 => Type::I1,
            signature::Type::I8 => Type::I8,
            signature::Type::I16 => Type::I16,
            signature::Type::I32 => Type::I32,
            signature::Type::I64 => Type::I64,
            signature::Type::Float => Type::Float,
            signature::Type::Double => Type::Double,
            signature::Type::Pointer => Type::Pointer,
            signature::Type::Other(text) => Type::Other(text),
        }
    }

    fn decoded(self) -> signature::Type {
        match self {
            Type::Void => signature::Type::Void,
            Type::I1 => signature::Type::I1,
            Type::I8 => signature::Type::I8,
            Type::I16 => signature::Type::I16,
            Type::I32 => signature::Type::I32,
            Type::I64 => signature::Type::I64,
            Type::Float => signature::Type::Float,
            Type::Double => signature::Type::Double,
            Type::Pointer => signature::Type::Pointer,
            Type::Other(text) => signature::Type::Other(text.to_owned()),
        }
    }
}

/// A sequence whose elements are decoded one by one and dropped.
struct Each<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Each(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<T> {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self, A::Error> {
        while sequence.next_element::<T>()?.is_some() {}
        Ok(self)
    }
}
