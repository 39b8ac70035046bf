//! An image's dynamic symbols.

use super::dynamic::Dynamic;
use super::error::LoadError;
use super::map::Mapping;
use crate::debug;
use object::LittleEndian as LE;
use object::elf::{self, Sym64};

/// The tables, by address in the mapping. Names are read from the image when they are asked for.
#[derive(Debug)]
pub struct Symbols {
    symbols: usize,
    strings: usize,
    strings_len: usize,
    /// Symbols from this index on are defined and hashed.
    first_defined: u32,
    count: u32,
    buckets: (usize, usize),
    chains: usize,
}

/// A symbol of an image.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    pub index: u32,
    /// An address that counts from the base, or for thread-local variables from the start of the module's block.
    pub value: u64,
    pub defined: bool,
    pub weak: bool,
    /// A weak definition of which all are the same, and which may be one of the process.
    pub same: bool,
    /// Undefined: it is to be found among the modules alone. Defined: a module that defines it for all comes first.
    pub hidden: bool,
    /// Whether it is said to be a variable.
    pub object: bool,
    /// Whether it is said to be a function.
    pub function: bool,
    pub kind: SymbolKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    Plain,
    ThreadLocal,
    /// The address is that of a function which returns the address.
    Indirect,
}

impl Symbols {
    pub fn new(mapping: &Mapping, dynamic: &Dynamic) -> Result<Symbols, LoadError> {
        let mut symbols = Symbols {
            symbols: dynamic.symbols,
            strings: dynamic.strings,
            strings_len: dynamic.strings_len,
            first_defined: 0,
            count: 0,
            buckets: (0, 0),
            chains: 0,
        };
        mapping.slice::<u8>(symbols.strings, symbols.strings_len)?;
        if dynamic.gnu_hash == 0 {
            return Err(LoadError::Malformed("it has no GNU hash table"));
        }
        // The table: four words, then the Bloom filter's 64-bit words, the buckets, and the chains.
        let header: &[u32] = mapping.slice(dynamic.gnu_hash, 4)?;
        let (bucket_count, first_defined, bloom_len) = (header[0], header[1], header[2]);
        let buckets_at = dynamic.gnu_hash + 16 + bloom_len as usize * 8;
        let buckets: &[u32] = mapping.slice(buckets_at, bucket_count as usize)?;
        symbols.first_defined = first_defined;
        symbols.buckets = (buckets_at, buckets.len());
        symbols.chains = buckets_at + bucket_count as usize * 4;
        // The last symbol is the last of the highest bucket's chain, which an odd hash ends.
        let last_chain = buckets.iter().copied().max().unwrap_or(0);
        symbols.count = first_defined;
        if last_chain >= first_defined && last_chain != 0 {
            let mut last = last_chain;
            while symbols.hash(mapping, last)? & 1 == 0 {
                last += 1;
            }
            symbols.count = last + 1;
        }
        mapping.slice::<Sym64<LE>>(symbols.symbols, symbols.count as usize)?;
        Ok(symbols)
    }

    /// The symbol at `index`.
    pub fn get(&self, mapping: &Mapping, index: u32) -> Result<Symbol, LoadError> {
        let at = self.symbols + index as usize * size_of::<Sym64<LE>>();
        let raw = &mapping.slice::<Sym64<LE>>(at, 1)?[0];
        let kind = match raw.st_type() {
            elf::STT_TLS => SymbolKind::ThreadLocal,
            elf::STT_GNU_IFUNC => SymbolKind::Indirect,
            _ => SymbolKind::Plain,
        };
        Ok(Symbol {
            index,
            value: raw.st_value.get(LE),
            defined: raw.st_shndx.get(LE) != elf::SHN_UNDEF,
            weak: matches!(raw.st_bind(), elf::STB_WEAK | elf::STB_GNU_UNIQUE),
            same: raw.st_bind() == elf::STB_GNU_UNIQUE,
            hidden: raw.st_visibility() == elf::STV_HIDDEN,
            object: raw.st_type() == elf::STT_OBJECT,
            function: matches!(raw.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC),
            kind,
        })
    }

    /// Where the tables lie.
    pub fn table(&self, mapping: &Mapping) -> debug::Symbols {
        debug::Symbols {
            table: mapping.base() + self.symbols,
            count: self.count as usize,
            strings: mapping.base() + self.strings,
            strings_len: self.strings_len,
        }
    }

    /// The number of symbols.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The name of the symbol at `index`.
    pub fn name<'a>(&self, mapping: &'a Mapping, index: u32) -> Result<&'a [u8], LoadError> {
        let at = self.symbols + index as usize * size_of::<Sym64<LE>>();
        let offset = mapping.slice::<Sym64<LE>>(at, 1)?[0].st_name.get(LE) as usize;
        let strings: &[u8] = mapping.slice(self.strings, self.strings_len)?;
        let rest = strings
            .get(offset..)
            .ok_or(LoadError::Malformed("a name lies outside of it"))?;
        let len = rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(LoadError::Malformed("a name has no end"))?;
        Ok(&rest[..len])
    }

    /// The [`gnu_hash`] of each name that it defines for others, the lowest bit set.
    pub fn defined_hashes<'a>(&'a self, mapping: &'a Mapping) -> impl Iterator<Item = u32> + 'a {
        (self.first_defined..self.count)
            .filter_map(move |index| self.hash(mapping, index).ok())
            .map(|hash| hash | 1)
    }

    /// The functions that it defines for others.
    pub fn functions<'a>(&'a self, mapping: &'a Mapping) -> impl Iterator<Item = Symbol> + 'a {
        (self.first_defined..self.count)
            .filter_map(move |index| self.get(mapping, index).ok())
            .filter(|symbol| symbol.function && symbol.defined)
    }

    /// The weak definitions of which all are the same.
    pub fn same<'a>(&'a self, mapping: &'a Mapping) -> impl Iterator<Item = Symbol> + 'a {
        (self.first_defined..self.count)
            .filter_map(move |index| self.get(mapping, index).ok())
            .filter(|symbol| symbol.same)
    }

    /// The symbol that it defines under `name`.
    pub fn find(&self, mapping: &Mapping, name: &[u8]) -> Result<Option<Symbol>, LoadError> {
        let buckets: &[u32] = mapping.slice(self.buckets.0, self.buckets.1)?;
        let hash = gnu_hash(name);
        let Some(bucket) = (hash as usize).checked_rem(buckets.len()) else {
            return Ok(None);
        };
        let first = buckets[bucket];
        if first < self.first_defined {
            return Ok(None);
        }
        for index in first..self.count {
            let candidate = self.hash(mapping, index)?;
            if candidate | 1 == hash | 1 && self.name(mapping, index)? == name {
                return self.get(mapping, index).map(Some);
            }
            if candidate & 1 == 1 {
                break;
            }
        }
        Ok(None)
    }

    /// The hash in the table of a defined symbol; its lowest bit marks a chain's end.
    fn hash(&self, mapping: &Mapping, index: u32) -> Result<u32, LoadError> {
        let at = self.chains + (index - self.first_defined) as usize * 4;
        Ok(mapping.slice::<u32>(at, 1)?[0])
    }
}

/// The hash of a name in a GNU hash table. A table's own copies use the lowest bit for something else.
pub fn gnu_hash(name: &[u8]) -> u32 {
    name.iter().fold(5381u32, |hash, byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(*byte))
    })
}
