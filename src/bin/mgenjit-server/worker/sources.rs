//! The sources of a unit whose IR is to be seen by debuggers.

use crate::input::buffer::{Input, Named, is_bitcode};
use crate::llvm::debug_ir::{File, annotate};
use crate::llvm::verify::verify;
use inkwell::module::Module;
use mgenjit::protocol::messages::Failure;
use mgenjit::protocol::source_paths::{SourcePaths, file_name};
use mgenjit::types;
use mgenjit::types::OptLevel;
use std::collections::HashSet;

/// Takes the input out that says where the sources are. It is the last one.
pub fn take_paths(inputs: &mut Vec<Named>) -> Option<SourcePaths> {
    let paths = SourcePaths::decode(inputs.last()?.input.bytes())?;
    inputs.pop();
    Some(paths)
}

/// What debuggers are told of modules' text.
pub struct Sources {
    /// `None`: nothing.
    paths: Option<SourcePaths>,
    optimised: bool,
    names: HashSet<String>,
    /// The texts that are in no file yet.
    pub texts: Vec<(types::Input, Vec<u8>)>,
}

impl Sources {
    pub fn new(paths: Option<SourcePaths>, level: OptLevel) -> Sources {
        Sources {
            paths,
            optimised: level != OptLevel::O0,
            names: HashSet::new(),
            texts: Vec::new(),
        }
    }

    pub fn are_wanted(&self) -> bool {
        self.paths.is_some()
    }

    /// Gives a verified module debug information, if that is wanted. `input`: its number and content, if it is one of the
    /// inputs. `name`: what messages call it.
    pub fn annotate(
        &mut self,
        module: &Module<'_>,
        input: Option<(u32, &Input)>,
        name: &str,
    ) -> Result<(), Failure> {
        let Some(paths) = &self.paths else {
            return Ok(());
        };
        let given = input.and_then(|(index, _)| paths.inputs.get(index as usize));
        let own_file = given.and_then(|path| {
            let (folder, file) = path.rsplit_once('/')?;
            let folder = if folder.is_empty() { "/" } else { folder };
            (path.starts_with('/') && !file.is_empty()).then_some((folder, file))
        });
        let name = unused(&self.names, &file_name(given.map_or(name, String::as_str)));
        let new_file = File {
            folder: &paths.folder,
            name: &name,
        };
        let text = input.map(|(_, input)| input.bytes());
        let text = text.filter(|bytes| !is_bitcode(bytes));
        let text = text.map(|bytes| bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes));
        let file = match own_file {
            Some((folder, name)) => File { folder, name },
            None => new_file,
        };
        let text_in_file = text.map(|text| (text, file));
        let printed = annotate(module, text_in_file, new_file, self.optimised);
        verify(module)?;
        let new = match (printed, text) {
            (Some(printed), _) => printed.into_bytes(),
            (None, Some(text)) if own_file.is_none() => text.to_vec(),
            (None, _) => return Ok(()),
        };
        self.names.insert(name.clone());
        let about = types::Input {
            name,
            len: new.len() as u64,
        };
        self.texts.push((about, new));
        Ok(())
    }
}

/// The name, or the name with a number that no other file has.
fn unused(names: &HashSet<String>, name: &str) -> String {
    let stem = name.strip_suffix(".ll").unwrap_or(name);
    let mut unused = name.to_owned();
    let mut number = 2;
    while names.contains(&unused) {
        unused = format!("{stem}-{number}.ll");
        number += 1;
    }
    unused
}
