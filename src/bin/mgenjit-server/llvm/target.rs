//! The machine that code is generated for: this one, any of a level that this one has too, or another target.

use crate::llvm::names::{Format, Names};
use crate::llvm::{layout, probe};
use inkwell::OptimizationLevel;
use inkwell::module::Module;
use inkwell::targets::{InitializationConfig, TargetData, TargetMachine, TargetTriple};
use mgenjit::cpu::Cpu;
use mgenjit::protocol::messages::{Failure, FailureKind};
use mgenjit::types::{OptLevel, Target, TargetSpec};
use std::ffi::{CStr, c_char};

/// The version of the LLVM that runs, which is not the one that was built against if the library was
/// replaced.
pub fn llvm_version() -> String {
    let (major, minor, patch) = inkwell::support::get_llvm_version();
    format!("{major}.{minor}.{patch}")
}

/// The targets that code can be generated for.
pub struct Targets {
    /// What LLVM calls this system.
    host: String,
}

/// Generates code for one target, as one level wants it.
pub struct Machine {
    pub llvm: TargetMachine,
    pub names: Names,
    pub format: Format,
}

impl Targets {
    /// Prepares LLVM for the whole process.
    pub fn new() -> Result<Targets, String> {
        set_llvm_options();
        let triple = TargetMachine::get_default_triple();
        let host = triple.as_str().to_string_lossy().into_owned();
        let family =
            Family::of(&host).ok_or_else(|| format!("this LLVM is for another machine: {host}"))?;
        family.initialise(InitializationConfig::default());
        Ok(Targets { host })
    }

    /// What LLVM calls a target.
    pub fn names(&self, target: &Target) -> Result<Names, Failure> {
        Ok(match target {
            Target::Host(cpu) => {
                let (name, features) = cpu.llvm_names();
                Names {
                    triple: self.host.clone(),
                    cpu: name.to_owned(),
                    tuned: matches!(cpu, Cpu::Native(_)),
                    features,
                }
            }
            Target::Other(spec) => other(spec)?,
        })
    }

    pub fn machine(&self, level: OptLevel, target: &Target) -> Result<Machine, Failure> {
        let names = self.names(target)?;
        let format = names.format();
        let level = match level {
            OptLevel::O0 => OptimizationLevel::None,
            OptLevel::O1 => OptimizationLevel::Less,
            OptLevel::O2 | OptLevel::Os | OptLevel::Oz => OptimizationLevel::Default,
            OptLevel::O3 => OptimizationLevel::Aggressive,
        };
        let llvm = names.machine(level).ok_or_else(|| {
            Failure::new(
                FailureKind::Codegen,
                format!("LLVM has no code generator for {}", names.triple),
            )
        })?;
        Ok(Machine {
            llvm,
            names,
            format,
        })
    }
}

/// The names to use for a target that was asked for, all checked.
fn other(spec: &TargetSpec) -> Result<Names, Failure> {
    let triple = TargetMachine::normalize_triple(&TargetTriple::create(&spec.triple));
    let triple = triple.as_str().to_string_lossy().into_owned();
    let family = Family::of(&triple).ok_or_else(|| {
        target_failure(format!(
            "the architecture of the target \"{}\" is not one that code can be generated for, which are {}: \
             write the triple as \"aarch64-linux-gnu\" or \"wasm32-unknown-unknown\"",
            spec.triple,
            ARCHITECTURES.map(|(_, name)| name).join(", ")
        ))
    })?;
    let mut parts = triple.split('-').skip(1);
    let vendor = parts.next().unwrap_or("unknown");
    let system = parts.next().unwrap_or("unknown");
    let is_known = SYSTEMS.iter().any(|known| system.starts_with(known));
    // LLVM takes a system that it does not know for a vendor.
    let is_mistaken = system == "unknown" && !["unknown", "none", "pc", "apple"].contains(&vendor);
    if !is_known || is_mistaken {
        return Err(target_failure(format!(
            "the target \"{}\" is for no system that LLVM knows, which are those that begin with {}: write the \
             triple as \"aarch64-linux-gnu\" or \"riscv64-unknown-elf\"",
            spec.triple,
            SYSTEMS.join(", ")
        )));
    }
    family.initialise(InitializationConfig {
        disassembler: false,
        ..InitializationConfig::default()
    });
    let generic = match family {
        Family::X86 if triple.starts_with("x86_64") => "x86-64",
        _ => "generic",
    };
    let is_plain = spec.cpu.is_empty() && spec.features.is_empty();
    let names = Names {
        cpu: Some(spec.cpu.as_str())
            .filter(|cpu| !cpu.is_empty())
            .unwrap_or(generic)
            .to_owned(),
        tuned: false,
        features: match family {
            // What distributions and their C compilers are made for; LLVM's own default has no floating point.
            Family::RiscV if is_plain && system.starts_with("linux") => RISCV_GC.to_owned(),
            _ => spec.features.clone(),
        },
        triple,
    };
    if !is_plain {
        probe::check(&names).map_err(target_failure)?;
    }
    Ok(names)
}

