use super::*;

#[test]
fn groups_and_resources() {
    let kinds = super::super::kinds::built_in();
    let apis = answer(&["apis"], &kinds).unwrap();
    assert_eq!(apis["groups"][0]["name"], "apps");
    assert_eq!(
        answer(&["apis", "discovery.k8s.io", "v1"], &kinds).unwrap()["resources"][0]["kind"],
        "EndpointSlice"
    );
    assert_eq!(answer(&["apis", "metallb.io", "v1beta1"], &kinds), None);
}
