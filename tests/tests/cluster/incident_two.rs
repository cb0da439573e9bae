//! Incident two: a load-balancer address changes nodes, and what that does to connections.

mod address;
mod alerts;
mod contradictions;
mod install;
mod moves;

use std::time::Duration;

use anyhow::Result;
use lab::real::{Cluster, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "metallb_is_added_after_the_agents_and_its_address_is_known",
        Cluster::ensure_agents,
        install::added,
    ),
    scenario("the_announcing_speaker_is_deleted_and_the_address_moves", moves::deleted),
    scenario("an_excluded_and_drained_node_gives_its_address_away", moves::drained),
    scenario("the_last_local_pod_leaves_and_the_address_follows", moves::local_lost),
    scenario("two_services_share_an_address_and_move_together", moves::shared),
    scenario("an_address_that_flaps_is_one_alert_in_the_place_of_its_bursts", alerts::flapping),
    scenario("a_speaker_stops_and_continues", contradictions::split_brain),
    scenario("metallb_says_nothing_of_who_announces", contradictions::status_missing),
    scenario("metallb_says_another_node_announces", contradictions::status_wrong),
    // It comes last: agents that restarted know no holder from before, so that a first move away from it is no move to them.
    scenario("agents_that_restarted_say_since_when_they_hear_of_an_address", moves::agents_restarted),
];

const fn scenario(name: &'static str, run: fn(&Cluster) -> Result<()>) -> Scenario {
    Scenario::new(name, install::ensure, run)
}

/// The namespace of the web servers.
const NAMESPACE: &str = "two-web";
/// The address of Service `web`, which follows its local pods.
const VIP: &str = "192.0.2.200";
/// A move is seen in gratuitous ARP at once; MetalLB's members need some seconds to agree.
const SOON: Duration = Duration::from_secs(30);
const SPEAKERS: &str = "-n metallb-system -l component=speaker";
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
