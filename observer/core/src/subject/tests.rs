use flow_model::finding::FindingKind;
use flow_model::record::Endpoint;

use super::id::{fnv1a, id_of};
use super::{FindingKey, FlowSubject, Subject};

#[test]
fn the_hash_is_fnv_1a() {
    assert_eq!(fnv1a(b"".iter().copied()), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv1a(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
}

#[test]
fn where_one_part_ends_matters() {
    let id = |parts: [&'static str; 2]| id_of(parts.into_iter());
    assert_ne!(id(["vip", "10.0.20.201"]), id(["vip1", "0.0.20.201"]));
}

/// Written down once: IDs must outlive restarts and updates.
#[test]
fn ids_of_addresses_workloads_and_services_are_stable() {
    let id = |kind, subject| FindingKey { kind, subject }.id();
    assert_eq!(id(FindingKind::VipFlap, Subject::Vip([10, 0, 20, 200].into())), "8c98f01e99480bd8");
    assert_eq!(id(FindingKind::RstBurst, Subject::Workload("data/db".into())), "484dc0e246260411");
    assert_eq!(id(FindingKind::RstBurst, Subject::Service("data/db".into())), "738f1756385458e1");
}

#[test]
fn ids_of_flows_are_stable() {
    let named = |namespace: &str, workload: &str, port| Endpoint {
        namespace: Some(namespace.into()),
        workload: Some(workload.into()),
        ..Endpoint::bare([10, 42, 0, 10].into(), port)
    };
    let node = Endpoint { node: Some("n1".into()), ..Endpoint::bare([192, 168, 0, 2].into(), 22) };
    let address = |last, port| Endpoint::bare([10, 0, 0, last].into(), port);
    let id = |src: &Endpoint, dst: &Endpoint, cluster| {
        FlowSubject::new(src, dst, cluster).of_kind(FindingKind::PolicyDenied).id()
    };
    let (client, server) =
        (named("pal-e-docs", "pal-e-docs", 40_122), named("postgres", "pal-e-postgres", 5432));
    assert_eq!(id(&client, &server, true), "17d01335fc438349");
    assert_eq!(id(&address(1, 40_122), &node, true), "cf565d56059de5c3");
    assert_eq!(id(&address(1, 40_122), &address(2, 80), false), "ca734bc9c7cf244e");
}

#[test]
fn a_services_port_and_its_backends_are_one_subject() {
    let client = Endpoint::bare([10, 42, 0, 10].into(), 40_122);
    let pod = |port, backend_port| Endpoint {
        namespace: Some("data".into()),
        workload: Some("db".into()),
        backend_port,
        ..Endpoint::bare([10, 42, 1, 20].into(), port)
    };
    let of = |server: &Endpoint| FlowSubject::new(&client, server, true);
    assert_eq!(of(&pod(6432, Some(5432))), of(&pod(5432, None)));
    assert_ne!(of(&pod(6432, Some(5432))), of(&pod(6432, None)));
}
