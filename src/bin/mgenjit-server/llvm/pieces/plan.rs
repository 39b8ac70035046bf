//! Decides where a module is cut, and what each piece gets of it.
//!
//! Functions stay in their order, for neighbours call each other. Where pieces end depends on names, so that pieces stay
//! the same before and behind a place where something is added or removed. A piece imports small functions that it
//! calls, as ThinLTO does, so that they can be inlined.
//!
//! Everything is decided in the module's order, and by what lasts: names without numbers, sizes and references.

use super::facts::{Facts, Flags, Item, ItemFlags, Kind, Role};
use super::names::{self, DIRECT, SUFFIX};
use std::collections::HashMap;

/// How a module is cut, in IR instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The target for a piece.
    pub piece: u32,
    /// What inlining a function that is imported may add.
    pub import: u32,
}

/// What one piece gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its first function, or what else it has.
    pub name: String,
    pub functions: u32,
    pub instructions: u32,
    /// Sorted by their globals.
    pub items: Vec<Item>,
}

/// Cuts, into one piece or more.
pub fn plan(facts: &Facts, sizes: Sizes) -> Vec<Part> {
    let names = names::lasting(facts);
    let homes = Homes::find(facts, &names, sizes.piece);
    let imports: Vec<Vec<u32>> = (0..homes.count)
        .map(|piece| imports(facts, &homes.of, piece, sizes.import))
        .collect();
    let mut contents: Vec<Vec<(u32, Role)>> = Contents::new(facts, &homes.of, imports).collect();
    let is_shared = shared(facts, &homes.of, &contents);
    contents
        .iter_mut()
        .zip(0..)
        .map(|(contents, piece)| {
            contents.sort_unstable_by_key(|(global, _)| *global);
            let item = |(global, role): &(u32, Role)| {
                let is_home = homes.of[*global as usize] == piece;
                item(
                    facts,
                    &names,
                    *global,
                    *role,
                    is_home,
                    is_shared[*global as usize],
                )
            };
            let items = contents.iter().map(item).collect();
            describe(facts, items)
        })
        .collect()
}

/// What no piece defines.
const NOWHERE: u32 = u32::MAX;

/// Which piece defines what.
struct Homes {
    of: Vec<u32>,
    count: u32,
}

impl Homes {
    fn find(facts: &Facts, names: &[Vec<u8>], piece: u32) -> Homes {
        let groups = groups(facts, piece);
        let mut group_homes = vec![NOWHERE; facts.globals.len()];
        let count = cut(facts, names, piece, &groups, &mut group_homes);
        let mut homes = Homes {
            of: vec![NOWHERE; facts.globals.len()],
            count,
        };
        let is_defined = |index: usize| facts.globals[index].flags.has(Flags::DEFINED);
        // What is no function is where a function uses it first, or else what is used by one.
        let follow = |group_homes: &mut Vec<u32>, root: u32| {
            let mut waiting = vec![root];
            while let Some(index) = waiting.pop() {
                let home = group_homes[groups[index as usize] as usize];
                for reference in facts.references_of(index).iter().rev() {
                    let target = reference.target as usize;
                    let target_home = &mut group_homes[groups[target] as usize];
                    if is_defined(target) && *target_home == NOWHERE {
                        *target_home = home;
                        waiting.push(reference.target);
                    }
                }
            }
        };
        let members = members(&groups);
        let is_placed =
            |group_homes: &[u32], index: usize| group_homes[groups[index] as usize] != NOWHERE;
        for (index, global) in facts.globals.iter().enumerate() {
            if global.kind == Kind::Function && is_defined(index) {
                for member in &members[groups[index] as usize] {
                    follow(&mut group_homes, *member);
                }
            }
        }
        place_entries(facts, &groups, &mut group_homes);
        // What nothing of the module uses follows what is before it.
        let mut before = 0;
        for index in 0..facts.globals.len() {
            if facts.globals[index].kind == Kind::Function || !is_defined(index) {
                continue;
            }
            if !is_placed(&group_homes, index) {
                group_homes[groups[index] as usize] = before;
            }
            before = group_homes[groups[index] as usize];
            for member in &members[groups[index] as usize] {
                follow(&mut group_homes, *member);
            }
        }
        for (index, home) in homes.of.iter_mut().enumerate() {
            if is_defined(index) {
                *home = group_homes[groups[index] as usize];
            }
        }
        homes
    }
}

