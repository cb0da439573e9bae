//! Open connections that today's policies would refuse, and the changes that caused it.

use lab::agent::Agent;
use lab::findings::says;
use lab::traffic::connect;
use serde_json::Value;

use crate::platform::{CHANGER, POLICY, Platform, database};

fn of_docs(finding: &Value) -> bool {
    finding["src"]["namespace"] == "pal-e-docs"
}

/// An idle pool as old as the pod sends no packet while the agent runs.
#[test]
fn an_idle_connection_older_than_the_agent_is_found() {
    let (platform, docs) = Platform::new();
    let open = connect(&docs.ns, database()).unwrap();
    let agent = platform.world.agent(&[]).unwrap();
    platform.lose(&docs);
    let latent = agent.wait_finding("latent_denial", "active", of_docs).unwrap();
    assert_eq!(latent["dst"]["service"], "postgres/pal-e-postgres-rw", "{latent}");
    assert!(says(&latent["cause"], &[POLICY, CHANGER]), "{latent}");
    assert_eq!(agent.flows("kind=attempt").unwrap(), Vec::<Value>::new(), "nothing was opened since");
    let baseline = |agent: &Agent| {
        let snapshot: Value = serde_json::from_str(&agent.get("/api/v1/snapshot").ok()?.body).ok()?;
        let flow = snapshot["flows"].as_array()?.iter().find(|flow| flow["open"] == 1)?;
        (flow["src"]["namespace"] == "pal-e-docs" && flow["port"] == 5432).then_some(())
    };
    agent.wait_for("the connection in the baseline", baseline).unwrap();

    agent.stop().unwrap();
    let restarted = platform.world.agent(&[]).unwrap();
    let again = restarted.wait_finding("latent_denial", "active", of_docs).unwrap();
    assert_eq!(again["subject"], latent["subject"], "the same subject");
    drop(open);
    restarted.wait_finding("latent_denial", "resolved", of_docs).unwrap();
}

#[test]
fn a_fix_resolves_it_while_the_connection_stays() {
    let (platform, docs) = Platform::new();
    let agent = platform.world.agent(&[]).unwrap();
    let mut open: Vec<_> = (0..3).map(|_| connect(&docs.ns, database()).unwrap()).collect();
    let _other = connect(&platform.app.ns, database()).unwrap();
    // They are judged by the policy that admitted them: connections against a policy are another finding.
    agent.wait_for("the records", |a| a.flows("kind=attempt").ok().filter(|r| r.len() == 4)).unwrap();
    platform.lose(&docs);
    let latent = agent.wait_finding("latent_denial", "active", |f| f["count"] == 3).unwrap();
    assert!(of_docs(&latent), "{latent}");
    agent.wait_metric("latent_denials", &[], 3.0).unwrap();
    open.pop();
    agent.wait_metric("latent_denials", &[], 2.0).unwrap();
    platform.fix(&docs);
    agent.wait_finding("latent_denial", "resolved", of_docs).unwrap();
    agent.wait_metric("latent_denials", &[], 0.0).unwrap();
    assert_eq!(agent.findings().unwrap().len(), 1, "{}", agent.shown_findings());
    open.iter_mut().for_each(|c| c.echo().unwrap());
}

/// A namespace loses the label that admitted it, and no policy changes.
#[test]
fn a_lost_label_refuses_too() {
    let (platform, docs) = Platform::new();
    let cluster = &platform.world.cluster;
    cluster
        .apply_yaml(
            "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: postgres, name: default-deny-ingress}
spec:
  podSelector: {}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {access: postgres}}}]",
        )
        .unwrap();
    cluster.namespace_labelled("pal-e-docs", &[("access", "postgres")]).unwrap();
    let agent = platform.world.agent(&[]).unwrap();
    let _open = connect(&docs.ns, database()).unwrap();
    let allowed = agent.wait_flow("kind=attempt", |r| r["src"]["namespace"] == "pal-e-docs").unwrap();
    assert_eq!(allowed["verdict"]["decision"], "allow", "{allowed}");
    cluster.namespace("pal-e-docs").unwrap();
    let latent = agent.wait_finding("latent_denial", "active", of_docs).unwrap();
    assert!(says(&latent["summary"], &[POLICY, "access=postgres"]), "{latent}");
}
