//! The machine that code is generated for: this one, any of a level that this one has too, or another target.

use inkwell::OptimizationLevel;
use inkwell::module::Module;
use inkwell::targets::{CodeModel, InitializationConfig, RelocMode, TargetMachine, TargetTriple};
use mgenjit::compile::protocol::{Cpu, Failure, FailureKind, OptLevel, Target};
use std::ffi::{CStr, c_char};

/// The version of the LLVM that runs, which is not the one that was built against if the library was
/// replaced.
pub fn llvm_version() -> String {
    let (major, minor, patch) = inkwell::support::get_llvm_version();
    format!("{major}.{minor}.{patch}")
}

/// The targets that code can be generated for.
pub struct Targets {
    /// What LLVM calls this machine.
    triple: TargetTriple,
    cpu: String,
    features: String,
}

/// Generates code for one target, as one level wants it.
pub struct Machine {
    pub llvm: TargetMachine,
    triple: TargetTriple,
    cpu: String,
    features: String,
}

impl Targets {
    /// Prepares LLVM for the whole process.
    pub fn new() -> Result<Targets, String> {
        set_llvm_options();
        inkwell::targets::Target::initialize_x86(&InitializationConfig::default());
        Ok(Targets {
            triple: TargetMachine::get_default_triple(),
            cpu: TargetMachine::get_host_cpu_name().to_string(),
            features: sort_features(&TargetMachine::get_host_cpu_features().to_string()),
        })
    }

    pub fn machine(&self, level: OptLevel, target: &Target) -> Result<Machine, Failure> {
        let (triple, cpu, features) = match target {
            Target::Host(Cpu::Native) => (&self.triple, self.cpu.as_str(), self.features.as_str()),
            Target::Host(Cpu::Level(level)) => (&self.triple, level.name(), ""),
            Target::Other(spec) => {
                return Err(target_failure(format!("{} is not known", spec.describe())));
            }
        };
        let level = match level {
            OptLevel::O0 => OptimizationLevel::None,
            OptLevel::O1 => OptimizationLevel::Less,
            OptLevel::O2 | OptLevel::Os | OptLevel::Oz => OptimizationLevel::Default,
            OptLevel::O3 => OptimizationLevel::Aggressive,
        };
        let llvm = inkwell::targets::Target::from_triple(triple)
            .ok()
            .and_then(|target| {
                let (reloc, model) = (RelocMode::PIC, CodeModel::Default);
                target.create_target_machine(triple, cpu, features, level, reloc, model)
            });
        let name = triple.as_str().to_string_lossy();
        Ok(Machine {
            llvm: llvm.ok_or_else(|| Failure {
                kind: FailureKind::Codegen,
                message: format!("LLVM has no code generator for {name}"),
                input: None,
                position: None,
            })?,
            triple: TargetTriple::create(&name),
            cpu: cpu.to_owned(),
            features: features.to_owned(),
        })
    }
}

impl Machine {
    pub fn triple(&self) -> String {
        self.triple.as_str().to_string_lossy().into_owned()
    }

    /// LLVM's names of the triple, of the CPU, and of the features beyond those that the CPU's name implies.
    pub fn names(&self) -> (String, String, String) {
        (self.triple(), self.cpu.clone(), self.features.clone())
    }

    /// Gives the module the machine's triple and data layout, unless it has others that disagree.
    pub fn adopt(&self, module: &Module<'_>) -> Result<(), Failure> {
        let name = self.triple();
        let wanted = module.get_triple();
        let wanted_name = wanted.as_str().to_string_lossy();
        if !wanted_name.is_empty() && !is_compatible(&wanted, &self.triple) {
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
        if !theirs.is_empty() && upgrade_layout(&theirs, &ours) != ours {
            return Err(target_failure(format!(
                "the module's data layout is \"{theirs}\", but {name} has \"{ours}\": leave the data layout \
                 empty, or generate the IR for this target"
            )));
        }
        module.set_triple(&self.triple);
        module.set_data_layout(&layout);
        Ok(())
    }
}

/// LLVM lists them in the order of a hash table, which another build of LLVM may order otherwise.
fn sort_features(features: &str) -> String {
    let mut features: Vec<&str> = features.split(',').collect();
    features.sort_unstable_by_key(|feature| feature.trim_start_matches(['+', '-']));
    features.join(",")
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

/// What LLVM has added to this machine's data layout over the years. Its reader of bitcode adds them to a
/// layout that an older LLVM wrote, its reader of text does not, and front ends keep old layouts in constants.
const ADDED_LATER: [&str; 4] = ["p270:32:32", "p271:32:32", "p272:64:64", "i128:128"];

/// `theirs` with what it is too old to have.
fn upgrade_layout(theirs: &str, ours: &str) -> String {
    let has: Vec<&str> = theirs.split('-').collect();
    let mut rest = has.iter().copied();
    let mut upgraded = Vec::new();
    for wanted in ours.split('-') {
        if ADDED_LATER.contains(&wanted) && !has.contains(&wanted) {
            upgraded.push(wanted);
        } else {
            upgraded.extend(rest.next());
        }
    }
    upgraded.extend(rest);
    upgraded.join("-")
}

/// Compares what decides about code: not the vendor, nor how the triple is spelled.
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
            Some(part) => part.to_owned(),
            None => "unknown".to_owned(),
        }
    };
    part(&wanted, 0) == part(&ours, 0)
        && part(&wanted, 2) == part(&ours, 2)
        && (part(&wanted, 3) == part(&ours, 3) || part(&wanted, 3) == "unknown")
        // `-elf` and `-macho` at the end name an object format.
        && matches!(part(&wanted, 4).as_str(), "unknown" | "elf")
}

fn target_failure(message: String) -> Failure {
    Failure {
        kind: FailureKind::Target,
        message,
        input: None,
        position: None,
    }
}
