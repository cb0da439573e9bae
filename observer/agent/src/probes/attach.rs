//! Attaches programs to interfaces as they come, and forgets interfaces that leave.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aya::Ebpf;
use aya::maps::{HashMap as KernelMap, MapData, MapError};
use aya::programs::links::FdLink;
use aya::programs::tc::{
    NlOptions, SchedClassifierLink, TcAttachOptions, qdisc_add_clsact, qdisc_detach_program,
};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType};
use observer_abi::iface;
use tracing::{debug, info, warn};

use crate::netlink::links::{Link, Role};
use crate::netlink::traffic_control::{Filter, TrafficControl};
use crate::probes::classifier::{self, Classifier};
use crate::probes::error::ProbeError;
use crate::probes::pins::{self, Pins};
use crate::probes::{drops, maps, tcx};

/// The way in which programs are attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AttachMode {
    /// TCX where the kernel has it, else clsact.
    Auto,
    /// TCX links (6.6+). The kernel removes them when the agent ends, unless they are pinned.
    Tcx,
    /// Filters on a clsact qdisc.
    Clsact,
}

impl AttachMode {
    /// Replaces `auto` by what this kernel supports.
    #[must_use]
    pub fn resolve(self, has_tcx: bool) -> Self {
        match self {
            Self::Auto if has_tcx => Self::Tcx,
            Self::Auto => Self::Clsact,
            chosen => chosen,
        }
    }
}

struct Attached {
    link: Link,
    // Dropping a link detaches it. Pinned ones are not here.
    links: Vec<SchedClassifierLink>,
}

/// The place of our programs among those at an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// They run first.
    First,
    /// This program runs before one of them.
    Behind(String),
    /// One of them is there no more.
    Gone,
}

/// Owns the attachments. It has one writer: the task that follows the links.
pub struct Attacher {
    ebpf: Ebpf,
    ifaces: KernelMap<MapData, u32, u8>,
    namespaces: KernelMap<MapData, u32, u32>,
    mode: AttachMode,
    pins: Option<Arc<Pins>>,
    attached: HashMap<u32, Attached>,
    pod_links: BTreeSet<u32>,
    /// The interfaces that have a role.
    marked: BTreeSet<u32>,
    warned: bool,
}

impl Attacher {
    pub(super) fn new(mut ebpf: Ebpf, mode: AttachMode, pins: Option<Arc<Pins>>) -> Result<Self, ProbeError> {
        let ifaces = maps::hash(&mut ebpf, "IFACES")?;
        let namespaces = maps::hash(&mut ebpf, "NAMESPACE_IDS")?;
        let (attached, pod_links, marked) = (HashMap::new(), BTreeSet::new(), BTreeSet::new());
        Ok(Self { ebpf, ifaces, namespaces, mode, pins, attached, pod_links, marked, warned: false })
    }

    /// Handles a new or changed link. Its role decides whether and which programs are attached.
    ///
    /// # Errors
    /// Fails when the kernel refuses to attach, or another qdisc has the place of clsact. An interface that has gone
    /// meanwhile is no error.
    pub async fn up(&mut self, link: &Link) -> Result<(), ProbeError> {
        let role = match link.role {
            Role::Pod if link.was_uplink => iface::FORMER_UPLINK,
            Role::Pod | Role::Bridge => iface::POD,
            Role::Uplink if link.bridge_port => iface::UPLINK_PORT,
            Role::Uplink => iface::UPLINK,
            Role::Other => iface::UNKNOWN,
        };
        self.set_namespace(link.ifindex, link.namespace);
        if let Some(known) = self.attached.get_mut(&link.ifindex) {
            let same = known.link.role == link.role && known.link.ethernet == link.ethernet;
            known.link = link.clone();
            if same {
                self.mark(link.ifindex, role);
                return Ok(());
            }
            self.forget(link.ifindex);
        }
        if !matches!(link.role, Role::Pod | Role::Uplink) {
            self.mark(link.ifindex, role);
            return Ok(());
        }
        self.mark(link.ifindex, self.role_before(link, role));
        let attached = self.attach(link, role).await;
        if attached.is_err() {
            self.mark(link.ifindex, unseen(link.role));
        }
        attached
    }

    /// Returns the role of an interface until programs are attached to it. With its own one the other hooks would take what
    /// it receives as counted. The programs that an earlier agent pinned count already.
    fn role_before(&self, link: &Link, role: u8) -> u8 {
        let is_pinned =
            self.pins.is_some() && self.ifaces.get(&link.ifindex, 0).is_ok_and(|known| known == role);
        if is_pinned { role } else { unseen(link.role) }
    }

