//! One request, from inputs to artifacts.

use crate::input::buffer::Input;
use crate::input::buffer::Named;
use crate::input::object_file;
use crate::input::symbols::Symbols;
use crate::link::blame;
use crate::link::crt;
use crate::link::images::{self, Linker, Object, Plan};
use crate::link::object_archive;
use crate::link::piece::Piece;
use crate::link::visibility::{self, Marks};
use crate::link::{helpers, loadable};
use crate::llvm::canonical::Canonical;
use crate::llvm::diagnostics::Diagnostics;
use crate::llvm::names::Names;
use crate::llvm::prepare::Purpose;
use crate::llvm::profile::Task;
use crate::llvm::target::{Machine, Targets};
use crate::llvm::{codegen, globals, prepare, signatures, switchable, verify};
use crate::process::crash::{self, Phase};
use crate::process::progress;
use crate::worker::unit::Unit;
use inkwell::context::Context;
use inkwell::llvm_sys::LLVMVisibility;
use inkwell::module::Module;
use mgenjit::protocol::messages::{Compiled, Failure, FailureKind};
use mgenjit::protocol::profile::Profile;
use mgenjit::signature::Function;
use mgenjit::types::{CompileTimes, Emit, OptLevel, Target};
use object::elf::{STV_HIDDEN, STV_PROTECTED, SymbolVisibility};
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
    /// Nothing relies on what functions do that others can see, and each reference to one goes through the loader.
    pub replaceable: bool,
    /// Its functions are to be called so that they can be switched to code of another level, if nothing speaks against that.
    pub switchable: bool,
}

impl Options {
    /// Whether the code goes into an image, to which other images may belong.
    pub fn is_for_image(&self) -> bool {
        self.emit == Emit::Code && matches!(self.target, Target::Host(_))
    }
}

/// A module that has been read and waits to be compiled.
pub struct Job {
    pub options: Options,
    pub machine: Machine,
    pub unit: Unit,
    pub times: CompileTimes,
}

impl Job {
    /// Writes the canonical form of the module that was read.
    pub fn write_canonical(&mut self, context: &Context, module: Option<&Module<'_>>) {
        let started = Instant::now();
        self.unit.write_canonical(context, module);
        self.times.parse += microseconds(started);
    }

    /// The digest of everything that the code depends on, except the options.
    pub fn digest(&self) -> [u8; 32] {
        self.unit.digest()
    }
}

/// What a module has become.
pub enum Output {
    Code(Box<Compiled>, Artifacts),
    /// Anything else than code.
    Emitted(Vec<u8>),
}

