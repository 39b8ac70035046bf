//! Links with the user's compiler driver or linker.

use super::archive::Member;
use super::options::{Argument as Extra, Options};
use crate::arch::system::TRIPLE_START;
use crate::client::external_linker::{self, Outcome};
use crate::client::locate;
use crate::config::Config;
use crate::environment;
use crate::error::{Error, Status};
use crate::protocol::external_linker::{Argument, DriverFailure, DriverRequest};
use crate::types::{Input, Target};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What is to be linked.
pub struct Plan<'a> {
    /// What messages call it.
    pub name: &'a str,
    pub shared: bool,
    pub objects: &'a [Member],
    pub triple: &'a str,
    /// Whether an object has an entry point that is to be called in the place of `main`.
    pub wraps_main: bool,
    pub needs_atomic: bool,
    pub options: &'a Options,
}

/// The linker that was asked for.
pub struct Linker {
    program: PathBuf,
    /// Why it was chosen, for messages.
    chosen: &'static str,
}

impl Linker {
    /// The linker of the configuration or of `$MGENJIT_CC`. `None`: neither names one.
    pub fn named(config: &Config) -> Option<Linker> {
        if let Some(program) = &config.linker {
            return Some(Linker {
                program: program.clone(),
                chosen: "mgenjit_config_set_linker named it",
            });
        }
        environment::variable(c"MGENJIT_CC").map(|program| Linker {
            program: PathBuf::from(program),
            chosen: "MGENJIT_CC names it",
        })
    }

    /// The linker of the configuration or of `$MGENJIT_CC`, else the system's C compiler.
    pub fn for_target(config: &Config, target: &Target, triple: &str) -> Result<Linker, Error> {
        if let Some(linker) = Linker::named(config) {
            return Ok(linker);
        }
        // It links for the system that it runs on alone.
        if let Target::Other(_) = target
            && !(triple.starts_with(TRIPLE_START) && triple.contains("linux"))
        {
            return Err(Error::new(
                Status::Linker,
                format!(
                    "no linker for {triple} was named: name one with mgenjit_config_set_linker or MGENJIT_CC, such as \
                     aarch64-linux-gnu-gcc or wasm-ld"
                ),
            ));
        }
        Ok(Linker {
            program: PathBuf::from("cc"),
            chosen: "it is the default",
        })
    }

    pub fn link(&self, plan: &Plan<'_>, config: &Config) -> Result<Vec<u8>, Error> {
        let arguments = self.arguments(plan);
        let request = DriverRequest {
            program: self.program.as_os_str().as_bytes().to_vec(),
            environment: environment::of_linkers(),
            folder: std::env::current_dir()
                .map_or_else(|_| b"/".to_vec(), |path| path.into_os_string().into_vec()),
            timeout: u64::try_from(config.linker_timeout.as_millis()).unwrap_or(u64::MAX),
            inputs: plan
                .objects
                .iter()
                .map(|object| Input {
                    name: object.name.clone(),
                    len: object.bytes.len() as u64,
                })
                .collect(),
            arguments,
        };
        let objects: Vec<&[u8]> = plan.objects.iter().map(|one| &one.bytes[..]).collect();
        let helper = locate::helper(config.server_path.as_deref(), "link executables")?;
        match external_linker::run(&helper, plan.name, &request, &objects)? {
            Outcome::Linked(bytes) => Ok(bytes),
            Outcome::Failed(failure, said) => {
                Err(self.error(plan, &request, &failure, &String::from_utf8_lossy(&said)))
            }
        }
    }

