//! An executor's modules: what they define, and which ones others depend on.

use super::batch::Batch;
use super::entries::Entries;
use super::info::ModuleInfo;
use super::library::Library;
use super::switch::{Ready, Switch};
use crate::image::Image;
use crate::image::arguments::{self, Arguments, Strings};
use crate::image::relocate::Target;
use crate::image::symbols::{Symbol, SymbolKind, gnu_hash};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

#[derive(Default)]
pub struct State {
    pub definitions: HashMap<Box<[u8]>, usize>,
    pub libraries: Vec<Arc<Library>>,
    /// Program arguments; the last ones count. Programs may keep pointers to any of them.
    arguments: Vec<Arc<Strings>>,
    /// Batches whose constructors are still running.
    pub batches: Vec<Arc<Batch>>,
    /// `None`: functions are not replaceable, and have no entries.
    pub(super) entries: Option<Entries>,
    /// By id, which is the order in which they were added.
    pub(super) modules: BTreeMap<u64, Loaded>,
    next_id: u64,
    /// Modules that are still to be linked.
    pending: Vec<u64>,
    last_link: u64,
    /// Code of the second tier that waits until its module is linked.
    pub(super) ready: Vec<Ready>,
    /// The modules that define a name with this hash (its lowest bit set), in the order they were added. Names
    /// stay in the images.
    pub(super) index: HashMap<u32, Vec<u64>, BuildHasherDefault<Hashed>>,
}

/// Hashes what is a hash already: whoever can choose names can choose equal hashes, too.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        // Maps use the highest bits and the lowest ones; the lowest bit of the values is always set.
        self.0 = (self.0 ^ u64::from(value))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A module that is mapped.
pub struct Loaded {
    pub image: Arc<Image>,
    pub info: Arc<ModuleInfo>,
    /// 0: not linked yet. Else the place in the order in which constructors ran.
    pub link_order: u64,
    /// The other modules whose symbols it was linked to, each once.
    pub needs: Vec<u64>,
    /// The entries that its code refers to, each once.
    pub uses: Vec<u32>,
    /// The weak definitions of its own in place of which it uses others, by index.
    elsewhere: Vec<(u32, Meaning)>,
    /// How many modules need this one.
    needed_by: usize,
    pub removed: bool,
    /// A newer version is there: only its variables are found, as long as it is mapped. It is not `removed` until nobody runs in
    /// it any more.
    pub replaced: bool,
    /// Function handles.
    pub pins: usize,
    /// `None`: its functions stay what they are.
    pub(super) switch: Option<Box<Switch>>,
}

impl Loaded {
    pub fn is_linked(&self) -> bool {
        self.link_order != 0
    }
}

/// A definition in a module.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub id: u64,
    pub symbol: Symbol,
}

/// What a symbol resolves to. `module` is `None` outside of the executor's modules.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    pub target: Target,
    pub module: Option<u64>,
    /// The entry whose address the target is.
    pub entry: Option<u32>,
}

impl Found {
    /// What it resolves to: itself, unless its module was linked to another definition of the name.
    pub fn meaning(&self, state: &State) -> Option<Meaning> {
        let module = state.module(self.id)?;
        let place = |(index, _): &(u32, Meaning)| index.cmp(&self.symbol.index);
        if let Ok(place) = module.elsewhere.binary_search_by(place) {
            return Some(module.elsewhere[place].1);
        }
        let image = &module.image;
        if let Some(entries) = &state.entries
            && self.symbol.function
            && let Ok(name) = image.name(&self.symbol)
            && let Some(number) = entries.find(name)
        {
            return Some(Meaning {
                target: Target::Address(entries.address(number)),
                module: Some(self.id),
                entry: Some(number),
            });
        }
        let stub = module.switch.as_ref();
        let stub = stub.and_then(|switch| switch.stub(self.symbol.index));
        let target = match self.symbol.kind {
            SymbolKind::Plain if stub.is_some() => Target::Address(stub?),
            SymbolKind::Plain => Target::Address(image.address(self.symbol.value)),
            SymbolKind::Indirect => Target::Indirect(image.address(self.symbol.value)),
            SymbolKind::ThreadLocal => Target::ThreadLocal {
                module: image.tls_module()?,
                offset: self.symbol.value as usize,
            },
        };
        Some(Meaning {
            target,
            module: Some(self.id),
            entry: None,
        })
    }
}

impl State {
    /// `replaceable`: functions have entries.
    pub fn new(replaceable: bool) -> State {
        State {
            entries: replaceable.then(Entries::new),
            ..State::default()
        }
    }