/// The image, which is empty if the target is not this machine's system, the object, and texts for debuggers.
pub struct Artifacts {
    pub image: Vec<u8>,
    pub object: Arc<Vec<u8>>,
    pub sources: Vec<Vec<u8>>,
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
        let context = Context::create();
        let (mut job, module) = self.read_module(&context, inputs, keep, options)?;
        job.write_canonical(&context, module.as_ref());
        Ok(job)
    }

    /// As `read`, but returns the module, in `context`, which must be new. The canonical one is still to be written.
    pub fn read_module<'context>(
        &self,
        context: &'context Context,
        inputs: Vec<Named>,
        keep: Option<Vec<String>>,
        options: Options,
    ) -> Result<(Job, Option<Module<'context>>), Failure> {
        let started = enter(Phase::Parse);
        let machine = self.machine(&options)?;
        let (unit, module) = Unit::read(context, inputs, keep, &machine, options.level)?;
        let mut options = options;
        options.switchable &= options.is_for_image()
            && unit.natives.is_empty()
            && unit.profile.is_none()
            && module.as_ref().is_some_and(switchable::is_switchable);
        options.replaceable |= options.switchable;
        let job = Job {
            options,
            machine,
            unit,
            times: CompileTimes {
                parse: microseconds(started),
                ..CompileTimes::default()
            },
        };
        Ok((job, module))
    }

    pub fn machine(&self, options: &Options) -> Result<Machine, Failure> {
        self.targets.machine(options.level, &options.target)
    }

    pub fn compile(&mut self, job: Job) -> Result<Output, Failure> {
        let Job {
            options,
            machine,
            mut unit,
            mut times,
        } = job;
        let mut module = None;
        if let Some(canonical) = unit.canonical.take() {
            let profile = unit.profile.take();
            let profile = profile
                .as_ref()
                .and_then(|input| Profile::decode(input.bytes()));
            let task = profile.map(Task::from);
            let mut made = compile_module(canonical, &options, &machine, task, &mut times)?;
            unit.warnings.append(&mut made.warnings);
            module = Some(made);
        }
        if options.emit != Emit::Code {
            let emitted = module.map(|module| Output::Emitted(module.bytes));
            return emitted.ok_or_else(|| {
                let message =
                    "there is no IR among the inputs, which is what this would be made of";
                failure(FailureKind::Unsupported, message.to_owned())
            });
        }
        self.finish(module, unit, &options, machine.names, times)
    }

    /// Makes the image and the object of a module's code, if there is some, and of what is linked to it.
    pub fn finish(
        &mut self,
        mut module: Option<CompiledModule>,
        mut unit: Unit,
        options: &Options,
        names: Names,
        mut times: CompileTimes,
    ) -> Result<Output, Failure> {
        let started = enter(Phase::Link);
        let mut functions = Vec::new();
        if let Some(module) = &mut module {
            functions = std::mem::take(&mut module.functions);
            visibility::restore(&mut module.bytes, &module.opened);
        }
        let mut image = Vec::new();
        let mut helpers = Vec::new();
        let may_lack = helpers::may_be_lacking(&names);
        if may_lack || !unit.natives.is_empty() {
            let symbols = module
                .as_ref()
                .map(|module| symbols(&module.bytes))
                .transpose()?;
            if !unit.natives.is_empty() {
                unit.complete(symbols.as_ref())?;
            }
            let all = all_symbols(symbols.as_ref(), &unit);
            if may_lack {
                for piece in helpers::needed(&names, &all) {
                    helpers.push(self.crt_object(piece, &options.target)?);
                }
                enter(Phase::Link);
            }
            if matches!(options.target, Target::Host(_)) {
                let emulation = names.emulation().ok_or_else(|| {
                    let message = format!("nothing can be linked for {} here", names.triple);
                    failure(FailureKind::Link, message)
                })?;
                let parts = Parts {
                    emulation,
                    module: module.as_ref(),
                    all: &all,
                    helpers: &helpers,
                    unit: &unit,
                };
                image = self.link(&parts, options)?;
            }
        }
        if let Some(keep) = &unit.keep {
            functions.retain(|function| keep.binary_search(&function.name).is_ok());
        }
        let object = module.map(|module| Arc::new(module.bytes));
        let object = match object {
            Some(object) if !unit.natives.has_objects() && helpers.is_empty() => object,
            object => Arc::new(object_archive::archive(
                object.as_deref(),
                &unit.natives,
                &helpers,
            )?),
        };
        times.link += microseconds(started);
        let (sources, texts) = unit.sources.into_iter().unzip();
        let compiled = Box::new(Compiled {
            image_len: image.len() as u64,
            object_len: object.len() as u64,
            triple: names.triple,
            cpu: names.cpu,
            features: names.features,
            functions,
            warnings: unit.warnings,
            sources,
            times,
        });
        Ok(Output::Code(
            compiled,
            Artifacts {
                image,
                object,
                sources: texts,
            },
        ))
    }

    /// Links the module's object, if there is one, and what belongs to it into an image.
    fn link(&mut self, parts: &Parts<'_>, options: &Options) -> Result<Vec<u8>, Failure> {
        let Parts {
            module,
            all,
            helpers,
            unit,
            emulation,
        } = *parts;
        let mut defined: HashSet<&str> = all
            .iter()
            .flat_map(|symbols| symbols.defined.iter().map(|one| one.name.as_str()))
            .collect();
        let undefined: HashSet<&str> = all
            .iter()
            .flat_map(|symbols| symbols.undefined.iter().map(|one| one.name.as_str()))
            .filter(|name| !defined.contains(name))
            .collect();
        blame::check(&unit.natives, &undefined)?;
        let pieces = crt::pieces_for(&undefined, &defined);
        defined.extend(pieces.iter().map(|piece| piece.name));
        let helpers_define = helpers.iter().map(|helper| helper.name.as_str());
        defined.extend(helpers_define.flat_map(helpers::defined_by));

        let mut marks = Marks::default();
        marks.replaceable = options.replaceable;
        let mut objects = Vec::new();
        if let Some(module) = module {
            objects.push(open_module(module, &defined, &mut marks)?);
        }
        objects.extend(unit.natives.objects(&defined, &mut marks)?);
        objects.extend_from_slice(helpers);
        if objects.is_empty() {
            let message = "there is nothing to link: the archives have no members".to_owned();
            return Err(failure(FailureKind::Link, message));
        }
        let is_alone = pieces.is_empty() && helpers.is_empty();
        for piece in pieces {
            objects.push(self.crt_object(piece, &options.target)?);
        }
        let linked = self.linker.link(&Plan {
            emulation,
            output: images::Output::Shared {
                soname: None,
                keep: unit.keep.as_deref(),
            },
            objects: &objects,
            libraries: &[],
        });
        let mut image = linked.map_err(|failure| blame::blame(failure, &unit.natives, all))?;
        loadable::finish(&mut image)
            .map_err(|failure| blame::blame(failure, &unit.natives, all))?;
        visibility::close(&mut image, &marks, unit.keep.is_none())?;
        // What is linked to it may have variables.
        if options.switchable && is_alone {
            loadable::mark_switchable(&mut image);
        }
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
        let ir = match self.names(target)?.architecture() {
            "aarch64" => piece.ir_with_landing_pads(),
            _ => piece.ir.to_owned(),
        };
        let input = Input::copy(ir.as_bytes()).map_err(|error| {
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
            replaceable: false,
            switchable: false,
        };
        let mut job = self.read(vec![input], None, options)?;
        let mut bytes = Vec::new();
        if let Some(canonical) = job.unit.canonical.take() {
            let made = compile_module(canonical, &job.options, &job.machine, None, &mut job.times)?;
            bytes = made.bytes;
            visibility::restore(&mut bytes, &made.opened);
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

/// What an image is linked of.
struct Parts<'a> {
    /// The module's object, if there is IR.
    module: Option<&'a CompiledModule>,
    /// The symbols of it and of the objects among the inputs.
    all: &'a [&'a Symbols],
    helpers: &'a [Object],
    unit: &'a Unit,
    emulation: &'static str,
}

/// What LLVM made of a module.
pub struct CompiledModule {
    /// The object, or what else is to be emitted.
    pub bytes: Vec<u8>,
    pub functions: Vec<Function>,
    /// Symbols that the code reaches as if they were not hidden, and what the module said that they are.
    pub opened: HashMap<String, SymbolVisibility>,
    /// Weak definitions of which all are the same.
    pub same: HashSet<String>,
    /// What is wrong with the profile.
    pub warnings: Vec<String>,
}

/// The module's object as the linker of its image is to see it.
fn open_module(
    module: &CompiledModule,
    defined: &HashSet<&str>,
    marks: &mut Marks,
) -> Result<Object, Failure> {
    marks.same.extend(module.same.iter().cloned());
    let names = module.opened.keys().cloned().collect();
    let opened = visibility::open(&module.bytes, defined, &names, marks).map_err(|place| {
        let message = format!("the module's assembly {}", place.reason());
        failure(FailureKind::Link, message)
    })?;
    Ok(Object {
        name: "module.o".to_owned(),
        bytes: Arc::new(opened.unwrap_or_else(|| module.bytes.clone())),
    })
}

fn compile_module(
    canonical: Canonical,
    options: &Options,
    machine: &Machine,
    profile: Option<Task<'_>>,
    times: &mut CompileTimes,
) -> Result<CompiledModule, Failure> {
    let context = Context::create();
    let diagnostics = Diagnostics::collect(&context);

    let started = enter(Phase::Parse);
    let module = canonical.read(&context)?;
    drop(canonical);
    times.parse += microseconds(started);

    let started = enter(Phase::Prepare);
    // The optimiser may change what a signature says, for functions that are not exported.
    let mut functions = signatures::signatures(&module);
    let purpose = Purpose {
        image: options.is_for_image(),
        replaceable: options.replaceable,
    };
    let opened = prepare::prepare(&module, options.level, machine, purpose);
    times.optimise = microseconds(started);
    let code = generate(&module, options, machine, profile, &diagnostics, times)?;
    functions.retain(|function| code.left.contains(&function.name));
    let mut same = code.same;
    same.retain(|name| !opened.contains_key(name));
    Ok(CompiledModule {
        bytes: code.bytes,
        functions,
        opened: stated(opened),
        same,
        warnings: code.warnings,
    })
}

/// What LLVM made of a module that was prepared.
pub struct Code {
    pub bytes: Vec<u8>,
    /// The functions that others can see and that the optimiser has left.
    pub left: HashSet<String>,
    /// Weak definitions of which all are the same.
    pub same: HashSet<String>,
    /// What is wrong with the profile.
    pub warnings: Vec<String>,
}

/// Optimises a prepared module and emits what is asked for.
pub fn generate(
    module: &Module<'_>,
    options: &Options,
    machine: &Machine,
    profile: Option<Task<'_>>,
    diagnostics: &Diagnostics,
    times: &mut CompileTimes,
) -> Result<Code, Failure> {
    let Options { level, emit, .. } = *options;
    let started = enter(Phase::Optimise);
    let warnings = codegen::optimise(module, &machine.llvm, level, profile, diagnostics)?;
    verify::intrinsics(module)?;
    // The optimiser drops what only this module could see and no longer uses, inline functions of C++ above all.
    let left = signatures::signatures(module).into_iter();
    let left = left.map(|function| function.name).collect();
    let same = globals::same_everywhere(module);
    times.optimise += microseconds(started);

    if progress::is_wanted() {
        progress::begin(codegen::functions(module));
    }
    let started = enter(Phase::Codegen);
    let bytes = codegen::emit(module, &machine.llvm, emit, diagnostics)?;
    times.codegen = microseconds(started);
    Ok(Code {
        bytes,
        left,
        same,
        warnings,
    })
}

/// The visibility of opened symbols, as objects have it.
pub fn stated(opened: HashMap<String, LLVMVisibility>) -> HashMap<String, SymbolVisibility> {
    let stated = |visibility| match visibility {
        LLVMVisibility::LLVMProtectedVisibility => STV_PROTECTED,
        _ => STV_HIDDEN,
    };
    let opened = opened.into_iter();
    opened
        .map(|(name, visibility)| (name, stated(visibility)))
        .collect()
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

pub fn failure(kind: FailureKind, message: String) -> Failure {
    Failure::new(kind, message)
}

pub fn enter(phase: Phase) -> Instant {
    crash::enter(phase);
    Instant::now()
}

pub fn microseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
