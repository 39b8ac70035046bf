//! Ahead-of-time output: objects, archives, libraries, executables, IR and headers.
//!
//! Objects, archives, libraries and executables are made of the cached objects: no code is generated again.

mod archive;
mod file;
mod header;
mod libraries;
mod linker;
mod options;
mod symbols;

pub use options::{Argument, Kind, Options};

use crate::error::{Error, Status};
use crate::event::{Event, EventKind};
use crate::executor::{Artifacts, Module, check_main};
use crate::protocol::messages::{LinkOutput, LinkRequest, Request};
use crate::types::{Emit, Input, Target};
use archive::Member;
use file::Output;
use linker::{Linker, Plan};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Exports modules, which must be of one target, to bytes.
pub fn to_bytes(modules: &[&Module], kind: Kind, options: &Options) -> Result<Vec<u8>, Error> {
    let parts: Result<Vec<_>, _> = modules.iter().map(|module| Part::new(module)).collect();
    let parts = parts?;
    check_targets(&parts)?;
    match kind {
        Kind::Object => to_object(one(&parts, "an object", "an archive")?),
        Kind::Archive => to_archive(&parts),
        Kind::SharedLibrary => to_shared_library(&parts, options),
        Kind::Executable => to_executable(&parts, options),
        Kind::Bitcode => emit(one(&parts, "bitcode", "each by itself")?, Emit::Bitcode),
        Kind::Ir => emit(one(&parts, "IR", "each by itself")?, Emit::Ir),
        Kind::Assembly => emit(one(&parts, "assembly", "each by itself")?, Emit::Assembly),
        Kind::Header => to_header(&parts, options),
    }
}

/// Exports modules to a file, which appears, or is replaced, only whole.
pub fn to_file(
    modules: &[&Module],
    kind: Kind,
    options: &Options,
    path: &Path,
) -> Result<(), Error> {
    let output = Output::new(path)?;
    let bytes = to_bytes(modules, kind, options)?;
    let executable = matches!(kind, Kind::Executable | Kind::SharedLibrary);
    output.write(&bytes, executable)
}

/// A module that is exported.
struct Part<'a> {
    module: &'a Module,
    artifacts: Artifacts<'a>,
}

