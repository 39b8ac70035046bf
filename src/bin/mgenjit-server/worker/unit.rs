//! The inputs of a request as one unit: a module, and the objects that are linked to it.

use crate::input::buffer::{Input, Kind, Named};
use crate::input::conflicts;
use crate::input::object_file::Architecture;
use crate::input::symbols::Symbols;
use crate::link::objects::{File, NativeInputs, Scope};
use crate::llvm::calls;
use crate::llvm::canonical::Canonical;
use crate::llvm::diagnostics::Diagnostics;
use crate::llvm::globals;
use crate::llvm::internalise::internalise;
use crate::llvm::names::Format;
use crate::llvm::parse;
use crate::llvm::profile;
use crate::llvm::target::{self, Machine};
use crate::llvm::verify;
use crate::process::crash::{self, Phase};
use crate::worker::sources::{self, Sources};
use inkwell::context::Context;
use inkwell::llvm_sys::linker::LLVMLinkModules2;
use inkwell::module::Module;
use mgenjit::protocol::messages::{Failure, FailureKind};
use mgenjit::protocol::profile::Profile;
use mgenjit::types::{self, OptLevel};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A unit that has been read and waits to be compiled.
pub struct Unit {
    /// All IR; `None`: there is none.
    pub canonical: Option<Canonical>,
    pub natives: NativeInputs,
    /// The symbols to export. `None`: all external ones.
    pub keep: Option<Vec<String>>,
    /// Warnings about the inputs.
    pub warnings: Vec<String>,
    /// Texts for debuggers, which are in no file yet.
    pub sources: Vec<(types::Input, Vec<u8>)>,
    /// The input that asks for counters, or is what they counted: see `protocol::profile`.
    pub profile: Option<Input>,
    /// The inputs and members of archives that are IR, for messages.
    parts: Vec<(String, Symbols)>,
}

/// What is known of a unit when its IR is gone.
#[derive(Serialize, Deserialize)]
pub struct About {
    warnings: Vec<String>,
    sources: Vec<(types::Input, Vec<u8>)>,
    parts: Vec<(String, Symbols)>,
    /// The inputs that are not IR, by their indices.
    pub natives: Vec<u32>,
    /// Those of their files that are linked.
    selected: Vec<u32>,
}

/// IR of one input.
struct Part<'context> {
    /// What messages call it.
    name: String,
    input: u32,
    /// The input, if debuggers are to see it.
    text: Option<Input>,
    module: Module<'context>,
}

