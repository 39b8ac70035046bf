//! A module that is compiled in pieces: the three requests that take the place of one.
//!
//! The first cuts the module, after all that concerns the whole of it: reading, checking, choosing members of archives,
//! signatures, and the half of the optimiser's work that a profile takes (`llvm/profile/halves.cpp`). What the last one needs to know of this is sent along with the pieces and comes back with their objects. The last
//! one merges these, and what follows is what follows on any module's code.

use crate::input::buffer::{Named, is_bitcode};
use crate::link::merge;
use crate::llvm::diagnostics::Diagnostics;
use crate::llvm::pieces::{self, DIRECT, SUFFIX};
use crate::llvm::profile::Task;
use crate::llvm::{canonical, codegen, parse, prepare, profile, signatures, verify};
use crate::process::crash::Phase;
use crate::worker::compile::{
    self, CompiledModule, Compiler, Job, Options, Output, enter, failure, microseconds,
};
use crate::worker::unit::{About, Unit};
use inkwell::context::Context;
use inkwell::module::Module;
use mgenjit::protocol::messages::{Cut, Failure, FailureKind, Piece, Step};
use mgenjit::protocol::profile::Profile;
use mgenjit::signature::Function;
use mgenjit::types::{CompileTimes, Emit, Partition};
use object::elf::SymbolVisibility;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// What the pieces do not say of the module that they were.
#[derive(Serialize, Deserialize)]
struct Rest {
    functions: Vec<Function>,
    /// See [`CompiledModule::opened`].
    opened: BTreeMap<String, u8>,
    unit: About,
}

/// What is ahead of a piece's object.
#[derive(Serialize, Deserialize)]
struct Facts {
    /// See [`compile::Code`]; sorted.
    left: Vec<String>,
    same: Vec<String>,
}

/// Pieces, and what joins them.
pub struct Parts {
    pub cut: Cut,
    /// Of everything that the code depends on, except the options. Another one than that of the canonical module.
    pub digest: [u8; 32],
    /// The pieces and then the rest.
    pub payload: Vec<Vec<u8>>,
}

/// A module with so many instructions takes several times as long to free as a server to start.
const MANY: u64 = 50_000;

impl Parts {
    /// Whether what they were cut from takes long to free.
    pub fn are_many(&self) -> bool {
        let instructions = self
            .cut
            .pieces
            .iter()
            .map(|piece| u64::from(piece.instructions));
        instructions.sum::<u64>() >= MANY
    }
}

/// Whether a module is cut if it can be, where no size of pieces is asked for. Its canonical form is then not needed: its
/// pieces say as much.
pub fn comes_first(job: &Job, module: Option<&Module<'_>>) -> bool {
    may_be_cut(job) && job.unit.profile.is_none() && module.is_some_and(pieces::is_large)
}

/// Whether a module is cut after its canonical form was written.
pub fn comes_later(job: &Job, module: &Module<'_>, step: Step) -> bool {
    match step {
        Step::Cut(Partition::Size(_)) => may_be_cut(job),
        Step::Cut(Partition::Automatic) => {
            may_be_cut(job) && job.unit.profile.is_some() && pieces::is_large(module)
        }
        _ => false,
    }
}

/// The loader is told of all counters of a module by one table. Pieces reach each other's functions in ways that nobody can
/// switch.
fn may_be_cut(job: &Job) -> bool {
    let counts = matches!(profile_of(job), Some(Profile::Generate));
    job.options.emit == Emit::Code && !counts && !job.options.replaceable
}

fn profile_of(job: &Job) -> Option<Profile<'_>> {
    Profile::decode(job.unit.profile.as_ref()?.bytes())
}

/// What was read of a module whose profile must see the whole of it, once this has been done to it; and what is wrong with the
/// profile. Passes only work on what was read back, as everywhere (`llvm/canonical.rs`).
fn annotate<'context>(
    context: &'context Context,
    job: &Job,
    profile: &[u8],
    diagnostics: &Diagnostics,
) -> Option<(Module<'context>, Vec<String>)> {
    let module = job.unit.canonical.as_ref()?.read(context).ok()?;
    let Options { level, .. } = job.options;
    prepare::attributes(&module, level, &job.machine);
    let task = Some(Task::Annotate(profile));
    let warnings = codegen::optimise(&module, &job.machine.llvm, level, task, diagnostics).ok()?;
    Some((module, warnings))
}

