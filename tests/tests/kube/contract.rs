//! The behaviour of the API server that readers rely on. A new version may change it.

use lab::kube::{ApiServer, Watching};
use lab::policy;
use serde_json::{Value, json};

use crate::stage::{self, name, namespace, namespaces};

type Body = (&'static str, fn(&mut ApiServer));

/// `forgotten` is last: it restarts the server.
const BODIES: [Body; 8] = [
    ("pages", pages),
    ("a cached list", cached),
    ("changes", changes),
    ("selected", selected),
    ("all at first", all_at_first),
    ("bookmarks", bookmarks),
    ("missing", missing),
    ("forgotten", forgotten),
];

#[test]
fn the_server_keeps_it() {
    let mut stage = stage::start();
    for (name, body) in BODIES {
        eprintln!("contract: {name}");
        body(&mut stage.api);
    }
}

fn list(api: &ApiServer, query: &str) -> Value {
    api.as_admin().get(&format!("/api/v1/namespaces?{query}")).unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(name).collect()
}

fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

/// Later pages have the version of the first one.
fn pages(api: &mut ApiServer) {
    namespaces(api, "page", 5);
    let first = list(api, "labelSelector=of%3Dpage&limit=2");
    assert_eq!((names(&first), &first["kind"]), (vec!["page0", "page1"], &json!("NamespaceList")));
    api.apply(&[namespace("page2a", &[("of", "page")])]).unwrap();
    let more = first["metadata"]["continue"].as_str().unwrap();
    let second = list(api, &format!("labelSelector=of%3Dpage&limit=2&continue={more}"));
    assert_eq!((names(&second), version(&second)), (vec!["page2", "page3"], version(&first)));
    let more = second["metadata"]["continue"].as_str().unwrap();
    let last = list(api, &format!("labelSelector=of%3Dpage&limit=2&continue={more}"));
    assert_eq!(names(&last), ["page4"]);
    assert!(last["metadata"]["continue"].as_str().unwrap_or_default().is_empty(), "{last}");
    let item = &first["items"][0];
    assert!(item["kind"].is_null() && item["apiVersion"].is_null(), "items don't name their kind: {item}");
}

/// `resourceVersion=0` is answered from memory, without pages.
fn cached(api: &mut ApiServer) {
    namespaces(api, "cached", 3);
    let all = list(api, "labelSelector=of%3Dcached&limit=1&resourceVersion=0");
    assert_eq!(names(&all).len(), 3, "{all}");
    assert!(version(&all).parse::<u64>().unwrap() > 0);
}

fn watch(api: &ApiServer, query: &str) -> Watching {
    api.as_admin().watch(&format!("/api/v1/namespaces?watch=1&{query}")).unwrap()
}

/// Returns the next event that is not a bookmark.
fn next(watching: &Watching) -> (String, Value) {
    loop {
        let event = watching.next().unwrap().unwrap();
        if event["type"] != "BOOKMARK" {
            return (event["type"].as_str().unwrap().to_owned(), event["object"].clone());
        }
    }
}

/// Returns a policy. Policies have no finalizers, which the server adds to namespaces.
fn policy(labels: &[(&str, &str)]) -> Value {
    let mut policy = policy::admitting("default", "contract", &["a"]);
    for (key, value) in labels {
        policy["metadata"]["labels"][key] = json!(value);
    }
    policy
}

fn policies(api: &ApiServer, query: &str) -> String {
    let path = "/apis/networking.k8s.io/v1/networkpolicies";
    let version = version(&api.as_admin().get(path).unwrap()).to_owned();
    format!("{path}?watch=1&resourceVersion={version}&{query}")
}

fn changes(api: &mut ApiServer) {
    let watching = api.as_admin().watch(&policies(api, "timeoutSeconds=30")).unwrap();
    api.apply(&[policy(&[])]).unwrap();
    api.apply(&[policy(&[("changed", "yes")])]).unwrap();
    api.delete("NetworkPolicy", "default", "contract").unwrap();
    let (kinds, objects): (Vec<_>, Vec<_>) = (0..3).map(|_| next(&watching)).unzip();
    assert_eq!(kinds, ["ADDED", "MODIFIED", "DELETED"]);
    let versions: Vec<u64> = objects.iter().map(|o| version(o).parse().unwrap()).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    assert!(objects.iter().all(|o| o["kind"] == "NetworkPolicy"), "events name their kind");
    assert_eq!(objects[2]["metadata"]["labels"]["changed"], "yes", "the event holds the deleted object");
    assert_eq!(objects[0]["metadata"]["uid"], objects[2]["metadata"]["uid"]);
}

/// An object that a selector no longer selects is deleted for its watch.
fn selected(api: &mut ApiServer) {
    let watching =
        api.as_admin().watch(&policies(api, "timeoutSeconds=30&labelSelector=mine%3Dyes")).unwrap();
    api.apply(&[policy(&[("mine", "no")])]).unwrap();
    api.apply(&[policy(&[("mine", "yes")])]).unwrap();
    api.apply(&[policy(&[("mine", "no")])]).unwrap();
    let kinds: Vec<String> = (0..2).map(|_| next(&watching).0).collect();
    assert_eq!(kinds, ["ADDED", "DELETED"]);
    api.delete("NetworkPolicy", "default", "contract").unwrap();
}

/// A watch from version 0 begins with the existing objects, and ends after its timeout.
fn all_at_first(api: &mut ApiServer) {
    namespaces(api, "first", 2);
    let watching = watch(api, "resourceVersion=0&timeoutSeconds=1&labelSelector=of%3Dfirst");
    let mut listed = [next(&watching), next(&watching)];
    listed.sort_by_key(|(_, object)| name(object).to_owned());
    let listed: Vec<_> = listed.iter().map(|(kind, object)| (kind.as_str(), name(object))).collect();
    assert_eq!(listed, [("ADDED", "first0"), ("ADDED", "first1")]);
    assert_eq!(watching.next().unwrap(), None);
}

/// Checks that one bookmark comes before the end of the watch, with a version and nothing else. The version may be newer
/// than the last change of the kind, because the server also follows the progress of its store.
fn bookmarks(api: &mut ApiServer) {
    let from = version(&list(api, "limit=1")).to_owned();
    let query = "timeoutSeconds=12&allowWatchBookmarks=true&labelSelector=of%3Dmarked";
    let watching = watch(api, &format!("resourceVersion={from}&{query}"));
    namespaces(api, "marked", 1);
    assert_eq!(next(&watching).0, "ADDED");
    namespaces(api, "unmarked", 1);
    let last: u64 = version(&list(api, "labelSelector=of%3Dunmarked")["items"][0]).parse().unwrap();
    let mark = watching.next().unwrap().unwrap();
    assert_eq!((&mark["type"], &mark["object"]["kind"]), (&json!("BOOKMARK"), &json!("Namespace")), "{mark}");
    let mark = &mark["object"];
    assert!(version(mark).parse::<u64>().unwrap() >= last, "what the selector hides counts: {mark}");
    assert!(mark["metadata"]["name"].is_null(), "{mark}");
}

fn missing(api: &mut ApiServer) {
    for path in ["/apis/metallb.io/v1beta1/servicel2statuses", "/api/v1/namespaces/nowhere"] {
        let error = format!("{:#}", api.as_admin().get(path).unwrap_err());
        assert!(error.contains("NotFound"), "{error}");
    }
}

/// A watch from a forgotten version reports that in an event, and ends.
fn forgotten(api: &mut ApiServer) {
    let old = version(&list(api, "limit=1")).to_owned();
    namespaces(api, "late", 1);
    // A new server's watch cache starts where it started.
    api.restart().unwrap();
    let watching = watch(api, &format!("resourceVersion={old}&timeoutSeconds=30"));
    let (kind, status) = next(&watching);
    assert_eq!((kind.as_str(), &status["kind"], &status["code"]), ("ERROR", &json!("Status"), &json!(410)));
    assert_eq!(status["reason"], "Expired", "{status}");
    assert_eq!(watching.next().unwrap(), None);
}