    /// Adds a module that is still to be linked.
    pub fn add(&mut self, image: Image, info: Arc<ModuleInfo>) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        for hash in image.defined_hashes() {
            self.index.entry(hash).or_default().push(id);
        }
        let switch = match image.is_switchable() {
            true => Switch::new(&image, self.entries.is_none()).map(Box::new),
            false => None,
        };
        self.modules.insert(
            id,
            Loaded {
                switch,
                image: Arc::new(image),
                info,
                link_order: 0,
                needs: Vec::new(),
                uses: Vec::new(),
                elsewhere: Vec::new(),
                needed_by: 0,
                removed: false,
                replaced: false,
                pins: 0,
            },
        );
        self.pending.push(id);
        id
    }

    /// Keeps what a module's names mean, if it may be switched to other code, which is to be linked to the same.
    pub fn keep_targets(&mut self, id: u64, targets: Vec<Option<Target>>) {
        if let Some(module) = self.modules.get_mut(&id)
            && let Some(switch) = &mut module.switch
        {
            switch.targets = targets;
        }
    }

    pub fn set_arguments(&mut self, arguments: Arc<Strings>) {
        self.arguments.push(arguments);
    }

    /// The program arguments, if any were set.
    pub fn program_arguments(&self) -> Option<&Arc<Strings>> {
        self.arguments.last()
    }

    /// The arguments of constructors.
    pub fn arguments(&self) -> Arguments {
        match self.program_arguments() {
            Some(strings) => strings.arguments(),
            None => arguments::of_the_process(),
        }
    }

    pub fn module(&self, id: u64) -> Option<&Loaded> {
        self.modules.get(&id)
    }

    /// The modules that are still to be linked, in the order they were added.
    pub fn pending(&self) -> &[u64] {
        &self.pending
    }

    /// Notes that a module was linked to the modules `needs` and to the entries `uses`, and which definitions it uses in place
    /// of its own.
    pub fn set_linked(
        &mut self,
        id: u64,
        needs: Vec<u64>,
        uses: Vec<u32>,
        mut elsewhere: Vec<(u32, Meaning)>,
    ) {
        elsewhere.sort_unstable_by_key(|(index, _)| *index);
        self.pending.retain(|other| *other != id);
        for other in &needs {
            if let Some(other) = self.modules.get_mut(other) {
                other.needed_by += 1;
            }
        }
        self.last_link += 1;
        if let Some(module) = self.modules.get_mut(&id) {
            module.needs = needs;
            module.uses = uses;
            module.elsewhere = elsewhere;
            module.link_order = self.last_link;
        }
        if self.entries.is_none() {
            self.set_needs(id);
        }
    }

    /// Tells a linked module's image what its destructors may call. With entries, these must lead to what they are to lead to.
    pub(super) fn set_needs(&self, id: u64) {
        let Some(module) = self.modules.get(&id) else {
            return;
        };
        let called = self.holders(&module.uses);
        let others = module.needs.iter().copied().chain(called);
        let images = others
            .filter_map(|other| self.modules.get(&other))
            .map(|other| Arc::downgrade(&other.image));
        module.image.set_needs(images.collect());
    }

    /// What `name` means among the modules: the strong definition that was added last, whether its module can be linked
    /// or not, so that it is never an older one; else the weak one that was added first among the modules that `admit`
    /// lets in, so that all modules agree on it. Of equally strong ones, a hidden one comes last.
    pub fn find(&self, name: &[u8], admit: impl Fn(u64, &Loaded) -> bool) -> Option<Found> {
        let candidates = self.index.get(&(gnu_hash(name) | 1))?;
        let (mut hidden, mut weak, mut weak_hidden) = (None, None, None);
        for id in candidates.iter().rev() {
            let Some(module) = self.modules.get(id) else {
                continue;
            };
            let Some(symbol) = module.image.find(name) else {
                continue;
            };
            if module.replaced && symbol.function {
                continue;
            }
            let found = Found { id: *id, symbol };
            match (symbol.weak, symbol.hidden) {
                (false, false) => return Some(found),
                (false, true) => hidden = hidden.or(Some(found)),
                (true, _) if !admit(*id, module) => {}
                (true, false) => weak = Some(found),
                (true, true) => weak_hidden = Some(found),
            }
        }
        hidden.or(weak).or(weak_hidden)
    }

    /// Marks a module as removed, so that nothing finds it any more, and takes out what nobody needs now.
    pub fn remove(&mut self, id: u64) -> Option<Vec<Loaded>> {
        let live = |module: &&mut Loaded| !module.removed && !module.replaced;
        let module = self.modules.get_mut(&id).filter(live)?;
        module.removed = true;
        let image = module.image.clone();
        self.unlist(id, &image);
        self.redirect_from(id, &image);
        Some(self.take_if_unused(id))
    }

    /// Nothing finds a module's symbols any more.
    fn unlist(&mut self, id: u64, image: &Image) {
        for hash in image.defined_hashes() {
            if let Some(ids) = self.index.get_mut(&hash) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.index.remove(&hash);
                }
            }
        }
    }

    /// Takes back a module that was added and could not be linked.
    pub fn withdraw(&mut self, id: u64) -> Option<Loaded> {
        let module = self.modules.remove(&id)?;
        self.unlist(id, &module.image);
        self.pending.retain(|other| *other != id);
        Some(module)
    }

    /// Nobody runs in a replaced module any more. Takes out what nobody needs now. `None`: it was not replaced, or this was
    /// said before.
    pub fn retire(&mut self, id: u64) -> Option<Vec<Loaded>> {
        let waits = |module: &&mut Loaded| module.replaced && !module.removed;
        let module = self.modules.get_mut(&id).filter(waits)?;
        module.removed = true;
        Some(self.take_if_unused(id))
    }

    /// Marks a module as replaced, or as not.
    pub fn set_replaced(&mut self, id: u64, replaced: bool) {
        if let Some(module) = self.modules.get_mut(&id) {
            module.replaced = replaced;
        }
    }

    /// All that are mapped.
    pub fn modules(&self) -> impl Iterator<Item = &Loaded> {
        self.modules.values()
    }

    /// The modules that entries lead to.
    fn holders(&self, uses: &[u32]) -> Vec<u64> {
        let entries = self.entries.iter();
        let holders = entries.flat_map(|entries| uses.iter().map(|number| entries.holder(*number)));
        holders.flatten().collect()
    }

    /// Counts a function handle. `None`: the module was removed.
    pub fn pin(&mut self, id: u64) -> Option<&Loaded> {
        let live = |module: &&mut Loaded| !module.removed && !module.replaced;
        let module = self.modules.get_mut(&id).filter(live)?;
        module.pins += 1;
        Some(module)
    }

    /// Drops a function handle.
    pub fn unpin(&mut self, id: u64) -> Vec<Loaded> {
        match self.modules.get_mut(&id) {
            Some(module) => {
                module.pins -= 1;
                if module.removed && module.pins == 0 {
                    return self.take_if_unused(id);
                }
            }
            None => debug_assert!(false, "a pinned module stays"),
        }
        Vec::new()
    }

    /// Takes out a removed module if nobody needs it, and with it those that only it needed.
    fn take_if_unused(&mut self, id: u64) -> Vec<Loaded> {
        let simple = self.modules.get(&id).is_some_and(|module| {
            let last = |id| {
                self.modules
                    .get(id)
                    .is_none_or(|needed: &Loaded| !needed.removed)
            };
            module.pins == 0 && module.needed_by == 0 && module.needs.iter().all(last)
        });
        if !simple || self.entries.is_some() {
            return self.collect();
        }
        let taken: Vec<Loaded> = self.modules.remove(&id).into_iter().collect();
        self.forget(&taken);
        taken
    }

    fn forget(&mut self, taken: &[Loaded]) {
        if taken.iter().any(|module| !module.is_linked()) {
            let modules = &self.modules;
            self.pending.retain(|id| modules.contains_key(id));
        }
        for id in taken.iter().flat_map(|module| &module.needs) {
            if let Some(needed) = self.modules.get_mut(id) {
                needed.needed_by -= 1;
            }
        }
    }

    /// Takes out the removed modules that neither a handle nor, through others, a module that stays needs.
    fn collect(&mut self) -> Vec<Loaded> {
        let mut needed: HashSet<u64> = HashSet::new();
        let mut work: Vec<u64> = Vec::new();
        for module in self.modules.values() {
            if module.removed && module.pins == 0 {
                continue;
            }
            work.extend(&module.needs);
            work.extend(self.holders(&module.uses));
        }
        while let Some(id) = work.pop() {
            if needed.insert(id)
                && let Some(module) = self.modules.get(&id)
            {
                work.extend(&module.needs);
                work.extend(self.holders(&module.uses));
            }
        }
        let (ids, taken): (Vec<u64>, Vec<Loaded>) = self
            .modules
            .extract_if(.., |id, module| {
                module.removed && module.pins == 0 && !needed.contains(id)
            })
            .unzip();
        for (id, module) in ids.iter().zip(&taken) {
            // Its variables were found until now.
            if module.replaced {
                self.unlist(*id, &module.image);
            }
            self.give_up_entries(*id, &module.image);
        }
        self.forget(&taken);
        taken
    }

    pub fn take_all(&mut self) -> Vec<Loaded> {
        self.give_back_entries();
        self.index.clear();
        self.pending.clear();
        std::mem::take(&mut self.modules).into_values().collect()
    }
}

/// Unloads modules that were taken out.
pub fn unload(modules: Vec<Loaded>) {
    crate::image::unload(modules.into_iter().map(|module| module.image).collect());
}
