//! Tests of what arrives at an API server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use flow_model::finding::{Finding, FindingKind, Severity};
use flow_model::inventory::Inventory;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::kube::events::combined::PREFIX;
use crate::kube::events::tests::server::{Server, client};
use crate::kube::events::tests::{cluster, finding};
use crate::kube::events::{Limits, Reporting, run};
use crate::sink::testing::{at, pod, resolved};

const PATIENCE: Duration = Duration::from_secs(20);

struct Agent {
    findings: Option<mpsc::Sender<Arc<Finding>>>,
    lost: Arc<AtomicU64>,
    pending: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
    cancel: CancellationToken,
    inventory: watch::Sender<Arc<Inventory>>,
}

impl Agent {
    fn start(client: kube::Client, node: &str) -> Self {
        let (to, findings) = mpsc::channel(64);
        let (inventory, inventories) = watch::channel(Arc::new(cluster()));
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let pending = Arc::new(AtomicUsize::new(0));
        let gauge = Arc::clone(&pending);
        let pace = Duration::from_millis(1);
        let reporting = Reporting {
            access: client.into(),
            node: node.into(),
            limits: Limits { shortest: pace, longest: pace, ..Limits::default() },
            findings,
            inventories,
            lost: Box::new(move |count| {
                counted.fetch_add(count, Ordering::Relaxed);
            }),
            pending: Box::new(move |count| gauge.store(count, Ordering::Relaxed)),
        };
        let cancel = CancellationToken::new();
        let task = tokio::spawn(run(reporting, cancel.clone()));
        Self { findings: Some(to), lost, pending, task, cancel, inventory }
    }

    async fn send(&self, finding: Finding) {
        self.findings.as_ref().unwrap().send(Arc::new(finding)).await.unwrap();
    }

    /// Ends when all is written or lost; returns how much was lost.
    async fn finish(mut self) -> u64 {
        self.findings.take();
        timeout(PATIENCE, &mut self.task).await.unwrap().unwrap();
        assert_eq!(self.pending.load(Ordering::Relaxed), 0, "nothing waits any more");
        self.lost.load(Ordering::Relaxed)
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

fn count(server: &Server) -> Vec<Value> {
    server.events().iter().map(|event| event["count"].clone()).collect()
}

#[tokio::test]
async fn one_event_whose_count_grows() {
    let (server, client) = Server::start().await;
    let agent = Agent::start(client, "node1");
    agent.send(finding("a", 1, 0)).await;
    until("an Event", || server.events().len() == 1).await;
    let expected = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "namespace": "web", "name": "front-5d-1.a" },
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": "web", "name": "front-5d-1", "uid": "uid-of-front-5d-1",
        },
        "related": {
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "namespace": "data", "name": "deny",
            "uid": "uid-of-deny",
        },
        "type": "Warning", "reason": "PolicyDenied", "action": "Observe", "message": "summary of a", "count": 1,
        "firstTimestamp": at(0).to_string(), "lastTimestamp": at(0).to_string(),
        "source": { "component": "flow-observer", "host": "node1" },
        "reportingComponent": "flow-observer", "reportingInstance": "node1",
    });
    assert_eq!(server.events(), std::slice::from_ref(&expected));
    for n in 2..5 {
        agent.send(finding("a", n, n as i64)).await;
        until("its count", || count(&server) == [json!(n)]).await;
    }
    let mut grown = expected;
    (grown["count"], grown["lastTimestamp"]) = (json!(4), json!(at(4).to_string()));
    assert_eq!(server.events(), [grown]);
    assert_eq!(server.requests(), ["POST", "PATCH", "PATCH", "PATCH"]);
    assert_eq!(agent.finish().await, 0);
}

#[tokio::test]
async fn the_end_is_a_normal_event_and_the_warning_stays() {
    let (server, client) = Server::start().await;
    let agent = Agent::start(client, "node1");
    agent.send(finding("a", 1, 0)).await;
    until("an Event", || server.events().len() == 1).await;
    agent.send(resolved(finding("a", 2, 1), 3)).await;
    until("its end", || server.events().len() == 2).await;
    until("the last count", || count(&server) == [json!(2), json!(1)]).await;
    let [warning, end] = &server.events()[..] else { panic!("{:?}", server.events()) };
    assert_eq!((&warning["type"], &warning["message"]), (&json!("Warning"), &json!("summary of a")));
    assert_eq!((&end["type"], &end["reason"]), (&json!("Normal"), &json!("PolicyDeniedEnded")));
    assert_eq!(end["message"], "Ended: the policies allow it. Before: summary of a");
    assert_eq!(end["involvedObject"], warning["involvedObject"]);
    assert_eq!(
        (&end["firstTimestamp"], &end["lastTimestamp"]),
        (&json!(at(3).to_string()), &json!(at(3).to_string()))
    );
    assert_eq!(agent.finish().await, 0);
}

