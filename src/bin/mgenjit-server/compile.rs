//! One request, from IR to artifacts.

use crate::canonical::Canonical;
use crate::crash::{self, Phase};
use crate::crt::{self, Piece};
use crate::diagnostics::Diagnostics;
use crate::image::Symbols;
use crate::input::Input;
use crate::link::{self, Linker, Object, Plan};
use crate::target::{Host, llvm_version};
use crate::{codegen, image, parse, prepare, signatures, verify};
use inkwell::context::Context;
use inkwell::targets::TargetMachine;
use mgenjit::compile::protocol::{CompileTimes, Compiled, Cpu, Failure, FailureKind, OptLevel};
use mgenjit::signature::Function;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// What all requests of a server share. None of it depends on a request.
pub struct Compiler {
    host: Host,
    linker: Linker,
    /// The crt's objects that some image needed so far, by name and by the CPU that they are for.
    crt: HashMap<(&'static str, Cpu), Object>,
}

/// How a module is to be compiled.
#[derive(Clone, Copy)]
pub struct Options {
    pub level: OptLevel,
    pub cpu: Cpu,
}

/// A module that has been read and waits to be compiled.
pub struct Job {
    options: Options,
    machine: TargetMachine,
    canonical: Canonical,
    times: CompileTimes,
}

impl Job {
    /// What the code depends on, but for the options.
    pub fn digest(&self) -> [u8; 32] {
        self.canonical.digest()
    }
}

/// What a successful reply carries.
pub struct Artifacts {
    pub image: Vec<u8>,
    pub object: Arc<Vec<u8>>,
}

impl Compiler {
    pub fn new() -> Result<Compiler, String> {
        Ok(Compiler {
            host: Host::new()?,
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
        let machine = self.host.machine(options.level, options.cpu)?;
        self.host.adopt(&module, &machine)?;
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

    pub fn compile(&mut self, job: Job) -> Result<(Compiled, Artifacts), Failure> {
        let options = job.options;
        let (object, mut functions, mut times) = compile_module(job)?;
        let object = Arc::new(object);

        let started = enter(Phase::Link);
        let symbols = image::symbols(&object)?;
        reject_unknown_intrinsics(&symbols)?;
        // The optimiser drops what only this module could see and no longer uses, inline functions of C++
        // above all.
        functions.retain(|function| symbols.defined.contains(function.name.as_str()));
        let mut objects = vec![Object {
            name: "module.o".to_owned(),
            bytes: object.clone(),
        }];
        for piece in crt::pieces_for(&symbols.undefined, &symbols.defined) {
            objects.push(self.crt_object(piece, options.cpu)?);
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
        times.link = microseconds(started);

        let (cpu, features) = self.host.cpu(options.cpu);
        let compiled = Compiled {
            image_len: image.len() as u64,
            object_len: object.len() as u64,
            triple: self.host.triple_name.clone(),
            cpu: cpu.to_owned(),
            features: features.to_owned(),
            functions,
            times,
        };
        Ok((compiled, Artifacts { image, object }))
    }

    /// The crt goes the way of every module, but for the link. Most modules need none of it.
    fn crt_object(&mut self, piece: &'static Piece, cpu: Cpu) -> Result<Object, Failure> {
        if let Some(object) = self.crt.get(&(piece.name, cpu)) {
            return Ok(object.clone());
        }
        let input = Input::copy(piece.ir.as_bytes()).map_err(|error| Failure {
            kind: FailureKind::Link,
            message: format!("no memory for {}: {error}", piece.name),
            input: None,
            position: None,
        })?;
        let level = OptLevel::O2;
        let (bytes, ..) = compile_module(self.read(&input, Options { level, cpu })?)?;
        enter(Phase::Link);
        let object = Object {
            name: piece.name.to_owned(),
            bytes: Arc::new(bytes),
        };
        self.crt.insert((piece.name, cpu), object.clone());
        Ok(object)
    }
}

/// The object, the functions that the module defined, and how long all took so far.
fn compile_module(job: Job) -> Result<(Vec<u8>, Vec<Function>, CompileTimes), Failure> {
    let Job {
        options: Options { level, .. },
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
    let functions = signatures::signatures(&module);
    prepare::prepare(&module, level);
    enter(Phase::Optimise);
    codegen::optimise(&module, &machine, level, &diagnostics)?;
    times.optimise = microseconds(started);

    let started = enter(Phase::Codegen);
    let object = codegen::emit(&module, &machine, &diagnostics)?;
    times.codegen = microseconds(started);
    Ok((object, functions, times))
}

/// LLVM takes an intrinsic that it does not know for a function that somebody else defines.
fn reject_unknown_intrinsics(symbols: &Symbols<'_>) -> Result<(), Failure> {
    let mut unknown: Vec<&str> = symbols
        .undefined
        .iter()
        .copied()
        .filter(|name| name.starts_with("llvm."))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.sort_unstable();
    Err(Failure {
        kind: FailureKind::Codegen,
        message: format!(
            "LLVM {} has no intrinsic of this name: {}",
            llvm_version(),
            unknown.join(", ")
        ),
        input: None,
        position: None,
    })
}

fn enter(phase: Phase) -> Instant {
    crash::enter(phase);
    Instant::now()
}

fn microseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
