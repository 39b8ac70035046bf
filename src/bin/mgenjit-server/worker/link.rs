//! Links objects for export: into a shared library that the system's loader loads, with what the C compiler's start-up
//! files would add, or into one object.

use crate::input::archive;
use crate::input::buffer::{Input, Kind};
use crate::input::object_file;
use crate::link::crt;
use crate::link::images::{Object, Output, Plan};
use crate::link::{tls, visibility};
use crate::llvm::names::{EMULATIONS, Names};
use crate::llvm::profile;
use crate::process::crash::{self, Phase};
use crate::worker::compile::Compiler;
use mgenjit::protocol::messages::{Failure, FailureKind, LinkOutput, LinkRequest};
use mgenjit::types::Target;
use object::elf::STV_HIDDEN;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object as _, ObjectSymbol};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Makes what `request` asks for of its inputs.
pub fn link(
    compiler: &mut Compiler,
    request: &LinkRequest,
    inputs: &[Input],
) -> Result<Vec<u8>, Failure> {
    if let LinkOutput::Profile = request.output {
        return merge_profiles(request, inputs);
    }
    let names = compiler.names(&request.target)?;
    let emulation = emulation(&names)?;
    let libraries = inputs.len().checked_sub(request.libraries as usize);
    let Some(count) = libraries.filter(|count| *count > 0) else {
        return Err(Failure::new(
            FailureKind::Protocol,
            format!(
                "{} inputs, of which {} are shared libraries, leave nothing to link",
                inputs.len(),
                request.libraries
            ),
        ));
    };
    for (index, input) in (0..).zip(inputs) {
        // libwild would take text for a script, and does not say which archive is damaged.
        let checked = match input.kind() {
            Kind::Ir => Err("is neither an object nor an archive nor a shared library".to_owned()),
            Kind::Archive => archive::members(input.bytes()).map(|_| ()),
            Kind::Object => Ok(()),
        };
        checked.map_err(|reason| Failure {
            kind: FailureKind::Link,
            message: format!("the input {reason}"),
            input: Some(index),
            position: None,
        })?;
    }
    // Their own names may be options, or those of other inputs.
    let mut objects = Vec::new();
    for (index, input) in inputs[..count].iter().enumerate() {
        let name = file_name(index);
        // Each member by itself: it may have to be mended before it is linked.
        if input.kind() == Kind::Archive {
            for (number, member) in (0..).zip(archive::members(input.bytes()).unwrap_or_default()) {
                objects.push(Object {
                    name: format!("{name}({number}: {})", member.name),
                    bytes: Arc::new(input.bytes()[member.range].to_vec()),
                });
            }
        } else {
            objects.push(Object {
                name,
                bytes: Arc::new(input.bytes().to_vec()),
            });
        }
    }
    let libraries = inputs[count..].iter().enumerate();
    let libraries: Vec<Object> = libraries
        .map(|(index, input)| Object {
            name: file_name(count + index),
            bytes: Arc::new(input.bytes().to_vec()),
        })
        .collect();
    let (objects, libraries) = (&with_known_visibility(objects)[..], &libraries[..]);
    let linked = match &request.output {
        LinkOutput::SharedLibrary { soname } => check_hidden(&inputs[..count]).and_then(|()| {
            library(
                compiler,
                &request.target,
                emulation,
                soname.as_deref(),
                objects,
                libraries,
            )
        }),
        LinkOutput::Object | LinkOutput::Profile => {
            refuse_common(inputs)?;
            crash::enter(Phase::Link);
            compiler.linker.link(&Plan {
                emulation,
                output: Output::Relocatable,
                objects,
                libraries,
            })
        }
    };
    linked.map_err(|failure| name_inputs(failure, request))
}

/// Makes one profile of all.
fn merge_profiles(request: &LinkRequest, inputs: &[Input]) -> Result<Vec<u8>, Failure> {
    crash::enter(Phase::Link);
    let all: Vec<&[u8]> = inputs.iter().map(Input::bytes).collect();
    profile::merge(&all).map_err(|(index, why)| {
        let name = request.inputs.get(index).map_or("", |input| &input.name);
        let message = format!("the profile {name} cannot be read: {why}");
        Failure::new(FailureKind::Parse, message)
    })
}

/// libwild 0.10 takes internal visibility for none. Linkers treat it as hidden.
fn with_known_visibility(mut objects: Vec<Object>) -> Vec<Object> {
    for object in &mut objects {
        let mut bytes = (*object.bytes).as_ref().to_vec();
        let places = visibility::internal(&bytes);
        if !places.is_empty() {
            for place in places {
                bytes[place] = bytes[place] & !3 | STV_HIDDEN.0;
            }
            object.bytes = Arc::new(bytes);
        }
    }
    objects
}

/// The objects in an input: itself, or the members of an archive.
fn parts(input: &Input) -> Vec<Range<usize>> {
    match input.kind() {
        Kind::Archive => archive::members(input.bytes())
            .unwrap_or_default()
            .into_iter()
            .map(|member| member.range)
            .collect(),
        Kind::Object => std::iter::once(0..input.bytes().len()).collect(),
        Kind::Ir => Vec::new(),
    }
}

