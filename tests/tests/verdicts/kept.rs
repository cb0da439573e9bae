//! Findings and the changes that explain them outlast an agent: nothing is resolved, repeated or forgotten.

use std::io::ErrorKind;

use lab::agent::Agent;
use lab::findings::says;
use lab::pod::Pod;
use lab::traffic::{Conversation, connect};
use serde_json::Value;
use tempfile::TempDir;

use crate::platform::{CHANGER, POLICY, Platform, database};

/// What must be the same after a restart.
fn identity(finding: &Value) -> [&Value; 7] {
    ["id", "kind", "state", "first_seen", "count", "cause", "cause_at"].map(|field| &finding[field])
}

fn agent(platform: &Platform, state: &TempDir) -> Agent {
    platform.world.agent(&["--state-dir", state.path().to_str().unwrap()]).unwrap()
}

/// Starts an agent, and opens a connection that it sees.
fn connected(platform: &Platform, docs: &Pod, state: &TempDir) -> (Agent, Conversation) {
    let agent = agent(platform, state);
    let open = connect(&docs.ns, database()).unwrap();
    agent.wait_flow("kind=attempt", |_| true).unwrap();
    (agent, open)
}

/// Waits until the agent has looked at the open connections.
fn looked(agent: &Agent) {
    agent.wait_metric("latent_denials", &[], 1.0).unwrap();
}

#[test]
fn a_latent_denial_outlasts_an_upgrade_with_its_cause() {
    let (platform, docs) = Platform::new();
    let state = TempDir::new().unwrap();
    let (first, open) = connected(&platform, &docs, &state);
    platform.lose(&docs);
    let latent = first.wait_finding("latent_denial", "active", |_| true).unwrap();
    assert!(says(&latent["cause"], &[POLICY, CHANGER]), "{latent}");
    first.stop().unwrap();

    let second = agent(&platform, &state);
    looked(&second);
    let findings = second.findings().unwrap();
    assert_eq!(findings.len(), 1, "{}", second.shown_findings());
    assert_eq!(identity(&findings[0]), identity(&latent));
    let log = second.log();
    assert!(!log.contains("kind=\"latent_denial\""), "it is no news: {log}");
    drop(open);
    let over = second.wait_finding("latent_denial", "resolved", |_| true).unwrap();
    assert_eq!(over["id"], latent["id"], "{over}");
}

#[test]
fn a_connection_that_is_denied_only_after_the_restart_has_its_cause() {
    let (platform, docs) = Platform::new();
    let state = TempDir::new().unwrap();
    let (first, _open) = connected(&platform, &docs, &state);
    first.stop().unwrap();
    // No agent sees the change as it happens.
    platform.lose(&docs);
    let second = agent(&platform, &state);
    let latent = second.wait_finding("latent_denial", "active", |_| true).unwrap();
    assert!(says(&latent["cause"], &[POLICY, CHANGER, "was removed"]), "{latent}");
}

#[test]
fn a_refusal_goes_on_counting_after_a_kill_and_ends_once() {
    let (platform, docs) = Platform::new();
    let state = TempDir::new().unwrap();
    let first = agent(&platform, &state);
    platform.lose(&docs);
    first.wait_flow("kind=policy_change", |_| true).unwrap();
    let refused =
        || assert_eq!(connect(&docs.ns, database()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    refused();
    let denied = first.wait_finding("policy_denied", "active", |f| f["count"] == 1).unwrap();
    let kept = state.path().join("findings");
    let is_kept =
        |_: &Agent| std::fs::read_to_string(&kept).ok().filter(|text| text.contains("policy_denied"));
    first.wait_for("the finding to be kept", is_kept).unwrap();
    first.kill().unwrap();

    let second = agent(&platform, &state);
    let findings = second.findings_of("policy_denied", "active").unwrap();
    assert_eq!(findings.iter().map(identity).collect::<Vec<_>>(), [identity(&denied)]);
    refused();
    let more = second.wait_finding("policy_denied", "active", |f| f["count"] == 2).unwrap();
    assert_eq!(more["id"], denied["id"], "{more}");
    platform.fix(&docs);
    let over = second.wait_finding("policy_denied", "resolved", |_| true).unwrap();
    assert_eq!(over["id"], denied["id"], "{over}");
    second.stop().unwrap();

    let third = agent(&platform, &state);
    assert_eq!(third.findings_of("policy_denied", "resolved").unwrap(), [over]);
}
