use flow_objects::resource::ForeignKind;

use super::*;

#[test]
fn the_core_group_has_a_root_of_its_own() {
    assert_eq!(Endpoint::known(Kind::Pod).discovery(), "/api/v1");
    assert_eq!(Endpoint::known(Kind::ServiceL2Status).discovery(), "/apis/metallb.io/v1beta1");
    let first = Resource::Foreign(ForeignKind::all().next().unwrap());
    assert_eq!(Endpoint::in_version(first, "v2").discovery(), "/apis/cilium.io/v2");
}
