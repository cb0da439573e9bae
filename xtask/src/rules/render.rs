//! From the source to rules.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

const HEAD: &str =
    "# Made by `cargo xtask rules` from alerts.yaml; change that. Tested by the files in tests/.\n";

/// The announcers of a VIP in its window, for an annotation. Labels of the current one would change at every move, and
/// with them the alert.
const ANNOUNCERS: &str = "{{ range $i, $claim := printf \"group by (node, mac, source) \
    (max_over_time(flow_observer_vip_announcer{vip='%s'}[5m]))\" $labels.vip | query }}\
    {{ if $i }}, {{ end }}{{ or .Labels.node .Labels.mac }} ({{ .Labels.source }}){{ else }}nobody{{ end }}";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    runbooks: String,
    counters: Vec<Counter>,
    records: Vec<Record>,
    alerts: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    record: String,
    counter: String,
    window: String,
    by: Vec<String>,
    observer: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Record {
    record: String,
    expr: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Alert {
    alert: String,
    runbook: String,
    summary: String,
    description: String,
    levels: Levels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Levels {
    critical: Option<Level>,
    warning: Option<Level>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    r#for: String,
    expr: String,
}

/// An alert as Prometheus reads it; the order of the fields is that of the file.
#[derive(Debug, Serialize)]
struct AlertRule {
    alert: String,
    expr: String,
    r#for: String,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Debug, Serialize)]
struct Labels {
    severity: &'static str,
}

#[derive(Debug, Serialize)]
struct Annotations {
    summary: String,
    description: String,
    runbook_url: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Rule {
    Record(Record),
    Alert(AlertRule),
}

#[derive(Debug, Serialize)]
struct Group {
    name: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    api_version: &'static str,
    kind: &'static str,
    metadata: serde_json::Value,
    spec: Groups,
}

/// Both files, and the runbooks they link to.
#[derive(Debug)]
pub(super) struct Rendered {
    /// A PrometheusRule.
    pub(super) object: String,
    /// What `rule_files` reads.
    pub(super) plain: String,
    pub(super) runbooks: BTreeSet<String>,
}

pub(super) fn render(source: &str) -> Result<Rendered> {
    let source: Source = serde_yaml_ng::from_str(source)?;
    let runbooks = source.alerts.iter().map(|alert| alert.runbook.clone()).collect();
    let counters = source.counters.iter().map(Counter::rule);
    let mut rules: Vec<Rule> = counters.chain(source.records).map(|r| Rule::Record(r.trimmed())).collect();
    for alert in &source.alerts {
        rules.extend(alert.rules(&source.runbooks)?);
    }
    // One group is evaluated in order: an alert sees what was recorded at the same time.
    let groups = Groups { groups: vec![Group { name: "flow-observer", rules }] };
    let plain = format!("{HEAD}{}", serde_yaml_ng::to_string(&groups)?);
    let object = Object {
        api_version: "monitoring.coreos.com/v1",
        kind: "PrometheusRule",
        metadata: json!({"name": "flow-observer", "labels": {"app.kubernetes.io/name": "flow-observer"}}),
        spec: groups,
    };
    let object = format!("{HEAD}{}", serde_yaml_ng::to_string(&object)?);
    Ok(Rendered { object, plain, runbooks })
}

impl Record {
    fn trimmed(self) -> Self {
        Self { record: self.record, expr: self.expr.trim_end().to_owned() }
    }
}

impl Counter {
    /// A series that appeared within the window counts from zero, if its target was scraped before: after an outage of
    /// Prometheus, counts of weeks are no news.
    fn rule(&self) -> Record {
        let Self { record, counter, window, by, observer } = self;
        let increase = format!(
            "(\n  {counter}\n  unless {counter} offset {window}\n  and on (job, instance) up offset {window} == 1\n)\n\
             or increase({counter}[{window}])"
        );
        let labels = by.join(", ");
        let expr = match observer {
            Some(observer) => {
                format!("max by ({labels}) (sum by ({labels}, {observer}) (\n{}\n))", indent(&increase))
            }
            None => format!("sum by ({labels}) (\n{}\n)", indent(&increase)),
        };
        Record { record: record.clone(), expr }
    }
}

impl Alert {
    fn rules(&self, runbooks: &str) -> Result<Vec<Rule>> {
        let Levels { critical, warning } = &self.levels;
        let mut rules = Vec::new();
        if let Some(critical) = critical {
            rules.push(self.rule(runbooks, "critical", &critical.r#for, critical.expr()));
        }
        if let Some(warning) = warning {
            let expr = match critical {
                None => warning.expr().to_owned(),
                Some(critical) => {
                    // Else nothing would fire while the critical one waits.
                    let waits = (seconds(&critical.r#for)?, seconds(&warning.r#for)?);
                    ensure!(waits.0 <= waits.1, "{}: critical waits longer than warning", self.alert);
                    format!("(\n{}\n) unless (\n{}\n)", indent(warning.expr()), indent(critical.expr()))
                }
            };
            rules.push(self.rule(runbooks, "warning", &warning.r#for, &expr));
        }
        ensure!(!rules.is_empty(), "{}: no levels", self.alert);
        Ok(rules)
    }

    fn rule(&self, runbooks: &str, severity: &'static str, wait: &str, expr: &str) -> Rule {
        Rule::Alert(AlertRule {
            alert: self.alert.clone(),
            expr: expr.to_owned(),
            r#for: wait.to_owned(),
            labels: Labels { severity },
            annotations: Annotations {
                summary: text(&self.summary),
                description: text(&self.description),
                runbook_url: format!("{runbooks}/{}.md", self.runbook),
            },
        })
    }
}

impl Level {
    fn expr(&self) -> &str {
        self.expr.trim_end()
    }
}

/// Writes out the short forms.
fn text(text: &str) -> String {
    let side = |side: &str| {
        format!(
            "{{{{ with $labels.{side}_namespace }}}}{{{{ . }}}}/{{{{ end }}}}{{{{ $labels.{side}_workload }}}}"
        )
    };
    let port = "{{ with $labels.dst_port }}:{{ . }}{{ end }}";
    let vip = "{{ $labels.vip }}{{ with $labels.service }} (Service {{ $labels.service_namespace }}/{{ . }}){{ end }}";
    text.replace("<src>", &side("src"))
        .replace("<dst>", &format!("{}{port}", side("dst")))
        .replace("<vip>", vip)
        .replace("<by>", "by {{ with $labels.policy }}NetworkPolicy {{ . }}{{ else }}policy{{ end }}")
        .replace("<announcers>", ANNOUNCERS)
        .replace("<n>", "{{ printf \"%.0f\" $value }}")
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Of `90s`, `5m`, `1h`.
fn seconds(duration: &str) -> Result<u64> {
    let (number, unit) = duration.split_at(duration.len().saturating_sub(1));
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => anyhow::bail!("`{duration}` is no duration"),
    };
    Ok(number.parse::<u64>()? * unit)
}
