//! Objects into an image, in memory.

use crate::input::align::{self, Padding};
use crate::input::object_file::{self, Fault};
use crate::link::headers;
use crate::link::mend::{self, For, ThreadLocals};
use libwild::error::Result as WildResult;
use libwild::{FileSystem, FileType, InputFileData, OutputFileData, OutputOptions};
use mgenjit::protocol::messages::{Failure, FailureKind};
use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A linker that stays on the thread that made it: an image is too small for more, and other servers may run.
pub struct Linker {
    pool: rayon::ThreadPool,
}

/// A file to link and what messages call it: an object, or what a plan says it is.
#[derive(Clone)]
pub struct Object {
    pub name: String,
    pub bytes: Bytes,
}

/// What may be a part of something larger, and is not copied.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// What is to be linked, and how.
pub struct Plan<'a> {
    /// The linker's name of the target, as after `-m`.
    pub emulation: &'a str,
    pub output: Output<'a>,
    pub objects: &'a [Object],
    /// Shared libraries, of which those that are used become needed.
    pub libraries: &'a [Object],
}

pub enum Output<'a> {
    /// A shared object. What the objects leave undefined is left to the loader.
    Shared {
        soname: Option<&'a str>,
        /// The only symbols to export; `None`: all that are global.
        keep: Option<&'a [String]>,
    },
    /// A shared library as it is installed, of all members of the archives among the objects.
    Library {
        soname: Option<&'a str>,
        /// Which references bind inside the library: an option of the linker's.
        symbolic: &'a str,
        /// Objects that are linked only if something needs them.
        on_demand: &'a [Object],
    },
    /// One relocatable object.
    Relocatable,
}

impl Linker {
    pub fn new() -> Result<Linker, String> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build()
            .map_err(|error| format!("the linker's thread pool could not be made: {error}"))?;
        Ok(Linker { pool })
    }

    pub fn link(&self, plan: &Plan<'_>) -> Result<Vec<u8>, Failure> {
        let linked = catch_unwind(AssertUnwindSafe(|| {
            self.pool.install(|| {
                let linked = run(plan);
                // libwild leaves work behind for the pool's other threads, of which there are none.
                while rayon::yield_now() == Some(rayon::Yield::Executed) {}
                linked
            })
        }));
        match linked {
            Ok(Ok(image)) => Ok(image),
            Ok(Err(error)) => Err(failure(explain(&error.to_string()))),
            Err(panic) => {
                let reason = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("for no stated reason");
                Err(failure(format!("the linker panicked: {reason}")))
            }
        }
    }
}

const OUTPUT: &str = "image.so";

/// Strong definitions bind inside the image. Weak ones must not: the loader chooses one for all images.
const SYMBOLIC: &str = "-Bsymbolic-non-weak";

const SHARED: [&str; 10] = [
    "-shared",
    "--eh-frame-hdr",
    "--hash-style=gnu",
    "--build-id=fast",
    "-z",
    "now",
    "-z",
    "relro",
    "--no-rosegment",
    "--no-identity-comment",
];

/// The largest page that systems of a target have: what they map separately lies on pages of its own.
fn page_size(emulation: &str) -> &'static str {
    match emulation {
        "aarch64elf" => "max-page-size=65536",
        _ => "max-page-size=4096",
    }
}

/// The name of the file that says which symbols are exported.
const VERSION_SCRIPT: &str = "exports.map";

/// libwild prints the outermost circumstance first and each cause on a line of its own.
fn explain(error: &str) -> String {
    let causes: Vec<&str> = error
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && *line != "Caused by:")
        .collect();
    let mut text = causes.join(": ");
    // gcc's code and clang's fail in different ways.
    if text.contains("-fPIC") || text.contains("copy relocations are disabled") {
        text.push_str(
            ". Code in an image or a library must be position-independent: compile objects with -fPIC, and write inline \
             assembly so (`lea symbol(%rip)`, `call symbol@PLT`)",
        );
    }
    text
}