impl Unit {
    /// Reads inputs. Also returns the module that their IR is together, in `context`, which must be new. The canonical one is
    /// still to be written.
    pub fn read<'context>(
        context: &'context Context,
        mut inputs: Vec<Named>,
        keep: Option<Vec<String>>,
        machine: &Machine,
        level: OptLevel,
    ) -> Result<(Unit, Option<Module<'context>>), Failure> {
        let wanted = architecture(machine);
        let mut sources = Sources::new(sources::take_paths(&mut inputs), level);
        let profile = take_profile(&mut inputs);
        let diagnostics = Diagnostics::collect(context);
        let mut natives = NativeInputs::default();
        let mut parts = Vec::new();
        crash::enter(Phase::Parse);
        for (index, named) in (0_u32..).zip(inputs) {
            if named.input.kind() == Kind::Ir {
                let module = parse::parse(context, &named.input)
                    .and_then(|module| diagnostics.check().map(|()| module))
                    .map_err(|failure| at(index, failure))?;
                // LLVM's own messages about what it links name modules by it.
                module.set_name(&named.name);
                parts.push(Part {
                    name: named.name,
                    input: index,
                    text: sources.are_wanted().then_some(named.input),
                    module,
                });
            } else {
                natives.add(index, named, wanted, &symbols_of_bitcode)?;
            }
        }
        crash::enter(Phase::Verify);
        adopt(&parts, machine)?;
        for part in &parts {
            verify::verify(&part.module)
                .and_then(|()| diagnostics.check())
                .map_err(|failure| at(part.input, failure))?;
            let input = part.text.as_ref().map(|text| (part.input, text));
            sources
                .annotate(&part.module, input, &part.name)
                .map_err(|failure| at(part.input, failure))?;
        }
        if keep.is_none()
            && natives.is_empty()
            && parts.len() == 1
            && let Some(Part { module, .. }) = parts.pop()
        {
            let unit = Unit {
                canonical: None,
                natives,
                keep,
                warnings: Vec::new(),
                sources: sources.texts,
                profile,
                parts: Vec::new(),
            };
            return Ok((unit, Some(module)));
        }
        select(&mut natives, &mut parts, keep.as_deref(), |bytes, name| {
            crash::enter(Phase::Parse);
            let module = parse::parse_bitcode(context, bytes)?;
            crash::enter(Phase::Verify);
            machine.adopt(&module)?;
            verify::verify(&module)?;
            diagnostics.check()?;
            sources.annotate(&module, None, name)?;
            Ok(module)
        })?;
        let about = parts
            .iter()
            .map(|part| (part.name.clone(), globals::symbols(&part.module)))
            .collect();
        let mut unit = Unit {
            canonical: None,
            natives,
            keep,
            warnings: Vec::new(),
            sources: sources.texts,
            profile,
            parts: about,
        };
        unit.check_definitions()?;
        let modules: Vec<_> = parts
            .iter()
            .map(|part| (part.name.as_str(), &part.module))
            .collect();
        let exact = machine.format == Format::Wasm;
        unit.warnings = calls::check(&modules, exact)?;
        unit.check_kept()?;
        if unit.profile.is_some() {
            for part in &parts {
                profile::note_names(&part.module);
            }
        }
        let module = link(parts, &diagnostics)?;
        if let (Some(module), Some(keep)) = (&module, &unit.keep) {
            let files = unit.natives.all().filter(|file| file.is_object());
            let needed: HashSet<&str> = files
                .flat_map(|file| {
                    let defined = file.symbols.defined.iter().map(|one| one.name.as_str());
                    let undefined = file.symbols.undefined.iter().map(|one| one.name.as_str());
                    defined.chain(undefined)
                })
                .collect();
            let is_kept = |name: &str| keep.binary_search_by(|one| one.as_str().cmp(name)).is_ok();
            internalise(module, is_kept, |name| needed.contains(name));
        }
        Ok((unit, module))
    }

    /// Writes the canonical form of the module that was read.
    pub fn write_canonical(&mut self, context: &Context, module: Option<&Module<'_>>) {
        // Writing reads module-level assembly, which may be wrong. Who compiles it says so.
        let _diagnostics = Diagnostics::collect(context);
        let profiled = self.profile.is_some();
        self.canonical = module.map(|module| canonical(module, profiled));
    }

    /// What [`Unit::again`] needs beside the inputs that are not IR.
    pub fn about(self) -> About {
        About {
            warnings: self.warnings,
            sources: self.sources,
            parts: self.parts,
            natives: self.natives.indices(),
            selected: self.natives.selection(),
        }
    }

    /// The unit of `about` once more, without its IR. `inputs`: those that are not IR, in their order.
    pub fn again(
        about: About,
        inputs: Vec<Named>,
        keep: Option<Vec<String>>,
        machine: &Machine,
    ) -> Result<Unit, Failure> {
        let wanted = architecture(machine);
        let mut natives = NativeInputs::default();
        for (index, named) in about.natives.into_iter().zip(inputs) {
            natives.add(index, named, wanted, &symbols_of_bitcode)?;
        }
        natives.select(about.selected)?;
        Ok(Unit {
            canonical: None,
            natives,
            keep,
            warnings: about.warnings,
            sources: about.sources,
            // A module that has one is compiled as one.
            profile: None,
            parts: about.parts,
        })
    }

    /// The digest of everything that the code depends on, except the options.
    pub fn digest(&self) -> [u8; 32] {
        if let (Some(canonical), None, None) = (&self.canonical, &self.keep, &self.profile)
            && self.natives.is_empty()
        {
            return canonical.digest();
        }
        let mut hasher = blake3::Hasher::new_derive_key("libmgenjit 2026 canonical unit");
        hasher.update(&[u8::from(self.canonical.is_some())]);
        if let Some(canonical) = &self.canonical {
            hasher.update(&canonical.digest());
        }
        hasher.update(&[u8::from(self.keep.is_some())]);
        let keep = self.keep.as_deref().unwrap_or_default();
        hasher.update(&(keep.len() as u64).to_le_bytes());
        for name in keep {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        self.natives.hash(&mut hasher);
        if let Some(profile) = &self.profile {
            hasher.update(b"profile");
            hasher.update(blake3::hash(profile.bytes()).as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Links the members that only the code needs that LLVM has generated.
    pub fn complete(&mut self, module: Option<&Symbols>) -> Result<(), Failure> {
        let mut scope = Scope::default();
        let selected = self.natives.selected();
        for symbols in module.into_iter().chain(selected.map(|file| &file.symbols)) {
            scope.add(symbols);
        }
        if let Some((file, name)) = self.natives.pull(&mut scope)? {
            return Err(file.failure(
                FailureKind::Link,
                &format!(
                    "is bitcode and defines `{name}`, which only the code refers to that LLVM has generated: it is \
                     too late then to compile it. Add it as an input of its own, or compile it to an object"
                ),
            ));
        }
        self.check_definitions()
    }

    fn check_definitions(&self) -> Result<(), Failure> {
        let parts = self
            .parts
            .iter()
            .map(|(name, symbols)| (name.as_str(), symbols));
        let objects = self.natives.selected().filter(|file| file.is_object());
        let objects = objects.map(|file| (file.display.as_str(), &file.symbols));
        conflicts::check_definitions(parts.chain(objects))
    }

    /// Every name to keep must be defined.
    fn check_kept(&self) -> Result<(), Failure> {
        let Some(keep) = &self.keep else {
            return Ok(());
        };
        let objects = self.natives.selected().filter(|file| file.is_object());
        let objects = objects.flat_map(|file| &file.symbols.defined);
        // What the IR hides is made visible.
        let parts = self.parts.iter().flat_map(|(_, symbols)| &symbols.defined);
        let there: HashSet<&str> = objects
            .filter(|one| one.exported)
            .chain(parts)
            .map(|one| one.name.as_str())
            .collect();
        // Quoted or not, the linker takes a name in its list to end there.
        if let Some(name) = keep.iter().find(|name| name.contains(';')) {
            return Err(failure(
                FailureKind::Unsupported,
                format!(
                    "`{name}` cannot be kept, because the linker's lists have no way to write `;`: rename it"
                ),
            ));
        }
        let missing: Vec<String> = keep
            .iter()
            .filter(|name| !there.contains(name.as_str()))
            .map(|name| format!("`{name}`"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(failure(
            FailureKind::NoSymbol,
            format!(
                "no input defines {} for others to see, which is to be kept: check the name (C++ and Rust mangle \
                 theirs), or do not keep it",
                missing.join(", ")
            ),
        ))
    }
}

/// Takes the input out that is a profile, or asks for one. It is the last one.
fn take_profile(inputs: &mut Vec<Named>) -> Option<Input> {
    Profile::decode(inputs.last()?.input.bytes())?;
    inputs.pop().map(|named| named.input)
}

/// Chooses the members of archives that are linked, and takes in those that are IR.
fn select<'context>(
    natives: &mut NativeInputs,
    parts: &mut Vec<Part<'context>>,
    keep: Option<&[String]>,
    mut read: impl FnMut(&[u8], &str) -> Result<Module<'context>, Failure>,
) -> Result<(), Failure> {
    let mut scope = Scope::default();
    for part in parts.iter() {
        scope.add(&globals::symbols(&part.module));
    }
    for file in natives.selected() {
        scope.add(&file.symbols);
    }
    keep.unwrap_or_default()
        .iter()
        .for_each(|name| scope.want(name));
    let nothing_refers = parts.is_empty() && !natives.has_selected() && keep.is_none();
    let mut take = |file: &File| {
        let module = read(file.bytes(), &file.display).map_err(|failure| file.blame(failure))?;
        module.set_name(&file.display);
        parts.push(Part {
            name: file.display.clone(),
            input: file.input,
            text: None,
            module,
        });
        Ok(())
    };
    if nothing_refers {
        natives.select_all()?;
        return natives
            .selected()
            .filter(|file| file.is_bitcode())
            .try_for_each(take);
    }
    while let Some((file, _)) = natives.pull(&mut scope)? {
        take(file)?;
    }
    Ok(())
}

/// What objects must be for.
fn architecture(machine: &Machine) -> Option<Architecture> {
    (machine.format == Format::Elf)
        .then(|| Architecture::of_triple(&machine.names.triple))
        .flatten()
}

/// The symbols of a member that is bitcode, which may not be linked: so it is read by itself.
fn symbols_of_bitcode(bytes: &[u8]) -> Result<Symbols, Failure> {
    let context = Context::create();
    let _diagnostics = Diagnostics::collect(&context);
    let module = parse::parse_bitcode(&context, bytes)?;
    Ok(globals::symbols(&module))
}

/// Gives all modules the machine's triple and data layout. If one cannot have them and another can, both are named.
fn adopt(parts: &[Part<'_>], machine: &Machine) -> Result<(), Failure> {
    let wishes = |part: &Part<'_>| {
        let triple = part.module.get_triple();
        let layout = part.module.get_data_layout();
        [
            triple.as_str().to_string_lossy().into_owned(),
            layout.as_str().to_string_lossy().into_owned(),
        ]
    };
    let wished: Vec<_> = parts.iter().map(wishes).collect();
    let adopted: Vec<_> = parts
        .iter()
        .map(|part| machine.adopt(&part.module))
        .collect();
    let fits: Vec<_> = adopted.iter().map(Result::is_ok).collect();
    for ((part, result), wish) in parts.iter().zip(adopted).zip(&wished) {
        let Err(mut failure) = result else {
            continue;
        };
        let differs = |other: &&(usize, &Part<'_>)| {
            let theirs = &wished[other.0];
            let pairs = wish.iter().zip(theirs);
            let both = |(ours, theirs): (&String, &String)| {
                !ours.is_empty() && !theirs.is_empty() && ours != theirs
            };
            fits[other.0] && pairs.into_iter().any(both)
        };
        let others: Vec<_> = parts.iter().enumerate().collect();
        if let Some((number, other)) = others.iter().find(differs) {
            let [triple, layout] = &wished[*number];
            let text = if triple.is_empty() { layout } else { triple };
            failure
                .message
                .push_str(&format!("; {} is for \"{text}\"", other.name));
        }
        return Err(Failure {
            input: Some(part.input),
            ..failure
        });
    }
    Ok(())
}

/// Links all modules into one. `None`: there are none.
fn link<'context>(
    parts: Vec<Part<'context>>,
    diagnostics: &Diagnostics,
) -> Result<Option<Module<'context>>, Failure> {
    let modules: Vec<&Module<'_>> = parts.iter().map(|part| &part.module).collect();
    target::unite_layouts(&modules);
    let mut modules = parts.into_iter().map(|part| part.module);
    let Some(all) = modules.next() else {
        return Ok(None);
    };
    for module in modules {
        // SAFETY: both modules are valid and of one context. The second is consumed, and forgotten here.
        let failed = unsafe { LLVMLinkModules2(all.as_mut_ptr(), module.as_mut_ptr()) };
        std::mem::forget(module);
        let checked = diagnostics.check();
        if failed != 0 || checked.is_err() {
            let message = match checked {
                Err(failure) => failure.message,
                Ok(()) => "LLVM cannot link the modules, and does not say why".to_owned(),
            };
            return Err(failure(FailureKind::Link, message));
        }
    }
    verify::verify(&all)?;
    Ok(Some(all))
}

fn at(input: u32, failure: Failure) -> Failure {
    Failure {
        input: Some(input),
        ..failure
    }
}

fn canonical(module: &Module<'_>, profiled: bool) -> Canonical {
    crash::enter(Phase::Canonical);
    Canonical::write(module, profiled)
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure::new(kind, message)
}
