//! The dashboards in `deploy/grafana/`: their queries are about metrics that there are, and links lead to them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Labels that Prometheus adds.
const OF_PROMETHEUS: [&str; 6] = ["instance", "job", "le", "alertname", "alertstate", "severity"];
/// Metrics that Prometheus makes itself.
const OWN: [&str; 2] = ["up", "ALERTS"];
/// Words of the language that the queries use.
const LANGUAGE: [&str; 13] = [
    "by",
    "sum",
    "max",
    "min",
    "count",
    "group",
    "topk",
    "or",
    "rate",
    "increase",
    "vector",
    "histogram_quantile",
    "h",
];
/// Variables that every dashboard of Grafana has.
const BUILT_IN: [&str; 3] = ["__rate_interval", "__range", "datasource"];

/// Returns the labels of every family in docs/METRICS.md.
fn catalogue() -> BTreeMap<String, BTreeSet<String>> {
    let text = read(&root().join("docs/METRICS.md")).unwrap();
    let mut families = BTreeMap::new();
    for part in text.split("\n### `").skip(1) {
        let (name, rest) = part.split_once('`').unwrap();
        let labels = rest.lines().find_map(|line| line.strip_prefix("- Labels: ")).unwrap();
        let named = labels.split("; ").filter_map(|label| label.strip_prefix('`')?.split('`').next());
        families.insert(name.to_owned(), named.map(str::to_owned).collect::<BTreeSet<_>>());
        if rest.contains("- Type: histogram") {
            for part in ["_bucket", "_count", "_sum"] {
                families.insert(format!("{name}{part}"), families[name].clone());
            }
        }
    }
    assert!(families.len() > 30 && families["flow_observer_tcp_rst_total"].contains("phase"));
    families
}

/// Returns the dashboards by the names of their files.
fn all() -> BTreeMap<String, Value> {
    let files = fs::read_dir(root().join(DASHBOARDS)).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_str(&read(&path).unwrap()).unwrap())
        })
        .collect()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(dashboard, "panels").filter(|panel| panel["type"] != "row")
}

fn variables(dashboard: &Value) -> BTreeSet<&str> {
    list(&dashboard["templating"], "list").map(|variable| text(variable, "name")).collect()
}

/// Returns the names in a query; those of Grafana's variables begin with `$`.
fn names(query: &str) -> Vec<String> {
    // What is quoted are values, in which only variables matter.
    let outside = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let quoted = query.split('"').skip(1).step_by(2).filter(|value| value.starts_with('$'));
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '$';
    let words = outside.split(|c| !part(c)).map(str::to_owned).chain(quoted.map(str::to_owned));
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$' || c == '_')).collect()
}

/// Returns what is wrong with the names in a query.
fn unknown(
    query: &str,
    variables: &BTreeSet<&str>,
    catalogue: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let names = names(query);
    let labels: BTreeSet<&String> = names.iter().filter_map(|name| catalogue.get(name)).flatten().collect();
    let is_known = |name: &String| match name.strip_prefix('$') {
        Some(variable) => variables.contains(variable) || BUILT_IN.contains(&variable),
        None => {
            catalogue.contains_key(name)
                || labels.contains(name)
                || [&OWN[..], &OF_PROMETHEUS, &LANGUAGE].concat().contains(&name.as_str())
        }
    };
    names.iter().filter(|name| !is_known(name)).cloned().collect()
}

