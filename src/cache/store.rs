//! Finds and publishes entries for an executor.

use super::arrived::Arrived;
use super::directory::{Directory, OpenError, Owner, Root, alias_path, entry_path};
use super::entry::{self, Entry, EntryError};
use super::file;
use super::journal::{HitKind, Journal, Kind, MissReason, Record, RemoteKind, StoreKind};
use super::key::Key;
use super::layer::{Layer, Place, PlaceError};
use super::lock::{Lock, Outcome};
use super::maintain;
use super::manifest::Manifest;
use super::options::Options;
use super::sources;
use super::warning::Warning;
use crate::fork;
use rustix::io::Errno;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A cache on disk.
#[derive(Debug)]
pub struct Store {
    directory: Arc<Directory>,
    layers: Vec<Layer>,
    options: Options,
    journal: Mutex<Opened>,
}

/// Whether the journal was opened yet.
#[derive(Debug, Default)]
enum Opened {
    #[default]
    NotYet,
    /// There is none, or it cannot be used.
    No,
    Yes(Arc<Journal>),
}

/// How an entry was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Name,
    Alias,
    /// Through an alias, in a layer below it.
    Layer,
}

/// Why an entry must not be run.
type Unusable = (MissReason, Warning);

/// The result of a look-up.
#[derive(Debug)]
pub enum Found {
    Entry(Box<Entry>),
    Nothing,
    /// There is an entry, but it must not be run.
    Unusable(MissReason, Warning),
}

/// Why an entry is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be run: a hit, which is recorded.
    Run,
    /// To be joined to others, as a piece of a module: recorded as such.
    Join,
    /// To fill the cache, which does not count as a use.
    Fill,
}

impl Store {
    pub fn new(path: PathBuf, options: Options) -> Store {
        // Absolute, because the working directory may change.
        let path = std::path::absolute(&path).unwrap_or(path);
        Store {
            directory: Arc::new(Directory::new(path, Owner::User)),
            layers: options
                .layers
                .iter()
                .map(|path| {
                    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                    Layer::new(path)
                })
                .collect(),
            options,
            journal: Mutex::default(),
        }
    }

    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    #[cfg(test)]
    pub fn find(&self, key: &Key, machine: &str) -> Found {
        self.find_for(key, machine, Purpose::Run)
    }

    /// The entry of `key`, verified just now: from the writable cache, else from the first layer that has one. Its code
    /// must be for `machine`: code for another CPU could end the process.
    pub fn find_for(&self, key: &Key, machine: &str, purpose: Purpose) -> Found {
        let mut unfit = None;
        for number in 0..=self.layers.len() {
            match self.find_in(number, key) {
                Ok(Some((entry, via))) => {
                    if let Err(error) = entry.expect_machine(machine) {
                        let path = entry.directory.as_deref().unwrap_or(self.directory.path());
                        let path = path.join(&entry.path);
                        let warning = Warning(format!("{}: {error}", path.display()));
                        unfit.get_or_insert(Found::Unusable(MissReason::Damaged, warning));
                        continue;
                    }
                    let in_layer = number > 0 || via == Via::Layer;
                    match purpose {
                        Purpose::Run => self.record_hit(&entry, in_layer, via == Via::Alias),
                        Purpose::Join => self.record_piece(&entry, in_layer),
                        Purpose::Fill => {}
                    }
                    return Found::Entry(Box::new(entry));
                }
                Ok(None) => {}
                Err((reason, warning)) => {
                    unfit.get_or_insert(Found::Unusable(reason, warning));
                }
            }
        }
        unfit.unwrap_or(Found::Nothing)
    }

    /// The entry of `key` in the cache's own directory, or in the layer of that number after it, and how it was found.
    fn find_in(&self, number: usize, key: &Key) -> Result<Option<(Entry, Via)>, Unusable> {
        let opened = match number.checked_sub(1) {
            None => self.own(),
            Some(number) => self.layers[number].open(),
        };
        // The directory is at fault, not the entry.
        let at_fault = |warning| (MissReason::Absent, warning);
        let Some(place) = opened.map_err(at_fault)? else {
            return Ok(None);
        };
        let found = self.find_at(&place, key);
        if let Place::Bundle(layer, bundle) = &place
            && !matches!(found, Ok(Some(_)))
            && let Some(opened) = layer.open_if_changed(bundle)
        {
            return match opened.map_err(at_fault)? {
                Some(place) => self.find_at(&place, key),
                None => Ok(None),
            };
        }
        found
    }

