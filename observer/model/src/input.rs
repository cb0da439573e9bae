//! Inputs of the engine. A recording is a list of inputs with their times.

use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::blind_spot::BlindSpot;
use crate::flow::{
    Counts, FlowTuple, Outcome, Pair, Phase, ResetCause, RstOrigin, Side, Vantage, is_one, one,
};
use crate::inventory::Inventory;
use crate::mac::Mac;
use crate::names::{as_str, unknown_name};
use crate::object_ref::ObjectRef;

as_str!(Announced, CheckStep, LostStage);

/// An input of the engine. The time at which the engine handles it is passed beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// A handshake ended, or 5 s passed since its last SYN.
    Attempt(AttemptSeen),
    /// A RST, counted once per node.
    Reset(ResetSeen),
    /// The kernel dropped a packet.
    Drop(DropSeen),
    /// Counter increments drained from the kernel.
    Pairs { deltas: Vec<PairDelta> },
    /// Drop counter increments drained from the kernel.
    Drops { deltas: Vec<DropDelta> },
    /// Records or increments lost since the last input of this kind.
    Lost { stage: LostStage, count: u64 },
    /// A new snapshot of the cluster.
    Cluster { inventory: Arc<Inventory> },
    /// Connections that opened and closed according to the connection table, in pieces. The first pieces have all that
    /// are open. An empty one tells that the table was read, and that all are as before.
    Connections { opened: Vec<OpenConnection>, closed: Vec<FlowTuple> },
    /// The servers with many handshakes that their clients have not completed, according to the connection table. Those
    /// of the last input of this kind are over.
    HalfOpen { servers: Vec<HalfOpen> },
    /// A host claimed an address that is a known VIP.
    Announcement(AnnouncementSeen),
    /// Claims of addresses that are not known VIPs, since the last input of this kind.
    Unclaimed { count: u64 },
    /// Ethernet addresses of all neighbours, and of this node's own interfaces.
    Neighbours { neighbours: Vec<(IpAddr, Mac)>, own: Vec<Mac> },
    /// A synthetic check ended.
    Check(CheckResult),
    /// The enforcer's log is read from now on, or is not read any more.
    EnforcerLog { read: bool },
    /// The enforcer of the policies logged a SYN.
    Logged(LoggedSyn),
    /// The table of tracked connections was full, and the kernel dropped packets between these times.
    TableFull { since: Timestamp, until: Timestamp, dropped: u64 },
    /// All that the agent can't see now.
    Blind { spots: Vec<BlindSpot> },
    /// Time passes: the engine releases records that it holds back, and forgets old addresses.
    Tick,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptSeen {
    pub time: Timestamp,
    pub tuple: FlowTuple,
    pub vantage: Vantage,
    pub outcome: Outcome,
    /// ICMP type and code of a reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<(u8, u8)>,
    /// First SYN to answer, nanoseconds; to the end of waiting for an attempt without an answer, and 0 in old recordings.
    pub latency_ns: u64,
    pub syns: u32,
    /// Joins the attempt with drops of its SYNs.
    pub isn: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_reason: Option<ArcStr>,
    /// The address that the server sees instead of the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masqueraded: Option<IpAddr>,
    /// The backlog of the server's listening socket, if more connections than that waited to be accepted when a SYN
    /// reached the server's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_backlog: Option<u32>,
    /// The UID of the pod whose process began it, where it is from the node's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uid: Option<ArcStr>,
    /// The UID of the pod whose process listens in the node's own network on the port that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_uid: Option<ArcStr>,
    /// No hook saw its packets: the client's socket told of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_socket: bool,
    /// The attempts that it stands for: itself, and others of the same pair that were established shortly before it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// The origin of the RST that refused it.
    #[serde(flatten)]
    pub origin: RstOrigin,
}

impl AttemptSeen {
    /// Returns an attempt with one SYN, of which nothing more is known.
    #[must_use]
    pub fn new(time: Timestamp, tuple: FlowTuple, vantage: Vantage, outcome: Outcome) -> Self {
        Self {
            time,
            tuple,
            vantage,
            outcome,
            icmp: None,
            latency_ns: 0,
            syns: 1,
            isn: 0,
            drop_reason: None,
            masqueraded: None,
            accept_backlog: None,
            client_uid: None,
            server_uid: None,
            by_socket: false,
            count: 1,
            origin: RstOrigin::default(),
        }
    }

