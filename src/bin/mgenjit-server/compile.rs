//! One request, from inputs to artifacts.

use crate::blame;
use crate::bundle;
use crate::canonical::Canonical;
use crate::crash::{self, Phase};
use crate::crt::{self, Piece};
use crate::diagnostics::Diagnostics;
use crate::input::Input;
use crate::link::{self, Linker, Object, Plan};
use crate::symbols::Symbols;
use crate::target::{Machine, Names, Targets};
use crate::unit::{Named, Unit};
use crate::{codegen, helpers, image, object_file, prepare, progress, signatures, verify};
use inkwell::context::Context;
use mgenjit::compile::protocol::{
    CompileTimes, Compiled, Emit, Failure, FailureKind, OptLevel, Target,
};
use mgenjit::signature::Function;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// What all requests of a server share. None of it depends on a request.
pub struct Compiler {
    targets: Targets,
    pub linker: Linker,
    /// The crt's objects that some image needed so far, by name and by the target that they are for.
    crt: HashMap<(&'static str, Target), Object>,
}

/// How a module is to be compiled.
#[derive(Clone)]
pub struct Options {
    pub level: OptLevel,
    pub target: Target,
    pub emit: Emit,
}

/// A module that has been read and waits to be compiled.
pub struct Job {
    options: Options,
    machine: Machine,
    unit: Unit,
    times: CompileTimes,
}

impl Job {
    /// What the code depends on, but for the options.
    pub fn digest(&self) -> [u8; 32] {
        self.unit.digest()
    }
}

/// What a module has become.
pub enum Output {
    Code(Compiled, Artifacts),
    /// Anything else than code.
    Emitted(Vec<u8>),
}

/// The image, which is empty if the target is not this machine's system, and the object.
pub struct Artifacts {
    pub image: Vec<u8>,
    pub object: Arc<Vec<u8>>,
}

impl Compiler {
    pub fn new() -> Result<Compiler, String> {
        Ok(Compiler {
            targets: Targets::new()?,
            linker: Linker::new()?,
            crt: HashMap::new(),
        })
    }

    /// Reads the inputs and makes the module canonical that their IR is together.
    pub fn read(
        &self,
        inputs: Vec<Named>,
        keep: Option<Vec<String>>,
        options: Options,
    ) -> Result<Job, Failure> {
        let started = enter(Phase::Parse);
        let machine = self.targets.machine(options.level, &options.target)?;
        let unit = Unit::read(inputs, keep, &machine)?;
        Ok(Job {
            options,
            machine,
            unit,
            times: CompileTimes {
                parse: microseconds(started),
                ..CompileTimes::default()
            },
        })
    }

    pub fn compile(&mut self, job: Job) -> Result<Output, Failure> {
        let Job {
            options,
            machine,
            mut unit,
            mut times,
        } = job;
        let names = machine.names.clone();
        let mut functions = Vec::new();
        let mut object = None;
        if let Some(canonical) = unit.canonical.take() {
            let (bytes, defined) = compile_module(canonical, &options, &machine, &mut times)?;
            (object, functions) = (Some(bytes), defined);
        }
        if options.emit != Emit::Code {
            return object.map(Output::Emitted).ok_or_else(|| {
                let message =
                    "there is no IR among the inputs, which is what this would be made of";
                failure(FailureKind::Unsupported, message.to_owned())
            });
        }
        let started = enter(Phase::Link);
        let object = object.map(Arc::new);
        let mut image = Vec::new();
        let mut helpers = Vec::new();
        let may_lack = helpers::may_be_lacking(&names);
        if may_lack || !unit.natives.is_empty() {
            let symbols = object
                .as_deref()
                .map(|object| symbols(object))
                .transpose()?;
            if !unit.natives.is_empty() {
                unit.complete(symbols.as_ref())?;
            }
            let all = all_symbols(symbols.as_ref(), &unit);
            if may_lack {
                for piece in helpers::needed(&all) {
                    helpers.push(self.crt_object(piece, &options.target)?);
                }
                enter(Phase::Link);
            }
            if matches!(options.target, Target::Host(_)) {
                image = self.link(object.as_ref(), &all, &helpers, &unit, &options.target)?;
            }
        }
        if let Some(keep) = &unit.keep {
            functions.retain(|function| keep.binary_search(&function.name).is_ok());
        }
        let object = match object {
            Some(object) if !unit.natives.has_objects() && helpers.is_empty() => object,
            object => Arc::new(bundle::archive(object.as_deref(), &unit.natives, &helpers)?),
        };
        times.link = microseconds(started);
        let compiled = Compiled {
            image_len: image.len() as u64,
            object_len: object.len() as u64,
            triple: names.triple,
            cpu: names.cpu,
            features: names.features,
            functions,
            warnings: unit.warnings,
            times,
        };
        Ok(Output::Code(compiled, Artifacts { image, object }))
    }