/// For each global, one that stands for all that must be with it, or had better be.
fn groups(facts: &Facts, target: u32) -> Vec<u32> {
    let mut parents: Vec<u32> = (0..facts.globals.len() as u32).collect();
    fn root(parents: &mut [u32], mut index: u32) -> u32 {
        while parents[index as usize] != index {
            parents[index as usize] = parents[parents[index as usize] as usize];
            index = parents[index as usize];
        }
        index
    }
    let is_defined = |index: u32| facts.globals[index as usize].flags.has(Flags::DEFINED);
    for (a, b) in &facts.together {
        if is_defined(*a) && is_defined(*b) {
            let (a, b) = (root(&mut parents, *a), root(&mut parents, *b));
            parents[a.max(b) as usize] = a.min(b);
        }
    }
    // A local that is called from one place is inlined there, however large it is.
    let mut sizes = vec![0_u64; parents.len()];
    let mut users = vec![(0, NOWHERE); parents.len()];
    for index in 0..parents.len() as u32 {
        sizes[root(&mut parents, index) as usize] +=
            u64::from(facts.globals[index as usize].instructions);
        for reference in facts.references_of(index) {
            let (count, user) = &mut users[reference.target as usize];
            *count += if reference.called == 1 { 1 } else { 2 };
            *user = index;
        }
    }
    for index in 0..parents.len() as u32 {
        let global = &facts.globals[index as usize];
        let (count, user) = users[index as usize];
        let is_local = global.kind == Kind::Function && global.flags.has(Flags::LOCAL);
        if !is_local || count != 1 || !is_defined(index) || !is_defined(user) {
            continue;
        }
        let (a, b) = (root(&mut parents, index), root(&mut parents, user));
        let size = sizes[a as usize] + sizes[b as usize];
        if a != b && size <= u64::from(target) / 2 {
            parents[a.max(b) as usize] = a.min(b);
            sizes[a.min(b) as usize] = size;
        }
    }
    (0..parents.len() as u32)
        .map(|index| root(&mut parents, index))
        .collect()
}

fn members(groups: &[u32]) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); groups.len()];
    for (index, group) in (0..).zip(groups) {
        members[*group as usize].push(index);
    }
    members
}

/// Gives each group with a function its piece, and returns how many pieces there are.
fn cut(facts: &Facts, names: &[Vec<u8>], target: u32, groups: &[u32], homes: &mut [u32]) -> u32 {
    let mut sizes = vec![0_u64; groups.len()];
    for (global, group) in facts.globals.iter().zip(groups) {
        if global.flags.has(Flags::DEFINED) {
            sizes[*group as usize] += u64::from(global.instructions);
        }
    }
    // The groups in the order of their first functions. A group that is not there yet has no home.
    let mut runs = Vec::new();
    for (index, global) in facts.globals.iter().enumerate() {
        let group = groups[index] as usize;
        let is_function = global.kind == Kind::Function && global.flags.has(Flags::DEFINED);
        if is_function && homes[group] == NOWHERE {
            homes[group] = 0;
            runs.push(Run {
                group,
                size: sizes[group],
                rank: rank(&names[index]),
            });
        }
    }
    let ends = split(&runs, target.into());
    let mut start = 0;
    for (piece, end) in (0..).zip(&ends) {
        for run in &runs[start..*end] {
            homes[run.group] = piece;
        }
        start = *end;
    }
    ends.len().max(1) as u32
}

/// Functions that stay together.
struct Run {
    group: usize,
    size: u64,
    /// Decides where to cut first. It depends on the name alone.
    rank: u64,
}

fn rank(name: &[u8]) -> u64 {
    let digest = blake3::hash(name);
    let start = digest.as_bytes().first_chunk().copied();
    u64::from_le_bytes(start.unwrap_or_default())
}

/// Where pieces end.
///
/// What is too large is cut in two before the function that ranks highest, but not so near to an end that a piece would
/// be small. So an edit changes the piece that it is in, and rarely another: it hardly ever changes which function
/// ranks highest among many.
fn split(runs: &[Run], target: u64) -> Vec<usize> {
    let mut before = vec![0];
    for run in runs {
        before.push(before[before.len() - 1] + run.size);
    }
    let mut ends = Vec::new();
    let mut waiting = vec![(0, runs.len())];
    while let Some((start, end)) = waiting.pop() {
        let size = |from: usize, to: usize| before[to] - before[from];
        let highest = |least: u64| {
            let places = (start + 1..end)
                .filter(|place| size(start, *place) >= least && size(*place, end) >= least);
            places.max_by_key(|place| runs[*place].rank)
        };
        let size = size(start, end);
        let place = match () {
            () if size <= target + target / 2 => None,
            // A small piece is better than one that is far too large.
            () if size > 2 * target => highest(target / 2).or_else(|| highest(0)),
            () => highest(target / 2),
        };
        match place {
            Some(place) => waiting.extend([(place, end), (start, place)]),
            None if start < end => ends.push(end),
            None => {}
        }
    }
    ends
}

