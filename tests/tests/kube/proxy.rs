//! The proxy causes the faults that are set, and no others.

use std::time::{Duration, Instant};

use lab::kube::proxy::{Fault, On, Proxy};
use lab::kube::{Kubectl, NAMESPACE, Token, User};
use serde_json::json;

use crate::stage::{self, Stage, namespace, namespaces};

/// Only the namespaces of the test.
const LIST: &str = "/api/v1/namespaces?labelSelector=of%3Dns";
const WATCH: &str = "/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=30&labelSelector=of%3Dns";

/// Returns a proxy before a server with two namespaces, and the agent's kubectl, which goes through the proxy.
fn before_server() -> (Proxy, Kubectl, Stage) {
    let stage = stage::start();
    namespaces(&stage.api, "ns", 2);
    stage.api.agent().unwrap();
    let token = stage.api.token(NAMESPACE, "flow-observer", Token::default()).unwrap();
    let proxy = Proxy::before(&stage.api).unwrap();
    let kubectl = stage.api.as_admin().with(&proxy.kubeconfig(User::Token(token)).unwrap());
    (proxy, kubectl, stage)
}

#[test]
fn a_server_is_reached_over_tls_with_a_token() {
    let (proxy, kubectl, _stage) = before_server();
    assert!(!kubectl.get(LIST).unwrap()["items"].as_array().unwrap().is_empty());
    let error = format!("{:#}", kubectl.get("/api/v1/secrets").unwrap_err());
    assert!(error.contains("Forbidden"), "{error}");
    let watching = kubectl.watch(WATCH).unwrap();
    assert_eq!(watching.next().unwrap().unwrap()["type"], "ADDED");
    proxy.close();
    kubectl.get(LIST).unwrap_err();
    proxy.open().unwrap();
    kubectl.get(LIST).unwrap();
}

#[test]
fn failures_are_for_those_they_are_meant_for() {
    let (proxy, kubectl, _stage) = before_server();
    kubectl.get(LIST).unwrap();
    for (code, reason) in [(401, "Unauthorized"), (403, "Forbidden"), (503, "ServiceUnavailable")] {
        let fault = proxy.inject(On::path("/namespaces").times(1), Fault::Status(code, None));
        let error = format!("{:#}", kubectl.get(LIST).unwrap_err());
        assert!(error.contains(reason) || error.contains("logged in"), "{error}");
        kubectl.get("/version").unwrap();
        kubectl.get(LIST).unwrap();
        assert_eq!(fault.hits(), 1);
    }
}

#[test]
fn watches_end_with_their_fault() {
    let (proxy, kubectl, stage) = before_server();
    for (fault, last) in [(Fault::Gone, true), (Fault::Cut, false)] {
        let watching = kubectl.watch(WATCH).unwrap();
        assert_eq!(watching.next().unwrap().unwrap()["type"], "ADDED");
        assert_eq!(watching.next().unwrap().unwrap()["type"], "ADDED");
        let injected = proxy.inject(On::path("/namespaces").watches(), fault);
        injected.wait_hits(1).unwrap();
        let next = watching.next();
        if last {
            assert_eq!(next.unwrap().unwrap()["object"]["code"], 410);
            assert_eq!(watching.next().unwrap(), None);
        } else {
            assert!(next.is_err(), "half a line is no event: {next:?}");
        }
    }
    // Both faults are removed.
    let watching = kubectl.watch(WATCH).unwrap();
    assert_eq!(watching.next().unwrap().unwrap()["type"], "ADDED");

    let strange = json!({"metadata": {"name": "strange"}, "spec": 7});
    let _line = proxy.inject(On::path("/namespaces").watches().times(1), Fault::added(&strange));
    assert_eq!(watching.next().unwrap().unwrap()["type"], "ADDED");
    let added = watching.next().unwrap().unwrap();
    assert_eq!((&added["type"], &added["object"]), (&json!("ADDED"), &strange));
    stage.api.apply(&[namespace("later", &[("of", "ns")])]).unwrap();
    assert_eq!(
        watching.next().unwrap().unwrap()["object"]["metadata"]["name"],
        "later",
        "the stream goes on"
    );
}

#[test]
fn a_slow_answer_is_whole() {
    let (proxy, kubectl, _stage) = before_server();
    let began = Instant::now();
    let quick = kubectl.get(LIST).unwrap();
    let usual = began.elapsed();
    let _slow = proxy.inject(On::all(), Fault::Slow(Duration::from_millis(30)));
    let began = Instant::now();
    // The version of a list grows with every change in the cluster.
    assert_eq!(kubectl.get(LIST).unwrap()["items"], quick["items"]);
    assert!(began.elapsed() > usual + Duration::from_millis(100), "it was as quick as ever");
}

/// A frozen stream loses the events of that time, and a new one works.
#[test]
fn silence_is_silence() {
    let (proxy, kubectl, stage) = before_server();
    let watching = kubectl.watch(WATCH).unwrap();
    (0..2).for_each(|_| drop(watching.next().unwrap().unwrap()));
    let frozen = proxy.inject(On::all().watches(), Fault::Freeze);
    frozen.wait_hits(1).unwrap();
    drop(frozen);
    stage.api.apply(&[namespace("unseen", &[("of", "ns")])]).unwrap();
    let fresh = kubectl.watch(WATCH).unwrap();
    let received: Vec<_> =
        (0..3).map(|_| fresh.next().unwrap().unwrap()["object"]["metadata"]["name"].clone()).collect();
    assert!(received.contains(&"unseen".into()), "{received:?}");
    assert!(watching.is_silent(), "the frozen stream spoke");

    let silence = proxy.inject(On::path("/version"), Fault::Silence);
    kubectl.run(&["get", "--raw", "/version", "--request-timeout=1s"], None).unwrap_err();
    assert_eq!(silence.hits(), 1);
}
