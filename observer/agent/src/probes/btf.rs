//! The layouts that the tracepoint programs need, from the running kernel's own type description.
//!
//! Everything is found by type, never by kernel version: distributions move changes between versions. Only what the
//! programs read is looked up, so that nothing else can be missing.
//!
//! BTF is read by hand: aya reads the whole of vmlinux into structures, which costs tens of megabytes.

use std::collections::BTreeMap;
use std::path::Path;

use observer_abi::{ListenerLayout, NamespaceLayout, ResetLayout, SocketLayout};

pub use self::error::{BtfError, Missing};
use self::walker::{Btf, Kind, Type};

mod error;
mod listeners;
mod namespaces;
mod resets;
mod sockets;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod walker;

/// The file in which a kernel built with `CONFIG_DEBUG_INFO_BTF` describes its types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Holds layouts and names of the running kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelTypes {
    /// Offsets in `struct sk_buff`.
    pub sk_buff: SkBuff,
    /// The way from a packet to its network namespace, or what is missing of it. The agent's own namespace is not set.
    pub namespaces: Result<NamespaceLayout, Missing>,
    /// Arguments of the `kfree_skb` tracepoint.
    pub kfree_skb: KfreeSkb,
    /// Names of `enum skb_drop_reason` by value, without `SKB_DROP_REASON_`; empty before 5.17.
    pub drop_reasons: BTreeMap<u32, String>,
    /// Names of `enum skb_drop_reason_subsys` by value: the upper half of a reason that a subsystem numbers itself.
    pub subsystems: BTreeMap<u32, String>,
    /// What the probe of sent resets reads, or what is missing of it; before 6.10 the tracepoint's reason is.
    pub resets: Result<ResetLayout, Missing>,
    /// Offsets in a listening socket, or what is missing of it.
    pub listeners: Result<ListenerLayout, Missing>,
    /// Offsets in sockets, tasks and cgroups, or what is missing of them.
    pub sockets: Result<SocketLayout, Missing>,
    /// Names of `enum sk_rst_reason` by value, in lower case without `SK_RST_REASON_`; empty before 6.10.
    pub reset_reasons: BTreeMap<u32, String>,
}

/// Holds the offsets in `struct sk_buff` that the drop probe reads, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkBuff {
    /// Pointer to the buffer that the header offsets count from.
    pub head: u32,
    /// u16, big-endian EtherType.
    pub protocol: u32,
    /// u16, from `head`.
    pub network_header: u32,
}

/// Holds positions among the arguments of the raw tracepoint `kfree_skb`, from 0. The packet, a `struct sk_buff *`, has
/// the first: the program reads it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KfreeSkb {
    /// `enum skb_drop_reason`; absent before 5.17.
    pub reason_arg: Option<u32>,
    /// The receiving `struct sock *`; absent before 6.11.
    pub socket_arg: Option<u32>,
}

impl KernelTypes {
    /// Reads the running kernel's BTF.
    ///
    /// # Errors
    /// Fails when the kernel has no BTF, or it lacks what the programs use.
    pub fn read() -> Result<Self, BtfError> {
        Self::read_from(Path::new(VMLINUX))
    }

    /// Reads BTF from a file.
    ///
    /// # Errors
    /// Fails when it can't be read, is not BTF, or lacks what the programs use.
    pub fn read_from(path: &Path) -> Result<Self, BtfError> {
        let bytes = std::fs::read(path)
            .map_err(|source| BtfError::Read { path: path.display().to_string(), source })?;
        Self::parse(&bytes)
    }

