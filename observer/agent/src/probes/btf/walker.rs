//! Walks over raw BTF (`Documentation/bpf/btf.rst`): an index of where each type starts and of the names that are looked
//! up, made in one pass, and views into the bytes.
//!
//! Nothing else is copied, because vmlinux describes more than a hundred thousand types and the probes need a dozen. Every
//! read is bounds-checked and every chain has a limit, so damaged input ends in an error.

use std::collections::HashMap;

use crate::probes::btf::error::BtfError;

const MAGIC: u16 = 0xeb9f;
const TYPE_HEADER: usize = 12;
/// Typedefs and qualifiers around one type.
const MAX_CHAIN: usize = 32;
/// Anonymous structs and unions inside one another.
const MAX_NESTING: usize = 8;
/// Members searched for one name; `sk_buff` has about 150.
const MAX_MEMBERS: usize = 20_000;

/// The kinds of types that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Ptr,
    Struct,
    Union,
    Enum,
    Enum64,
    Typedef,
    /// Const, volatile, restrict and type tags: looked through.
    Qualifier,
    FuncProto,
    Other,
}

impl Kind {
    fn from_raw(raw: u32) -> Self {
        match raw {
            2 => Self::Ptr,
            4 => Self::Struct,
            5 => Self::Union,
            6 => Self::Enum,
            8 => Self::Typedef,
            9 | 10 | 11 | 18 => Self::Qualifier,
            13 => Self::FuncProto,
            19 => Self::Enum64,
            _ => Self::Other,
        }
    }
}

/// A type: its header and the bytes that follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a [u8],
    /// Type it points at or renames; for enums and structs a size.
    reference: u32,
    count: usize,
    /// Is true when members carry bit-field sizes.
    flag: bool,
    rest: &'a [u8],
}

/// Holds BTF with an index.
#[derive(Debug)]
pub(super) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// The offset at which the type of number index + 1 starts.
    starts: Vec<u32>,
    /// The numbers of named structs, enums and typedefs. The first of a name counts.
    named: HashMap<(Kind, &'a [u8]), u32>,
}

