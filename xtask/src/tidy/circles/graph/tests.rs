use super::*;

fn graph(edges: &[(&str, &str)]) -> Graph {
    let mut graph = Graph::default();
    edges.iter().for_each(|(from, to)| graph.add(from, to, "crate::x"));
    graph
}

#[test]
fn a_chain_has_no_components() {
    assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).components().is_empty());
}

#[test]
fn circles_that_share_a_file_are_one_component() {
    let graph = graph(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"), ("c", "d"), ("x", "y"), ("y", "x")]);
    assert_eq!(graph.components(), [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["x", "y"])]);
}

#[test]
fn edges_stay_inside_the_component_and_carry_their_path() {
    let graph = graph(&[("a", "b"), ("b", "a"), ("a", "z")]);
    let component = BTreeSet::from(["a", "b"]);
    assert_eq!(graph.edges("a", &component).collect::<Vec<_>>(), [("b", "crate::x")]);
}