    /// Finds in BTF what the programs use.
    ///
    /// # Errors
    /// Fails when it is not BTF, or lacks what the programs use.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        let btf = Btf::parse(bytes)?;
        Ok(Self {
            sk_buff: sk_buff(&btf)?,
            namespaces: namespaces::layout(&btf),
            kfree_skb: kfree_skb(&btf)?,
            drop_reasons: names(&btf, "skb_drop_reason", &["SKB_DROP_REASON_", "SKB_"]),
            subsystems: names(&btf, "skb_drop_reason_subsys", &["SKB_DROP_REASON_SUBSYS_"]),
            resets: resets::layout(&btf),
            listeners: listeners::layout(&btf),
            sockets: sockets::layout(&btf),
            reset_reasons: resets::names(&btf),
        })
    }

    /// Returns the name of a reason. A reason that a subsystem numbers itself is the subsystem's name and the number,
    /// since the names are in a module's BTF. An unknown reason is its number.
    #[must_use]
    pub fn drop_reason(&self, value: u32) -> String {
        if let Some(name) = self.drop_reasons.get(&value) {
            return name.clone();
        }
        match self.subsystems.get(&(value >> 16)) {
            Some(subsystem) if value >> 16 != 0 => format!("{subsystem}_{}", value & 0xffff),
            _ => format!("{value:#x}"),
        }
    }
}

fn sk_buff(btf: &Btf<'_>) -> Result<SkBuff, Missing> {
    let skb = btf.find(Kind::Struct, "sk_buff").ok_or(Missing("struct sk_buff"))?;
    let offset = |name, missing| btf.member_offset(&skb, name).ok_or(Missing(missing));
    Ok(SkBuff {
        head: offset("head", "sk_buff.head")?,
        protocol: offset("protocol", "sk_buff.protocol")?,
        network_header: offset("network_header", "sk_buff.network_header")?,
    })
}

fn kfree_skb(btf: &Btf<'_>) -> Result<KfreeSkb, Missing> {
    let arguments = tracepoint(btf, "btf_trace_kfree_skb").ok_or(Missing("tracepoint kfree_skb"))?;
    let position = |wanted: &dyn Fn(&Type<'_>) -> bool| {
        let found = arguments.iter().position(|argument| argument.as_ref().is_some_and(wanted))?;
        u32::try_from(found).ok()
    };
    let is_skb = |found: &Type<'_>| points_to(btf, found, b"sk_buff");
    let is_socket = |found: &Type<'_>| points_to(btf, found, b"sock");
    let is_reason = |found: &Type<'_>| is_enum(found) && found.name == b"skb_drop_reason";
    match position(&is_skb) {
        Some(0) => Ok(KfreeSkb { reason_arg: position(&is_reason), socket_arg: position(&is_socket) }),
        _ => Err(Missing("sk_buff as the first argument of kfree_skb")),
    }
}

/// Returns the arguments of a raw tracepoint. `btf_trace_NAME` is a pointer to the tracepoint's function, whose first
/// parameter, `void *__data`, is not among them.
fn tracepoint<'a>(btf: &Btf<'a>, typedef: &str) -> Option<Vec<Option<Type<'a>>>> {
    let pointer = btf.target(&btf.find(Kind::Typedef, typedef)?).filter(|found| found.kind == Kind::Ptr)?;
    let function = btf.target(&pointer).filter(|found| found.kind == Kind::FuncProto)?;
    Some(btf.parameters(&function).skip(1).map(|id| btf.resolve(id)).collect())
}

fn points_to(btf: &Btf<'_>, found: &Type<'_>, name: &[u8]) -> bool {
    found.kind == Kind::Ptr && btf.target(found).is_some_and(|to| to.kind == Kind::Struct && to.name == name)
}

fn is_enum(found: &Type<'_>) -> bool {
    matches!(found.kind, Kind::Enum | Kind::Enum64)
}

/// Returns the names of an enum by value, without the first of `prefixes` that fits; empty when there is no such enum.
fn names(btf: &Btf<'_>, name: &str, prefixes: &[&str]) -> BTreeMap<u32, String> {
    let found = btf.find(Kind::Enum, name).or_else(|| btf.find(Kind::Enum64, name));
    let Some(found) = found else { return BTreeMap::new() };
    let short = |name: &[u8]| {
        let name = String::from_utf8_lossy(name);
        prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name).to_owned()
    };
    btf.enumerators(&found)
        .map(|(name, value)| (value, short(name)))
        // A mask and a count, not reasons.
        .filter(|(_, name)| !matches!(name.as_str(), "SUBSYS_MASK" | "MAX" | "NUM"))
        .collect()
}