/// What is hidden must be defined by one of the inputs: libwild 0.10 would bind it to address 0.
fn check_hidden(inputs: &[Input]) -> Result<(), Failure> {
    let objects = || {
        let inputs = (0_u32..).zip(inputs);
        inputs.flat_map(|(index, input)| {
            let objects = parts(input).into_iter();
            objects.map(move |range| (index, &input.bytes()[range]))
        })
    };
    let mut undefined = Vec::new();
    for (index, bytes) in objects() {
        let names = visibility::undefined_hidden(bytes).into_iter();
        undefined.extend(names.map(|name| (index, name)));
    }
    if undefined.is_empty() {
        return Ok(());
    }
    let mut defined: HashSet<String> = HashSet::new();
    for (_, bytes) in objects() {
        if let Ok(object) = object_file::read(bytes, None) {
            defined.extend(object.symbols.defined.into_iter().map(|one| one.name));
        }
    }
    let by_linker = |name: &str| {
        let section = name
            .strip_prefix("__start_")
            .or(name.strip_prefix("__stop_"));
        section.is_some() || crt::is_defined_by_linker(name)
    };
    undefined.retain(|(_, name)| !defined.contains(name) && !by_linker(name));
    let Some(index) = undefined.first().map(|(index, _)| *index) else {
        return Ok(());
    };
    let mut names: Vec<String> = undefined
        .into_iter()
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    names.sort_unstable();
    names.dedup();
    Err(Failure {
        kind: FailureKind::Link,
        message: format!(
            "the input refers to what is declared hidden, and nothing that is linked defines it: {}. Export the module \
             that does together with this one, or declare it with default visibility",
            names.join(", ")
        ),
        input: Some(index),
        position: None,
    })
}

/// libwild 0.10 loses them when it merges objects.
fn refuse_common(inputs: &[Input]) -> Result<(), Failure> {
    for (index, input) in (0..).zip(inputs) {
        let objects = parts(input).into_iter().map(|range| &input.bytes()[range]);
        if let Some(symbol) = objects.into_iter().find_map(common_symbol) {
            return Err(Failure {
                kind: FailureKind::Unsupported,
                message: format!(
                    "the input has the common symbol `{symbol}`, and cannot be merged into one object: compile it with \
                     -fno-common, or export an archive"
                ),
                input: Some(index),
                position: None,
            });
        }
    }
    Ok(())
}

fn common_symbol(object: &[u8]) -> Option<String> {
    let file = ElfFile64::<LittleEndian>::parse(object).ok()?;
    let symbol = file.symbols().find(ObjectSymbol::is_common)?;
    Some(String::from_utf8_lossy(symbol.name_bytes().ok()?).into_owned())
}

fn library(
    compiler: &mut Compiler,
    target: &Target,
    emulation: &str,
    soname: Option<&str>,
    objects: &[Object],
    libraries: &[Object],
) -> Result<Vec<u8>, Failure> {
    let mut all = vec![compiler.crt_object(&crt::LIBRARY, target)?];
    all.extend_from_slice(objects);
    let mut on_demand = Vec::new();
    for piece in crt::static_pieces() {
        on_demand.push(compiler.crt_object(piece, target)?);
    }
    crash::enter(Phase::Link);
    let link = |symbolic| {
        compiler.linker.link(&Plan {
            emulation,
            output: Output::Library {
                soname,
                symbolic,
                on_demand: &on_demand,
            },
            objects: &all,
            libraries,
        })
    };
    // A program may have variables of a library copied into itself, and then the library must use the copies. Code
    // that was made for an executable cannot.
    let mut linked = link("-Bsymbolic-non-weak-functions")?;
    tls::bind(&mut linked).map_err(|error| {
        Failure::new(
            FailureKind::Link,
            format!("the library that was just linked is broken: {error}"),
        )
    })?;
    Ok(linked)
}

fn emulation(names: &Names) -> Result<&'static str, Failure> {
    names.emulation().ok_or_else(|| {
        Failure::new(
            FailureKind::Unsupported,
            format!(
                "nothing can be linked for {} here, but only for ELF systems on {}: export objects or an archive, and \
                 link them with the target's own linker",
                names.triple,
                EMULATIONS.map(|(name, _)| name).join(", ")
            ),
        )
    })
}

fn file_name(index: usize) -> String {
    format!("<input-{index}>")
}

/// Replaces temporary names in a message by the client's names.
fn name_inputs(failure: Failure, request: &LinkRequest) -> Failure {
    let mut message = failure.message;
    let mut named = Vec::new();
    for (index, input) in (0..).zip(&request.inputs) {
        let name = file_name(index);
        if message.contains(&name) {
            message = message.replace(&name, &input.name);
            named.push(u32::try_from(index).ok());
        }
    }
    Failure {
        message,
        input: match named[..] {
            [index] => index,
            _ => None,
        },
        ..failure
    }
}