    /// Returns when its last SYN was sent: of one without an answer at the latest, of another as its answer came.
    #[must_use]
    pub fn last_syn(&self) -> Timestamp {
        match self.outcome {
            Outcome::Unanswered => self.time.checked_sub(SILENCE).unwrap_or(self.time),
            Outcome::Established | Outcome::Refused | Outcome::Rejected => self.time,
        }
    }

    /// Returns the time from its first SYN to its end, as far as `latency_ns` tells it.
    #[must_use]
    pub fn life(&self) -> SignedDuration {
        SignedDuration::from_nanos(i64::try_from(self.latency_ns).unwrap_or(i64::MAX))
    }
}

/// An attempt without an answer is reported this long after its last SYN, at least.
pub const SILENCE: SignedDuration = SignedDuration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResetSeen {
    pub time: Timestamp,
    pub tuple: FlowTuple,
    pub vantage: Vantage,
    pub by: Side,
    pub phase: Phase,
    #[serde(flatten)]
    pub origin: RstOrigin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ResetCause>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DropSeen {
    pub time: Timestamp,
    /// `dst` is what the dropped packet named, so after DNAT.
    pub tuple: FlowTuple,
    pub reason: ArcStr,
    /// IP protocol number.
    pub protocol: u8,
    pub tcp_flags: u8,
    pub seq: u32,
    /// The direction is known from a tracked flow, not guessed from the ports.
    pub oriented: bool,
}

/// A SYN in the log of the policies' enforcer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedSyn {
    /// The time at which the line was read.
    pub time: Timestamp,
    pub src: IpAddr,
    pub sport: u16,
    /// The sequence number of the SYN.
    pub isn: u32,
    /// The policy that the line names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ArcStr>,
}

/// A frame in which a host claims an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnouncementSeen {
    pub time: Timestamp,
    pub ip: IpAddr,
    pub mac: Mac,
    pub how: Announced,
    /// This node sent it.
    pub outbound: bool,
}

/// The kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Announced {
    /// Gratuitous ARP request: sender and target address are the same.
    GratuitousRequest,
    /// Gratuitous ARP reply.
    GratuitousReply,
    /// An ordinary ARP reply, or an ordinary request whose sender has the address.
    Arp,
    /// IPv6 neighbour advertisement.
    Advertisement,
}

/// The result of a synthetic check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    pub time: Timestamp,
    /// Its name in the configuration.
    pub name: ArcStr,
    /// `namespace/name` of the Service it is for; it may have no address, or not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ObjectRef>,
    /// Unspecified addresses and port 0 where nothing is known.
    pub tuple: FlowTuple,
    /// The step that failed and the reason; `None` when the check succeeded.
    pub failed: Option<(CheckStep, ArcStr)>,
    /// The whole check, microseconds.
    pub duration_us: u64,
}

/// The steps of a synthetic check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum CheckStep {
    Connect,
    Exchange,
    Hold,
    Close,
}

/// The half-open handshakes of one server, as clients address it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfOpen {
    pub dst: IpAddr,
    pub dport: u16,
    pub count: u64,
    /// Addresses that they come from, as far as they are told apart.
    pub sources: usize,
    /// One of them.
    pub src: IpAddr,
}

/// A connection that is open now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenConnection {
    pub tuple: FlowTuple,
    /// The time at which it was first seen open.
    pub seen: Timestamp,
    /// It was open before the agent started.
    #[serde(default)]
    pub older: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairDelta {
    /// `None` for the remainder: increments whose pair found no room in the kernel map.
    pub pair: Option<Pair>,
    pub counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropDelta {
    /// `None` for the remainder.
    pub pair: Option<(IpAddr, IpAddr, u16)>,
    pub reason: ArcStr,
    pub count: u64,
}

/// The stage at which something was lost: the `stage` label of `events_lost_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum LostStage {
    /// A single record: the kernel's ring buffer was full, or too many attempts ended without an answer at once.
    Ring,
    /// The pair map was full: totals are exact, the pair is not known.
    Pairs,
    /// The handshake map was full, and the oldest yielded: SYNs are counted, but not their outcomes.
    Handshakes,
    /// The drop map was full.
    Drops,
    /// A tail client was too slow.
    Client,
    /// A ring record or an entry of a kernel map could not be decoded.
    Decode,
    /// There were too many findings, so one was removed early.
    Findings,
    /// The API server did not accept a Kubernetes Event, or there were too many of them.
    KubeEvents,
    /// The table of open connections was full: further ones are not judged.
    Connections,
    /// There were more load-balancer addresses than are followed.
    Vips,
    /// The enforcer logged more than was read.
    EnforcerLog,
    /// The log engine did not take a record of the history, or too many waited for it.
    History,
}
