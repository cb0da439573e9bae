//! Names of reasons, and the set that is reported.

use super::*;
use crate::probes::btf::testing::types;

fn reasons(names: &[(u32, &str)]) -> Reasons {
    Reasons::new(Arc::new(KernelTypes {
        drop_reasons: names.iter().map(|(v, n)| (*v, (*n).to_owned())).collect(),
        ..types()
    }))
}

#[test]
fn ordinary_reasons_are_not_in_the_set() {
    let r = reasons(&[(2, "NOT_SPECIFIED"), (3, "NO_SOCKET"), (12, "NETFILTER_DROP"), (70, "CPU_BACKLOG")]);
    assert_eq!(r.interest(), [1 << 12, 1 << 6, 0, 0]);
}

#[test]
fn names_fall_back_to_numbers() {
    let r = reasons(&[(12, "NETFILTER_DROP")]);
    assert_eq!(r.name(12), "NETFILTER_DROP");
    assert_eq!(r.name(0x20001), "0x20001");
    assert_eq!(r.name(REASON_NONE), "NOT_SPECIFIED");
    assert_eq!(r.recorded(0), None);
    assert_eq!(r.recorded(13).as_deref(), Some("NETFILTER_DROP"));
}
