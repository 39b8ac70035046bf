//! Which sections the merged object has, and where in them the objects' sections are.
//!
//! Sections of one name and kind are put one behind the other, in the order of the objects. What would no longer be the same
//! then stays a section of its own, which may have the name of another.

use super::part::{Link, Part, Section};
use object::LittleEndian as LE;
use object::elf::{self, Machine, SectionFlags, SectionType};
use std::collections::{HashMap, HashSet};

/// A section of the merged object.
pub struct Out<'a> {
    pub name: &'a [u8],
    pub kind: SectionType,
    pub flags: SectionFlags,
    pub entry_size: u64,
    pub alignment: u64,
    pub size: u64,
    /// Empty if it takes no room in the file.
    pub data: Vec<u8>,
    pub link: OutLink,
    /// Whether relocations have no addends of their own.
    pub implicit: bool,
    pub group: Option<usize>,
    /// The objects' sections in it, by object and index.
    pub parts: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutLink {
    None,
    Symbols,
    Section(usize),
}

/// Where an object's section is.
#[derive(Clone, Copy)]
pub struct Spot {
    pub out: usize,
    pub offset: u64,
}

pub struct Layout<'a> {
    pub sections: Vec<Out<'a>>,
    /// The groups, each by an object and the number that it has there.
    pub groups: Vec<(usize, usize)>,
    /// By object and section. `None`: it is dropped.
    pub spots: Vec<Vec<Option<Spot>>>,
    /// The section that the next of its kind is put behind.
    latest: HashMap<Alike<'a>, usize>,
    machine: Machine,
}

/// What sections are alike in that are put together.
type Alike<'a> = (&'a [u8], SectionType, SectionFlags, u64, OutLink);

/// What is said of the whole object.
const PROPERTIES: &[u8] = b".note.gnu.property";
const STACK: &[u8] = b".note.GNU-stack";
const COMMENT: &[u8] = b".comment";

/// The most padding between two parts of a section.
const MOST_PADDING: u64 = 1 << 16;

/// Kinds of which several behind each other are one, from LLVM's own on.
const LLVM: std::ops::Range<u32> = 0x6fff_4c00..0x6fff_4d00;

