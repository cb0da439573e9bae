//! A real listener and real clients.

mod access;
mod client;
mod explain;
mod limits;
mod openapi;
mod page;
mod runbooks;
mod secrets;
mod streams;
mod tls;

use flow_model::finding::Finding;
use flow_model::flow::{Counts, Outcome};
use flow_model::mac::Mac;
use flow_model::output::Output;
use flow_model::vip::{ApiClaim, Claim, ClaimSource, Vip};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::client::Agent;
use crate::sink::testing::{at, attempt, external, finding, pair, pod, resolved, service, vip};

#[tokio::test]
async fn each_path_answers_with_its_type() {
    let agent = Agent::start().await;
    agent.shared.set_info("kernel", "6.12.0");
    for (path, content_type, part) in [
        ("/", "text/plain; charset=utf-8", "/api/v1/flows"),
        ("/", "text/plain; charset=utf-8", "\nkernel: 6.12.0\n"),
        ("/healthz", "text/plain; charset=utf-8", "ok\n"),
        ("/readyz", "text/plain; charset=utf-8", "ready\n"),
        (
            "/metrics",
            "text/plain; version=0.0.4; charset=utf-8",
            "# TYPE flow_observer_tcp_syn_total counter",
        ),
        ("/api/v1/pairs", "application/json", "\"pairs\":[]"),
        ("/api/v1/snapshot", "application/json", "\"version\":1,\"node\":\"node1\""),
        ("/api/v1/findings", "application/json", "{\"findings\":[],\"agent\":{\"node\":\"node1\""),
        ("/api/v1/vips", "application/json", "{\"vips\":[],\"agent\":{\"node\":\"node1\""),
        ("/api/v1/flows?follow=false", "application/x-ndjson", ""),
    ] {
        let answer = agent.get(path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), content_type, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn openmetrics_for_those_who_accept_it() {
    let agent = Agent::start().await;
    let answer = agent.get("/metrics", &[("accept", "application/openmetrics-text;version=1.0.0")]).await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.body.contains("# TYPE flow_observer_tcp_syn counter\n"));
    assert!(answer.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn not_ready_says_what_is_pending() {
    let agent = Agent::start().await;
    let guards = [agent.shared.readiness.guard("probes"), agent.shared.readiness.guard("cluster")];
    let answer = agent.get("/readyz", &[]).await;
    assert_eq!((answer.status, answer.json()), (503, json!({"pending": ["cluster", "probes"]})));
    drop(guards);
    assert_eq!(agent.get("/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn failures_are_json_and_name_the_cause() {
    let agent = Agent::start().await;
    for (path, status, part) in [
        ("/nothing", 404, "no such path"),
        ("/api/v1/flows?kin=attempt", 400, "`kin`"),
        ("/api/v1/flows?since=soon", 400, "`since`"),
        ("/api/v1/pairs?kind=attempt", 400, "`kind`"),
        ("/api/v1/snapshot?namespace=web", 400, "`namespace`"),
        ("/api/v1/findings?kind=attempt", 400, "`kind`"),
        ("/api/v1/findings?pod=web/front", 400, "`pod`"),
    ] {
        let answer = agent.get(path, &[]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(part), "{path}: {error}");
    }
    let answer = agent.request("POST", "/metrics", &[]).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET,HEAD"));
    assert!(answer.json()["error"].is_string());
    let events = [("accept", "text/event-stream"), ("last-event-id", "7")];
    assert_eq!(agent.get("/api/v1/flows", &events).await.status, 400);
}

#[tokio::test]
async fn pairs_have_names_counters_and_filters() {
    let mut agent = Agent::start().await;
    let counts = Counts { syn: 5, syn_retransmits: 2, rst: [[1, 2, 3], [4, 5, 6]], outcomes: [7, 8, 9, 10] };
    agent.emit(Output::Pair(pair(pod("web", "front-5d-1"), service("data", "db"), counts)));
    agent.emit(Output::Pair(pair(external(), pod("jobs", "batch-1-a"), Counts { syn: 1, ..counts })));
    let all = agent.get("/api/v1/pairs", &[]).await.json();
    assert_eq!(all["pairs"].as_array().unwrap().len(), 2);

    let some = agent.get("/api/v1/pairs?namespace=data", &[]).await.json();
    let counters = json!({
        "syn": 5, "syn_retransmits": 2,
        "rst": {"client": {"handshake": 1, "established": 2, "orphan": 3},
                "server": {"handshake": 4, "established": 5, "orphan": 6}},
        "attempts": {"established": 7, "refused": 8, "rejected": 9, "unanswered": 10},
    });
    let mut expected = json!({
        "src": {"ip": "10.42.0.10", "namespace": "web", "pod": "front-5d-1", "workload": "front", "kind": "Deployment"},
        "dst": {"ip": "10.43.0.1", "port": 5432, "service": "data/db"},
        "vantage": "source",
    });
    expected.as_object_mut().unwrap().extend(counters.as_object().unwrap().clone());
    assert_eq!(some["pairs"], json!([expected]));
    assert_eq!(some["other"]["syn"], 0);

    let by_pod = agent.get("/api/v1/pairs?pod=jobs/batch-1-a", &[]).await.json();
    assert_eq!(by_pod["pairs"][0]["syn"], 1);
    assert_eq!(by_pod["pairs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn vips_tell_who_announces_them() {
    let mut agent = Agent::start().await;
    let claim = |last, node: Option<&str>| Claim {
        mac: Mac([2, 0, 0, 0, 0, last]),
        node: node.map(Into::into),
        since: at(0),
        last_seen: at(9),
        received: false,
    };
    let api = ApiClaim {
        source: ClaimSource::L2Status,
        object: "metallb-system/l2-rgt9d".into(),
        node: Some("k8s-node3".into()),
        since: None,
    };
    agent.emit(Output::Vip(Vip {
        claimant: Some(claim(4, None)),
        history: vec![claim(3, Some("k8s-node3")), claim(4, None)],
        moves: 1,
        api: vec![api],
        ..vip(&["dbaas/postgresql-lb"])
    }));
    let (since, last_seen) = (at(0).to_string(), at(9).to_string());
    let claim = json!({"mac": "02:00:00:00:00:04", "since": since, "last_seen": last_seen});
    let first =
        json!({"mac": "02:00:00:00:00:03", "node": "k8s-node3", "since": since, "last_seen": last_seen});
    let agent_info = json!({"node": "node1", "started": at(-86_400).to_string(), "nodes": []});
    let expected = json!({"agent": agent_info, "vips": [{
        "ip": "10.0.20.200", "services": ["dbaas/postgresql-lb"], "moves": 1,
        "claimant": claim, "history": [first, claim],
        "api": [{"source": "l2status", "object": "metallb-system/l2-rgt9d", "node": "k8s-node3"}],
    }]});
    assert_eq!(agent.get("/api/v1/vips", &[]).await.json(), expected);
    assert_eq!(agent.get("/api/v1/vips?vip=10.0.20.200", &[]).await.status, 400);
    agent.emit(Output::VipGone([10, 0, 20, 200].into()));
    assert_eq!(agent.get("/api/v1/vips", &[]).await.json()["vips"], json!([]));
    let before = Timestamp::now();
    agent.emit(Output::Vip(vip(&["dbaas/postgresql-lb"])));
    let silent = agent.get("/api/v1/vips", &[]).await.json();
    let since: Timestamp = silent["vips"][0]["not_heard_since"].as_str().unwrap().parse().unwrap();
    assert!(since >= before && silent["vips"][0].get("claimant").is_none(), "{silent}");
}

#[tokio::test]
async fn findings_are_told_in_full_and_filtered() {
    let mut agent = Agent::start().await;
    let now = Timestamp::now();
    let seen = |finding: Finding| Finding { first_seen: now, last_seen: now, ..finding };
    let cause = Some("NetworkPolicy data/deny was changed".to_owned());
    agent.emit(Output::Finding(Finding { cause, ..seen(finding("a1", 0)) }.into()));
    agent.emit(Output::Finding(seen(finding("b2", 0)).into()));
    let over = Finding { ended: Some(now), count: 7, ..resolved(seen(finding("b2", 0)), 0) };
    agent.emit(Output::Finding(over.into()));

    let all = agent.get("/api/v1/findings", &[]).await.json();
    let expected = json!({
        "id": "a1", "subject": "a1", "kind": "policy_denied", "state": "active", "severity": "warning", "count": 1,
        "first_seen": now.to_string(), "last_seen": now.to_string(), "summary": "summary of a1",
        "src": {"ip": "10.42.0.10", "port": 5432, "namespace": "web", "pod": "front-5d-1", "workload": "front",
                "kind": "Deployment"},
        "dst": {"ip": "10.43.0.1", "port": 5432, "service": "data/db"},
        "policies": ["data/deny"], "nodes": ["node1"], "cause": "NetworkPolicy data/deny was changed",
        "evidence": [],
    });
    assert_eq!(all["findings"][0], expected);
    let over = agent.get("/api/v1/findings?state=resolved&namespace=web", &[]).await.json();
    assert_eq!(over["findings"].as_array().unwrap().len(), 1);
    assert_eq!((&over["findings"][0]["count"], &over["findings"][0]["id"]), (&json!(7), &json!("b2")));
    let none = agent.get("/api/v1/findings?kind=latent_denial", &[]).await.json();
    assert_eq!(none["findings"], json!([]));
}

#[tokio::test]
async fn flows_replay_with_filters() {
    let mut agent = Agent::start().await;
    for (second, outcome) in [(0, Outcome::Established), (1, Outcome::Rejected), (2, Outcome::Refused)] {
        agent.emit(Output::Record(attempt(second, pod("web", "front-5d-1"), external(), outcome)));
    }
    agent.emit(Output::Record(attempt(3, external(), external(), Outcome::Refused)));
    let ports = async |query: &str| -> Vec<i64> {
        let since = at(0);
        let path = format!("/api/v1/flows?follow=false&since={since}&{query}");
        let answer = agent.get(&path, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let lines = answer.body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|record| record["src"]["port"].as_i64().unwrap()).collect()
    };
    assert_eq!(ports("").await, [0, 1, 2, 3]);
    assert_eq!(ports("namespace=web").await, [0, 1, 2]);
    assert_eq!(ports("pod=web/front-5d-1&outcome=rejected,refused").await, [1, 2]);
    assert_eq!(ports("outcome=rejected&outcome=established").await, [0, 1]);
    assert_eq!(ports("kind=reset").await, [0; 0]);
    assert_eq!(ports(&format!("since={}", at(2))).await, [2, 3], "the later since counts");
    assert_eq!(
        agent.get("/api/v1/flows?follow=false", &[]).await.body,
        "",
        "without since there is no replay"
    );
}