/// A module that is compiled as a whole after all, or its pieces.
pub enum Cutting {
    Whole(Box<Job>),
    Pieces(Parts),
}

/// Cuts what was read, if it is to be cut and can be. `module`: what was read, in `context`. Of what is compiled as a whole,
/// the canonical form must have been written before.
pub fn cut<'context>(
    context: &'context Context,
    mut job: Job,
    module: Option<Module<'context>>,
    partition: Partition,
) -> Cutting {
    let Some(mut module) = module.filter(|_| may_be_cut(&job)) else {
        return Cutting::Whole(Box::new(job));
    };
    let mut started = enter(Phase::Prepare);
    let diagnostics = Diagnostics::collect(context);
    let functions = signatures::signatures(&module);
    let mut warnings = Vec::new();
    if let Some(Profile::Use(profile)) = profile_of(&job) {
        drop(module);
        enter(Phase::Optimise);
        // Whatever is wrong is said when the whole is compiled.
        let Some(annotated) = annotate(context, &job, profile, &diagnostics) else {
            return Cutting::Whole(Box::new(job));
        };
        (module, warnings) = annotated;
        job.times.optimise += microseconds(started);
        started = enter(Phase::Prepare);
    }
    let opened = prepare::before_cut(&module, &job.machine, job.options.is_for_image());
    let found = pieces::cut(&module, job.options.level, &job.machine, partition);
    let Some(found) = found else {
        drop(module);
        return Cutting::Whole(Box::new(job));
    };
    // Its context frees it.
    std::mem::forget(module);
    job.unit.warnings.append(&mut warnings);
    let opened = compile::stated(opened).into_iter();
    // Of inputs that are not IR, and of what is kept.
    let others = job.unit.digest();
    let rest = Rest {
        functions,
        opened: opened
            .map(|(name, visibility)| (name, visibility.0))
            .collect(),
        unit: job.unit.about(),
    };
    let natives = rest.unit.natives.clone();
    let mut hasher = blake3::Hasher::new_derive_key("libmgenjit 2026 pieces of a canonical module");
    for piece in &found {
        hasher.update(&(piece.bitcode.len() as u64).to_le_bytes());
        hasher.update(&piece.bitcode);
    }
    hasher.update(&encode(&(&rest.functions, &rest.opened)));
    hasher.update(&others);
    let rest = encode(&rest);
    let rest_len = rest.len() as u64;
    let mut payload = Vec::with_capacity(found.len() + 1);
    let mut about = Vec::with_capacity(found.len());
    for piece in found {
        about.push(Piece {
            name: piece.name,
            functions: piece.functions,
            instructions: piece.instructions,
            len: piece.bitcode.len() as u64,
        });
        payload.push(piece.bitcode);
    }
    payload.push(rest);
    job.times.parse += microseconds(started);
    Cutting::Pieces(Parts {
        cut: Cut {
            pieces: about,
            rest_len,
            natives,
            times: job.times,
        },
        digest: *hasher.finalize().as_bytes(),
        payload,
    })
}

