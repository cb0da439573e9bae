use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::sink::metrics::Format;
use crate::sink::metrics::tests::scrape;

fn specs() -> BTreeMap<String, &'static Spec> {
    let specs = SECTIONS.iter().flat_map(|(_, groups)| groups.iter().copied().flatten());
    specs.map(|spec| (spec.full_name(), spec)).collect()
}

#[test]
fn the_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/METRICS.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    // The first line that differs: the whole file would bury it.
    let document = document();
    let differs = written.lines().zip(document.lines()).find(|(written, described)| written != described);
    let remedy = "stale: run UPDATE_DOCS=1 cargo test -p observer --lib metrics::catalogue";
    assert_eq!(differs, None, "{remedy}");
    assert!(written == document, "{remedy}");
}

#[test]
fn every_family_that_is_published_is_described_with_its_type() {
    let text = scrape(Format::Text);
    let published = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let published: BTreeMap<String, String> =
        published.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
    let described: BTreeMap<String, String> =
        specs().into_iter().map(|(name, spec)| (name, spec.kind.to_string())).collect();
    assert_eq!(published, described);
}

#[test]
fn every_sample_has_the_labels_described_and_values_from_the_list() {
    let (text, specs) = (scrape(Format::Text), specs());
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (sample, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let name = histogram.filter(|name| specs.contains_key(*name)).unwrap_or(name);
        let spec = specs[name];
        seen.insert(name.to_owned());
        let labels: Vec<(&str, &str)> = pairs(labels.trim_end_matches('}'));
        let labels: Vec<_> = labels.into_iter().filter(|(name, _)| *name != "le").collect();
        let described: Vec<&Label> = spec.labels.iter().copied().flatten().collect();
        let names = |labels: &[&Label]| labels.iter().map(|label| label.name).collect::<Vec<_>>();
        assert_eq!(labels.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names(&described), "{line}");
        for ((_, value), label) in labels.iter().zip(described) {
            let listed = match label.values {
                Values::OneOf(names) => names.contains(value),
                Values::OneOfOrOther(names) => names.contains(value) || *value == "_other",
                Values::Text(_) => true,
            };
            assert!(listed, "{}: {line}", label.name);
        }
    }
    let unseen: Vec<_> = specs.keys().filter(|name| !seen.contains(*name)).collect();
    assert_eq!(unseen, Vec::<&String>::new(), "the test's scrape has no sample of these");
}

/// Splits `a="x",b="y"`; values may hold escaped quotes.
fn pairs(labels: &str) -> Vec<(&str, &str)> {
    let mut rest = labels;
    let mut pairs = Vec::new();
    while let Some((name, after)) = rest.split_once("=\"") {
        let end = after.match_indices('"').find(|(at, _)| !after[..*at].ends_with('\\')).unwrap().0;
        pairs.push((name.trim_start_matches(','), &after[..end]));
        rest = &after[end + 1..];
    }
    pairs
}
