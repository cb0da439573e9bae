//! Attaches a foreign BPF program to TCX or clsact, and lists the programs on TCX.

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::programs::SchedClassifier;
use aya::programs::tc::{NlOptions, TcAttachOptions, TcAttachType};
use object::write::{Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

use crate::foreign::{OURS, devices};
use crate::netns::Netns;

/// Name of the foreign program.
pub const FOREIGN: &str = "foreign_probe";

/// `return TC_ACT_UNSPEC`: the next program decides.
const PASS: [u64; 2] = [0xffff_ffff_0000_00b7, 0x95];

/// The place where the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    Tcx,
    Clsact,
    /// Before all other filters.
    ClsactFirst,
}

/// A program that stays attached until this is dropped.
#[derive(Debug)]
pub struct Foreign {
    ebpf: Option<Ebpf>,
    ns: Netns,
}

impl Foreign {
    /// Attaches the program to both directions of a device.
    ///
    /// # Errors
    /// Fails when the kernel refuses the program or its attachment.
    pub fn attach(ns: &Netns, device: &str, place: Where) -> Result<Self> {
        Self::load(&PASS, ns, device, place, &[TcAttachType::Ingress, TcAttachType::Egress])
    }

    /// Hands the IPv4 packets that a device receives to the other end of a veth, past its host's end.
    ///
    /// # Errors
    /// Fails when the kernel refuses the program or its attachment.
    pub fn redirect_to_peer(ns: &Netns, device: &str, veth: u32) -> Result<Self> {
        Self::load(&redirect_to_peer(veth), ns, device, Where::Tcx, &[TcAttachType::Ingress])
    }

    fn load(
        code: &[u64],
        ns: &Netns,
        device: &str,
        place: Where,
        directions: &[TcAttachType],
    ) -> Result<Self> {
        let mut ebpf = Ebpf::load(&elf(code)?).context("load the foreign program")?;
        let program: &mut SchedClassifier =
            ebpf.program_mut(FOREIGN).context("the foreign program is missing")?.try_into()?;
        program.load()?;
        ns.run(|| -> Result<()> {
            for direction in directions {
                let options = match place {
                    Where::Tcx => TcAttachOptions::TcxOrder(aya::programs::LinkOrder::default()),
                    Where::Clsact => filter(device, NlOptions::default()),
                    Where::ClsactFirst => filter(device, NlOptions { priority: 1, ..NlOptions::default() }),
                };
                program.attach_with_options(device, *direction, options)?;
            }
            Ok(())
        })?;
        Ok(Self { ebpf: Some(ebpf), ns: ns.clone() })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // A filter is detached by its interface's index, which means something in its own namespace only.
        let ebpf = self.ebpf.take();
        self.ns.run(|| drop(ebpf));
    }
}

/// Makes the clsact qdisc, which may be there already.
fn filter(device: &str, options: NlOptions) -> TcAttachOptions {
    drop(aya::programs::tc::qdisc_add_clsact(device));
    TcAttachOptions::Netlink(options)
}

/// Returns the names of the programs on TCX of a device, in both directions.
///
/// # Errors
/// Fails when the kernel has no TCX.
pub fn programs(ns: &Netns, device: &str) -> Result<Vec<String>> {
    ns.run(|| {
        let mut names = Vec::new();
        for direction in [TcAttachType::Ingress, TcAttachType::Egress] {
            let (_, programs) = SchedClassifier::query_tcx(device, direction)?;
            names.extend(programs.iter().map(|p| p.name_as_str().unwrap_or_default().to_owned()));
        }
        Ok(names)
    })
}

/// Returns the agent's programs on TCX of any device of a namespace, as `device: name`.
///
/// # Errors
/// Fails when the kernel has no TCX.
pub fn our_programs(ns: &Netns) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for device in devices(ns)? {
        let ours = programs(ns, &device)?.into_iter().filter(|name| name.starts_with(OURS));
        found.extend(ours.map(|name| format!("{device}: {name}")));
    }
    Ok(found)
}

/// `if (skb->protocol == htons(ETH_P_IP)) return bpf_redirect_peer(veth, 0); return TC_ACT_UNSPEC`. The fields of an
/// instruction are those of `struct bpf_insn`: code, registers, offset and immediate, from the lowest byte on.
fn redirect_to_peer(veth: u32) -> [u64; 8] {
    [
        0x0010_1261,
        0x0000_0008_0004_0255,
        (u64::from(veth) << 32) | 0x01b7,
        0x02b7,
        0x0000_009b_0000_0085,
        0x95,
        PASS[0],
        PASS[1],
    ]
}

/// The smallest object file that a loader takes.
fn elf(code: &[u64]) -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let text = object.add_section(Vec::new(), b"classifier".to_vec(), SectionKind::Text);
    let code: Vec<u8> = code.iter().flat_map(|insn| insn.to_le_bytes()).collect();
    object.append_section_data(text, &code, 8);
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    object.add_symbol(Symbol {
        name: FOREIGN.as_bytes().to_vec(),
        value: 0,
        size: code.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    Ok(object.write()?)
}
