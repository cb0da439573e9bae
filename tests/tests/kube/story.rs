//! The first incident in a cluster: from `kubectl apply` of the broken policy to the finding, and back.

use std::io::ErrorKind;
use std::net::SocketAddr;

use lab::cluster::ServiceSpec;
use lab::findings::says;
use lab::firewall::{Firewall, Refusal};
use lab::traffic::{Server, connect};
use serde_json::{Value, json};

use crate::scene::{Scene, knows, record};

const POLICY: &str = "postgres/default-deny-ingress";

fn is_ours(finding: &Value) -> bool {
    finding["src"]["namespace"] == "pal-e-docs" && finding["dst"]["namespace"] == "postgres"
}

fn admitting(namespaces: &[&str]) -> Value {
    lab::policy::admitting("postgres", "default-deny-ingress", namespaces)
}

#[test]
fn a_rename_is_reported_days_before_the_outage() {
    let scene = Scene::new("archbox");
    let world = &scene.world;
    let postgres = world.pod_named("postgres", "pal-e-postgres-1").unwrap();
    let docs = world.pod_named("pal-e-docs", "pal-e-docs-6c7fdd96d7-fll8h").unwrap();
    world.cluster.namespace("pal-e-app").unwrap();
    let _serving = Server::start(&postgres.ns, 5432).unwrap();
    let database: SocketAddr = "10.43.239.89:5432".parse().unwrap();
    let ips = [database.ip()];
    let service = ServiceSpec {
        namespace: "postgres",
        name: "pal-e-postgres-rw",
        cluster_ips: &ips,
        port: 5432,
        target_port: 5432,
    };
    world.service(&service, &postgres).unwrap();
    let firewall = Firewall::new(&world.node, &postgres, (1, u16::MAX), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&docs).unwrap();
    scene.sync();
    scene.api.apply(&[admitting(&["pal-e-app", "pal-e-docs"])]).unwrap();
    let agent = scene.agent(&[]);
    let (open, allowed) = record(&agent, &docs, database);
    assert_eq!(allowed["verdict"]["decision"], "allow", "{allowed}");
    assert_eq!(allowed["verdict"]["policies"], json!([POLICY]), "{allowed}");

    scene.api.apply_as("OpenTofu", &[admitting(&["pal-e-app"])]).unwrap();
    firewall.deny_pod(&docs).unwrap();
    let latent = agent.wait_finding("latent_denial", "active", is_ours).unwrap();
    assert!(says(&latent["summary"], &["pal-e-docs", "open connection", "5432", POLICY]), "{latent}");
    assert!(says(&latent["cause"], &[POLICY, "OpenTofu"]), "who did it is in managedFields: {latent}");
    assert_eq!(agent.findings_of("policy_denied", "active").unwrap(), Vec::<Value>::new());

    drop(open);
    scene.delete_pod(docs);
    knows(&agent, "Pod", 1);
    let new = world.pod_named("pal-e-docs", "pal-e-docs-6c7fdd96d7-v4jvv").unwrap();
    scene.sync();
    knows(&agent, "Pod", 2);
    let error = connect(&new.ns, database).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    // A pod is created before it has an address, and its first attempts have no name. It tries again, as pods do.
    let denied =
        agent.provoke("policy_denied", "active", || drop(connect(&new.ns, database)), is_ours).unwrap();
    let parts = [
        "refused by NetworkPolicy postgres/default-deny-ingress",
        "no rule admits namespace pal-e-docs",
        "pal-e-app",
    ];
    assert!(says(&denied["summary"], &parts), "{denied}");

    scene.api.apply_as("OpenTofu", &[admitting(&["pal-e-app", "pal-e-docs"])]).unwrap();
    firewall.allow_pod(&new).unwrap();
    agent.wait_finding("policy_denied", "resolved", is_ours).unwrap();
    agent.wait_finding("latent_denial", "resolved", is_ours).unwrap();
    let (_open, allowed) = record(&agent, &new, database);
    assert_eq!(allowed["verdict"]["decision"], "allow", "{allowed}");
}
