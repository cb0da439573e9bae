//! The first incident from its beginning to its end.

use std::io::ErrorKind;

use lab::agent::Agent;
use lab::findings::{says, summary};
use lab::pod::Pod;
use lab::traffic::connect;
use serde_json::{Value, json};

use crate::platform::{CHANGER, POLICY, PORT, Platform, database};

const SERIES: [(&str, &str); 4] = [
    ("src_namespace", "pal-e-docs"),
    ("dst_namespace", "postgres"),
    ("dst_port", "5432"),
    ("policy", POLICY),
];

fn is_ours(finding: &Value) -> bool {
    finding["src"]["namespace"] == "pal-e-docs" && finding["dst"]["namespace"] == "postgres"
}

#[test]
fn a_rename_is_reported_days_before_the_outage() {
    let (platform, docs) = Platform::new();
    let agent = platform.world.agent(&[]).unwrap();
    let mut open = connect(&docs.ns, database()).unwrap();
    open.echo().unwrap();
    let allowed = agent.wait_flow("kind=attempt", |r| r["src"]["namespace"] == "pal-e-docs").unwrap();
    assert_eq!(allowed["verdict"]["decision"], "allow", "{allowed}");
    assert_eq!(allowed["verdict"]["policies"], json!([POLICY]), "{allowed}");

    platform.lose(&docs);
    check_latent(&agent);
    check_change(&agent);
    open.echo().unwrap();
    assert_eq!(agent.findings_of("policy_denied", "active").unwrap(), Vec::<Value>::new());

    drop(open);
    let new = platform.world.replace_pod(&agent, docs, "pal-e-docs-6b55489545-v4jvv").unwrap();
    let error = connect(&new.ns, database()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    check_denied(&agent, &new);

    platform.fix(&new);
    agent.wait_finding("policy_denied", "resolved", is_ours).unwrap();
    agent.wait_finding("latent_denial", "resolved", is_ours).unwrap();
    let mut again = connect(&new.ns, database()).unwrap();
    again.echo().unwrap();
    let port = again.local_port().unwrap();
    let allowed = agent.wait_flow("kind=attempt", |r| r["src"]["port"] == port).unwrap();
    assert_eq!(allowed["verdict"]["decision"], "allow", "{allowed}");
    agent.wait_metric("latent_denials", &[], 0.0).unwrap();
    agent.wait_metric("findings", &[], 0.0).unwrap();
    assert_eq!(agent.findings().unwrap().len(), 2, "{}", agent.shown_findings());
}

/// The change is remembered apart from the attempts, for who looks an hour later.
fn check_change(agent: &Agent) {
    let change = agent.wait_flow("kind=policy_change&namespace=postgres", |_| true).unwrap();
    assert_eq!(
        (&change["object"], &change["change"]),
        (&"NetworkPolicy".into(), &"changed".into()),
        "{change}"
    );
    assert_eq!(change["manager"], CHANGER, "{change}");
    assert!(says(&change["summary"], &[POLICY, CHANGER, "pal-e-docs"]), "{change}");
}

fn check_latent(agent: &Agent) {
    let latent = agent.wait_finding("latent_denial", "active", is_ours).unwrap();
    assert_eq!(latent["count"], 1, "{latent}");
    assert_eq!(latent["policies"], json!([POLICY]), "{latent}");
    assert_eq!(latent["dst"]["port"], PORT, "{latent}");
    assert_eq!(latent["dst"]["service"], "postgres/pal-e-postgres-rw", "{latent}");
    assert_eq!(latent["nodes"], json!(["archbox"]), "{latent}");
    let parts = [
        "pal-e-docs",
        "open connection",
        "5432",
        "NetworkPolicy postgres/default-deny-ingress",
        "no rule admits namespace pal-e-docs",
    ];
    assert!(says(&latent["summary"], &parts), "{latent}");
    assert!(says(&latent["cause"], &[POLICY, CHANGER]), "{latent}");
    assert!(latent["evidence"].as_array().is_some_and(|e| !e.is_empty()), "{latent}");
    agent.wait_metric("latent_denials", &SERIES, 1.0).unwrap();
    agent.wait_metric("findings", &[("kind", "latent_denial")], 1.0).unwrap();
}

fn check_denied(agent: &Agent, new: &Pod) {
    let parts = [
        "refused by NetworkPolicy postgres/default-deny-ingress",
        "no rule admits namespace pal-e-docs",
        "the nearest admits",
        "pal-e-app",
    ];
    let record = agent.wait_flow("kind=attempt", |r| r["src"]["pod"] == new.name.as_str()).unwrap();
    assert_eq!(record["outcome"], "rejected", "{record}");
    let verdict = &record["verdict"];
    assert_eq!(
        (&verdict["decision"], &verdict["direction"]),
        (&"deny".into(), &"ingress".into()),
        "{record}"
    );
    assert_eq!(verdict["policies"], json!([POLICY]), "{record}");
    assert!(says(&verdict["explanation"], &parts), "{record}");
    let denied = agent.wait_finding("policy_denied", "active", is_ours).unwrap();
    assert_eq!(denied["count"], 1, "{denied}");
    assert_eq!(denied["policies"], json!([POLICY]), "{denied}");
    assert!(says(&denied["summary"], &parts), "{denied}");
    assert!(summary(&denied).starts_with("pal-e-docs/pal-e-docs can't reach postgres/"), "{denied}");
    agent
        .wait_metric("connection_attempts_total", &[("outcome", "rejected"), ("verdict", "deny")], 1.0)
        .unwrap();
}