    /// Handles a link that has gone. The kernel has removed the programs with it.
    pub fn gone(&mut self, ifindex: u32) {
        self.mark(ifindex, iface::UNKNOWN);
        self.set_namespace(ifindex, None);
        self.unpin(ifindex);
        if let Some(gone) = self.attached.remove(&ifindex) {
            debug!(interface = gone.link.name, "interface gone");
        }
    }

    /// Attaches the drop tracepoint.
    ///
    /// # Errors
    /// Fails when the kernel refuses to attach it.
    pub(super) fn attach_drops(&mut self) -> Result<(), ProbeError> {
        drops::attach(&mut self.ebpf, self.pins.as_deref())
    }

    /// Forgets what an earlier agent left about interfaces that are not there any more, once all that are there are known.
    pub(super) fn forget_others(&mut self) {
        let Some(pins) = &self.pins else { return };
        pins.retain_interfaces(|ifindex| self.attached.contains_key(&ifindex));
        let marked: Vec<u32> = self.ifaces.keys().flatten().collect();
        let unknown: Vec<u32> = marked.into_iter().filter(|ifindex| !self.marked.contains(ifindex)).collect();
        for ifindex in unknown {
            self.mark(ifindex, iface::UNKNOWN);
            self.set_namespace(ifindex, None);
        }
    }

    /// Returns the names of the interfaces that are followed in a role.
    pub(super) fn names(&self, role: Role) -> impl Iterator<Item = &str> {
        self.attached
            .values()
            .filter(move |attached| attached.link.role == role)
            .map(|attached| attached.link.name.as_str())
    }

    /// Returns the interfaces of pods that are followed, with their names.
    pub(super) fn pods(&self) -> Vec<(u32, String)> {
        let pods = self.attached.iter().filter(|(_, attached)| attached.link.role == Role::Pod);
        pods.map(|(ifindex, attached)| (*ifindex, attached.link.name.clone())).collect()
    }

    /// Returns the number of interfaces followed: pods, then uplinks.
    #[must_use]
    pub fn followed(&self) -> (usize, usize) {
        let pods = self.attached.values().filter(|attached| attached.link.role == Role::Pod).count();
        (pods, self.attached.len() - pods)
    }

    /// Returns the interfaces that lead to pods: their veths, and the bridges that these are ports of.
    #[must_use]
    pub fn pod_links(&self) -> BTreeSet<u32> {
        self.pod_links.clone()
    }

    fn mark(&mut self, ifindex: u32, role: u8) {
        if role == iface::UNKNOWN {
            self.marked.remove(&ifindex);
        } else {
            self.marked.insert(ifindex);
        }
        if matches!(role, iface::POD | iface::UNSEEN_POD) {
            self.pod_links.insert(ifindex);
        } else {
            self.pod_links.remove(&ifindex);
        }
        let set = if role == iface::UNKNOWN {
            // An interface that never had a role has no entry.
            self.ifaces.remove(&ifindex).or_else(|error| if is_absent(&error) { Ok(()) } else { Err(error) })
        } else {
            self.ifaces.insert(ifindex, role, 0)
        };
        if let Err(error) = set {
            warn!(ifindex, %error, "the role of an interface could not be set");
        }
    }

    /// Sets the network namespace behind a pod's interface, in which the programs look up its sockets.
    fn set_namespace(&mut self, ifindex: u32, namespace: Option<u32>) {
        let set = match namespace {
            Some(id) => self.namespaces.insert(ifindex, id, 0),
            None => self.namespaces.remove(&ifindex),
        };
        if let Err(error) = set.or_else(|error| if is_absent(&error) { Ok(()) } else { Err(error) }) {
            warn!(ifindex, %error, "full accept queues behind an interface are not noticed");
        }
    }