#[test]
fn a_wrong_name_in_a_query_is_found() {
    let check = |query: &str| unknown(query, &BTreeSet::from(["vip"]), &catalogue());
    assert_eq!(check(r#"max by (vip) (flow_observer_vip_announcer{vip=~"$vip"})"#), [""; 0]);
    assert_eq!(
        check("rate(flow_observer_tcp_rst_totals[$__rate_interval])"),
        ["flow_observer_tcp_rst_totals"]
    );
    assert_eq!(check(r#"flow_observer_tcp_rst_total{fase="x"}"#), ["fase"]);
    assert_eq!(check(r#"flow_observer_vip_announcer{vip="$ip"}"#), ["$ip"]);
    assert_eq!(check("flow_observer_vip_moves_bucket"), ["flow_observer_vip_moves_bucket"]);
}

#[test]
fn queries_are_about_metrics_and_labels_of_the_catalogue() {
    let catalogue = catalogue();
    for (name, dashboard) in all() {
        let variables = variables(&dashboard);
        for panel in panels(&dashboard) {
            let queries: Vec<&str> = list(panel, "targets").map(|target| text(target, "expr")).collect();
            assert!(!queries.is_empty(), "{name}: {}", panel["title"]);
            for query in queries {
                let unknown = unknown(query, &variables, &catalogue);
                assert!(!query.is_empty() && unknown.is_empty(), "{name}: {}: {unknown:?}", panel["title"]);
            }
        }
    }
}

#[test]
fn variables_have_the_values_of_a_label() {
    let catalogue = catalogue();
    for (name, dashboard) in all() {
        for variable in list(&dashboard["templating"], "list") {
            if variable["type"] == "datasource" {
                continue;
            }
            let query = text(&variable["query"], "query");
            let parts = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (series, label) = parts.and_then(|parts| parts.rsplit_once(", ")).unwrap();
            let family = series.split('{').next().unwrap();
            assert!(catalogue[family].contains(label) || label == "instance", "{name}: {query}");
            assert_eq!(unknown(series, &variables(&dashboard), &catalogue), [""; 0], "{name}: {query}");
        }
    }
}

#[test]
fn every_panel_is_explained_has_a_unit_and_asks_the_chosen_prometheus() {
    assert_eq!(all().keys().collect::<Vec<_>>(), ["agents", "overview", "vips", "workload"]);
    for (name, dashboard) in all() {
        assert_eq!(dashboard["uid"], format!("flow-observer-{name}"));
        assert_eq!(dashboard["id"], Value::Null, "{name}: Grafana gives it one");
        assert!(!text(&dashboard, "description").is_empty(), "{name}");
        assert!(variables(&dashboard).contains("datasource"), "{name}");
        let mut titles = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = text(panel, "title");
            assert!(titles.insert(title), "{name}: two panels {title}");
            assert!(text(panel, "description").ends_with('.'), "{name}: {title} has no description");
            assert!(
                !text(&panel["fieldConfig"]["defaults"], "unit").is_empty(),
                "{name}: {title} has no unit"
            );
            for asks in list(panel, "targets").chain([panel]) {
                assert_eq!(asks["datasource"]["uid"], "${datasource}", "{name}: {title}");
            }
        }
    }
}

/// Returns the dashboard and the variables of every link in a text.
fn links(text: &str) -> Vec<(&str, Vec<&str>)> {
    let links = text.split("/d/flow-observer-").skip(1);
    links
        .map(|rest| {
            let link = rest.split(['"', '\n']).next().unwrap();
            let (name, query) = link.split_once('?').unwrap_or((link, ""));
            let set = query.split('&').filter_map(|part| part.strip_prefix("var-")?.split('=').next());
            (name, set.collect())
        })
        .collect()
}

#[test]
fn links_name_dashboards_and_their_variables() {
    let all = all();
    let rules = read(&root().join(DIR).join("rules.plain.yaml")).unwrap();
    let alerts = rules.matches("dashboard_url: ").count();
    assert_eq!(alerts, rules.matches("runbook_url: ").count());
    assert_eq!(alerts, links(&rules).len());
    let texts: Vec<String> = all.values().map(Value::to_string).chain([rules]).collect();
    let found: Vec<_> = texts.iter().flat_map(|text| links(text)).collect();
    assert!(found.len() > alerts, "dashboards link to each other too");
    for (name, set) in found {
        let dashboard = all.get(name).unwrap_or_else(|| panic!("there is no dashboard {name}"));
        let has = variables(dashboard);
        assert!(set.iter().all(|variable| has.contains(variable)), "{name}: {set:?}");
    }
}

#[test]
fn the_base_of_the_dashboard_links_can_be_set() {
    let source = read(&root().join(DIR).join("alerts.yaml")).unwrap();
    let bases = Bases { dashboards: Some("https://grafana.example/d/"), ..Bases::default() };
    let rendered = render::render(&source, bases).unwrap().plain;
    let urls: Vec<&str> =
        rendered.lines().filter_map(|line| line.trim().strip_prefix("dashboard_url: ")).collect();
    assert!(urls.len() > 12);
    assert!(urls.iter().all(|url| url.starts_with("https://grafana.example/d/flow-observer-")), "{urls:?}");
    assert!(
        urls.contains(&"https://grafana.example/d/flow-observer-vips?var-vip={{ $labels.vip }}"),
        "{urls:?}"
    );
}