/// Which sections of each object are dropped: members of groups that an earlier object has too.
pub fn dropped(parts: &[Part<'_>]) -> Vec<HashSet<usize>> {
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let mut all = Vec::with_capacity(parts.len());
    for part in parts {
        let mut dropped = HashSet::new();
        for group in &part.groups {
            if group.flags & elf::GRP_COMDAT.0 != 0 && !seen.insert(group.signature) {
                dropped.extend(group.members.iter().copied());
            }
        }
        all.push(dropped);
    }
    all
}

impl<'a> Layout<'a> {
    /// Places all sections that are not dropped.
    pub fn new(parts: &[Part<'a>], dropped: &[HashSet<usize>]) -> Result<Layout<'a>, String> {
        let mut layout = Layout {
            sections: Vec::new(),
            groups: Vec::new(),
            spots: Vec::new(),
            latest: HashMap::new(),
            machine: parts[0].header.e_machine.get(LE),
        };
        let facts = Facts::of(parts);
        for (number, part) in parts.iter().enumerate() {
            let mut groups = HashMap::new();
            layout.spots.push(vec![None; part.sections.len()]);
            // Those that belong to another one know then where that is.
            for belongs in [false, true] {
                for (index, section) in part.sections.iter().enumerate() {
                    let is_wanted = section.is_content
                        && matches!(section.link, Link::Section(_)) == belongs
                        && !dropped[number].contains(&index)
                        && facts.wants(number, section);
                    if !is_wanted {
                        continue;
                    }
                    let link = match section.link {
                        Link::None => OutLink::None,
                        Link::Symbols => OutLink::Symbols,
                        Link::Section(other) => match layout.spots[number][other] {
                            Some(spot) => OutLink::Section(spot.out),
                            // It goes with what it belongs to.
                            None => continue,
                        },
                    };
                    let group = section.group.map(|group| {
                        let next = layout.groups.len();
                        *groups.entry(group).or_insert_with(|| {
                            layout.groups.push((number, group));
                            next
                        })
                    });
                    let spot = layout.place(section, link, group)?;
                    layout.spots[number][index] = Some(spot);
                    layout.sections[spot.out].parts.push((number, index));
                }
            }
        }
        let note = layout.sections.iter_mut().find(|one| one.name == STACK);
        if let (Some(note), Some(flags)) = (note, facts.stack) {
            note.flags = flags;
        }
        Ok(layout)
    }

    fn place(
        &mut self,
        section: &Section<'a>,
        link: OutLink,
        group: Option<usize>,
    ) -> Result<Spot, String> {
        let alike = (
            section.name,
            section.kind,
            section.flags,
            section.entry_size,
            link,
        );
        let is_grouped = group.is_some() || section.flags.contains(elf::SHF_GROUP);
        if !is_grouped && let Some(out) = self.latest.get(&alike).copied() {
            if let Some(spot) = self.already(section, out)? {
                return Ok(spot);
            }
            if self.may_grow(section)
                && let Some(offset) = next(&self.sections[out], section)
            {
                self.grow(section, out, offset);
                return Ok(Spot { out, offset });
            }
        }
        let out = self.sections.len();
        self.sections.push(Out {
            name: section.name,
            kind: section.kind,
            flags: section.flags,
            entry_size: section.entry_size,
            alignment: section.alignment,
            size: section.size,
            data: section.data.to_vec(),
            link,
            implicit: section.implicit,
            group,
            parts: Vec::new(),
        });
        if !is_grouped {
            self.latest.insert(alike, out);
        }
        Ok(Spot { out, offset: 0 })
    }

    /// Where in a section another one is already, of which one is enough.
    fn already(&self, section: &Section<'_>, out: usize) -> Result<Option<Spot>, String> {
        let known = &self.sections[out];
        let is_attributes = section.kind == elf::SHT_RISCV_ATTRIBUTES
            && matches!(self.machine, elf::EM_RISCV | elf::EM_AARCH64);
        if is_attributes && known.data != *section.data {
            return Err(format!(
                "contradicts another one in {}",
                String::from_utf8_lossy(section.name)
            ));
        }
        let is_enough = is_attributes || (section.name == COMMENT && known.data == *section.data);
        Ok((is_enough && section.relocations.is_empty()).then_some(Spot { out, offset: 0 }))
    }

    /// Whether others may be put behind such a section.
    fn may_grow(&self, section: &Section<'_>) -> bool {
        let is_list = matches!(
            section.kind,
            elf::SHT_PROGBITS
                | elf::SHT_NOBITS
                | elf::SHT_NOTE
                | elf::SHT_INIT_ARRAY
                | elf::SHT_FINI_ARRAY
                | elf::SHT_PREINIT_ARRAY
        );
        let is_unwind = section.kind == elf::SHT_X86_64_UNWIND && self.machine == elf::EM_X86_64;
        // Linkers shorten code for RISC-V, which takes its end off its alignment.
        let is_fixed =
            !(self.machine == elf::EM_RISCV && section.flags.contains(elf::SHF_EXECINSTR));
        (is_list || is_unwind || LLVM.contains(&section.kind.0))
            && is_fixed
            && !section.flags.contains(elf::SHF_COMPRESSED)
    }

    fn grow(&mut self, section: &Section<'_>, out: usize, offset: u64) {
        let no_operation: &[u8] = match self.machine {
            elf::EM_X86_64 => &[0x90],
            elf::EM_AARCH64 => &[0x1f, 0x20, 0x03, 0xd5],
            _ => &[0],
        };
        let known = &mut self.sections[out];
        if section.kind != elf::SHT_NOBITS {
            let fill = match known.flags.contains(elf::SHF_EXECINSTR) {
                true => no_operation,
                false => &[0],
            };
            let padding = offset - known.size;
            let first = known.size as usize % fill.len();
            let fill = fill.iter().cycle().skip(first).take(padding as usize);
            known.data.extend(fill);
            known.data.extend_from_slice(&section.data);
        }
        known.size = offset + section.size;
        known.alignment = known.alignment.max(section.alignment);
    }
}

/// Where in `out` the section would be, if it may be put behind what is there.
fn next(out: &Out<'_>, section: &Section<'_>) -> Option<u64> {
    let offset = out.size.checked_next_multiple_of(section.alignment)?;
    offset.checked_add(section.size)?;
    let padding = offset - out.size;
    let is_memory = matches!(section.kind, elf::SHT_PROGBITS | elf::SHT_NOBITS)
        && section.link == Link::None
        && section.name != b".eh_frame"
        && section.flags.contains(elf::SHF_ALLOC);
    let entry = section.entry_size;
    let fits = if section.flags.contains(elf::SHF_MERGE) {
        let is_ended = !section.flags.contains(elf::SHF_STRINGS)
            || out
                .data
                .iter()
                .rev()
                .take(entry as usize)
                .all(|byte| *byte == 0);
        let whole = |len: u64| len.checked_rem(entry) == Some(0);
        is_ended && whole(padding) && whole(section.size) && whole(out.size)
    } else if is_memory {
        true
    } else {
        // Readers go from entry to entry.
        padding == 0
    };
    (fits && padding <= MOST_PADDING && out.implicit == section.implicit).then_some(offset)
}

/// What the objects say together of the merged one.
struct Facts {
    /// Whether all have the same properties of code.
    properties: bool,
    /// What all that need none say of the stack; `None`: some need it to be executable.
    stack: Option<SectionFlags>,
}

impl Facts {
    fn of(parts: &[Part<'_>]) -> Facts {
        let all = |name| {
            let of = |part: &Part<'_>| {
                let section = part.sections.iter().find(|one| one.name == name)?;
                Some((section.data.to_vec(), section.flags))
            };
            parts.iter().map(of).collect::<Option<Vec<_>>>()
        };
        let properties = all(PROPERTIES);
        let stack = all(STACK);
        Facts {
            properties: properties.is_some_and(|all| all.iter().all(|(data, _)| *data == all[0].0)),
            stack: stack.map(|all| {
                all.iter()
                    .fold(SectionFlags(0), |flags, (_, more)| flags | *more)
            }),
        }
    }

    /// Whether a section of an object is needed: the first of those that say the same of all is enough.
    fn wants(&self, part: usize, section: &Section<'_>) -> bool {
        match section.name {
            PROPERTIES => self.properties && part == 0,
            STACK => self.stack.is_some() && part == 0,
            _ => true,
        }
    }
}