impl<'a> Btf<'a> {
    /// Checks the header and finds every type.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let magic = bytes.first_chunk().map(|raw| u16::from_ne_bytes(*raw));
        if magic != Some(MAGIC) {
            return Err(BtfError::NotBtf);
        }
        let field = |index: usize| word(bytes, index * 4).and_then(|v| usize::try_from(v).ok());
        let section = |offset: usize, len: usize| {
            let start = field(1)?.checked_add(field(offset)?)?;
            bytes.get(start..start.checked_add(field(len)?)?)
        };
        let types = section(2, 3).ok_or(BtfError::Truncated)?;
        let strings = section(4, 5).ok_or(BtfError::Truncated)?;
        let mut btf = Self { types, strings, starts: Vec::new(), named: HashMap::new() };
        btf.index()?;
        Ok(btf)
    }

    /// Finds where each type starts, and the names.
    fn index(&mut self) -> Result<(), BtfError> {
        self.starts.reserve(self.types.len() / 24);
        let mut at = 0;
        while at < self.types.len() {
            let info = word(self.types, at + 4).ok_or(BtfError::Truncated)?;
            let Some(extra) = extra_bytes(info) else {
                return Err(BtfError::UnknownKind { kind: raw_kind(info), id: self.starts.len() + 1 });
            };
            self.starts.push(u32::try_from(at).map_err(|_| BtfError::Truncated)?);
            let kind = Kind::from_raw(raw_kind(info));
            if matches!(kind, Kind::Struct | Kind::Enum | Kind::Enum64 | Kind::Typedef) {
                let name = self.string(word(self.types, at).unwrap_or(0));
                let id = u32::try_from(self.starts.len()).map_err(|_| BtfError::Truncated)?;
                self.named.entry((kind, name)).or_insert(id);
            }
            at += TYPE_HEADER + extra;
        }
        if at == self.types.len() { Ok(()) } else { Err(BtfError::Truncated) }
    }

    /// Returns the type of this number; numbers start at 1, as 0 is void.
    pub(super) fn get(&self, id: u32) -> Option<Type<'a>> {
        let start = *self.starts.get(usize::try_from(id.checked_sub(1)?).ok()?)?;
        let bytes = self.types.get(usize::try_from(start).ok()?..)?;
        let info = word(bytes, 4)?;
        Some(Type {
            kind: Kind::from_raw(raw_kind(info)),
            name: self.string(word(bytes, 0)?),
            reference: word(bytes, 8)?,
            count: count(info),
            flag: info >> 31 == 1,
            rest: bytes.get(TYPE_HEADER..)?,
        })
    }

    /// Returns the first struct, enum or typedef of a name.
    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<Type<'a>> {
        self.get(*self.named.get(&(kind, name.as_bytes()))?)
    }

    /// Returns the type without typedefs and qualifiers.
    pub(super) fn resolve(&self, id: u32) -> Option<Type<'a>> {
        let mut found = self.get(id)?;
        for _ in 0..MAX_CHAIN {
            if !matches!(found.kind, Kind::Typedef | Kind::Qualifier) {
                return Some(found);
            }
            found = self.get(found.reference)?;
        }
        None
    }

    /// Returns the type that a pointer, typedef or qualifier refers to, without further typedefs and qualifiers.
    pub(super) fn target(&self, of: &Type<'a>) -> Option<Type<'a>> {
        self.resolve(of.reference)
    }

    /// Returns the offset in bytes of a member, also inside anonymous structs and unions.
    pub(super) fn member_offset(&self, of: &Type<'a>, name: &str) -> Option<u32> {
        let bits = self.member_bits(of, name.as_bytes(), MAX_NESTING, &mut { MAX_MEMBERS })?;
        (bits % 8 == 0).then_some(bits / 8)
    }

    fn member_bits(&self, of: &Type<'a>, wanted: &[u8], nesting: usize, budget: &mut usize) -> Option<u32> {
        for entry in of.entries(12) {
            *budget = budget.checked_sub(1)?;
            let offset = word(entry, 8)?;
            let offset = if of.flag { offset & 0x00ff_ffff } else { offset };
            let name = self.string(word(entry, 0)?);
            if name == wanted {
                return Some(offset);
            }
            if name.is_empty() && nesting > 0 {
                let inner = self.resolve(word(entry, 4)?);
                let inner = inner.filter(|inner| matches!(inner.kind, Kind::Struct | Kind::Union));
                if let Some(bits) =
                    inner.and_then(|inner| self.member_bits(&inner, wanted, nesting - 1, budget))
                {
                    return offset.checked_add(bits);
                }
            }
        }
        None
    }

    /// Returns the types of a function's parameters.
    pub(super) fn parameters(&self, of: &Type<'a>) -> impl Iterator<Item = u32> {
        of.entries(8).filter_map(|entry| word(entry, 4))
    }

    /// Returns names and values of an enum; the upper half of 64-bit values is dropped.
    pub(super) fn enumerators(&self, of: &Type<'a>) -> impl Iterator<Item = (&'a [u8], u32)> {
        let size = if of.kind == Kind::Enum64 { 12 } else { 8 };
        of.entries(size).filter_map(|entry| Some((self.string(word(entry, 0)?), word(entry, 4)?)))
    }

    fn string(&self, offset: u32) -> &'a [u8] {
        let tail =
            usize::try_from(offset).ok().and_then(|offset| self.strings.get(offset..)).unwrap_or_default();
        let end = tail.iter().position(|&byte| byte == 0).unwrap_or(0);
        tail.get(..end).unwrap_or_default()
    }
}

impl<'a> Type<'a> {
    /// Returns the size of a struct, bytes.
    pub(super) fn size(&self) -> u32 {
        self.reference
    }

    /// Returns what follows the header, in entries of `size` bytes.
    fn entries(&self, size: usize) -> std::slice::ChunksExact<'a, u8> {
        self.rest.get(..self.count * size).unwrap_or_default().chunks_exact(size)
    }
}

/// Returns the number of bytes that follow a type's header, by kind.
fn extra_bytes(info: u32) -> Option<usize> {
    let count = count(info);
    Some(match raw_kind(info) {
        // Pointer, forward, typedef, volatile, const, restrict, function, float, type tag.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, declaration tag.
        1 | 14 | 17 => 4,
        // Array.
        3 => 12,
        // Struct, union, data section, 64-bit enum.
        4 | 5 | 15 | 19 => count * 12,
        // Enum, function prototype.
        6 | 13 => count * 8,
        _ => return None,
    })
}

/// Returns bits 24-28 and the two above, which are unused so far: if they are set, the kind is unknown.
fn raw_kind(info: u32) -> u32 {
    info >> 24 & 0x7f
}

fn count(info: u32) -> usize {
    usize::try_from(info & 0xffff).unwrap_or(0)
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|raw| u32::from_ne_bytes(*raw))
}
