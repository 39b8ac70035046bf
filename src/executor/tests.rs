//! Modules for tests of linking: from assembly, by the system's compiler, with no server.

use super::info::{ModuleInfo, Origin};
use super::link::in_order_of_need;
use super::report::Report;
use super::resolve::{self, Job};
use super::state::State;
use crate::arch::assembly::NAMES;
use crate::cache::entry::RawManifest;
use crate::cache::key::Key;
use crate::event::Times;
use crate::image::Image;
use crate::image::map::Source;
use crate::image::relocate::Target;
use crate::image::tls;
use crate::types::OptLevel;
use object::LittleEndian as LE;
use object::elf;
use object::read::elf::{ElfFile64, SectionHeader, Sym};
use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;

/// Where the definition `host` of every executor here is.
const HOST: usize = 0x1000;

/// The modules of an executor.
pub struct Modules {
    pub state: State,
    names: Vec<(u64, String)>,
}

impl Modules {
    /// Modules to link, by their names. Symbols whose names begin with `hidden_` are so.
    pub fn new(all: &[(&str, &str)]) -> Modules {
        let mut modules = Modules {
            state: State::default(),
            names: Vec::new(),
        };
        modules
            .state
            .definitions
            .insert(b"host".as_slice().into(), HOST);
        modules.add(all);
        modules
    }

    pub fn add(&mut self, all: &[(&str, &str)]) {
        for (name, assembly) in all {
            let bytes = image(assembly);
            let image = Image::map(Source::Memory(&bytes), &bytes, bytes.len() as u64);
            let info = ModuleInfo::new(
                (*name).into(),
                Key([0; 32]),
                Origin::Compiled,
                OptLevel::O2,
                Times::default(),
                RawManifest::new(Vec::new()),
                None,
            );
            let id = self.state.add(image.expect("an image"), Arc::new(info));
            self.names.push((id, (*name).to_owned()));
        }
    }

    /// What linking all that is pending would do: `b.f -> a`, if `a` defines what `b` refers to as `f`; then
    /// `b lacks f`, `c waits for b` and `d: FAULT` for those that cannot be linked.
    pub fn plan(&self) -> Vec<String> {
        let (jobs, report) = resolve::plan(&self.state, &HashMap::new());
        self.describe(&jobs, &report)
    }

    /// Takes all that can be linked for linked.
    pub fn link(&mut self) {
        let (jobs, _) = resolve::plan(&self.state, &HashMap::new());
        for job in in_order_of_need(jobs) {
            self.state
                .set_linked(job.id, job.needs, job.uses, job.elsewhere);
        }
    }

    pub fn name(&self, id: u64) -> &str {
        let found = self.names.iter().find(|(other, _)| *other == id);
        found.map_or("nobody", |(_, name)| name)
    }

    pub fn describe(&self, jobs: &[Job], report: &Report) -> Vec<String> {
        let mut lines = Vec::new();
        for job in jobs {
            for symbol in job.image.references().expect("references") {
                let name = job.image.name(&symbol).expect("a name");
                let name = String::from_utf8_lossy(name);
                let target = job.targets[symbol.index as usize].expect("a target");
                let definer = self.definer(&target);
                lines.push(format!("{}.{name} -> {definer}", self.name(job.id)));
            }
        }
        for blocked in &report.blocked {
            let name = self.name(blocked.id);
            let missing = blocked.missing.keys();
            lines.extend(
                missing.map(|one| format!("{name} lacks {}", String::from_utf8_lossy(one))),
            );
            let needs = blocked.needs.iter().map(|id| self.name(*id));
            lines.extend(needs.map(|one| format!("{name} waits for {one}")));
            lines.extend(blocked.fault.iter().map(|why| format!("{name}: {why}")));
        }
        lines.sort_unstable();
        lines
    }

    /// Whose definition a target is.
    fn definer(&self, target: &Target) -> &str {
        let has = |id: u64| {
            let image = &self.state.module(id).expect("a module").image;
            match target {
                Target::Address(at) | Target::Indirect(at) => image.range().contains(at),
                Target::ThreadLocal { module, .. } => image.tls_module() == Some(*module),
            }
        };
        if let Some((_, name)) = self.names.iter().find(|(id, _)| has(*id)) {
            return name;
        }
        match target {
            Target::Address(HOST) => "host",
            Target::Address(0) => "nothing",
            Target::ThreadLocal { module, .. } if *module == tls::NOWHERE => "nothing",
            _ => "process",
        }
    }
}

/// A shared object.
fn image(assembly: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, output) = (
        folder.path().join("source.s"),
        folder.path().join("output.so"),
    );
    // GNU ld does not say how many symbols there are if none is defined.
    let text = format!("{NAMES}\n{assembly}\n.text; .globl here; here:\n");
    std::fs::write(&source, text).expect("written");
    let options = ["-shared", "-nostdlib", "-Wl,--hash-style=gnu", "-o"];
    let status = Command::new("cc")
        .args(options)
        .args([&output, &source])
        .status();
    assert!(status.expect("cc runs").success(), "{assembly}");
    let mut bytes = std::fs::read(output).expect("an output");
    hide(&mut bytes);
    bytes
}

/// Marks symbols as the server does, which no linker would export.
fn hide(image: &mut [u8]) {
    let file = ElfFile64::<LE>::parse(&*image).expect("an image");
    let sections = file.elf_section_table();
    let table = sections
        .symbols(LE, file.data(), elf::SHT_DYNSYM)
        .expect("symbols");
    let start = sections
        .section(table.section())
        .expect("a section")
        .sh_offset(LE) as usize;
    let is_hidden = |symbol: &elf::Sym64<LE>| {
        let name = symbol.name(LE, table.strings());
        name.is_ok_and(|name| name.starts_with(b"hidden_"))
    };
    let hidden: Vec<usize> = (0..)
        .zip(table.iter())
        .filter(|(_, symbol)| is_hidden(symbol))
        .map(|(index, _): (usize, _)| index)
        .collect();
    const ST_OTHER: usize = 5;
    for index in hidden {
        image[start + index * size_of::<elf::Sym64<LE>>() + ST_OTHER] = elf::STV_HIDDEN.0;
    }
}
