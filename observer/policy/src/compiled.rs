//! The evaluator of the hot path. It makes the decisions of [`Plain`](crate::Plain), without the reasons.
//!
//! Selectors, namespaces and sets of labels have numbers. Whether a selector matches is computed when one of them changes.
//! Pods of one namespace with the same labels form a group, which knows the policies that act on it. So a connection costs
//! two look-ups of groups, and a bit for each peer of the rules that could match. A change costs only what depends on it.

mod address;
mod groups;
mod intern;
mod judge;
mod kube_router;
mod labels;
mod names;
mod nodes;
mod policies;
mod program;
mod ranges;
mod sides;
mod spaces;
#[cfg(test)]
mod tests;
mod tiers;
mod truth;
mod update;

use std::sync::Arc;

use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::{Decision, Ruling};
use flow_model::inventory::Inventory;
use flow_model::network::Enforcer;
use flow_model::policies::Direction;

use address::ByAddress;
use groups::Groups;
use nodes::Nodes;
use policies::Policies;
use program::{Broken, Tables, TierPolicy};
use sides::{Side, View};

/// Judges connections by the policies of one inventory, and follows its changes.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    inventory: Arc<Inventory>,
    tables: Tables,
    policies: Policies,
    /// The Admin and the Baseline tier, each sorted by priority.
    tiers: [Vec<TierPolicy>; 2],
    broken: Vec<Broken>,
    groups: Groups,
    /// The group of each pod with a network of its own, by the pod's address in memory.
    pods: ByAddress<u32>,
    nodes: Nodes,
    /// The enforcer whose rules apply.
    enforcer: Enforcer,
    /// Holds, by direction, whether any policy could act on an unknown pod.
    acts: [bool; 2],
}

impl Compiled {
    /// Compiles an inventory.
    #[must_use]
    pub fn new(inventory: Arc<Inventory>) -> Self {
        let mut compiled = Self::default();
        compiled.update(inventory);
        compiled
    }

    /// Returns what the policies decide about a connection.
    #[must_use]
    pub fn rule(&self, connection: &Connection<'_>) -> Ruling {
        let sides = self.sides(connection);
        let decide = |direction| self.decide(connection, &sides, direction);
        Ruling { ingress: decide(Direction::Ingress), egress: decide(Direction::Egress) }
    }

    /// Returns what the policies decide about a connection that changes on its way: egress as it leaves the client's node,
    /// ingress as it arrives at the server's.
    #[must_use]
    pub fn rule_between(&self, leaving: &Connection<'_>, arriving: &Connection<'_>) -> Ruling {
        if is_same(leaving, arriving) {
            return self.rule(arriving);
        }
        let decide = |connection, direction| self.decide(connection, &self.sides(connection), direction);
        let (ingress, egress) = (decide(arriving, Direction::Ingress), decide(leaving, Direction::Egress));
        Ruling { ingress, egress }
    }

    fn decide(
        &self,
        connection: &Connection<'_>,
        [src, dst]: &[Side<'_>; 2],
        direction: Direction,
    ) -> Decision {
        let &Connection { protocol, port, .. } = connection;
        let (subject, peer) = match direction {
            Direction::Ingress => (dst, src),
            Direction::Egress => (src, dst),
        };
        let enforcer = self.enforcer;
        self.direction(&View { direction, subject, peer, destination: dst, protocol, port, enforcer })
    }

    /// Returns the inventory whose policies decide.
    #[must_use]
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// Estimates the bytes that the evaluator takes beside the inventory.
    #[must_use]
    pub fn memory(&self) -> usize {
        let tiers = self.tiers.iter().flatten().map(TierPolicy::memory).sum::<usize>();
        let pods = self.pods.capacity() * (size_of::<(usize, u32)>() + 1);
        let broken = self.broken.capacity() * size_of::<Broken>();
        let tables = self.tables.spaces.memory() + self.tables.labels.memory();
        let rest = self.policies.memory() + self.groups.memory() + self.nodes.memory();
        size_of::<Self>() + tables + rest + tiers + broken + pods
    }
}

/// Is true when nobody replaces an address of the connection on its way, which is the usual case.
fn is_same(leaving: &Connection<'_>, arriving: &Connection<'_>) -> bool {
    let same = |a: &Party<'_>, b: &Party<'_>| {
        a.ip == b.ip
            && match (a.who, b.who) {
                (Who::Pod(a), Who::Pod(b)) => std::ptr::eq(a, b),
                (Who::Node(a), Who::Node(b)) => a == b,
                (Who::External, Who::External) | (Who::Unknown(_), Who::Unknown(_)) => true,
                _ => false,
            }
    };
    let place = |connection: &Connection<'_>| (connection.protocol, connection.port);
    place(leaving) == place(arriving)
        && same(&leaving.src, &arriving.src)
        && same(&leaving.dst, &arriving.dst)
}
