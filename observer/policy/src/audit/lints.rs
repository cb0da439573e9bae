//! Checks that need no observed flows.

mod blocks;
mod broken;
mod consumers;
mod egress;
mod empty;
mod peers;
mod pods;
mod ports;
mod shadow;

use flow_model::policies::{Direction, NetworkPolicy, Rule};

use crate::audit::draft::Drafts;
use crate::audit::judge::Judge;
use crate::audit::view::View;

/// Runs all checks.
pub(super) fn run(view: &View<'_>, judge: &Judge, out: &mut Drafts) {
    broken::check(view, out);
    pods::check(view, out);
    peers::check(view, out);
    ports::check(view, out);
    blocks::check(view, out);
    empty::check(view, out);
    shadow::check(view, out);
    egress::check(view, out);
    consumers::check(view, judge, out);
}

/// Holds a rule and its position in its policy.
#[derive(Clone, Copy)]
struct Placed<'a> {
    direction: Direction,
    index: usize,
    rule: &'a Rule,
}

fn rules(policy: &NetworkPolicy) -> impl Iterator<Item = Placed<'_>> {
    let directions = [(Direction::Ingress, &policy.ingress), (Direction::Egress, &policy.egress)];
    directions.into_iter().flat_map(|(direction, rules)| {
        let rules = rules.as_deref().unwrap_or_default().iter().enumerate();
        rules.map(move |(index, rule)| Placed { direction, index, rule })
    })
}

impl Placed<'_> {
    /// Returns its position: `ingress[0]`.
    fn path(&self) -> String {
        let direction = match self.direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        };
        format!("{direction}[{}]", self.index)
    }

    /// Returns the position of a peer: `ingress[0].from[1]`.
    fn peer(&self, index: usize) -> String {
        let list = match self.direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        format!("{}.{list}[{index}]", self.path())
    }
}