    fn arguments(&self, plan: &Plan<'_>) -> Vec<Argument> {
        let bare = is_bare(&self.program);
        let wasm = plan.triple.starts_with("wasm");
        let mut arguments = vec![text("-o"), Argument::Output];
        let for_linker = |flags: &[&str]| -> Vec<Argument> {
            let drivers = (!bare).then_some("-Xlinker");
            let with_driver = |flag| drivers.into_iter().chain([flag]);
            flags
                .iter()
                .copied()
                .flat_map(with_driver)
                .map(text)
                .collect()
        };
        if plan.shared {
            arguments.push(text("-shared"));
            if let Some(soname) = &plan.options.soname {
                arguments.extend(for_linker(&["-soname", soname]));
            }
        } else if plan.options.is_static {
            arguments.extend((!wasm).then(|| text("-static")));
        } else {
            arguments.extend((!wasm).then(|| text("-pie")));
        }
        if plan.wraps_main && !plan.shared {
            arguments.extend(for_linker(&["--wrap=main"]));
        }
        // Others than GNU's, which the environment tells, demangle the names of symbols in their messages.
        let chosen = |argument: &Extra| matches!(argument, Extra::Flag(flag) if flag.starts_with("-fuse-ld="));
        let is_apple = ["darwin", "macos", "ios"]
            .iter()
            .any(|name| plan.triple.contains(name));
        if (bare || plan.options.arguments.iter().any(chosen)) && !is_apple {
            arguments.extend(for_linker(&["--no-demangle"]));
        }
        arguments.extend((0..plan.objects.len()).map(|index| Argument::Input(index as u32)));
        arguments.extend(
            plan.options
                .arguments
                .iter()
                .map(|argument| match argument {
                    Extra::Flag(flag) => text(flag),
                    // Else it is an option, or a file of options.
                    Extra::Library(path) if path.starts_with(['-', '@']) && path.contains('/') => {
                        text(&format!("./{path}"))
                    }
                    Extra::Library(path) if path.contains('/') => text(path),
                    Extra::Library(name) => text(&format!("-l{name}")),
                }),
        );
        // What code may call for that LLVM has generated. With a C compiler, which knows where it is.
        if !bare && plan.triple.contains("linux") {
            arguments.extend(for_linker(&["--as-needed"]));
            arguments.push(text("-lm"));
            arguments.extend(plan.needs_atomic.then(|| text("-latomic")));
            arguments.extend(for_linker(&["--no-as-needed"]));
        }
        arguments
    }

    fn error(
        &self,
        plan: &Plan<'_>,
        request: &DriverRequest,
        failure: &DriverFailure,
        said: &str,
    ) -> Error {
        let program = self.program.display();
        let said = said.trim();
        let symbols = undefined(said);
        if matches!(failure, DriverFailure::Exit(_)) && !symbols.is_empty() {
            return Error {
                symbols,
                ..Error::new(
                    Status::Unresolved,
                    format!(
                        "{} needs symbols that nothing defines: add the libraries that have them \
                         (mgenjit_export_options_add_library). {program} said:\n{said}",
                        plan.name
                    ),
                )
            };
        }
        let what = match failure {
            DriverFailure::NotFound => {
                let where_to = if request.program.contains(&b'/') {
                    "there is no such program"
                } else {
                    "there is no such program on PATH"
                };
                return Error::new(
                    Status::Linker,
                    format!(
                        "{} cannot be linked by {program} ({}): {where_to}. Install a C compiler, or name one with \
                         mgenjit_config_set_linker or MGENJIT_CC",
                        plan.name, self.chosen
                    ),
                );
            }
            DriverFailure::Exit(code) => format!("{program} failed with exit status {code}"),
            DriverFailure::Signal(signal) => format!("{program} was ended by signal {signal}"),
            DriverFailure::TimedOut => format!(
                "{program} did not end within {} ms (mgenjit_config_set_linker_timeout) and was killed",
                request.timeout
            ),
            DriverFailure::NoOutput => format!("{program} succeeded, but wrote no output"),
            DriverFailure::NotRun(why) => format!("{program} could not be run: {why}"),
        };
        let said = match said {
            "" => String::new(),
            said => format!("; it said:\n{said}"),
        };
        Error::new(
            Status::Linker,
            format!(
                "{} could not be linked: {what}; the command was: {}{said}",
                plan.name,
                command_line(request)
            ),
        )
    }
}

fn text(text: &str) -> Argument {
    Argument::Text(text.as_bytes().to_vec())
}

/// Whether a program is a linker, and not a compiler that calls one: by its name, `aarch64-linux-gnu-ld.lld-22`.
fn is_bare(program: &std::path::Path) -> bool {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let name = match name.rsplit_once('-') {
        Some((name, version)) if version.starts_with(|first: char| first.is_ascii_digit()) => name,
        _ => &name,
    };
    let last = name.rsplit('-').next().unwrap_or_default();
    matches!(last, "ld" | "lld" | "ld64" | "mold" | "wild")
        || last.starts_with("ld.")
        || last.starts_with("ld64.")
}