fn run(plan: &Plan<'_>) -> WildResult<Vec<u8>> {
    let mut arguments: Vec<&str> = vec!["ld", "-m", plan.emulation, "-o", OUTPUT];
    let mut inputs = Inputs::new();
    let mut on_demand: &[Object] = &[];
    match &plan.output {
        Output::Shared { soname, keep } => {
            arguments.extend(SHARED);
            arguments.extend(["-z", page_size(plan.emulation)]);
            arguments.push(SYMBOLIC);
            if let Some(soname) = soname {
                arguments.extend(["-soname", soname]);
            }
            arguments.push(match keep {
                Some(_) => "--gc-sections",
                None => "--no-gc-sections",
            });
            if let Some(keep) = keep {
                arguments.extend(["--version-script", VERSION_SCRIPT]);
                let script = Arc::new(version_script(keep).into_bytes());
                inputs.insert(PathBuf::from(VERSION_SCRIPT), script);
            }
        }
        Output::Library {
            soname,
            symbolic,
            on_demand: pieces,
        } => {
            arguments.extend(SHARED);
            arguments.extend(["-z", page_size(plan.emulation)]);
            arguments.push(symbolic);
            if let Some(soname) = soname {
                arguments.extend(["-soname", soname]);
            }
            arguments.extend(["--no-gc-sections", "--whole-archive"]);
            on_demand = pieces;
        }
        Output::Relocatable => arguments.extend(["-r", "--whole-archive"]),
    }
    let (objects, mut padding) = fitted(plan, on_demand)?;
    inputs.extend(objects);
    arguments.extend(padding.iter().map(|_| PADDING));
    arguments.extend(plan.objects.iter().map(|object| object.name.as_str()));
    arguments.extend(["--no-whole-archive", "--start-lib"]);
    arguments.extend(on_demand.iter().map(|object| object.name.as_str()));
    arguments.extend(["--end-lib", "--as-needed"]);
    arguments.extend(plan.libraries.iter().map(|object| object.name.as_str()));
    for library in plan.libraries {
        inputs.insert(PathBuf::from(&library.name), library.bytes.clone());
    }
    let Some(padding) = &mut padding else {
        let mut linked = invoke(&arguments, inputs)?;
        if !matches!(plan.output, Output::Relocatable) {
            headers::mend(&mut linked)?;
        }
        return Ok(linked);
    };
    for _ in 0..MAX_ATTEMPTS {
        inputs.insert(PathBuf::from(PADDING), Arc::new(padding.object()));
        let mut linked = invoke(&arguments, inputs.clone())?;
        if padding.fit(&linked)? {
            padding.state(&mut linked)?;
            headers::mend(&mut linked)?;
            return Ok(linked);
        }
    }
    libwild::bail!("an alignment beyond {} cannot be kept", align::LINKABLE)
}

/// The name of the object that is padding, and how often it is tried to make it right. One look shows what is wrong.
const PADDING: &str = "<padding>";
const MAX_ATTEMPTS: usize = 3;

type Inputs = HashMap<PathBuf, Bytes>;

/// The objects as the linker can take them, by name, and the padding that they need.
fn fitted(plan: &Plan<'_>, on_demand: &[Object]) -> WildResult<(Inputs, Option<Padding>)> {
    let target = match plan.output {
        Output::Shared { .. } => For::Image,
        Output::Library { .. } => For::Library,
        Output::Relocatable => For::Object,
    };
    let objects: Vec<&Object> = plan.objects.iter().chain(on_demand).collect();
    let bytes = || objects.iter().map(|object| (*object.bytes).as_ref());
    if target != For::Object && plan.emulation == "aarch64elf" {
        for object in &objects {
            let miswritten = |fault, _: &str| fault == Fault::Miswritten;
            if object_file::fault((*object.bytes).as_ref(), miswritten).is_some() {
                libwild::bail!(
                    "{} reaches a place in a way that cannot be linked here: compile it without -mcmodel=tiny",
                    object.name
                );
            }
        }
    }
    let largest = align::largest(bytes());
    if let Some(largest) = largest {
        if target == For::Object {
            libwild::bail!(
                "an alignment of {largest} is more than can be merged into one object: export an archive"
            );
        }
        if largest > align::MAX {
            libwild::bail!(
                "an alignment of {largest} is more than can be kept, which is {}",
                align::MAX
            );
        }
    }
    let thread_locals: Vec<_> = bytes().map(ThreadLocals::of).collect();
    if let Some(align) = thread_locals.iter().map(ThreadLocals::largest).max()
        && align > align::LINKABLE
    {
        libwild::bail!(
            "an alignment of {align} is more than thread-local variables can have, which is {}",
            align::LINKABLE
        );
    }
    let to_align = ThreadLocals::to_align(&thread_locals);
    let mut inputs = Inputs::new();
    for (index, object) in objects.iter().enumerate() {
        let of_thread = to_align.filter(|(first, _)| *first == index);
        let of_thread = of_thread.map(|(_, align)| align);
        let mended = mend::mended((*object.bytes).as_ref(), target, of_thread, largest);
        let bytes = mended.map_or_else(|| object.bytes.clone(), |bytes| Arc::new(bytes) as Bytes);
        inputs.insert(PathBuf::from(&object.name), bytes);
    }
    let mended = objects
        .iter()
        .filter_map(|object| inputs.get(Path::new(&object.name)))
        .map(|bytes| (**bytes).as_ref());
    let padding = largest.and_then(|largest| Padding::new(largest, mended));
    Ok((inputs, padding))
}

