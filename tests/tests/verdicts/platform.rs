//! The platform of the first incident: Postgres behind a ClusterIP and a policy, and its clients.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lab::cluster::ServiceSpec;
use lab::firewall::{Firewall, Refusal};
use lab::pod::Pod;
use lab::policy;
use lab::traffic::Server;
use lab::world::World;
use serde_json::Value;

pub(crate) const PORT: u16 = 5432;
pub(crate) const POLICY: &str = "postgres/default-deny-ingress";
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 43, 239, 89));
const ADMITTED: [&str; 5] = ["pal-e-app", "basketball-api", "pal-e-docs", "cnpg-system", "monitoring"];

/// The managers that wrote and changed the policy.
const AUTHOR: &str = "kubectl";
pub(crate) const CHANGER: &str = "OpenTofu";

/// Field order is drop order.
pub(crate) struct Platform {
    firewall: Firewall,
    _serving: Server,
    pub(crate) app: Pod,
    _postgres: Pod,
    pub(crate) world: World,
}

impl Platform {
    /// Builds it without an agent. Returns the pod of pal-e-docs separately, because it restarts.
    pub(crate) fn new() -> (Self, Pod) {
        let world = World::named("archbox").unwrap();
        let postgres = world.pod_named("postgres", "pal-e-postgres-1").unwrap();
        let docs = world.pod_named("pal-e-docs", "pal-e-docs-6c7fdd96d7-fll8h").unwrap();
        let app = world.pod_named("pal-e-app", "pal-e-app-7d9c6b5f48-x2k9p").unwrap();
        ADMITTED.iter().for_each(|ns| world.cluster.namespace(ns).unwrap());
        let serving = Server::start(&postgres.ns, PORT).unwrap();
        let spec = ServiceSpec {
            namespace: "postgres",
            name: "pal-e-postgres-rw",
            cluster_ips: &[VIP],
            port: PORT,
            target_port: PORT,
        };
        world.service(&spec, &postgres).unwrap();
        world.cluster.apply(&policy::managed_by(whole(), AUTHOR)).unwrap();
        let firewall =
            Firewall::new(&world.node, &postgres, (1, u16::MAX), Refusal::PortUnreachable).unwrap();
        [&docs, &app].into_iter().for_each(|pod| firewall.allow_pod(pod).unwrap());
        (Self { firewall, _serving: serving, app, _postgres: postgres, world }, docs)
    }

    /// Applies the policy after the rename, and enforces it on the node.
    pub(crate) fn lose(&self, docs: &Pod) {
        self.world.cluster.apply(&policy::managed_by(broken(), CHANGER)).unwrap();
        self.firewall.deny_pod(docs).unwrap();
    }

    /// Applies the repaired policy.
    pub(crate) fn fix(&self, docs: &Pod) {
        self.world.cluster.apply(&policy::managed_by(whole(), CHANGER)).unwrap();
        self.firewall.allow_pod(docs).unwrap();
    }
}

/// Returns the address of Postgres for its users.
pub(crate) fn database() -> SocketAddr {
    SocketAddr::new(VIP, PORT)
}

/// Returns the policy as it should be.
pub(crate) fn whole() -> Value {
    policy::admitting("postgres", "default-deny-ingress", &ADMITTED)
}

/// Returns the policy after the rename.
pub(crate) fn broken() -> Value {
    let left: Vec<_> = ADMITTED.into_iter().filter(|ns| *ns != "pal-e-docs").collect();
    policy::admitting("postgres", "default-deny-ingress", &left)
}
