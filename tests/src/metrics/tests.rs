use super::*;

#[test]
fn labels_and_values() {
    let text = "# HELP a b\na_total{x=\"1\",y=\"a \\\"b\\\"\"} 3\nb 2.5 1700000\n# EOF\n";
    let samples = parse(text);
    assert_eq!(samples.len(), 2);
    assert!(samples[0].matches("a_total", &[("y", "a \"b\""), ("x", "1")]));
    assert!(!samples[0].matches("a_total", &[("x", "2")]));
    assert_eq!((samples[1].name.as_str(), samples[1].value), ("b", 2.5));
}
