use super::ClaimSource::{Event, Ingress, L2Status, Lease, Wire};

#[test]
fn a_source_has_one_name_in_json_and_in_labels() {
    for source in [Wire, L2Status, Lease, Event, Ingress] {
        assert_eq!(serde_json::to_value(source).unwrap(), source.as_str());
    }
}
