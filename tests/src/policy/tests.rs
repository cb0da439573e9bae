use super::*;

#[test]
fn the_manager_is_named_and_the_spec_stays() {
    let plain = admitting("postgres", "default-deny-ingress", &["pal-e-app"]);
    let managed = managed_by(plain.clone(), "OpenTofu");
    assert_eq!(managed["spec"], plain["spec"]);
    assert_eq!(managed["metadata"]["managedFields"][0]["manager"], "OpenTofu");
    assert_eq!(managed["metadata"]["managedFields"][0]["apiVersion"], "networking.k8s.io/v1");
}
