//! The page in a real browser, headless Chromium, while each of the two incidents goes on. The browser lives in the node's
//! network namespace. Its pictures are left in `target/page/`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lab::agent::LISTEN;
use lab::announce::Pattern;
use lab::browser::{Page, browse};
use lab::cluster::ServiceSpec;
use lab::firewall::{Firewall, Refusal};
use lab::policy;
use lab::traffic::{Server, connect};
use lab::vip::{Setup, Site, VIP4};
use lab::world::World;

const NODES: [&str; 2] = ["k8s-node3", "k8s-node4"];
const DATABASE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 43, 239, 89)), 5432);
/// Connections that are open when the address moves.
const OPEN: usize = 6;

#[test]
fn the_page_of_a_node_tells_of_the_policy() {
    let world = World::named("archbox").unwrap();
    let postgres = world.pod_named("postgres", "pal-e-postgres-1").unwrap();
    let docs = world.pod_named("pal-e-docs", "pal-e-docs-6b55489545-v4jvv").unwrap();
    let app = world.pod_named("pal-e-app", "pal-e-app-7d9c6b5f48-x2k9p").unwrap();
    let _serving = Server::start(&postgres.ns, DATABASE.port()).unwrap();
    let spec = ServiceSpec {
        namespace: "postgres",
        name: "pal-e-postgres-rw",
        cluster_ips: &[DATABASE.ip()],
        port: DATABASE.port(),
        target_port: DATABASE.port(),
    };
    world.service(&spec, &postgres).unwrap();
    let admitting = |names: &[&str]| policy::admitting("postgres", "default-deny-ingress", names);
    world.cluster.apply(&admitting(&["pal-e-app", "pal-e-docs"])).unwrap();
    let port = DATABASE.port();
    let firewall = Firewall::new(&world.node, &postgres, (port, port), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&docs).unwrap();
    firewall.allow_pod(&app).unwrap();
    let agent = world.agent(&[]).unwrap();
    let mut open = connect(&docs.ns, DATABASE).unwrap();
    open.echo().unwrap();
    connect(&app.ns, DATABASE).unwrap().echo().unwrap();
    world.cluster.apply(&admitting(&["pal-e-app"])).unwrap();
    firewall.deny_pod(&docs).unwrap();
    agent.wait_finding("latent_denial", "active", |_| true).unwrap();
    for _ in 0..3 {
        connect(&docs.ns, DATABASE).unwrap_err();
    }
    agent.wait_finding("policy_denied", "active", |_| true).unwrap();
    browse(Some(&world.node.ns), "policy", &format!("http://{LISTEN}")).unwrap();
}

#[test]
fn the_page_of_the_command_shows_the_lanes_of_an_address() {
    let mut site = Site::new(Setup { nodes: NODES, ..Setup::default() }).unwrap();
    let agents = site.agents(&[]).unwrap();
    for agent in &agents {
        agent.wait_for("the address to be known", |agent| agent.vip(VIP4).ok()?).unwrap();
    }
    let metallb = || Pattern::METALLB.shortly();
    site.move_to(0, metallb()).unwrap();
    site.l2_status("l2-rgt9d", NODES[0]).unwrap();
    for to in [1, 0, 1, 0, 1] {
        let mut open = site.converse(OPEN).unwrap();
        site.move_to(to, metallb()).unwrap();
        open.iter_mut().for_each(|transaction| drop(transaction.echo()));
    }
    agents[1].wait_finding("vip_flap", "active", |_| true).unwrap();
    agents[1].wait_finding("vip_conflict", "active", |_| true).unwrap();
    let node = &site.nodes()[1].ns;
    let page = Page::start(&["--url", &format!("http://{LISTEN}")], |ui| node.run(|| ui.spawn())).unwrap();
    browse(Some(node), "vip", &page.address).unwrap();
}
