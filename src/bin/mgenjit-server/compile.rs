//! One request, from IR to artifacts.

use crate::crash::{self, Phase};
use crate::crt::{self, Piece};
use crate::diagnostics::Diagnostics;
use crate::image::Symbols;
use crate::input::Input;
use crate::link::{Linker, Object};
use crate::target::{Host, llvm_version};
use crate::{codegen, image, parse, prepare, signatures, verify};
use inkwell::context::Context;
use mgenjit::compile::protocol::{CompileTimes, Compiled, Failure, FailureKind, OptLevel};
use mgenjit::signature::Function;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// What all requests of a server share. None of it depends on a request.
pub struct Compiler {
    host: Host,
    linker: Linker,
    /// The crt's objects that some image needed so far, by name.
    crt: HashMap<&'static str, Object>,
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

    pub fn compile(
        &mut self,
        input: &Input,
        level: OptLevel,
    ) -> Result<(Compiled, Artifacts), Failure> {
        let mut times = CompileTimes::default();
        let (object, mut functions) = self.compile_module(input, level, &mut times)?;
        let object = Arc::new(object);

        let started = enter(Phase::Link);
        let symbols = image::symbols(&object)?;
        reject_unknown_intrinsics(&symbols)?;
        // The optimiser drops what only this module could see and no longer uses, inline functions of C++
        // above all.
        functions.retain(|function| symbols.defined.contains(function.name.as_str()));
        let mut objects = vec![Object {
            name: "module.o",
            bytes: object.clone(),
        }];
        for piece in crt::pieces_for(&symbols.undefined, &symbols.defined) {
            objects.push(self.crt_object(piece)?);
        }
        let mut image = self.linker.link(&objects)?;
        image::finish(&mut image)?;
        times.link = microseconds(started);

        let compiled = Compiled {
            image_len: image.len() as u64,
            object_len: object.len() as u64,
            triple: self.host.triple_name.clone(),
            cpu: self.host.cpu.clone(),
            features: self.host.features.clone(),
            functions,
            times,
        };
        Ok((compiled, Artifacts { image, object }))
    }

    fn compile_module(
        &self,
        input: &Input,
        level: OptLevel,
        times: &mut CompileTimes,
    ) -> Result<(Vec<u8>, Vec<Function>), Failure> {
        let context = Context::create();
        let diagnostics = Diagnostics::collect(&context);

        let started = enter(Phase::Parse);
        let module = parse::parse(&context, input)?;
        enter(Phase::Verify);
        let machine = self.host.machine(level)?;
        self.host.adopt(&module, &machine)?;
        verify::verify(&module)?;
        times.parse = microseconds(started);

        let started = enter(Phase::Prepare);
        // The optimiser may change what a signature says, for functions that are not exported.
        let functions = signatures::signatures(&module);
        prepare::prepare(&module, level, input.may_contain(b"dso_local"));
        enter(Phase::Optimise);
        codegen::optimise(&module, &machine, level, &diagnostics)?;
        times.optimise = microseconds(started);

        let started = enter(Phase::Codegen);
        let object = codegen::emit(&module, &machine, &diagnostics)?;
        times.codegen = microseconds(started);
        Ok((object, functions))
    }

    /// The crt goes the way of every module, but for the link. Most modules need none of it.
    fn crt_object(&mut self, piece: &'static Piece) -> Result<Object, Failure> {
        if let Some(object) = self.crt.get(piece.name) {
            return Ok(object.clone());
        }
        let input = Input::copy(piece.ir.as_bytes()).map_err(|error| Failure {
            kind: FailureKind::Link,
            message: format!("no memory for {}: {error}", piece.name),
            position: None,
        })?;
        let (bytes, _) = self.compile_module(&input, OptLevel::O2, &mut CompileTimes::default())?;
        enter(Phase::Link);
        let object = Object {
            name: piece.name,
            bytes: Arc::new(bytes),
        };
        self.crt.insert(piece.name, object.clone());
        Ok(object)
    }
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
