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
const PROGRAM: [u64; 2] = [0xffff_ffff_0000_00b7, 0x95];

/// The place where the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    Tcx,
    Clsact,
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
        let mut ebpf = Ebpf::load(&elf()?).context("load the foreign program")?;
        let program: &mut SchedClassifier =
            ebpf.program_mut(FOREIGN).context("the foreign program is missing")?.try_into()?;
        program.load()?;
        ns.run(|| -> Result<()> {
            for direction in [TcAttachType::Ingress, TcAttachType::Egress] {
                let options = match place {
                    Where::Tcx => TcAttachOptions::TcxOrder(aya::programs::LinkOrder::default()),
                    Where::Clsact => {
                        // It may be there already.
                        drop(aya::programs::tc::qdisc_add_clsact(device));
                        TcAttachOptions::Netlink(NlOptions::default())
                    }
                };
                program.attach_with_options(device, direction, options)?;
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

/// The smallest object file that a loader takes.
fn elf() -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let text = object.add_section(Vec::new(), b"classifier".to_vec(), SectionKind::Text);
    let code: Vec<u8> = PROGRAM.iter().flat_map(|insn| insn.to_le_bytes()).collect();
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