const RISCV_GC: &str = "+m,+a,+f,+d,+c,+zicsr,+zifencei";

/// The architectures of this server's code generators, and what messages call them.
const ARCHITECTURES: [(Family, &str); 10] = [
    (Family::AArch64, "aarch64"),
    (Family::AArch64, "arm64"),
    (Family::RiscV, "riscv64"),
    (Family::RiscV, "riscv32"),
    (Family::WebAssembly, "wasm32"),
    (Family::WebAssembly, "wasm64"),
    (Family::X86, "x86_64"),
    (Family::X86, "amd64"),
    (Family::X86, "i386"),
    (Family::X86, "i686"),
];

/// How the names of systems begin that LLVM knows and that have one of these architectures.
const SYSTEMS: [&str; 26] = [
    "unknown",
    "none",
    "linux",
    "freebsd",
    "netbsd",
    "openbsd",
    "dragonfly",
    "kfreebsd",
    "hurd",
    "solaris",
    "haiku",
    "fuchsia",
    "serenity",
    "managarm",
    "hermit",
    "rtems",
    "darwin",
    "macos",
    "ios",
    "tvos",
    "watchos",
    "xros",
    "windows",
    "uefi",
    "wasi",
    "emscripten",
];

/// One code generator of LLVM's.
#[derive(Clone, Copy)]
enum Family {
    AArch64,
    RiscV,
    WebAssembly,
    X86,
}

impl Family {
    fn of(triple: &str) -> Option<Family> {
        let architecture = triple.split('-').next()?;
        ARCHITECTURES
            .iter()
            .find(|(_, name)| *name == architecture)
            .map(|(family, _)| *family)
    }

    /// Takes time, and most servers need no other machine's. To do it again changes nothing.
    fn initialise(self, config: InitializationConfig) {
        match self {
            Family::AArch64 => inkwell::targets::Target::initialize_aarch64(&config),
            Family::RiscV => inkwell::targets::Target::initialize_riscv(&config),
            Family::WebAssembly => inkwell::targets::Target::initialize_webassembly(&config),
            Family::X86 => inkwell::targets::Target::initialize_x86(&config),
        }
    }
}

impl Machine {
    /// Gives the module the machine's triple and data layout, unless it has others that disagree.
    pub fn adopt(&self, module: &Module<'_>) -> Result<(), Failure> {
        let name = &self.names.triple;
        let triple = TargetTriple::create(name);
        let wanted = module.get_triple();
        let wanted_name = wanted.as_str().to_string_lossy();
        if !wanted_name.is_empty() && !is_compatible(&wanted, &triple) {
            return Err(target_failure(format!(
                "the module's target triple is \"{wanted_name}\", but code is generated for \"{name}\": leave \
                 the triple empty, or generate the IR for this target"
            )));
        }
        let layout = self.llvm.get_target_data().get_data_layout();
        let ours = layout.as_str().to_string_lossy();
        let theirs = module
            .get_data_layout()
            .as_str()
            .to_string_lossy()
            .into_owned();
        let Some(merged) = layout::merge(&theirs, &ours) else {
            return Err(target_failure(format!(
                "the module's data layout is \"{theirs}\", but {name} has \"{ours}\": leave the data layout \
                 empty, or generate the IR for this target"
            )));
        };
        module.set_triple(&triple);
        set_layout(module, &merged);
        Ok(())
    }
}