/// The linker's message, with the inputs' own names in place of temporary ones.
fn command_line(request: &DriverRequest) -> String {
    const MAX: usize = 2000;
    let mut line = String::from_utf8_lossy(&request.program).into_owned();
    for argument in &request.arguments {
        let word = match argument {
            Argument::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Argument::Input(index) => request
                .inputs
                .get(*index as usize)
                .map_or_else(String::new, |input| input.name.clone()),
            Argument::Output => "OUTPUT".to_owned(),
        };
        if line.len() + word.len() > MAX {
            line.push_str(" …");
            break;
        }
        line.push(' ');
        line.push_str(&word);
    }
    line
}

/// The symbols that a linker missed, as it says. GNU ld and gold: "undefined reference to `x'"; lld, mold and wild:
/// "undefined symbol: x".
fn undefined(said: &str) -> Vec<String> {
    let mut symbols: Vec<String> = Vec::new();
    for line in said.lines() {
        let quoted = ["undefined reference to symbol ", "undefined reference to "]
            .iter()
            .find_map(|words| Some(line.split_once(words)?.1))
            .and_then(|rest| {
                let rest = rest.strip_prefix(['`', '\''])?;
                Some(rest.rsplit_once('\'')?.0)
            });
        let bare = [
            "undefined symbol: ",
            "undefined hidden symbol: ",
            "undefined protected symbol: ",
        ]
        .iter()
        .find_map(|words| Some(line.split_once(words)?.1.trim_end()));
        let hidden = ["hidden symbol ", "internal symbol ", "protected symbol "]
            .iter()
            .find_map(|words| Some(line.split_once(words)?.1))
            .and_then(|rest| {
                Some(
                    rest.strip_suffix(" isn't defined")?
                        .trim_matches(['`', '\'']),
                )
            });
        if let Some(symbol) = quoted.or(bare).or(hidden)
            && !symbol.is_empty()
            && !symbols.iter().any(|known| known == symbol)
        {
            symbols.push(symbol.to_owned());
        }
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn linkers_are_known_by_their_names() {
        for name in [
            "ld",
            "ld.lld",
            "ld.lld-22",
            "ld.gold",
            "lld",
            "wasm-ld",
            "wasm-ld-22",
            "/usr/bin/ld.bfd",
            "aarch64-linux-gnu-ld",
            "riscv64-linux-gnu-ld.bfd",
            "mold",
            "rust-lld",
            "ld64.lld",
            "wild",
        ] {
            assert!(is_bare(Path::new(name)), "{name}");
        }
        for name in [
            "cc",
            "gcc",
            "gcc-12",
            "clang-22",
            "aarch64-linux-gnu-gcc",
            "./build",
            "goldcc",
            "world",
            "",
        ] {
            assert!(!is_bare(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn undefined_symbols_are_those_that_each_linker_names() {
        fn check(said: &str, expect: &[&str]) {
            assert_eq!(undefined(said), expect, "{said}");
        }
        check("", &[]);
        check("/usr/bin/ld: cannot find -lnowhere", &[]);
        check(
            "/usr/bin/ld: m.ll: in function `f':\nx:(.text+0x1): undefined reference to `one'\n\
             /usr/bin/ld: m.ll:x:(.text+0x6): undefined reference to `count words'\n\
             /usr/bin/ld: m.ll:x:(.text+0x9): undefined reference to `one'\ncollect2: error: ld returned 1 exit status",
            &["one", "count words"],
        );
        check(
            "m.ll:x:function f: error: undefined reference to 'one'",
            &["one"],
        );
        check(
            "ld: m: undefined reference to symbol 'cos@@GLIBC_2.2.5'",
            &["cos@@GLIBC_2.2.5"],
        );
        check(
            "ld.lld: error: undefined symbol: one\n>>> referenced by x\n>>>               m.ll:(f)\n\n\
             ld.lld: error: undefined symbol: two words",
            &["one", "two words"],
        );
        check("wasm-ld: error: m.ll: undefined symbol: one", &["one"]);
        check(
            "mold: error: undefined symbol: one\n>>> referenced by m.ll",
            &["one"],
        );
        check("ld.lld: error: undefined hidden symbol: one", &["one"]);
        check(
            "/usr/bin/ld: o: hidden symbol `one' isn't defined\nld: final link failed: bad value",
            &["one"],
        );
    }
}