    fn own(&self) -> Result<Option<Place<'_>>, Warning> {
        let root = self.directory.open()?;
        Ok(root.map(|root| Place::Folder(&self.directory, root)))
    }

    /// The entry of `key` in one place, found directly or by an alias.
    fn find_at(&self, place: &Place<'_>, key: &Key) -> Result<Option<(Entry, Via)>, Unusable> {
        if let Some(entry) = self.read_entry(place, key)? {
            return Ok(Some((entry, Via::Name)));
        }
        let unusable = |error| unusable(place, entry::Kind::Alias, key, error);
        let Some((alias, _)) = place.open(entry::Kind::Alias, key).map_err(unusable)? else {
            return Ok(None);
        };
        let target = entry::read_alias_at(&alias, key, self.options.trust.as_deref())
            .map_err(|error| unusable(error.into()))?;
        if let Some(entry) = self.read_entry(place, &target)? {
            return Ok(Some((entry, Via::Alias)));
        }
        // The entry may be in a layer. An alias whose entry is gone counts as absent.
        for layer in &self.layers {
            if let Ok(Some(place)) = layer.open()
                && let Some(entry) = self.read_entry(&place, &target)?
            {
                return Ok(Some((entry, Via::Layer)));
            }
        }
        Ok(None)
    }

    /// Reads back what was just published, as every later run will. It does not count as a hit.
    pub fn reopen(&self, key: &Key) -> Result<Option<Entry>, Unusable> {
        match self.own() {
            Ok(Some(place)) => self.read_entry(&place, key),
            Ok(None) => Ok(None),
            Err(warning) => Err((MissReason::Damaged, warning)),
        }
    }

    /// As [`Store::find_for`], but records nothing.
    pub fn look(&self, key: &Key) -> Result<Option<Entry>, Unusable> {
        let mut unusable = None;
        for number in 0..=self.layers.len() {
            match self.find_in(number, key) {
                Ok(Some((entry, _))) => return Ok(Some(entry)),
                Ok(None) => {}
                Err(error) => {
                    unusable.get_or_insert(error);
                }
            }
        }
        unusable.map_or(Ok(None), Err)
    }

    fn read_entry(&self, place: &Place<'_>, key: &Key) -> Result<Option<Entry>, Unusable> {
        let unusable = |error| unusable(place, entry::Kind::Entry, key, error);
        let Some((part, path)) = place.open(entry::Kind::Entry, key).map_err(unusable)? else {
            return Ok(None);
        };
        let mut entry = Entry::verify_part(part, key, self.options.trust.as_deref())
            .map_err(|error| unusable(error.into()))?;
        entry.directory = Some(place.directory());
        entry.path = path;
        Ok(Some(entry))
    }

    /// Takes the lock that whoever compiles `key` holds.
    pub fn lock(&self, key: &Key, timeout: Duration) -> Result<Outcome, Warning> {
        Lock::acquire(&self.directory, key, timeout)
    }

    /// Whether this store would trust what it stores: not if it signs with none of the keys that it trusts.
    fn trusts_itself(&self) -> bool {
        let Some(trust) = &self.options.trust else {
            return true;
        };
        let probe = b"whether its own signature is trusted";
        self.options
            .signer
            .as_ref()
            .is_some_and(|signer| trust.check(probe, &signer.sign(probe)).is_ok())
    }

    /// The directory, to store something in.
    fn create(&self) -> Result<Arc<Root>, Warning> {
        if self.trusts_itself() {
            return self.directory.create();
        }
        Err(self.directory.warning(
            "is not written to",
            "the configuration trusts some keys, but signs with none of them: what it stored could not be used again",
        ))
    }

    /// Stores a compiled module. Returns the entry's length.
    pub fn publish(
        &self,
        key: &Key,
        image: &[u8],
        object: &[u8],
        input: &[u8],
        manifest: &mut Manifest,
    ) -> Result<u64, Warning> {
        let input = Some(input).filter(|_| self.options.keep_input);
        self.publish_entry(key, image, object, input, manifest)
    }

    /// Stores a piece of a module: what a server made of it. Returns the entry's length.
    pub fn publish_piece(
        &self,
        key: &Key,
        object: &[u8],
        manifest: &mut Manifest,
    ) -> Result<u64, Warning> {
        self.publish_entry(key, &[], object, None, manifest)
    }

    fn publish_entry(
        &self,
        key: &Key,
        image: &[u8],
        object: &[u8],
        input: Option<&[u8]>,
        manifest: &mut Manifest,
    ) -> Result<u64, Warning> {
        let root = self.create()?;
        let path = entry_path(key);
        let signer = self.options.signer.as_deref();
        let encoded = entry::encode(key, image, object, input, manifest, signer)
            .map_err(|error| self.directory.warning_at(&path, error))?;
        let entry::Encoded {
            manifest: middle,
            object,
            input,
            tail,
        } = &encoded;
        file::publish(
            &root,
            &path,
            &[image, middle, object, input, tail],
            self.options.sync,
        )
        .map_err(|error| self.directory.warning_at(&path, error))?;
        let len = encoded.len(image);
        if let Some(canonical) = manifest.about.canonical {
            // After the entry, because an alias must not come before its entry. A failure costs only the alias.
            let _ = self.write_alias(&root, &canonical, key);
        }
        let detail = match manifest.about.piece {
            None => StoreKind::Module,
            Some(_) => StoreKind::Piece,
        };
        self.record(Record {
            cost: manifest.about.own_time(),
            ..Record::now(Kind::Store, detail as u8, len, *key)
        });
        Ok(len)
    }

    /// Whether the texts are there that the debug information of an entry refers to.
    pub fn has_sources(&self, folder: &str, key: &Key) -> bool {
        let root = self.directory.open().ok().flatten();
        root.is_some_and(|root| sources::are_there(&root, folder, key))
    }

    /// Writes the texts that the debug information of an entry refers to.
    pub fn publish_sources(
        &self,
        folder: &str,
        key: &Key,
        texts: &[(String, Vec<u8>)],
    ) -> Result<(), Warning> {
        let root = self.create()?;
        sources::publish(&root, folder, key, texts)
            .map_err(|error| self.directory.warning_at(sources::SOURCES, error))
    }

    /// Makes `key` an alias of `target`.
    pub fn publish_alias(&self, key: &Key, target: &Key) -> Result<(), Warning> {
        let root = self.create()?;
        self.write_alias(&root, key, target)?;
        self.record_alias(key);
        Ok(())
    }

    /// Stores what came from a remote and was checked, as it is. `alias`: the key that it was found by, if that is another
    /// one, and the file that says so. Returns it as every later run finds it. What cannot be stored comes back with the
    /// warning.
    pub fn promote(
        &self,
        mut arrived: Arrived,
        alias: Option<(&Key, &[u8])>,
    ) -> Result<Box<Entry>, (Warning, Arrived)> {
        if let Err(warning) = self.give_name(&mut arrived, alias) {
            return Err((warning, arrived));
        }
        let key = arrived.key();
        if let Arrived::File(entry, file) = arrived {
            match self.open_again(entry, &key) {
                Ok(entry) => return Ok(entry),
                Err(entry) => arrived = Arrived::File(entry, file),
            }
        }
        match self.reopen(&key) {
            Ok(Some(entry)) => Ok(Box::new(entry)),
            Ok(None) => {
                let warning = self
                    .directory
                    .warning("cannot be used", "its entries vanish");
                Err((warning, arrived))
            }
            Err((_, warning)) => Err((warning, arrived)),
        }
    }

    fn give_name(
        &self,
        arrived: &mut Arrived,
        alias: Option<(&Key, &[u8])>,
    ) -> Result<(), Warning> {
        // Its signature is trusted already, so it does not matter whether this cache signs.
        let root = self.directory.create()?;
        let sync = self.options.sync;
        let path = entry_path(&arrived.key());
        match arrived {
            Arrived::Memory(whole) => file::publish(&root, &path, &[&whole.bytes], sync),
            Arrived::File(_, file) => file
                .take()
                .map_or(Ok(()), |file| file.publish(&root, &path, sync)),
        }
        .map_err(|error| self.directory.warning_at(&path, error))?;
        if let Some((key, bytes)) = alias {
            let path = alias_path(key);
            file::publish(&root, &path, &[bytes], sync)
                .map_err(|error| self.directory.warning_at(&path, error))?;
            self.record_alias(key);
        }
        Ok(())
    }

    /// An entry whose file was open for writing when it was verified. The error: its name has another file by now.
    fn open_again(&self, mut entry: Box<Entry>, key: &Key) -> Result<Box<Entry>, Box<Entry>> {
        let Ok(Some(place)) = self.own() else {
            return Err(entry);
        };
        match place.open(entry::Kind::Entry, key) {
            Ok(Some((part, path))) if part.identity == entry.part.identity => {
                entry.part = part;
                entry.path = path;
                entry.directory = Some(place.directory());
                Ok(entry)
            }
            _ => Err(entry),
        }
    }

    fn write_alias(&self, root: &Root, key: &Key, target: &Key) -> Result<(), Warning> {
        let path = alias_path(key);
        let bytes = entry::encode_alias(key, target, self.options.signer.as_deref());
        file::publish(root, &path, &[&bytes], self.options.sync)
            .map_err(|error| self.directory.warning_at(&path, error))
    }

    /// Folds the journal and trims, if that is due. Never waits for another process that does the same.
    pub fn maintain(&self) -> Result<(), Warning> {
        let Some(journal) = self.journal() else {
            return Ok(());
        };
        let Ok(Some(root)) = self.directory.open() else {
            return Ok(());
        };
        if !maintain::is_due(&journal, &self.options.limits) {
            return Ok(());
        }
        maintain::slice(&self.directory, &root, &journal, &self.options)
    }

    fn record_hit(&self, entry: &Entry, in_layer: bool, through_alias: bool) {
        let key = entry.tail.key();
        let mut record = Record::now(Kind::Hit, HitKind::Direct as u8, entry.part.len, key);
        if in_layer {
            record.detail = HitKind::Layer as u8;
            // This cache's index does not know the entry, and so not what the hit saved.
            record.cost = entry.cost();
        } else if through_alias {
            record.detail = HitKind::Alias as u8;
        }
        self.record(record);
    }

    fn record_piece(&self, entry: &Entry, in_layer: bool) {
        let (detail, cost) = match in_layer {
            false => (HitKind::Piece, 0),
            true => (HitKind::PieceInLayer, entry.cost()),
        };
        self.record(Record {
            cost,
            ..Record::now(Kind::Hit, detail as u8, entry.part.len, entry.tail.key())
        });
    }

    pub fn record_import(&self, key: &Key, bytes: u64) {
        self.record(Record::now(Kind::Import, 0, bytes, *key));
    }

    pub fn record_alias(&self, key: &Key) {
        self.record(Record::now(Kind::Alias, 0, 0, *key));
    }

    pub fn record_miss(&self, key: &Key, reason: MissReason) {
        self.record(Record::now(Kind::Miss, reason as u8, 0, *key));
    }

    /// What a remote store did. `cost`: microseconds.
    pub fn record_remote(&self, key: &Key, kind: RemoteKind, bytes: u64, cost: u64) {
        let mut record = Record::now(Kind::Remote, kind as u8, bytes, *key);
        record.cost = cost;
        self.record(record);
    }

    /// A record that cannot be written is dropped without a warning.
    fn record(&self, record: Record) {
        if let Some(journal) = self.journal() {
            let _ = journal.append(&record);
        }
    }

    fn journal(&self) -> Option<Arc<Journal>> {
        if !self.options.index || !self.options.writable {
            return None;
        }
        let mut opened = self.lock_journal();
        if let Opened::NotYet = &*opened {
            let root = self.directory.open().ok().flatten()?;
            *opened = match Journal::open(&root) {
                Ok(Some(journal)) => Opened::Yes(Arc::new(journal)),
                // The next miss creates it, see `create_journal`.
                Ok(None) => return None,
                Err(_) => Opened::No,
            };
        }
        match &*opened {
            Opened::Yes(journal) => Some(journal.clone()),
            Opened::No | Opened::NotYet => None,
        }
    }

    /// Creates the journal, or opens the one that is there now. Called on a miss, where the cost does not matter.
    pub fn create_journal(&self) {
        if !self.options.index || !self.options.writable {
            return;
        }
        let Ok(root) = self.directory.create() else {
            return;
        };
        let opened = if root.is_remote() {
            Opened::No
        } else {
            Journal::open_or_create(&root)
                .map_or(Opened::No, |journal| Opened::Yes(Arc::new(journal)))
        };
        *self.lock_journal() = opened;
    }

    fn lock_journal(&self) -> fork::Guarded<MutexGuard<'_, Opened>> {
        fork::guard(|| self.journal.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A journal of this length is folded when the store is dropped. Otherwise hits alone could let it grow for ever.
const FOLD_AT_END: u64 = 1 << 20;

impl Drop for Store {
    fn drop(&mut self) {
        let opened = std::mem::take(&mut *self.lock_journal());
        let Opened::Yes(journal) = opened else {
            return;
        };
        let folded = journal.header().ok().flatten().map(|header| header.folded);
        let len = journal.len().unwrap_or(0);
        if folded.is_some_and(|folded| len.saturating_sub(folded) >= FOLD_AT_END)
            && let Ok(Some(root)) = self.directory.open()
        {
            let _ = maintain::slice(&self.directory, &root, &journal, &self.options);
        }
    }
}

/// Whether this process or the system is short of something for the moment. The file is not at fault.
fn is_shortage(error: Errno) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM].contains(&error)
}

fn unusable(place: &Place<'_>, kind: entry::Kind, key: &Key, error: PlaceError) -> Unusable {
    let reason = match &error {
        PlaceError::Entry(EntryError::Untrusted(_)) => MissReason::Untrusted,
        PlaceError::Entry(EntryError::Io(error)) | PlaceError::Open(OpenError::Io(error))
            if is_shortage(*error) =>
        {
            MissReason::Absent
        }
        _ => MissReason::Damaged,
    };
    (reason, place.warning_at(kind, key, error))
}
