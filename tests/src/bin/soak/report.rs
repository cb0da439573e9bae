//! What a run prints: lines while it goes on, a table or JSON at its end.

use std::io::Write as _;

use crate::verdict::{Outcome, total};

/// Reports progress on standard error.
pub(crate) fn progress(line: &str) {
    // A closed terminal is no reason to leave the lab behind.
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}

/// Prints the result on standard output.
pub(crate) fn print(outcome: &Outcome, json: bool) {
    let text = if json { serde_json::to_string(outcome).unwrap_or_default() + "\n" } else { table(outcome) };
    std::io::stdout().write_all(text.as_bytes()).unwrap_or_default();
}

fn table(outcome: &Outcome) -> String {
    let mut text = String::from(
        "| round | connections | per second in bursts | pods/s | policies | followers | API server | RSS MiB | descriptors | links | threads | lost records |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for round in &outcome.rounds {
        let sample = &round.sample;
        text.push_str(&format!(
            "| {} | {} | {:.0} | {:.1} | {} | {} | {} | {:.1} | {} | {} | {} | {} |\n",
            round.number,
            round.connections,
            round.rate,
            round.churn,
            round.policy_changes,
            round.followers,
            if round.outage { "went away" } else { "" },
            sample.rss_kib as f64 / 1024.0,
            total(sample),
            sample.held("bpf_link"),
            sample.threads,
            round.lost,
        ));
    }
    text.push('\n');
    for check in &outcome.checks {
        let mark = if check.passed { "ok  " } else { "FAIL" };
        text.push_str(&format!("{mark} {}: {}\n", check.name, check.detail));
    }
    text
}
