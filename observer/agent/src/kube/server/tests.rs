//! The source against a server over real HTTP (see `testing`). The lab tests a real API server.

use std::sync::Arc;
use std::time::Duration;

use flow_model::inventory::Inventory;
use rstest::rstest;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::kube::server::testing::{Server, event, pod, policy};
use crate::kube::server::{Hooks, Patience, Stale, Sync, spawn};
use crate::tasks::Tasks;

/// A running source.
struct Source {
    inventories: watch::Receiver<Arc<Inventory>>,
    syncs: mpsc::UnboundedReceiver<(&'static str, Sync)>,
    ready: watch::Receiver<bool>,
    _end: tokio_util::sync::DropGuard,
}

impl Source {
    async fn start(url: &str) -> Self {
        let config = kube::Config::new(url.parse().unwrap());
        let client = kube::Client::try_from(config).unwrap();
        let (tx, inventories) = watch::channel(Arc::default());
        let (states, syncs) = mpsc::unbounded_channel();
        let (done, ready) = watch::channel(false);
        let hooks = Hooks {
            sync: Box::new(move |kind, sync| drop(states.send((kind, sync.clone())))),
            ready: Box::new(move || {
                done.send_replace(true);
            }),
        };
        let cancel = CancellationToken::new();
        let patience = Patience { retry: Duration::from_millis(50), silence: Duration::from_millis(400) };
        spawn(&client.into(), patience, tx, hooks, &Tasks::default(), &cancel);
        Self { inventories, syncs, ready, _end: cancel.drop_guard() }
    }

    async fn until(&mut self, what: &str, is: impl Fn(&Inventory) -> bool) -> Arc<Inventory> {
        let found = self.inventories.wait_for(|inventory| is(inventory));
        let found = tokio::time::timeout(Duration::from_secs(20), found).await;
        Arc::clone(&found.unwrap_or_else(|_| panic!("never: {what}")).unwrap())
    }

