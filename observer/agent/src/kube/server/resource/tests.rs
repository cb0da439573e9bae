use super::*;

#[test]
fn the_core_group_has_a_root_of_its_own() {
    assert_eq!(discovery(Kind::Pod), "/api/v1");
    assert_eq!(discovery(Kind::ServiceL2Status), "/apis/metallb.io/v1beta1");
}