/// Runs the linker.
fn invoke(arguments: &[&str], inputs: Inputs) -> WildResult<Vec<u8>> {
    let files = Files {
        inputs,
        output: Arc::default(),
    };
    let arguments = || arguments.iter().copied();
    let mut args = libwild::Args::new(arguments)?;
    // Warnings would go to standard error, among the last words.
    args.on_warning(Box::new(|_| ()));
    args.parse(arguments)?;
    let linker = libwild::Linker::with_file_system(files.clone());
    drop(linker.run(&args)?);
    files
        .take_output()
        .ok_or_else(|| libwild::error!("the linker wrote no output"))
}

/// Exports these symbols, and what the loader needs, and no other.
fn version_script(keep: &[String]) -> String {
    let mut script = String::from("{ global: \"__mgenjit_dso_handle\"; \"__mgenjit_profile\"; ");
    for name in keep {
        script.push_str(&format!("\"{name}\"; "));
    }
    script.push_str("local: *; };\n");
    script
}

/// The whole file system, as far as the linker can see.
#[derive(Clone)]
struct Files {
    inputs: Inputs,
    output: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Files {
    fn take_output(&self) -> Option<Vec<u8>> {
        self.output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn missing(path: &Path) -> std::io::Error {
        let message = format!("there is no file {}", path.display());
        std::io::Error::new(std::io::ErrorKind::NotFound, message)
    }
}

struct Input(Bytes);

impl std::fmt::Debug for Input {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} bytes", self.bytes().len())
    }
}

impl InputFileData for Input {
    fn bytes(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

struct Written {
    bytes: Vec<u8>,
    place: Arc<Mutex<Option<Vec<u8>>>>,
}

impl OutputFileData for Written {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn finish(self) -> WildResult {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.bytes);
        Ok(())
    }
}

impl FileSystem for Files {
    type Input = Input;
    type Output = Written;

    fn open_input(
        &self,
        path: &Path,
        _prepopulate_maps: bool,
    ) -> WildResult<(Input, Option<Arc<File>>)> {
        let bytes = self.inputs.get(path).ok_or_else(|| Files::missing(path))?;
        Ok((Input(bytes.clone()), None))
    }

    fn file_type(&self, path: &Path) -> WildResult<FileType> {
        if self.inputs.contains_key(path) {
            Ok(FileType::File)
        } else {
            Err(Files::missing(path).into())
        }
    }

    fn canonicalize(&self, path: &Path) -> WildResult<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn remove_file(&self, path: &Path) -> WildResult<()> {
        Err(Files::missing(path).into())
    }

    fn rename_file(&self, path: &Path, _new_path: &Path) -> WildResult<()> {
        Err(Files::missing(path).into())
    }

    fn create_output(&self, _path: Arc<Path>, options: OutputOptions) -> WildResult<Written> {
        let size = usize::try_from(options.size)
            .map_err(|_| libwild::error!("the image would be larger than memory"))?;
        Ok(Written {
            bytes: vec![0; size],
            place: self.output.clone(),
        })
    }

    fn write_auxiliary(&self, path: &Path, _bytes: &[u8]) -> WildResult {
        Err(Files::missing(path).into())
    }
}

fn failure(message: String) -> Failure {
    Failure::new(FailureKind::Link, message)
}
