mod dashboards;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::*;

fn root() -> PathBuf {
    crate::root()
}

fn yaml(path: &Path) -> Value {
    serde_yaml_ng::from_str(&read(path).unwrap()).unwrap()
}

fn test_files() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join(DIR).join("tests")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Runs promtool, and panics with its output when it fails.
#[track_caller]
fn promtool(args: &[&str], files: &[PathBuf]) {
    let output = Command::new("promtool").args(args).args(files).output();
    let output = output.expect("promtool is needed: apt-get install --no-install-recommends prometheus");
    let printed = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&printed));
}

#[test]
fn the_files_are_generated_from_the_source() {
    run(&root(), &RulesArgs::check()).unwrap();
}

#[test]
fn promtool_accepts_the_rules() {
    promtool(&["check", "rules"], &[root().join(DIR).join("rules.plain.yaml")]);
}

#[test]
fn the_rules_do_what_their_tests_say() {
    promtool(&["test", "rules"], &test_files());
}

#[test]
fn both_files_hold_the_same_rules() {
    let dir = root().join(DIR);
    let (object, plain) = (yaml(&dir.join("rules.yaml")), yaml(&dir.join("rules.plain.yaml")));
    assert_eq!(object["spec"], plain);
    assert_eq!(object["kind"], "PrometheusRule");
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Returns name and severity of every alert in the rules.
fn alerts() -> BTreeSet<(String, String)> {
    let rules = yaml(&root().join(DIR).join("rules.plain.yaml"));
    let rules: Vec<Value> = list(&rules, "groups").flat_map(|group| list(group, "rules").cloned()).collect();
    let alerts = rules.iter().filter(|rule| rule["alert"].is_string());
    alerts.map(|rule| (text(rule, "alert").into(), text(&rule["labels"], "severity").into())).collect()
}

/// Returns for each alert and severity of one test whether it fires, in the order of time.
fn story(test: &Value) -> BTreeMap<(String, String), Vec<bool>> {
    let mut steps: Vec<(u64, &Value)> = list(test, "alert_rule_test")
        .map(|step| (text(step, "eval_time").trim_end_matches('m').parse().unwrap(), step))
        .collect();
    steps.sort_by_key(|(minute, _)| *minute);
    let mut story: BTreeMap<_, Vec<bool>> = BTreeMap::new();
    for severity in ["critical", "warning"] {
        for (_, step) in &steps {
            let fires = list(step, "exp_alerts").any(|alert| alert["exp_labels"]["severity"] == severity);
            story.entry((text(step, "alertname").into(), severity.into())).or_default().push(fires);
        }
    }
    story
}

#[test]
fn each_alert_and_severity_is_tested_silent_then_firing_then_resolved() {
    let tests: Vec<Value> = test_files()
        .iter()
        .flat_map(|file| list(&yaml(file), "tests").cloned().collect::<Vec<_>>())
        .collect();
    let fires_and_resolves = |steps: &Vec<bool>| {
        let (first, last) = (steps.iter().position(|fires| *fires), steps.iter().rposition(|fires| *fires));
        matches!((first, last), (Some(first), Some(last)) if first > 0 && last + 1 < steps.len())
    };
    let tested: BTreeSet<_> = tests
        .iter()
        .flat_map(|test| story(test).into_iter().filter(|(_, s)| fires_and_resolves(s)).map(|(k, _)| k))
        .collect();
    assert_eq!(tested, alerts());
}

#[test]
fn every_runbook_is_linked_and_has_its_sections() {
    let rendered =
        render::render(&read(&root().join(DIR).join("alerts.yaml")).unwrap(), Bases::default()).unwrap();
    let pages = fs::read_dir(root().join(RUNBOOKS)).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeMap<String, String> = pages
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), read(&path).unwrap()))
        .filter(|(name, _)| name != "README")
        .collect();
    assert_eq!(pages.keys().cloned().collect::<BTreeSet<_>>(), rendered.runbooks);
    for (name, page) in pages {
        for heading in [
            "## What it means",
            "## First commands",
            "## Likely causes",
            "## How to fix",
            "## How to silence",
        ] {
            assert!(page.contains(heading), "{name} has no `{heading}`");
        }
    }
}

#[test]
fn the_base_of_the_runbook_links_can_be_set() {
    let source = read(&root().join(DIR).join("alerts.yaml")).unwrap();
    for base in ["https://runbooks.example/flow", "https://runbooks.example/flow/"] {
        let bases = Bases { runbooks: Some(base), ..Bases::default() };
        let rendered = render::render(&source, bases).unwrap();
        let links = || rendered.plain.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: "));
        assert!(links().count() > 12);
        assert!(links().all(|link| link.starts_with("https://runbooks.example/flow/")), "{}", rendered.plain);
        assert!(links().any(|link| link == "https://runbooks.example/flow/vip-flapping"));
    }
}

#[test]
fn the_list_of_runbooks_names_every_alert() {
    let list = read(&root().join(RUNBOOKS).join("README.md")).unwrap();
    for (alert, _) in alerts() {
        assert!(list.contains(&format!("`{alert}`")), "docs/runbooks/README.md lacks {alert}");
    }
}

#[test]
fn a_critical_alert_does_not_wait_longer_than_its_warning() {
    let source = |critical: &str, warning: &str| {
        format!(
            "{{runbooks: u, dashboards: u, counters: [], records: [], alerts: [{{alert: A, runbook: r, dashboard: d, summary: s, \
             description: d, levels: {{critical: {{for: {critical}, expr: a}}, warning: {{for: {warning}, expr: b}}}}}}]}}"
        )
    };
    assert!(render::render(&source("1m", "90s"), Bases::default()).is_ok());
    assert!(render::render(&source("2m", "90s"), Bases::default()).is_err());
    assert!(render::render(&source("x", "90s"), Bases::default()).is_err());
}