impl<'a> Part<'a> {
    fn new(module: &'a Module) -> Result<Part<'a>, Error> {
        Ok(Part {
            module,
            artifacts: module.artifacts()?,
        })
    }

    fn name(&self) -> &str {
        self.module.name()
    }

    /// The objects that it was compiled to, called by its name.
    fn objects(&self) -> Result<Vec<Member>, Error> {
        let bytes = self.artifacts.object()?;
        if !archive::is_archive(&bytes) {
            return Ok(vec![Member {
                name: archive::member_name(self.name()),
                bytes,
            }]);
        }
        archive::unpack(&bytes).map_err(|error| {
            Error::new(
                Status::Damaged,
                format!("what is kept of {}: {error}", self.name()),
            )
        })
    }
}

/// All objects, and what they define.
struct Objects {
    members: Vec<Member>,
    has_main: bool,
    wraps_main: bool,
    /// Whether every object's symbols could be read.
    all_read: bool,
    /// Whether they need what only a compiler knows where to find, see [`symbols::is_of_compiler`], or what only the
    /// system's linker knows how to make, see [`symbols::has_version`].
    needs_compiler: bool,
    needs_atomic: bool,
}

impl Objects {
    /// Refuses two modules that define one symbol. A linker would report it too, but with temporary file names.
    fn of(parts: &[Part<'_>]) -> Result<Objects, Error> {
        let mut objects = Objects {
            members: Vec::new(),
            has_main: false,
            wraps_main: false,
            all_read: true,
            needs_compiler: false,
            needs_atomic: false,
        };
        let mut definers: HashMap<Vec<u8>, usize> = HashMap::new();
        // Some of what only a compiler has comes with the objects.
        let mut lacking: HashSet<Vec<u8>> = HashSet::new();
        let mut given: HashSet<Vec<u8>> = HashSet::new();
        for (index, part) in parts.iter().enumerate() {
            for member in part.objects()? {
                let Some(symbols) = symbols::read(&member.bytes) else {
                    objects.all_read = false;
                    objects.members.push(member);
                    continue;
                };
                let of_compiler = |names: &[&[u8]]| {
                    let names = names.iter().filter(|name| symbols::is_of_compiler(name));
                    names.map(|name| name.to_vec()).collect::<Vec<_>>()
                };
                lacking.extend(of_compiler(&symbols.undefined));
                given.extend(of_compiler(&symbols.defined));
                let mut undefined = symbols.undefined.iter();
                objects.needs_atomic |= undefined.any(|name| symbols::is_atomic(name));
                let mut names = symbols.undefined.iter().chain(&symbols.defined);
                objects.needs_compiler |= names.any(|name| symbols::has_version(name));
                objects.has_main |= symbols.defined.contains(&b"main".as_slice());
                objects.wraps_main |= symbols.defined.contains(&b"__wrap_main".as_slice());
                // One module was linked already.
                let strong = match parts.len() {
                    1 => &[][..],
                    _ => &symbols.strong,
                };
                for symbol in strong {
                    let other = definers.insert(symbol.to_vec(), index);
                    if let Some(other) = other
                        && other != index
                    {
                        return Err(conflict(symbol, parts[other].name(), part.name()));
                    }
                }
                objects.members.push(member);
            }
        }
        objects.needs_compiler |= !lacking.is_subset(&given);
        Ok(objects)
    }
}

fn conflict(symbol: &[u8], one: &str, other: &str) -> Error {
    let symbol = String::from_utf8_lossy(symbol).into_owned();
    Error {
        symbols: vec![symbol.clone()],
        ..Error::new(
            Status::Link,
            format!(
                "both {one} and {other} define `{symbol}`: rename one, give it internal linkage, or keep it from others \
                 (mgenjit_source_keep)"
            ),
        )
    }
}

/// The only module; the message says what is to be exported instead.
fn one<'a, 'b>(parts: &'b [Part<'a>], what: &str, instead: &str) -> Result<&'b Part<'a>, Error> {
    match parts {
        [part] => Ok(part),
        parts => Err(Error::new(
            Status::Unsupported,
            format!(
                "{} modules cannot be exported as {what}: export {instead}",
                parts.len()
            ),
        )),
    }
}

fn check_targets(parts: &[Part<'_>]) -> Result<(), Error> {
    let Some((first, others)) = parts.split_first() else {
        return Ok(());
    };
    let triple = |part: &Part<'_>| part.artifacts.about.triple.clone();
    match others.iter().find(|part| triple(part) != triple(first)) {
        None => Ok(()),
        Some(other) => Err(Error::new(
            Status::InvalidArgument,
            format!(
                "{} was compiled for {} and {} for {}: modules that are exported together must have one target",
                first.name(),
                triple(first),
                other.name(),
                triple(other)
            ),
        )),
    }
}

/// The modules' names, for messages.
fn name_of(parts: &[Part<'_>]) -> String {
    match parts {
        [] => String::new(),
        [part] => part.name().to_owned(),
        [part, others @ ..] => format!("{} and {} more", part.name(), others.len()),
    }
}

fn to_object(part: &Part<'_>) -> Result<Vec<u8>, Error> {
    let object = part.artifacts.object()?;
    if !archive::is_archive(&object) {
        return Ok(object);
    }
    let member = Member {
        name: part.name().to_owned(),
        bytes: object,
    };
    link(&[part], LinkOutput::Object, vec![member], Vec::new())
}

fn to_archive(parts: &[Part<'_>]) -> Result<Vec<u8>, Error> {
    let objects = Objects::of(parts)?;
    archive::write(objects.members).map_err(|error| {
        Error::new(
            Status::Unsupported,
            format!("no archive can be made of {}: {error}", name_of(parts)),
        )
    })
}

fn to_shared_library(parts: &[Part<'_>], options: &Options) -> Result<Vec<u8>, Error> {
    let objects = Objects::of(parts)?;
    let config = parts[0].module.executor().config();
    let by_program = !options.arguments.is_empty() || Linker::named(config).is_some();
    if by_program || objects.needs_compiler {
        return link_by_program(parts, &objects, true, options);
    }
    let libraries = match parts[0].artifacts.target() {
        Target::Host(_) => libraries::of_this_system(objects.needs_atomic),
        Target::Other(_) => Vec::new(),
    };
    let output = LinkOutput::SharedLibrary {
        soname: options.soname.clone(),
    };
    let parts: Vec<&Part<'_>> = parts.iter().collect();
    link(&parts, output, objects.members, libraries)
}

fn to_executable(parts: &[Part<'_>], options: &Options) -> Result<Vec<u8>, Error> {
    let functions = || parts.iter().flat_map(|part| &part.artifacts.functions);
    if let Some(main) = functions().find(|function| function.name == "main") {
        check_main(main)?;
    }
    let objects = Objects::of(parts)?;
    // A library or a flag may bring one.
    if objects.all_read && !objects.has_main && options.arguments.is_empty() {
        return Err(Error {
            symbols: vec!["main".to_owned()],
            ..Error::new(
                Status::Unresolved,
                format!(
                    "{} defines no `main`, which an executable needs",
                    name_of(parts)
                ),
            )
        });
    }
    link_by_program(parts, &objects, false, options)
}

fn link_by_program(
    parts: &[Part<'_>],
    objects: &Objects,
    shared: bool,
    options: &Options,
) -> Result<Vec<u8>, Error> {
    let config = parts[0].module.executor().config();
    let artifacts = &parts[0].artifacts;
    let target = artifacts.target();
    let triple = &artifacts.about.triple;
    let plan = Plan {
        name: &name_of(parts),
        shared,
        objects: &objects.members,
        triple,
        wraps_main: objects.wraps_main,
        needs_atomic: objects.needs_atomic,
        options,
    };
    Linker::for_target(config, &target, triple)?.link(&plan, config)
}

/// Links in a compile server.
fn link(
    parts: &[&Part<'_>],
    output: LinkOutput,
    objects: Vec<Member>,
    libraries: Vec<(String, Vec<u8>)>,
) -> Result<Vec<u8>, Error> {
    let first = parts[0];
    let count = libraries.len() as u32;
    let all = objects
        .into_iter()
        .map(|member| (member.name, member.bytes))
        .chain(libraries);
    let (names, bytes): (Vec<String>, Vec<Vec<u8>>) = all.unzip();
    let inputs = names.into_iter().zip(&bytes).map(|(name, bytes)| Input {
        name,
        len: bytes.len() as u64,
    });
    let request = Request::Link(LinkRequest {
        name: first.name().to_owned(),
        target: first.artifacts.target(),
        output,
        inputs: inputs.collect(),
        libraries: count,
    });
    ask(first, &request, &bytes)
}

/// Asks a compile server for IR, bitcode or assembly of the module.
fn emit(part: &Part<'_>, emit: Emit) -> Result<Vec<u8>, Error> {
    let inputs = part.artifacts.inputs()?;
    let request = Request::Compile(part.artifacts.emit(emit)?);
    if let Some(hook) = &part.module.executor().config().hook {
        hook(&Event {
            kind: EventKind::CompileStarted,
            key: part.module.key().0,
            name: part.name(),
            message: "",
            bytes: part.artifacts.about.input_len(),
            times: &part.module.times(),
            progress: None,
        });
    }
    ask(part, &request, &inputs)
}

fn ask(part: &Part<'_>, request: &Request, inputs: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    part.module.executor().pool().emit(request, &inputs)
}

/// The C header of a library of the modules.
fn to_header(parts: &[Part<'_>], options: &Options) -> Result<Vec<u8>, Error> {
    let mut functions = Vec::new();
    for part in parts {
        let objects = part.objects()?;
        let hidden: HashSet<&[u8]> = objects
            .iter()
            .filter_map(|object| symbols::read(&object.bytes))
            .flat_map(|symbols| symbols.hidden)
            .collect();
        let all = part.artifacts.functions.iter();
        let shown = all.filter(|function| !hidden.contains(function.name.as_bytes()));
        functions.extend(shown.cloned());
    }
    let first = parts.first().map_or("", Part::name);
    let name = options.soname.as_deref().unwrap_or(first);
    Ok(header::write(name, &functions).into_bytes())
}