    async fn attach(&mut self, link: &Link, role: u8) -> Result<(), ProbeError> {
        let (ingress, egress) = match (link.role, link.ethernet) {
            (Role::Pod, _) => (Classifier::PodOut, Classifier::PodIn),
            (_, true) => (Classifier::UplinkIn, Classifier::UplinkOut),
            (_, false) => (Classifier::L3UplinkIn, Classifier::L3UplinkOut),
        };
        remove_stale(&link.name);
        if self.mode == AttachMode::Clsact {
            self.prepare(link).await?;
        }
        let mut links = Vec::with_capacity(2);
        for (direction, program) in [(TcAttachType::Ingress, ingress), (TcAttachType::Egress, egress)] {
            match self.attach_or_take_over(link, direction, program.name()) {
                Ok(one) => {
                    links.extend(one);
                    // From the first program on, which is that of the ingress, what the interface receives is counted.
                    self.mark(link.ifindex, role);
                }
                Err(source) if vanished(&source) => return Ok(()),
                Err(source) => {
                    return Err(ProbeError::Attach {
                        interface: link.name.clone(),
                        source: Box::new(source),
                    });
                }
            }
        }
        info!(interface = link.name, role = ?link.role, "following interface");
        self.attached.insert(link.ifindex, Attached { link: link.clone(), links });
        Ok(())
    }

    /// Attaches a program, or puts it into the place of that of an earlier agent. Returns the link unless it is pinned.
    fn attach_or_take_over(
        &mut self,
        link: &Link,
        direction: TcAttachType,
        program: &'static str,
    ) -> Result<Option<SchedClassifierLink>, ProgramError> {
        let Some(pins) = self.pins.clone() else {
            return self.attach_one(&link.name, direction, program).map(Some);
        };
        let pin = pins::name(link.ifindex, direction);
        if self.mode == AttachMode::Clsact {
            // Left by an agent that had TCX: two programs would count each packet twice.
            pins.unpin(&pin);
            return self.attach_one(&link.name, direction, program).map(Some);
        }
        let classifier = classifier::program(&mut self.ebpf, program).map_err(|_| ProgramError::NotLoaded)?;
        if pins.take_over(&pin, classifier) {
            return Ok(None);
        }
        let attached = self.attach_one(&link.name, direction, program)?;
        if FdLink::try_from(attached).is_ok_and(|link| pins.keep(&pin, link)) {
            return Ok(None);
        }
        self.attach_one(&link.name, direction, program).map(Some)
    }

    fn attach_one(
        &mut self,
        interface: &str,
        direction: TcAttachType,
        name: &'static str,
    ) -> Result<SchedClassifierLink, ProgramError> {
        let options = match self.mode {
            // First, so that packets that a later program redirects are seen too.
            AttachMode::Tcx | AttachMode::Auto => TcAttachOptions::TcxOrder(LinkOrder::first()),
            // The first priority. Of the programs there the newest runs first, and none is replaced.
            AttachMode::Clsact => TcAttachOptions::Netlink(NlOptions { priority: 1, ..NlOptions::default() }),
        };
        let program = classifier::program(&mut self.ebpf, name).map_err(|_| ProgramError::NotLoaded)?;
        let id = match program.attach_with_options(interface, direction, options) {
            // A filter of another kind or for one protocol has the first priority. The kernel finds the next best.
            Err(error) if self.mode == AttachMode::Clsact && !vanished(&error) => {
                let options = TcAttachOptions::Netlink(NlOptions::default());
                program.attach_with_options(interface, direction, options)?
            }
            attached => attached?,
        };
        program.take_link(id)
    }

    /// Makes the clsact qdisc if there is none. It may belong to another program, and stays when the agent ends.
    async fn prepare(&mut self, link: &Link) -> Result<(), ProbeError> {
        let qdisc = TrafficControl::read(link.ifindex).await.map(|control| control.qdisc);
        match qdisc.as_ref().map(Option::as_deref) {
            Ok(Some("clsact")) => return Ok(()),
            Ok(Some(_)) => return Err(ProbeError::PlaceTaken { interface: link.name.clone() }),
            Ok(None) | Err(_) => {}
        }
        match qdisc_add_clsact(&link.name) {
            Ok(()) if link.role == Role::Pod && !std::mem::replace(&mut self.warned, true) => warn!(
                interface = link.name,
                "added a clsact qdisc to this and further pod interfaces. The CNI bandwidth plugin can't add its ingress \
                 qdisc beside it: a pod with the annotation kubernetes.io/egress-bandwidth fails to start. Linux 6.6 \
                 needs no such qdisc; this is logged once"
            ),
            Ok(()) => {}
            Err(error) => debug!(interface = link.name, %error, "clsact not added"),
        }
        Ok(())
    }

    /// Is true for an interface that programs are attached to.
    pub(super) fn follows(&self, ifindex: u32) -> bool {
        self.attached.contains_key(&ifindex)
    }

    /// Forgets that programs are attached to an interface, so that [`Self::up`] attaches them again.
    pub(super) fn forget(&mut self, ifindex: u32) {
        self.unpin(ifindex);
        self.attached.remove(&ifindex);
    }