/// Constructors and destructors of one priority run in the order of their list. Each is with its function if the
/// functions are in this order, too. Where priorities differ, all are in one list: the optimiser runs what it can ahead of
/// time, unless the list has something before it that it cannot.
fn place_entries(facts: &Facts, groups: &[u32], homes: &mut [u32]) {
    for kind in [Kind::Constructor, Kind::Destructor] {
        let entries: Vec<usize> = (0..facts.globals.len())
            .filter(|index| facts.globals[*index].kind == kind)
            .collect();
        let home = |index: usize, homes: &[u32]| {
            let own = homes[groups[index] as usize];
            let target = facts.references_of(index as u32).first();
            let with = target.map(|one| homes[groups[one.target as usize] as usize]);
            [Some(own), with, Some(0)]
                .into_iter()
                .flatten()
                .find(|home| *home != NOWHERE)
                .unwrap_or(0)
        };
        let in_order = entries.windows(2).all(|pair| {
            let [one, next] = [pair[0], pair[1]];
            facts.globals[one].priority == facts.globals[next].priority
                && home(one, homes) <= home(next, homes)
        });
        let first = entries.first().map_or(0, |index| home(*index, homes));
        for index in entries {
            let own = if in_order { home(index, homes) } else { first };
            let place = &mut homes[groups[index] as usize];
            if *place == NOWHERE {
                *place = own;
            }
        }
    }
}

/// The functions of other pieces whose bodies a piece gets: those that it calls and that weigh at most `limit`, and with
/// a smaller limit what these call.
fn imports(facts: &Facts, homes: &[u32], piece: u32, limit: u32) -> Vec<u32> {
    let mut best: HashMap<u32, u64> = HashMap::new();
    let mut found = Vec::new();
    let mut waiting: Vec<(u32, u64)> = (0..)
        .zip(&facts.globals)
        .filter(|(index, global)| homes[*index as usize] == piece && global.kind == Kind::Function)
        .map(|(index, global)| {
            let inlines = !global.flags.has(Flags::NEVER_INLINES);
            (index, if inlines { u64::from(limit) << 16 } else { 0 })
        })
        .collect();
    waiting.reverse();
    while let Some((caller, limit)) = waiting.pop() {
        for reference in facts.references_of(caller).iter().rev() {
            let callee = &facts.globals[reference.target as usize];
            let is_there = homes[reference.target as usize] == piece;
            let can_come = callee.flags.has(Flags::IMPORTABLE) && callee.kind == Kind::Function;
            if reference.called == 0 || is_there || !can_come {
                continue;
            }
            let always = callee.flags.has(Flags::ALWAYS_INLINE);
            if !always && u64::from(callee.weight.max(1)) << 16 > limit {
                continue;
            }
            let known = best.get(&reference.target);
            if known.is_some_and(|known| *known >= limit) {
                continue;
            }
            if known.is_none() {
                found.push(reference.target);
            }
            best.insert(reference.target, limit);
            let next = if always { limit } else { limit * 7 / 10 };
            waiting.push((reference.target, next));
        }
    }
    found
}

/// What each piece has, piece by piece.
struct Contents<'a> {
    facts: &'a Facts,
    homes: &'a [u32],
    imports: std::vec::IntoIter<Vec<u32>>,
    members: Vec<Vec<u32>>,
    roles: Vec<Option<Role>>,
    piece: u32,
}

impl<'a> Contents<'a> {
    fn new(facts: &'a Facts, homes: &'a [u32], imports: Vec<Vec<u32>>) -> Contents<'a> {
        let mut members = vec![Vec::new(); imports.len()];
        for (index, home) in (0..).zip(homes) {
            if let Some(members) = members.get_mut(*home as usize) {
                members.push(index);
            }
        }
        // What is used and defined nowhere is declared in the first piece.
        for (index, global) in (0..).zip(&facts.globals) {
            if global.flags.has(Flags::USED) && homes[index as usize] == NOWHERE {
                members[0].push(index);
            }
        }
        Contents {
            facts,
            homes,
            imports: imports.into_iter(),
            members,
            roles: vec![None; facts.globals.len()],
            piece: 0,
        }
    }

    fn role_of_reference(&self, target: u32) -> Role {
        let global = &self.facts.globals[target as usize];
        let is_small = global.bytes <= MAX_COPIED;
        if self.homes[target as usize] == self.piece {
            Role::Define
        } else if global.kind == Kind::Variable && global.flags.has(Flags::BORROWED) {
            Role::Import
        } else if global.flags.has(Flags::COPYABLE) && is_small {
            Role::Copy
        } else if global.kind == Kind::Variable
            && global.flags.has(Flags::IMPORTABLE)
            && global.bytes <= MAX_SEEN
        {
            Role::Import
        } else {
            Role::Declare
        }
    }
}

