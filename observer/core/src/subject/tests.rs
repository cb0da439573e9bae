use flow_model::finding::FindingKind;

use super::id::{fnv1a, id_of};
use super::{FindingKey, Subject};

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