/// Its controller has replaced the pod before the finding ended.
#[tokio::test]
async fn nothing_is_written_about_a_pod_that_is_gone() {
    let (server, client) = Server::start().await;
    let agent = Agent::start(client, "node1");
    let on = |name: &str, finding: Finding| Finding { src: Some(pod("web", name)), ..finding };
    for (events, name) in [(1, "front-5d-1"), (2, "front-5d-2")] {
        agent.send(on(name, finding("a", 1, 0))).await;
        until("an Event", || server.events().len() == events).await;
    }
    agent.inventory.send_modify(|inventory| {
        Arc::make_mut(inventory).pods.retain(|pod| pod.name != "front-5d-1");
    });
    agent.send(on("front-5d-2", resolved(finding("a", 1, 0), 3))).await;
    assert_eq!(agent.finish().await, 0);
    let names: Vec<_> = server.events().iter().map(|event| event["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["front-5d-1.a", "front-5d-2.a", "front-5d-2.a.end"]);
}

#[tokio::test]
async fn the_next_episode_is_another_event() {
    let (server, client) = Server::start().await;
    let agent = Agent::start(client, "node1");
    let again = Finding { subject: "a".into(), previous: Some("a".into()), ..finding("b", 1, 60) };
    agent.send(finding("a", 613, 0)).await;
    until("an Event", || server.events().len() == 1).await;
    agent.send(resolved(finding("a", 613, 0), 9)).await;
    agent.send(again).await;
    until("both and an end", || server.events().len() == 3).await;
    assert_eq!(count(&server), [json!(613), json!(1), json!(1)]);
    assert_eq!(agent.finish().await, 0);
}

#[tokio::test]
async fn an_event_that_expired_is_made_again() {
    let (server, client) = Server::start().await;
    let agent = Agent::start(client, "node1");
    agent.send(finding("a", 1, 0)).await;
    until("an Event", || server.events().len() == 1).await;
    server.expire();
    agent.send(finding("a", 5, 1)).await;
    until("another", || count(&server) == [json!(5)]).await;
    assert_eq!(server.requests(), ["POST", "PATCH", "POST"]);
    assert_eq!(agent.finish().await, 0);
}

#[tokio::test]
async fn a_restarted_agent_goes_on_counting() {
    let (server, client) = Server::start().await;
    let first = Agent::start(client.clone(), "node1");
    first.send(finding("a", 7, 0)).await;
    assert_eq!(first.finish().await, 0);
    let second = Agent::start(client.clone(), "node1");
    second.send(Finding { first_seen: at(60), ..finding("a", 2, 60) }).await;
    until("the sum", || count(&server) == [json!(9)]).await;
    second.send(Finding { first_seen: at(60), ..finding("a", 3, 61) }).await;
    until("the next", || count(&server) == [json!(10)]).await;
    assert_eq!(second.finish().await, 0);
    // A try whose answer was lost, and that had come through, is not counted twice.
    server.expire();
    let third = Agent::start(client.clone(), "node1");
    third.send(finding("a", 3, 0)).await;
    assert_eq!(third.finish().await, 0);
    let fourth = Agent::start(client, "node1");
    fourth.send(finding("a", 3, 0)).await;
    assert_eq!(fourth.finish().await, 0);
    assert_eq!(count(&server), [json!(3)]);
}

#[tokio::test]
async fn agents_that_see_the_same_meet_in_one_event() {
    let (server, client) = Server::start().await;
    let flap = |count, second| Finding {
        kind: FindingKind::VipFlap,
        vip: Some("10.0.20.200".into()),
        ..finding("f", count, second)
    };
    let agents = ["node1", "node2", "node3"].map(|node| Agent::start(client.clone(), node));
    for agent in &agents {
        agent.send(flap(3, 0)).await;
    }
    let posts = || server.requests().iter().filter(|method| *method == "POST").count();
    until("all to have tried", || posts() == 3).await;
    agents[1].send(flap(5, 9)).await;
    until("the larger count", || count(&server) == [json!(5)]).await;
    agents[2].send(flap(4, 8)).await;
    for agent in agents {
        assert_eq!(agent.finish().await, 0);
    }
    let [event] = &server.events()[..] else { panic!("one Event: {:?}", server.events()) };
    assert_eq!((&event["count"], &event["involvedObject"]["uid"]), (&json!(5), &json!("uid-of-db")));
    assert_eq!(event["reason"], "VipFlap");
    let patches = server.requests().iter().filter(|method| *method == "PATCH").count();
    assert_eq!(patches, 1, "who knows no more writes nothing: {:?}", server.requests());
}

/// A pod that can't reach forty destinations.
#[tokio::test]
async fn what_is_similar_is_combined() {
    let (server, client) = Server::start().await;
    let agent = Agent::start(client, "node1");
    for n in 0..40 {
        agent.send(finding(&format!("f{n}"), 2, n)).await;
    }
    until("eleven Events", || server.events().len() == 11).await;
    let is_combined = |event: &Value| event["message"].as_str().unwrap().starts_with(PREFIX);
    let all = "(combined from similar events): 30 findings, 30 of them active; the newest: summary of f39";
    until("the last of them", || server.events().iter().any(|event| event["message"] == all)).await;
    let combined = server.events().into_iter().find(is_combined).unwrap();
    assert_eq!((&combined["count"], &combined["related"]), (&json!(60), &Value::Null));
    assert_eq!((&combined["reason"], &combined["type"]), (&json!("PolicyDenied"), &json!("Warning")));
    for n in 0..40 {
        agent.send(resolved(finding(&format!("f{n}"), 2, n), 50 + n)).await;
    }
    assert_eq!(agent.finish().await, 0);
    let ends: Vec<Value> = server.events().into_iter().filter(|event| event["type"] == "Normal").collect();
    assert_eq!(ends.len(), 11, "{ends:?}");
    let all = |end: &&Value| end["message"].as_str().unwrap().contains("all 30 findings have ended");
    let [end] = &ends.iter().filter(all).collect::<Vec<_>>()[..] else { panic!("{ends:?}") };
    assert_eq!(end["firstTimestamp"], json!(at(89).to_string()));
}

#[tokio::test]
async fn what_waits_is_published() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let agent = Agent::start(client(&format!("http://{}", listener.local_addr().unwrap())), "node1");
    for name in ["a", "b", "c"] {
        agent.send(finding(name, 1, 0)).await;
    }
    until("all to wait", || agent.pending.load(Ordering::Relaxed) == 3).await;
    agent.cancel.cancel();
    timeout(PATIENCE, agent.task).await.unwrap().unwrap();
    drop(listener);
}

#[tokio::test]
async fn a_stale_event_of_another_agent_is_refreshed() {
    let (server, client) = Server::start().await;
    server.put(json!({
        "metadata": { "namespace": "data", "name": "db.f" }, "involvedObject": {}, "count": 3,
        "firstTimestamp": at(0).to_string(), "lastTimestamp": at(0).to_string(),
    }));
    let agent = Agent::start(client, "node1");
    agent
        .send(Finding { kind: FindingKind::VipFlap, vip: Some("10.0.20.200".into()), ..finding("f", 2, 900) })
        .await;
    assert_eq!(agent.finish().await, 0);
    let event = &server.events()[0];
    assert_eq!((&event["count"], &event["lastTimestamp"]), (&json!(3), &json!(at(900).to_string())));
}

#[tokio::test]
async fn outsiders_make_no_events() {
    let (server, client) = Server::start().await;
    let agent = Agent::start(client, "node1");
    agent.send(Finding { severity: Severity::Info, ..finding("a", 1, 0) }).await;
    assert_eq!(agent.finish().await, 0);
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn the_event_of_a_node_is_in_the_default_namespace() {
    let (server, client) = Server::start().await;
    let agent = Agent::start(client, "node1");
    let blind = Finding { kind: FindingKind::BlindSpot, src: None, dst: None, ..finding("a", 1, 0) };
    agent.send(blind).await;
    assert_eq!(agent.finish().await, 0);
    let [event] = &server.events()[..] else { panic!("{:?}", server.events()) };
    assert_eq!(event["metadata"]["namespace"], "default");
    assert_eq!(
        event["involvedObject"],
        json!({"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "node1"})
    );
}

#[tokio::test]
async fn refusals_are_counted_and_not_repeated() {
    for (code, reason, lost) in [(403, "Forbidden", 1), (422, "Invalid", 1), (404, "NotFound", 0)] {
        let (server, client) = Server::start().await;
        server.fail(Some((code, reason)));
        let agent = Agent::start(client, "node1");
        agent.send(finding("a", 1, 0)).await;
        assert_eq!(agent.finish().await, lost, "{code}");
        assert_eq!(server.requests(), [format!("POST {code}")]);
    }
}

#[tokio::test]
async fn a_passing_failure_is_retried() {
    let (server, client) = Server::start().await;
    server.fail(Some((500, "InternalError")));
    let agent = Agent::start(client, "node1");
    agent.send(finding("a", 1, 0)).await;
    until("a first try", || server.requests() == ["POST 500"]).await;
    server.fail(None);
    until("an Event", || server.events().len() == 1).await;
    assert_eq!(agent.finish().await, 0);
}

#[tokio::test]
async fn a_server_that_does_not_answer_holds_up_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let agent = Agent::start(client(&format!("http://{}", listener.local_addr().unwrap())), "node1");
    // Far more than the queue has room for: all is taken while the first request hangs.
    for n in 0..3_000 {
        timeout(PATIENCE, agent.send(finding(&format!("f{n}"), 1, 0))).await.unwrap();
    }
    until("the loss to be counted", || agent.lost.load(Ordering::Relaxed) >= 1_900).await;
    agent.cancel.cancel();
    timeout(PATIENCE, agent.task).await.unwrap().unwrap();
    drop(listener);
}
