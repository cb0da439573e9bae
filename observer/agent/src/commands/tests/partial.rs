//! Answers from a part of the nodes, and from agents that remember only a part.

use serde_json::Value;

use super::*;
use crate::commands::doctor;
use crate::probes::host::Status;

/// A node without a pod, one whose pod is not ready, and one whose agent can't be reached.
#[tokio::test]
async fn an_answer_from_a_part_of_the_nodes_says_so() {
    let lab = Lab::new().await;
    let (mut one, _two) = (lab.agent("node1").await, lab.agent("node2").await);
    one.find(finding("a", 1));
    lab.cluster.set_unready("agent-node2");
    lab.dead("node3").await;
    lab.cluster.add_node("node4");
    let (out, notes) = asked(&lab, &["-o", "document"]).await.unwrap();
    let document: Value = serde_json::from_str(&out).unwrap();
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["node"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&document["nodes"]["asked"]), ["node1", "node2"]);
    assert_eq!(names(&document["nodes"]["missing"]), ["node2", "node3", "node4"]);
    assert_eq!(document["findings"].as_array().unwrap().len(), 1);
    for part in [
        "node node2 is missing: its agent's pod agent-node2 is not ready",
        "node node3 is missing: can't reach the agent",
        "node node4 is missing: no agent's pod is there",
        "this is what the agents of 2 of 4 nodes know: node1, node2; not node3, node4",
    ] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let (lines, _) = asked(&lab, &[]).await.unwrap();
    assert_eq!(serde_json::from_str::<Finding>(&lines).unwrap().id, "a", "one finding a line, as before");
    lab.cluster.forbid_nodes();
    let (_, notes) = asked(&lab, &[]).await.unwrap();
    assert!(
        notes.contains("nodes without an agent is not known: the kubeconfig's user may not list nodes"),
        "{notes}"
    );
}

#[tokio::test]
async fn one_agent_names_the_nodes_that_were_not_asked() {
    let (mut one, mut two) = (Agent::start("n1").await, Agent::start("n2").await);
    one.know(&["n1", "n2", "n3"]);
    two.know(&["n1", "n2", "n3"]);
    two.find(finding("a", 1));
    let url = format!("http://{}", one.address);
    let (_, notes) = by_url(&[&url]).await.unwrap();
    assert!(notes.contains("this is what the agents of 1 of 3 nodes know: n1; not n2, n3\n"), "{notes}");
    let (out, notes) = by_url(&[&url, &format!("http://{}", two.address)]).await.unwrap();
    assert!(notes.contains("this is what the agents of 2 of 3 nodes know: n1, n2; not n3\n"), "{notes}");
    assert_eq!(serde_json::from_str::<Finding>(&out).unwrap().id, "a");
}

/// Returns what `flow-observer findings --url ...` prints, and its notes.
async fn by_url(urls: &[&str]) -> anyhow::Result<(String, String)> {
    let args = FindingsCli::parse_from(["findings", "-o", "json", "--url", &urls.join(",")]).findings;
    let (out, notes) = (Written::default(), Written::default());
    findings::print(&args, printer(out.clone(), Format::Json), notes.clone()).await?;
    Ok((out.text(), notes.text()))
}

#[tokio::test]
async fn an_agent_that_restarted_says_since_when_it_remembers() {
    let started = Timestamp::now();
    let agent = Agent::started(started, "n1", Settings::default()).await;
    let (out, notes) = by_url(&[&format!("http://{}", agent.address)]).await.unwrap();
    assert_eq!(out, "");
    assert!(notes.contains("what ended before is forgotten: node n1 remembers since 20"), "{notes}");

    let lab = Lab::new().await;
    lab.cluster.add("agent-n1", "n1", agent.address);
    let (out, notes, task) = lab.tail(&["--since", "1h", "--no-follow"]);
    end(task).await.unwrap();
    assert_eq!(out.text(), "");
    assert!(notes.text().contains("node n1 does not remember everything since"), "{}", notes.text());
    assert_eq!(notes.text().lines().count(), 1, "{}", notes.text());
}

#[tokio::test]
async fn doctor_has_a_line_for_each_node() {
    let lab = Lab::new().await;
    let (_one, two) = (lab.agent("node1").await, lab.agent("node2").await);
    let _pending = two.shared.readiness.guard("pods");
    lab.cluster.set_unready("agent-node2");
    lab.dead("node3").await;
    lab.cluster.add_node("node4");
    let checks = doctor::nodes::checks(&lab.agents().fleet).await.unwrap();
    let lines: Vec<_> =
        checks.iter().map(|line| (line.node.as_deref().unwrap(), line.check.status)).collect();
    let expected =
        [("node1", Status::Ok), ("node2", Status::Warn), ("node3", Status::Fail), ("node4", Status::Warn)];
    assert_eq!(lines, expected, "{checks:?}");
    for (line, part) in
        checks.iter().zip(["knows of no blind spot", "waits for pods", "can't reach", "no agent's pod"])
    {
        assert!(line.check.found.contains(part), "{part}: {line:?}");
    }
}