impl Compiler {
    /// Compiles a piece. What [`Compiler::join`] needs of it comes in two parts.
    pub fn piece(
        &self,
        input: Named,
        options: &Options,
    ) -> Result<([Vec<u8>; 2], CompileTimes), Failure> {
        let mut times = CompileTimes::default();
        let started = enter(Phase::Parse);
        let bytes = input.input.bytes();
        if options.emit != Emit::Code || !is_bitcode(bytes) {
            return Err(malformed("the piece is not one that a server has cut"));
        }
        let machine = self.machine(options)?;
        let context = Context::create();
        let diagnostics = Diagnostics::collect(&context);
        canonical::discard_names(&context);
        let module = parse::parse_bitcode(&context, bytes)
            .and_then(|module| diagnostics.check().map(|()| module))?;
        enter(Phase::Verify);
        machine.adopt(&module)?;
        verify::verify(&module)?;
        diagnostics.check()?;
        times.parse = microseconds(started);
        let started = enter(Phase::Prepare);
        prepare::piece(&module, options.level, &machine);
        times.optimise = microseconds(started);
        let task = profile::is_annotated(&module).then_some(Task::Finish);
        let code = compile::generate(&module, options, &machine, task, &diagnostics, &mut times)?;
        let sorted = |names: HashSet<String>| {
            let mut names: Vec<String> = names.into_iter().collect();
            names.sort_unstable();
            names
        };
        let facts = Facts {
            left: sorted(code.left),
            same: sorted(code.same),
        };
        Ok(([encode(&facts), code.bytes], times))
    }

    /// Joins the objects of pieces. `inputs`: the rest, so many inputs that are not IR, and what became of each piece.
    pub fn join(
        &mut self,
        inputs: Vec<Named>,
        natives: u32,
        keep: Option<Vec<String>>,
        options: &Options,
    ) -> Result<Output, Failure> {
        let started = enter(Phase::Link);
        let machine = self.machine(options)?;
        let mut inputs = inputs.into_iter();
        let Some(rest) = inputs.next().filter(|_| options.emit == Emit::Code) else {
            return Err(malformed("there are no pieces to join"));
        };
        let (rest, behind): (Rest, _) = decode(rest.input.bytes())?;
        let given: Vec<Named> = inputs.by_ref().take(natives as usize).collect();
        if !behind.is_empty() || rest.unit.natives.len() != given.len() {
            return Err(malformed("what comes with the pieces is not of one module"));
        }
        let indices = rest.unit.natives.clone();
        // The inputs of this request are others than those of the module.
        let here = |failure: Failure| {
            let input = failure.input.and_then(|index| {
                let place = indices.iter().position(|one| *one == index)?;
                u32::try_from(place + 1).ok()
            });
            Failure { input, ..failure }
        };
        let unit = Unit::again(rest.unit, given, keep, &machine).map_err(here)?;
        let pieces: Vec<Named> = inputs.collect();
        let mut objects = Vec::with_capacity(pieces.len());
        let mut left = HashSet::new();
        let mut same = HashSet::new();
        for piece in &pieces {
            let (facts, object): (Facts, _) = decode(piece.input.bytes())?;
            left.extend(facts.left);
            same.extend(facts.same);
            objects.push(object);
        }
        let bytes = merge::merge(&objects, original).map_err(|reason| {
            let message = format!("the code of its pieces cannot be joined: one {reason}");
            failure(FailureKind::Link, message)
        })?;
        drop(pieces);
        same.retain(|name| !rest.opened.contains_key(name));
        let mut functions = rest.functions;
        functions.retain(|function| left.contains(&function.name));
        let opened = rest.opened.into_iter();
        let module = CompiledModule {
            bytes,
            functions,
            opened: opened
                .map(|(name, visibility)| (name, SymbolVisibility(visibility & 3)))
                .collect(),
            same,
            warnings: Vec::new(),
        };
        let times = CompileTimes {
            link: microseconds(started),
            ..CompileTimes::default()
        };
        self.finish(Some(module), unit, options, machine.names, times)
            .map_err(here)
    }
}

/// What the module calls a symbol that only its pieces share.
fn original(name: &[u8]) -> Option<&[u8]> {
    let name = name.strip_suffix(SUFFIX.as_bytes())?;
    Some(name.strip_suffix(DIRECT.as_bytes()).unwrap_or(name))
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Nothing in these values can fail to be written into memory.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// What bytes begin with, and the rest.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), Failure> {
    postcard::take_from_bytes(bytes)
        .map_err(|error| malformed(&format!("what a piece has become is damaged: {error}")))
}

fn malformed(message: &str) -> Failure {
    failure(FailureKind::Protocol, message.to_owned())
}