    /// Links the module's object, if there is one, and what belongs to it into an image.
    fn link(
        &mut self,
        object: Option<&Arc<Vec<u8>>>,
        all: &[&Symbols],
        helpers: &[Object],
        unit: &Unit,
        target: &Target,
    ) -> Result<Vec<u8>, Failure> {
        let mut objects: Vec<Object> = object
            .map(|object| Object {
                name: "module.o".to_owned(),
                bytes: object.clone(),
            })
            .into_iter()
            .collect();
        objects.extend(unit.natives.objects());
        objects.extend_from_slice(helpers);
        if objects.is_empty() {
            let message = "there is nothing to link: the archives have no members".to_owned();
            return Err(failure(FailureKind::Link, message));
        }
        blame::check_thread_locals(&unit.natives)?;
        let defined: HashSet<&str> = all
            .iter()
            .flat_map(|symbols| symbols.defined.iter().map(|one| one.name.as_str()))
            .collect();
        let undefined: HashSet<&str> = all
            .iter()
            .flat_map(|symbols| symbols.undefined.iter().map(|one| one.name.as_str()))
            .filter(|name| !defined.contains(name))
            .collect();
        for piece in crt::pieces_for(&undefined, &defined) {
            objects.push(self.crt_object(piece, target)?);
        }
        let linked = self.linker.link(&Plan {
            emulation: "elf_x86_64",
            output: link::Output::Shared {
                soname: None,
                keep: unit.keep.as_deref(),
            },
            objects: &objects,
            libraries: &[],
        });
        linked
            .and_then(|mut image| image::finish(&mut image).map(|()| image))
            .map_err(|failure| blame::blame(failure, &unit.natives, all))
    }

    pub fn names(&self, target: &Target) -> Result<Names, Failure> {
        self.targets.names(target)
    }

    /// The crt goes the way of every module, but for the link. Most modules need none of it.
    pub fn crt_object(
        &mut self,
        piece: &'static Piece,
        target: &Target,
    ) -> Result<Object, Failure> {
        let key = (piece.name, target.clone());
        if let Some(object) = self.crt.get(&key) {
            return Ok(object.clone());
        }
        let input = Input::copy(piece.ir.as_bytes()).map_err(|error| {
            let message = format!("no memory for {}: {error}", piece.name);
            failure(FailureKind::Link, message)
        })?;
        let input = Named {
            name: piece.name.to_owned(),
            input,
        };
        let options = Options {
            level: OptLevel::O2,
            target: target.clone(),
            emit: Emit::Code,
        };
        let mut job = self.read(vec![input], None, options)?;
        let mut bytes = Vec::new();
        if let Some(canonical) = job.unit.canonical.take() {
            (bytes, _) = compile_module(canonical, &job.options, &job.machine, &mut job.times)?;
        }
        enter(Phase::Link);
        let object = Object {
            name: piece.name.to_owned(),
            bytes: Arc::new(bytes),
        };
        self.crt.insert(key, object.clone());
        Ok(object)
    }
}

/// The object, or what else is to be emitted, and the functions that the module defined.
fn compile_module(
    canonical: Canonical,
    options: &Options,
    machine: &Machine,
    times: &mut CompileTimes,
) -> Result<(Vec<u8>, Vec<Function>), Failure> {
    let Options { level, emit, .. } = *options;
    let context = Context::create();
    let diagnostics = Diagnostics::collect(&context);

    let started = enter(Phase::Parse);
    let module = canonical.read(&context)?;
    drop(canonical);
    times.parse += microseconds(started);

    let started = enter(Phase::Prepare);
    // The optimiser may change what a signature says, for functions that are not exported.
    let mut functions = signatures::signatures(&module);
    prepare::prepare(&module, level, machine);
    enter(Phase::Optimise);
    codegen::optimise(&module, &machine.llvm, level, &diagnostics)?;
    verify::intrinsics(&module)?;
    // The optimiser drops what only this module could see and no longer uses, inline functions of C++ above all.
    let left = signatures::signatures(&module);
    let left: HashSet<&str> = left.iter().map(|function| function.name.as_str()).collect();
    functions.retain(|function| left.contains(function.name.as_str()));
    times.optimise = microseconds(started);

    if progress::is_wanted() {
        progress::begin(codegen::functions(&module));
    }
    let started = enter(Phase::Codegen);
    let emitted = codegen::emit(&module, &machine.llvm, emit, &diagnostics)?;
    times.codegen = microseconds(started);
    Ok((emitted, functions))
}

/// What the module's object and those that are linked to it say of their symbols.
fn all_symbols<'a>(module: Option<&'a Symbols>, unit: &'a Unit) -> Vec<&'a Symbols> {
    let files = unit.natives.selected().filter(|file| file.is_object());
    let files = files.map(|file| &file.symbols);
    module.into_iter().chain(files).collect()
}

/// The symbols of an object that LLVM has just made.
fn symbols(object: &[u8]) -> Result<Symbols, Failure> {
    object_file::read(object, None)
        .map(|object| object.symbols)
        .map_err(|reason| {
            let message = format!("the object that was just made {reason}");
            failure(FailureKind::Link, message)
        })
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        message,
        input: None,
        position: None,
    }
}

fn enter(phase: Phase) -> Instant {
    crash::enter(phase);
    Instant::now()
}

fn microseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
