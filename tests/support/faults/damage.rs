//! Files as a power cut or a bad disk leaves them.

use super::{Place, Stage, copy, most_cases, thin_out};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    /// Only so many bytes are left.
    Cut(u64),
    /// From here on all bytes are zeros: the length reached the disk, the data did not.
    Zeros(u64),
    /// A sector from here on is zeros: it did not reach the disk, others did.
    Hole(u64),
    /// This byte is another one.
    Flipped(u64),
    Missing,
}

struct Case {
    /// Below the cache's directory.
    files: Vec<PathBuf>,
    harm: Harm,
}

/// What a disk writes at once.
const SECTOR: u64 = 512;

/// How many cases are run, of which most compile, unless all are wanted.
const MOST_HARMS: usize = 200;

/// Lets the scenario's act finish, harms each file of the cache in turn, and runs both checks.
pub fn sweep(name: &str) {
    let start = std::time::Instant::now();
    let stage = Stage::new(name);
    let finished = stage.place("finished");
    stage
        .run(&finished, &["act"])
        .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    let cache = finished.cache();
    let mut files = Vec::new();
    list(&cache, &cache, &mut files).expect("the cache's files");
    files.sort();
    assert!(!files.is_empty(), "{name}: the act leaves no file");

    let mut cases = Vec::new();
    for file in &files {
        let len = cache.join(file).metadata().expect("the file").len();
        for harm in harms(len) {
            cases.push(Case {
                files: vec![file.clone()],
                harm,
            });
        }
    }
    for harm in [Harm::Cut(0), Harm::Cut(100), Harm::Zeros(0), Harm::Missing] {
        cases.push(Case {
            files: files.clone(),
            harm,
        });
    }
    let possible = cases.len();
    cases = thin_out(cases, most_cases(MOST_HARMS));

    stage.each(
        &cases,
        |case| {
            let place = Place::at(&stage, &case.to_string());
            copy(&finished.folder, &place.folder);
            for file in &case.files {
                case.harm
                    .apply(&place.cache().join(file))
                    .unwrap_or_else(|error| panic!("{case}: {error}"));
            }
            stage.check(&place, "damaged")?;
            place.remove();
            Ok(())
        },
        &|| {
            files
                .iter()
                .map(|file| format!("  {}\n", file.display()))
                .collect()
        },
    );
    println!(
        "{name}: {} of {possible} damages to {} files in {:.1} s",
        cases.len(),
        files.len(),
        start.elapsed().as_secs_f64()
    );
    stage.expect_no_servers();
}

/// At both ends, at blocks of the disk and pages of a database, and at some places between.
fn harms(len: u64) -> BTreeSet<Harm> {
    let pages = (0..len).step_by(4096);
    let between = [1, 8, 16, 100, len / 3, len / 2, len * 2 / 3];
    let from_end = [1, 2, 32, 64, 96, 97].map(|from_end| len.saturating_sub(from_end));
    let places: BTreeSet<u64> = pages.chain(between).chain(from_end).collect();

    let mut harms = BTreeSet::from([Harm::Missing, Harm::Cut(0)]);
    for place in places.into_iter().filter(|place| *place < len) {
        harms.extend([Harm::Cut(place), Harm::Zeros(place), Harm::Flipped(place)]);
    }
    let sectors = (0..len).step_by(SECTOR as usize);
    harms.extend(sectors.flat_map(|at| [Harm::Hole(at), Harm::Flipped(at + 17)]));
    harms
}

impl Harm {
    /// Harms a file that nobody has open.
    fn apply(self, path: &Path) -> io::Result<()> {
        if let Harm::Missing = self {
            return std::fs::remove_file(path);
        }
        // Entries are not to be written.
        let mut permissions = std::fs::metadata(path)?.permissions();
        permissions.set_mode(permissions.mode() | 0o200);
        std::fs::set_permissions(path, permissions)?;
        let file = File::options().read(true).write(true).open(path)?;
        let len = file.metadata()?.len();
        let change = |from: u64, count: u64, how: fn(u8) -> u8| {
            let end = from.saturating_add(count).min(len);
            let mut bytes = vec![0; end.saturating_sub(from) as usize];
            file.read_exact_at(&mut bytes, from)?;
            for byte in &mut bytes {
                *byte = how(*byte);
            }
            file.write_all_at(&bytes, from)
        };
        match self {
            Harm::Cut(at) => file.set_len(at.min(len)),
            Harm::Zeros(from) => change(from, u64::MAX, |_| 0),
            Harm::Hole(at) => change(at, SECTOR, |_| 0),
            Harm::Flipped(at) => change(at, 1, |byte| !byte),
            Harm::Missing => Ok(()),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.harm {
            Harm::Cut(at) => write!(f, "cut-at-{at}")?,
            Harm::Zeros(from) => write!(f, "zeros-from-{from}")?,
            Harm::Hole(at) => write!(f, "hole-at-{at}")?,
            Harm::Flipped(at) => write!(f, "flipped-at-{at}")?,
            Harm::Missing => write!(f, "missing")?,
        }
        match &self.files[..] {
            [file] => write!(f, "-{}", file.to_string_lossy().replace('/', "-")),
            files => write!(f, "-all-{}-files", files.len()),
        }
    }
}

/// The files below `folder`, seen from `root`.
fn list(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for item in folder.read_dir()? {
        let path = item?.path();
        let kind = path.symlink_metadata()?;
        if kind.is_dir() {
            list(root, &path, files)?;
        } else if kind.is_file() {
            files.extend(path.strip_prefix(root).map(Path::to_owned));
        }
    }
    Ok(())
}