    async fn until_sync(&mut self, kind: &str, is: impl Fn(&Sync) -> bool) -> Sync {
        let found = async {
            loop {
                let (name, sync) = self.syncs.recv().await.unwrap();
                if name == kind && is(&sync) {
                    return sync;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.unwrap_or_else(|_| panic!("{kind}: never"))
    }

    fn pods(inventory: &Inventory) -> Vec<&str> {
        inventory.pods.iter().map(|pod| &*pod.name).collect()
    }
}

#[tokio::test]
async fn listed_objects_and_later_changes_are_known() {
    let server = Server::new();
    server.set("pods", |a| {
        a.items = vec![pod("a", "10.42.0.5"), pod("b", "10.42.0.6")];
        a.events = vec![
            event("ADDED", &pod("c", "10.42.0.7")),
            event("MODIFIED", &pod("a", "10.42.0.8")),
            event("DELETED", &pod("b", "10.42.0.6")),
            event("BOOKMARK", &json!({"metadata": {"resourceVersion": "20"}})),
        ];
    });
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    let known = source.until("the changes", |i| Source::pods(i) == ["a", "c"]).await;
    assert_eq!(known.pods[0].ips, ["10.42.0.8".parse::<std::net::IpAddr>().unwrap()]);
    assert!(*source.ready.borrow());
    assert_eq!(server.asked("/pods?&resourceVersion=0"), 1, "from the cache: {:?}", server.asked);
}

#[tokio::test]
async fn a_watch_that_is_silent_or_cut_continues_where_it_was() {
    let server = Server::new();
    server.set("pods", |a| {
        a.items = vec![pod("a", "10.42.0.5")];
        a.events = vec![event("ADDED", &pod("b", "10.42.0.6")), "{\"type\":\"ADDED\",\"obj".into()];
        a.open = false;
    });
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    source.until("the pod before the cut", |i| Source::pods(i) == ["a", "b"]).await;
    let lists = server.lists("pods");
    server.set("pods", |a| {
        a.events = vec![event("ADDED", &pod("c", "10.42.0.7"))];
        a.open = true;
    });
    source.until("the pod after the cut", |i| Source::pods(i) == ["a", "b", "c"]).await;
    assert_eq!(server.lists("pods"), lists, "nothing is listed again");
    assert!(server.asked("resourceVersion=11") > 0, "{:?}", server.asked);
}

#[rstest]
#[case::as_an_event(200)]
#[case::as_an_answer(410)]
#[tokio::test]
async fn an_expired_version_lists_again_from_the_store(#[case] status: u16) {
    let server = Server::new();
    let expired = json!({"kind": "Status", "code": 410, "message": "too old resource version"});
    server.set("pods", |a| {
        a.items = vec![pod("a", "10.42.0.5"), pod("b", "10.42.0.6")];
        a.events = vec![event("ERROR", &expired)];
    });
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    source.until("the first list", |i| Source::pods(i) == ["a", "b"]).await;
    server.set("pods", |a| {
        a.items = vec![pod("b", "10.42.0.6")];
        a.status = status;
    });
    if status == 410 {
        source.until_sync("Pod", |_| true).await;
        server.set("pods", |a| a.status = 200);
    }
    source.until("objects that were deleted meanwhile disappear", |i| Source::pods(i) == ["b"]).await;
    let from_store =
        |uri: &String| uri.contains("/pods?") && !uri.contains("watch") && !uri.contains("resourceVersion");
    assert!(server.asked.lock().iter().any(from_store), "{:?}", server.asked);
}

#[rstest]
#[case::forbidden(403, "forbidden: refused with 403")]
#[case::unauthorized(401, "unauthorized (401): refused with 401")]
#[case::broken(500, "500")]
#[tokio::test]
async fn verdicts_are_not_guessed_while_policies_cant_be_read(#[case] status: u16, #[case] part: &str) {
    let server = Server::new();
    server.set("networkpolicies", |a| {
        a.items = vec![policy("deny")];
        a.status = status;
    });
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    let sync = source.until_sync("NetworkPolicy", |sync| matches!(sync, Sync::Stale(_))).await;
    let Sync::Stale(Stale { why, .. }) = sync else { unreachable!() };
    assert!(why.contains(part), "{why}");
    let known = source.until("the others", |i| !i.namespaces.is_empty()).await;
    assert_eq!(known.policies.broken.len(), 1, "{:?}", known.policies);
    server.set("networkpolicies", |a| a.status = 200);
    let known = source.until("the policies", |i| i.policies.broken.is_empty()).await;
    assert_eq!(known.policies.namespaced.len(), 1);
}

#[tokio::test]
async fn a_kind_that_fails_later_keeps_its_last_objects() {
    let server = Server::new();
    server.set("networkpolicies", |a| {
        a.items = vec![policy("deny")];
        a.open = false;
    });
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    source.until("the policy", |i| i.policies.namespaced.len() == 1).await;
    server.set("networkpolicies", |a| a.status = 500);
    source.until_sync("NetworkPolicy", |sync| matches!(sync, Sync::Stale(_))).await;
    server.set("pods", |a| a.events = vec![event("ADDED", &pod("late", "10.42.0.9"))]);
    let known = source.inventories.borrow().clone();
    assert_eq!((known.policies.namespaced.len(), known.policies.broken.len()), (1, 0));
}

#[tokio::test]
async fn a_kind_may_appear_later_and_disappear() {
    let server = Server::new();
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    source.until_sync("ServiceL2Status", |sync| *sync == Sync::Absent).await;
    let status = json!({"metadata": {"name": "l2-x", "namespace": "metallb-system"},
        "status": {"node": "n1", "serviceName": "pg", "serviceNamespace": "web"}});
    server.set("servicel2statuses", |a| {
        a.items = vec![status];
        a.open = false;
    });
    source.until("the status", |i| i.announcers.len() == 1).await;
    server.remove("servicel2statuses");
    let known = source.until("it disappears", |i| i.announcers.is_empty()).await;
    assert_eq!(known.objects.get("ServiceL2Status"), None);
}

fn cilium(name: &str) -> serde_json::Value {
    json!({"metadata": {"name": name, "namespace": "web", "resourceVersion": "11"},
        "spec": {"endpointSelector": {"matchLabels": {"app": "a"}}, "ingress": [{}]}})
}

fn unjudged(inventory: &Inventory) -> Vec<String> {
    inventory.policies.broken.iter().map(|policy| format!("{} {}", policy.kind, policy.name)).collect()
}

#[tokio::test]
async fn policies_of_other_projects_are_followed_where_the_server_has_them() {
    let server = Server::new();
    server.group("crd.projectcalico.org", "v1");
    server.set("globalnetworkpolicies", |a| {
        a.items = vec![json!({"metadata": {"name": "g"}, "spec": {"selector": "all()"}})];
    });
    let url = Arc::clone(&server).start().await;
    let mut source = Source::start(&url).await;
    let inventory = source.until("the global policy", |i| !i.policies.broken.is_empty()).await;
    assert_eq!(unjudged(&inventory), ["GlobalNetworkPolicy g"]);
    assert!(server.asked("/apis/crd.projectcalico.org/v1/globalnetworkpolicies?") > 0);
    assert_eq!(server.asked("ciliumnetworkpolicies"), 0, "only what the server has is asked for");
    // The definitions of Cilium's are installed later.
    server.set("ciliumnetworkpolicies", |a| {
        a.items = vec![cilium("x"), cilium("y")];
        a.events = vec![event("DELETED", &cilium("x"))];
    });
    server.group("cilium.io", "v2");
    let inventory =
        source.until("Cilium's", |i| unjudged(i).contains(&"CiliumNetworkPolicy y".to_owned())).await;
    let gone = |i: &Inventory| !unjudged(i).contains(&"CiliumNetworkPolicy x".to_owned());
    source.until("the deleted one to be gone", gone).await;
    let policy = inventory.policies.broken.iter().find(|policy| policy.name == "y").unwrap();
    assert_eq!((&*policy.why, policy.ingress, policy.egress), ("it is a policy of Cilium", true, false));
    server.remove("ciliumnetworkpolicies");
    let mut source = Source::start(&url).await;
    source.until_sync("CiliumNetworkPolicy", |sync| *sync == Sync::Absent).await;
    let inventory = source.until("a snapshot", |i| !i.namespaces.is_empty()).await;
    assert_eq!(unjudged(&inventory), ["GlobalNetworkPolicy g"]);
}

#[tokio::test]
async fn policies_are_found_in_the_version_that_has_them() {
    let server = Server::new();
    server.group_of_older("cilium.io", "v2");
    server.set("ciliumnetworkpolicies", |a| a.items = vec![cilium("x")]);
    // Calico's API server shows what is stored in the other group.
    for group in ["projectcalico.org", "crd.projectcalico.org"] {
        server.group(group, "v3");
    }
    server.set("globalnetworkpolicies", |a| {
        a.items = vec![json!({"metadata": {"name": "g"}, "spec": {"selector": "all()"}})];
    });
    let url = Arc::clone(&server).start().await;
    let mut source = Source::start(&url).await;
    let both = |i: &Inventory| unjudged(i) == ["CiliumNetworkPolicy x", "GlobalNetworkPolicy g"];
    source.until("both", both).await;
    assert_eq!(server.asked("/apis/cilium.io/v2/ciliumnetworkpolicies"), 0);
    assert_eq!(server.asked("/apis/projectcalico.org/v3/globalnetworkpolicies"), 0);
}

#[tokio::test]
async fn verdicts_are_not_guessed_while_policies_of_other_projects_cant_be_read() {
    let server = Server::new();
    server.group("security.istio.io", "v1");
    server.set("authorizationpolicies", |a| a.status = 403);
    let url = Arc::clone(&server).start().await;
    let mut source = Source::start(&url).await;
    let sync = source.until_sync("AuthorizationPolicy", |sync| matches!(sync, Sync::Stale(_))).await;
    assert!(matches!(sync, Sync::Stale(Stale { why, .. }) if why.contains("ClusterRole")));
    let inventory = source.until("a snapshot", |i| !i.policies.broken.is_empty()).await;
    assert_eq!(unjudged(&inventory), ["AuthorizationPolicy "]);
    assert!(inventory.policies.broken[0].why.contains("forbidden"));
    server.set("authorizationpolicies", |a| a.status = 200);
    source.until("the right", |i| i.policies.broken.is_empty()).await;
}

/// Every server has EndpointSlices, so an answer that says otherwise is an error.
#[tokio::test]
async fn a_server_without_slices_is_reported() {
    let server = Server::new();
    let service = json!({"metadata": {"name": "front", "namespace": "web"},
        "spec": {"clusterIP": "10.43.0.9", "ports": [{"port": 80, "protocol": "TCP"}]}});
    let slice = json!({"metadata": {"name": "front-x", "namespace": "web", "labels": {"kubernetes.io/service-name": "front"}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.42.0.6"]}], "ports": [{"name": "", "port": 8080, "protocol": "TCP"}]});
    server.set("services", |a| a.items = vec![service]);
    server.remove("endpointslices");
    let backends = |i: &Inventory| {
        i.services.iter().flat_map(|s| &s.backends).map(|b| b.ip.to_string()).collect::<Vec<_>>()
    };
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    source.until_sync("EndpointSlice", |sync| matches!(sync, Sync::Stale(_))).await;
    server.set("endpointslices", |a| a.items = vec![slice]);
    source.until("slices", |i| backends(i) == ["10.42.0.6"]).await;
    assert_eq!(server.asked("/endpoints?"), 0, "nothing else has the backends");
}

#[tokio::test]
async fn objects_that_cant_be_read_are_counted_and_affect_no_others() {
    let server = Server::new();
    let mut bad = pod("a", "10.42.0.5");
    server.set("pods", |a| {
        a.items = vec![
            pod("a", "10.42.0.5"),
            json!({"metadata": {"namespace": "web"}}),
            json!(7),
            pod("b", "10.42.0.6"),
        ];
        a.open = false;
    });
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    let known = source.until("the others", |i| Source::pods(i) == ["a", "b"]).await;
    assert_eq!(known.objects.get("_unreadable"), Some(&1));
    bad["spec"] = json!("text");
    server.set("pods", |a| a.events = vec![event("MODIFIED", &bad)]);
    let known = source.until("its earlier state is no longer true", |i| Source::pods(i) == ["b"]).await;
    assert_eq!(known.objects.get("_unreadable"), Some(&2));
    server.set("pods", |a| a.events = vec![event("MODIFIED", &pod("a", "10.42.0.5"))]);
    source.until("it is whole again", |i| Source::pods(i) == ["a", "b"]).await;
}

#[tokio::test]
async fn an_object_longer_than_any_is_skipped() {
    let server = Server::new();
    let mut huge = pod("huge", "10.42.0.4");
    huge["metadata"]["annotations"] = json!({"a": "x".repeat(17 << 20)});
    server.set("pods", |a| {
        a.events = vec![event("ADDED", &huge), event("ADDED", &pod("b", "10.42.0.6"))];
    });
    let mut source = Source::start(&Arc::clone(&server).start().await).await;
    source.until("the one after it", |i| Source::pods(i) == ["b"]).await;
}

#[tokio::test]
async fn a_server_that_is_unavailable_is_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut source = Source::start(&url).await;
    let Sync::Stale(Stale { why, .. }) = source.until_sync("Pod", |_| true).await else {
        panic!("there is no server")
    };
    assert!(why.contains("refused"), "{why}");
    source.ready.wait_for(|ready| *ready).await.unwrap();
    assert!(source.inventories.borrow().pods.is_empty());
}