    /// Detaches pinned programs from an interface.
    fn unpin(&self, ifindex: u32) {
        let Some(pins) = &self.pins else { return };
        for direction in [TcAttachType::Ingress, TcAttachType::Egress] {
            pins.unpin(&pins::name(ifindex, direction));
        }
    }

    /// Returns each interface that programs are attached to, and their position there if it can be read.
    pub(super) async fn positions(&self) -> Vec<(Link, Option<Position>)> {
        let ours: Vec<u32> =
            Classifier::ALL.into_iter().filter_map(|classifier| self.id(classifier)).collect();
        let mut positions = Vec::new();
        for attached in self.attached.values() {
            let names = self.names_at(attached.link.ifindex, &ours).await;
            positions.push((attached.link.clone(), names.map(|names| position(&names))));
        }
        positions
    }

    fn id(&self, classifier: Classifier) -> Option<u32> {
        let program: &SchedClassifier = self.ebpf.program(classifier.name())?.try_into().ok()?;
        program.info().ok().map(|info| info.id())
    }

    /// Returns the programs of the ingress and of the egress, in the order in which they run; `None` stands for ours.
    async fn names_at(&self, ifindex: u32, ours: &[u32]) -> Option<[Vec<Option<String>>; 2]> {
        if self.mode == AttachMode::Clsact {
            let control = TrafficControl::read(ifindex).await.ok()?;
            let is_ours = |name: &String| name.starts_with(Classifier::PREFIX);
            let name =
                |filter: Filter| Some(filter.program.unwrap_or(filter.kind)).filter(|name| !is_ours(name));
            return Some(control.filters.map(|filters| filters.into_iter().map(name).collect()));
        }
        let name = |id: u32| (!ours.contains(&id)).then(|| format!("program {id}"));
        let at = |direction| Some(tcx::programs(ifindex, direction).ok()?.into_iter().map(name).collect());
        Some([at(TcAttachType::Ingress)?, at(TcAttachType::Egress)?])
    }
}

impl Drop for Attacher {
    /// Leaves filters on clsact qdiscs where they are, if the maps in which they count stay as well.
    fn drop(&mut self) {
        if self.pins.is_some() {
            self.attached.drain().flat_map(|(_, attached)| attached.links).for_each(std::mem::forget);
        }
    }
}

/// Returns the role of an interface that has one, but no programs.
fn unseen(role: Role) -> u8 {
    if role == Role::Pod { iface::UNSEEN_POD } else { iface::UNKNOWN }
}

fn position(names: &[Vec<Option<String>>; 2]) -> Position {
    if names.iter().any(|names| !names.contains(&None)) {
        return Position::Gone;
    }
    let mut first = names.iter().filter_map(|names| names.first()?.as_ref());
    first.next().map_or(Position::First, |name| Position::Behind(name.clone()))
}

/// Removes the filters that agents left on the clsact qdiscs of this network namespace, and returns their number. TCX links end
/// with their agent, or with their pin.
///
/// # Errors
/// Fails when the interfaces can't be listed.
pub fn remove_filters() -> std::io::Result<usize> {
    let interfaces = nix::net::if_::if_nameindex()?;
    let names = interfaces.iter().map(|interface| interface.name().to_string_lossy());
    Ok(names.map(|name| remove_stale(&name)).sum())
}

/// Removes filters that an agent left on a clsact qdisc, and returns their number.
fn remove_stale(interface: &str) -> usize {
    let mut removed = 0;
    for direction in [TcAttachType::Ingress, TcAttachType::Egress] {
        for name in Classifier::ALL.map(Classifier::name) {
            if qdisc_detach_program(interface, direction, name).is_ok() {
                info!(interface, name, "removed a filter that an earlier agent left");
                removed += 1;
            }
        }
    }
    removed
}

fn is_absent(error: &MapError) -> bool {
    let MapError::SyscallError(call) = error else { return matches!(error, MapError::KeyNotFound) };
    call.io_error.raw_os_error() == Some(libc::ENOENT)
}

fn vanished(error: &ProgramError) -> bool {
    use std::error::Error as _;
    let mut source: Option<&dyn std::error::Error> = error.source();
    if error.to_string().contains("No such device") {
        return true;
    }
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return matches!(io.raw_os_error(), Some(libc::ENODEV | libc::ENOENT));
        }
        source = inner.source();
    }
    false
}

#[cfg(test)]
mod tests;
