//! Compiles what an entry was compiled from once more, and compares: `mgenjit_cache_verify`.

use super::output::{self, compare};
use super::pieces::{Object, Pieces};
use crate::cache::admin::{Admin, Details};
use crate::cache::entry::EntryError;
use crate::cache::key::{Key, KeyParts, Keys};
use crate::cache::manifest::{About, Part};
use crate::client::cancel::Cancel;
use crate::client::connection::{Answer, Output};
use crate::client::failures::out_of_step;
use crate::client::listener::Listener;
use crate::client::pool::Pool;
use crate::error::{Error, Status};
use crate::event::Times;
use crate::fork;
use crate::protocol::messages::{CompileRequest, Decision, Request, Step};
use crate::types::Emit;
use std::time::{Duration, Instant};

/// How often to try again when the entry was replaced meanwhile.
const ATTEMPTS: usize = 3;

/// Verifies an entry, and compiles its IR again. A difference is an error.
pub fn recompile(admin: &Admin, pool: &Pool, key: &Key) -> Result<(), Error> {
    let mut result = Ok(());
    for _ in 0..ATTEMPTS {
        admin.verify(key)?;
        let details = admin.details(key)?;
        result = compare_with_new(admin, &details, pool);
        if result.is_ok() {
            break;
        }
        // What was wrong with an entry that is not there any more says nothing of the one that is.
        let now = admin.details(key)?;
        if now.entry.tail.bytes() == details.entry.tail.bytes() {
            break;
        }
    }
    result
}

fn compare_with_new(admin: &Admin, details: &Details, pool: &Pool) -> Result<(), Error> {
    let about = &details.manifest.about;
    let name = &about.name;
    if about.piece.is_some() {
        return Err(Error::new(
            Status::NotFound,
            format!(
                "the IR of {name} was not kept: a piece is compiled again, and compared, with a module that was made of it"
            ),
        ));
    }
    let mut request = request(about, Emit::Code, "be compared with it")?;
    // The canonical key leads to this entry as its own does.
    request.identify = about.canonical.is_some();
    let options = about.parts.code_options().unwrap_or_default();
    request.step = Step::first(options);
    let target = about.compiled_for();
    let keys = fork::guard(|| Keys::new(KeyParts::new(about.parts.opt_level, &target, options)))
        .into_inner();
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
    let mut listener = Identified::default();
    let (begun, cancel) = (Instant::now(), Cancel::default());
    let answer = pool.request(
        &Request::Compile(request.clone()),
        &inputs,
        Duration::ZERO,
        &mut Times::default(),
        &cancel,
        &mut listener,
    )?;
    let output = match answer {
        Answer::Compiled(output) => output,
        Answer::Cut(cut, payload) => {
            let pieces = Pieces::new(pool, &request, &inputs, &cancel, begun, cut, &payload)?;
            compile_pieces(admin, &keys, &pieces)?
        }
        _ => return Err(out_of_step(name)),
    };
    if let (Some(digest), Some(canonical)) = (listener.digest, about.canonical) {
        let ours = keys.canonical(&digest);
        if ours != canonical {
            return Err(Error::new(
                Status::Different,
                format!(
                    "{name}: compiled again, its canonical form has the key {ours}, not {canonical}"
                ),
            ));
        }
    }
    let (image, object) = output::read(&output).map_err(|error| {
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

/// Compiles all pieces, compares those that the cache has, and has a server join them.
fn compile_pieces(admin: &Admin, keys: &Keys, pieces: &Pieces<'_>) -> Result<Output, Error> {
    let obtain = |index, listener: &mut dyn Listener| {
        let key = keys.piece(&blake3::hash(pieces.piece(index).1));
        let request = pieces.request(index, key.0);
        let object = pieces.compile(index, &request, &mut Times::default(), listener)?;
        // One that is damaged or not trusted is not used: its own verification tells.
        if let Ok(Some(entry)) = admin.store().reopen(&key)
            && let Ok(about) = entry.manifest.decode_about()
            && let Ok(stored) = entry.object(&about)
            && stored != object.bytes
        {
            return Err(Error::new(
                Status::Different,
                format!(
                    "{}: compiled again, it differs from its entry {key}",
                    request.name
                ),
            ));
        }
        Ok(object)
    };
    let all: Vec<usize> = (0..pieces.len()).collect();
    let mut objects = pieces.obtain_all(&all, &obtain, &mut Identified::default())?;
    objects.sort_by_key(|(index, _)| *index);
    let objects: Vec<Object> = objects.into_iter().map(|(_, object)| object).collect();
    pieces.join(&objects, &mut Times::default(), &mut Identified::default())
}

/// Notes what the server calls the module.
#[derive(Default)]
struct Identified {
    digest: Option<[u8; 32]>,
}

impl Listener for Identified {
    fn identified(&mut self, digest: &[u8; 32]) -> Decision {
        self.digest = Some(*digest);
        Decision::Compile
    }
}

/// The request to make something of what an entry was compiled from, if this library and machine would compile it to
/// what the entry has. `purpose` ends the sentence that says why not.
pub(super) fn request(about: &About, emit: Emit, purpose: &str) -> Result<CompileRequest, Error> {
    let name = &about.name;
    let target = about.compiled_for();
    let options = about.parts.code_options().unwrap_or_default();
    let parts = fork::guard(|| KeyParts::new(about.parts.opt_level, &target, options)).into_inner();
    let ours = parts.to_keep(&blake3::Hash::from_bytes(about.parts.input));
    if let Some(part) = ours.differences(&about.parts).first() {
        let what = match part {
            Part::Machine => "for another machine",
            Part::Options => "with options that this version does not know",
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
        step: Step::Whole,
        replaceable: options.replaceable,
        switchable: options.switchable,
        max_memory: 0,
    })
}
