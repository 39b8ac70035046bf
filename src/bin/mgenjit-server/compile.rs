//! One request, from IR to artifacts.

use crate::canonical::Canonical;
use crate::crash::{self, Phase};
use crate::crt::{self, Piece};
use crate::diagnostics::Diagnostics;
use crate::input::Input;
use crate::link::{self, Linker, Object, Plan};
use crate::target::{Machine, Names, Targets};
use crate::{codegen, image, parse, prepare, signatures, verify};
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
    canonical: Canonical,
    times: CompileTimes,
}

impl Job {
    /// What the code depends on, but for the options.
    pub fn digest(&self) -> [u8; 32] {
        self.canonical.digest()
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

    /// Reads the module and makes it canonical.
    pub fn read(&self, input: &Input, options: Options) -> Result<Job, Failure> {
        let context = Context::create();
        let diagnostics = Diagnostics::collect(&context);

        let started = enter(Phase::Parse);
        let module = parse::parse(&context, input)?;
        enter(Phase::Verify);
        let machine = self.targets.machine(options.level, &options.target)?;
        machine.adopt(&module)?;
        verify::verify(&module)?;
        diagnostics.check()?;
        enter(Phase::Canonical);
        let canonical = Canonical::write(&module);
        Ok(Job {
            options,
            machine,
            canonical,
            times: CompileTimes {
                parse: microseconds(started),
                ..CompileTimes::default()
            },
        })
    }

    pub fn compile(&mut self, job: Job) -> Result<Output, Failure> {
        let Options { target, emit, .. } = job.options.clone();
        let names = job.machine.names.clone();
        let (bytes, functions, mut times) = compile_module(job)?;
        if emit != Emit::Code {
            return Ok(Output::Emitted(bytes));
        }
        let object = Arc::new(bytes);
        let mut image = Vec::new();
        if matches!(target, Target::Host(_)) {
            let started = enter(Phase::Link);
            image = self.link(&object, &target)?;
            times.link = microseconds(started);
        }
        let compiled = Compiled {
            image_len: image.len() as u64,
            object_len: object.len() as u64,
            triple: names.triple,
            cpu: names.cpu,
            features: names.features,
            functions,
            times,
        };
        Ok(Output::Code(compiled, Artifacts { image, object }))
    }

    /// Links a module's object into an image.
    fn link(&mut self, object: &Arc<Vec<u8>>, target: &Target) -> Result<Vec<u8>, Failure> {
        let symbols = image::symbols(object)?;
        let mut objects = vec![Object {
            name: "module.o".to_owned(),
            bytes: object.clone(),
        }];
        for piece in crt::pieces_for(&symbols.undefined, &symbols.defined) {
            objects.push(self.crt_object(piece, target)?);
        }
        let mut image = self.linker.link(&Plan {
            emulation: "elf_x86_64",
            output: link::Output::Shared {
                soname: None,
                keep: None,
            },
            objects: &objects,
            libraries: &[],
        })?;
        image::finish(&mut image)?;
        Ok(image)
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
        let input = Input::copy(piece.ir.as_bytes()).map_err(|error| Failure {
            kind: FailureKind::Link,
            message: format!("no memory for {}: {error}", piece.name),
            input: None,
            position: None,
        })?;
        let options = Options {
            level: OptLevel::O2,
            target: target.clone(),
            emit: Emit::Code,
        };
        let (bytes, ..) = compile_module(self.read(&input, options)?)?;
        enter(Phase::Link);
        let object = Object {
            name: piece.name.to_owned(),
            bytes: Arc::new(bytes),
        };
        self.crt.insert(key, object.clone());
        Ok(object)
    }
}

/// The object, or what else is to be emitted, the functions that the module defined, and how long all took so
/// far.
fn compile_module(job: Job) -> Result<(Vec<u8>, Vec<Function>, CompileTimes), Failure> {
    let Job {
        options: Options { level, emit, .. },
        machine,
        canonical,
        mut times,
    } = job;
    let context = Context::create();
    let diagnostics = Diagnostics::collect(&context);

    let started = enter(Phase::Parse);
    let module = canonical.read(&context)?;
    drop(canonical);
    times.parse += microseconds(started);

    let started = enter(Phase::Prepare);
    // The optimiser may change what a signature says, for functions that are not exported.
    let mut functions = signatures::signatures(&module);
    prepare::prepare(&module, level, machine.format);
    enter(Phase::Optimise);
    codegen::optimise(&module, &machine.llvm, level, &diagnostics)?;
    verify::intrinsics(&module)?;
    // The optimiser drops what only this module could see and no longer uses, inline functions of C++ above all.
    let left = signatures::signatures(&module);
    let left: HashSet<&str> = left.iter().map(|function| function.name.as_str()).collect();
    functions.retain(|function| left.contains(function.name.as_str()));
    times.optimise = microseconds(started);

    let started = enter(Phase::Codegen);
    let emitted = codegen::emit(&module, &machine.llvm, emit, &diagnostics)?;
    times.codegen = microseconds(started);
    Ok((emitted, functions, times))
}

fn enter(phase: Phase) -> Instant {
    crash::enter(phase);
    Instant::now()
}

fn microseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