/// Gives modules that are to be linked one layout, with what each of them adds to the machine's.
pub fn unite_layouts(modules: &[&Module<'_>]) {
    let layouts: Vec<String> = modules
        .iter()
        .map(|module| {
            let layout = module.get_data_layout();
            layout.as_str().to_string_lossy().into_owned()
        })
        .collect();
    let united = layout::unite(&layouts);
    for module in modules {
        set_layout(module, &united);
    }
}

/// The layout is made of what LLVM has read: over one that it cannot read it ends the process.
fn set_layout(module: &Module<'_>, layout: &str) {
    // Through inkwell, which keeps a pointer to the module's own text.
    module.set_data_layout(&TargetData::create(layout).get_data_layout());
}

/// LLVM's parsers repair debug info, and end the process if the rest of the module is broken too. That is the
/// verifier's business here.
fn set_llvm_options() {
    let arguments: [*const c_char; 2] = [
        c"mgenjit-server".as_ptr(),
        c"-disable-auto-upgrade-debug-info".as_ptr(),
    ];
    let overview: &CStr = c"";
    // SAFETY: the count is that of the array, and all strings are NUL-terminated and static.
    unsafe {
        inkwell::llvm_sys::support::LLVMParseCommandLineOptions(
            2,
            arguments.as_ptr(),
            overview.as_ptr(),
        );
    }
}

/// Compares what decides about code: not the vendor, nor how the triple is spelled. What a triple does not say, it is
/// compatible with: `unknown-unknown-unknown` is any machine, `x86_64-unknown-none` any system.
fn is_compatible(wanted: &TargetTriple, ours: &TargetTriple) -> bool {
    let parts = |triple: &TargetTriple| -> Vec<String> {
        let normal = TargetMachine::normalize_triple(triple);
        let normal = normal.as_str().to_string_lossy();
        normal.split('-').map(str::to_owned).collect()
    };
    let (wanted, ours) = (parts(wanted), parts(ours));
    let part = |triple: &[String], index: usize| -> String {
        match triple.get(index).map(String::as_str) {
            Some("amd64") => "x86_64".to_owned(),
            Some("arm64") => "aarch64".to_owned(),
            Some("none") if index > 0 => "unknown".to_owned(),
            Some(part) => part.to_owned(),
            None => "unknown".to_owned(),
        }
    };
    let is = |index: usize| {
        let (wanted, ours) = (part(&wanted, index), part(&ours, index));
        wanted == ours || wanted == "unknown"
    };
    // Systems that call functions in the same way and have the same kind of object.
    let family = |system: &str| UNIX.iter().any(|known| system.starts_with(known));
    let same_family = family(&part(&wanted, 2)) && family(&part(&ours, 2));
    let libraries = |environment: &str| ["gnu", "musl", "android"].contains(&environment);
    let same_abi = libraries(&part(&wanted, 3)) && libraries(&part(&ours, 3));
    let is_elf = |environment: &str| matches!(environment, "unknown" | "elf");
    is(0)
        && (is(2) || same_family)
        && (is(3) || same_abi || is_elf(&part(&wanted, 3)))
        // `-elf` and `-macho` at the end name an object format.
        && is_elf(&part(&wanted, 4))
}

const UNIX: [&str; 8] = [
    "linux",
    "freebsd",
    "netbsd",
    "openbsd",
    "dragonfly",
    "solaris",
    "hurd",
    "hermit",
];

pub fn target_failure(message: String) -> Failure {
    Failure::new(FailureKind::Target, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Clients find out what their CPU can do without LLVM, and as it does.
    #[test]
    fn llvm_finds_the_same_features() {
        fn parse(text: &str) -> HashMap<&str, bool> {
            text.split(',')
                .filter_map(|one| Some((one.get(1..)?, one.starts_with('+'))))
                .collect()
        }
        let (_, ours) = Cpu::native().llvm_names();
        let llvm = TargetMachine::get_host_cpu_features().to_string();
        let llvm = parse(&llvm);
        let mut compared = 0;
        for (name, has) in parse(&ours) {
            if let Some(theirs) = llvm.get(name) {
                assert_eq!(has, *theirs, "{name}");
                compared += 1;
            }
        }
        // For AArch64, LLVM asks for few of them.
        let least = if llvm.contains_key("neon") { 5 } else { 50 };
        assert!(compared > least, "{llvm:?}");
    }
}