/// Larger constants than this many bytes are in one piece.
const MAX_COPIED: u64 = 1024;

/// The values of larger constants are seen only by the piece that has them.
const MAX_SEEN: u64 = 64;

impl Iterator for Contents<'_> {
    type Item = Vec<(u32, Role)>;

    fn next(&mut self) -> Option<Vec<(u32, Role)>> {
        let imports = self.imports.next()?;
        let members = std::mem::take(&mut self.members[self.piece as usize]);
        let mut found: Vec<(u32, Role)> = Vec::new();
        let mut next = 0;
        let own = members.into_iter().map(|index| {
            let is_own = self.homes[index as usize] == self.piece;
            (index, if is_own { Role::Define } else { Role::Declare })
        });
        let imports = imports.into_iter().map(|index| (index, Role::Import));
        for (index, role) in own.chain(imports) {
            self.roles[index as usize] = Some(role);
            found.push((index, role));
        }
        while let Some((index, role)) = found.get(next).copied() {
            next += 1;
            if role == Role::Declare {
                continue;
            }
            for reference in self.facts.references_of(index) {
                let target = reference.target;
                if self.roles[target as usize].is_none() {
                    let role = self.role_of_reference(target);
                    self.roles[target as usize] = Some(role);
                    found.push((target, role));
                }
            }
        }
        for (index, _) in &found {
            self.roles[*index as usize] = None;
        }
        self.piece += 1;
        Some(found)
    }
}

/// What other pieces than its own refer to.
fn shared(facts: &Facts, homes: &[u32], contents: &[Vec<(u32, Role)>]) -> Vec<bool> {
    let mut shared = vec![false; facts.globals.len()];
    for contents in contents {
        for (global, role) in contents {
            if matches!(role, Role::Declare | Role::Import) && homes[*global as usize] != NOWHERE {
                shared[*global as usize] = true;
            }
        }
    }
    shared
}

fn item(
    facts: &Facts,
    names: &[Vec<u8>],
    index: u32,
    role: Role,
    is_home: bool,
    is_shared: bool,
) -> Item {
    let global = &facts.globals[index as usize];
    let has = |flag| global.flags.has(flag);
    let lasting = &names[index as usize];
    let suffixed = |before: &str| [lasting, before.as_bytes(), SUFFIX.as_bytes()].concat();
    let is_defined = has(Flags::DEFINED);
    let is_promoted = has(Flags::LOCAL) && is_shared && role != Role::Copy;
    let is_direct = has(Flags::DIRECT) && is_shared;
    let mut flags = ItemFlags::default();
    flags.set(ItemFlags::PROMOTE, is_promoted && is_home);
    flags.set(
        ItemFlags::WEAKEN,
        has(Flags::DROPPABLE) && is_shared && is_home,
    );
    flags.set(
        ItemFlags::ELSEWHERE,
        is_defined && role != Role::Copy && !is_home,
    );
    flags.set(ItemFlags::HIDDEN, is_promoted || is_direct);
    flags.set(
        ItemFlags::LISTED,
        has(Flags::USED) && (is_home || !is_defined),
    );
    let name = if is_promoted {
        Some(suffixed(""))
    } else if is_direct && !is_home {
        Some(suffixed(DIRECT))
    } else if has(Flags::NAMELESS) && !has(Flags::USED) {
        Some(Vec::new())
    } else {
        (*lasting != global.name).then(|| lasting.clone())
    };
    Item {
        global: index,
        role,
        flags,
        name,
        direct: (is_direct && is_home).then(|| suffixed(DIRECT)),
    }
}

fn describe(facts: &Facts, items: Vec<Item>) -> Part {
    let defined = items.iter().filter(|item| item.role == Role::Define);
    let defined = defined.map(|item| &facts.globals[item.global as usize]);
    let functions = defined
        .clone()
        .filter(|global| global.kind == Kind::Function);
    let first = functions.clone().next().or_else(|| defined.clone().next());
    let name = first.map_or(&[][..], |global| &global.name);
    let name = name.strip_prefix(&[1]).unwrap_or(name);
    Part {
        name: String::from_utf8_lossy(name).into_owned(),
        functions: functions.clone().count() as u32,
        instructions: functions.map(|global| global.instructions).sum(),
        items,
    }
}
