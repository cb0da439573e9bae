use flow_model::inventory::Node;

use super::*;

#[test]
fn names_are_listed_where_ours_is_missing() {
    let listed = |names: &[&str]| {
        let node = |name: &&str| {
            Arc::new(Node {
                name: (*name).into(),
                labels: [].into(),
                ips: vec![],
                pod_cidrs: vec![],
                ..Node::default()
            })
        };
        let inventory = Inventory { nodes: names.iter().map(node).collect(), ..Inventory::default() };
        other_names("n1", &inventory)
    };
    assert_eq!(listed(&[]), None);
    assert_eq!(listed(&["n0", "n1"]), None);
    assert_eq!(listed(&["n10"]).as_deref(), Some("n10"));
    assert_eq!(listed(&["a", "b", "c", "d", "e", "f"]).as_deref(), Some("a, b, c, d, e, ..."));
}
