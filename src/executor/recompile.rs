//! Compiles what an entry was compiled from once more, and compares: `mgenjit_cache_verify`.

use super::compile::compare;
use crate::cache::catalog::Catalog;
use crate::cache::entry::EntryError;
use crate::cache::key::{Key, KeyParts};
use crate::cache::manifest::{About, Part};
use crate::compile::cancel::Cancel;
use crate::compile::client::{Answer, out_of_step};
use crate::compile::pool::Pool;
use crate::compile::protocol::{CompileRequest, Cpu, Emit, Level, Request, Target};
use crate::error::{Error, Status};
use crate::event::Times;
use crate::fork;
use std::os::unix::fs::FileExt;

/// Compiles an entry's IR again. A difference is an error.
pub fn recompile(catalog: &Catalog, pool: &Pool, key: &Key) -> Result<(), Error> {
    let details = catalog.details(key)?;
    let about = &details.manifest.about;
    let name = &about.name;
    let request = Request::Compile(request(about, Emit::Code, "be compared with it")?);
    let damaged = |error: EntryError| Error::new(Status::Damaged, format!("{name}: {error}"));
    let input = details.entry.input(about).map_err(|error| match error {
        EntryError::Missing(_) => Error::new(
            Status::NotFound,
            format!("the IR of {name} was not kept: it cannot be compiled again"),
        ),
        error => damaged(error),
    })?;
    let inputs = about
        .split_input(&input)
        .ok_or_else(|| damaged(EntryError::Attachment("input")))?;
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let answer = pool.request(
        &request,
        &inputs,
        &mut Times::default(),
        &Cancel::default(),
        &mut (),
    )?;
    let Answer::Compiled(output) = answer else {
        return Err(out_of_step(name));
    };
    let mut image = vec![0; output.compiled.image_len as usize];
    let mut object = vec![0; output.compiled.object_len as usize];
    output
        .payload
        .read_exact_at(&mut image, 0)
        .and_then(|()| {
            output
                .payload
                .read_exact_at(&mut object, image.len() as u64)
        })
        .map_err(|error| {
            Error::new(
                Status::Load,
                format!("the compiled code of {name} cannot be read: {error}"),
            )
        })?;
    compare(&details.entry, &image, &object).map_err(|error| Error {
        message: format!("{name}: {}", error.message),
        ..error
    })
}

/// The request to make something of what an entry was compiled from, if this library and machine would compile it to
/// what the entry has. `purpose` ends the sentence that says why not.
pub(super) fn request(about: &About, emit: Emit, purpose: &str) -> Result<CompileRequest, Error> {
    let name = &about.name;
    let target = target(about);
    let parts = fork::guard(|| KeyParts::new(about.parts.opt_level, &target)).into_inner();
    let ours = parts.to_keep(&blake3::Hash::from_bytes(about.parts.input));
    if let Some(part) = ours.differences(&about.parts).first() {
        let what = match part {
            Part::Machine => "for another machine",
            Part::Llvm => "by another LLVM",
            _ => "by another version of this library",
        };
        return Err(Error::new(
            Status::Target,
            format!("{name} was compiled {what}: what this one compiles cannot {purpose}"),
        ));
    }
    Ok(CompileRequest {
        name: name.clone(),
        key: [0; 32],
        opt_level: about.parts.opt_level,
        target,
        identify: false,
        progress: false,
        inputs: about.inputs.clone(),
        keep: about.keep.clone(),
        emit,
        max_memory: 0,
    })
}

/// What an entry was compiled for.
pub(super) fn target(about: &About) -> Target {
    let level = Level::ALL
        .into_iter()
        .find(|level| level.name() == about.parts.machine);
    match &about.target {
        Some(target) => Target::Other(target.clone()),
        None => Target::Host(level.map_or_else(Cpu::native, Cpu::Level)),
    }
}
