use std::time::Duration;

use clap::Parser;
use flow_model::output::Output;
use rstest::rstest;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::client::print::Format;
use crate::client::print::testing::{look, printer};
use crate::commands::tests::Written;
use crate::sink::testing::{at, finding, resolved};
use crate::sink::{SinkConfig, Sinks};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    findings: FindingsArgs,
}

fn args(url: &str, more: &[&str]) -> FindingsArgs {
    Cli::parse_from(["findings", "--url", url].iter().chain(more)).findings
}

#[tokio::test]
async fn each_change_is_a_line() {
    let (mut sinks, shared) = Sinks::new(&SinkConfig::new("node1".into()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let running = CancellationToken::new();
    tokio::spawn(crate::http::serve(listener, shared, running.clone()));
    let mut emit = |finding: Finding| sinks.emit(Output::Finding(finding.into()), Timestamp::now());

    emit(finding("a", 1));
    let (out, notes, (stop, stopped)) = (Written::default(), Written::default(), oneshot::channel::<()>());
    let (printer, to) = (printer(out.clone(), Format::Json), notes.clone());
    let stopped = async { stopped.await.unwrap() };
    let task = tokio::spawn(async move { watch(&args(&url, &[]), printer, to, stopped).await });
    out.until("finding", |out| out.text().contains("\"present\"")).await;
    emit(finding("b", 2));
    out.until("new one", |out| out.text().contains("\"new\"")).await;
    emit(Finding { summary: "more".into(), ..finding("b", 2) });
    out.until("change", |out| out.text().contains("\"changed\"")).await;
    let now = Timestamp::now();
    emit(Finding { ended: Some(now), last_seen: now, ..resolved(finding("a", 1), 3) });
    out.until("end", |out| out.text().contains("\"resolved\",\"finding\"")).await;
    running.cancel();
    notes.until("note", |notes| notes.text().contains("trying again")).await;
    stop.send(()).unwrap();
    timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();

    let lines: Vec<Value> = out.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<_> =
        lines.iter().map(|line| (line["change"].clone(), line["finding"]["id"].clone())).collect();
    let wanted = [("present", "a"), ("new", "b"), ("changed", "b"), ("resolved", "a")];
    assert_eq!(lines, wanted.map(|(change, id)| (change.into(), id.into())));
}

#[tokio::test]
async fn without_an_agent_there_is_only_the_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (out, notes) = (Written::default(), Written::default());
    let printer = printer(out.clone(), Format::Text);
    assert!(watch(&args(&url, &[]), printer, notes.clone(), std::future::pending()).await.is_err());
    assert_eq!((out.text(), notes.text()), (String::new(), String::new()));
}

#[rstest]
#[case(Change::Present, "active")]
#[case(Change::New, "new")]
#[case(Change::Changed, "changed")]
fn text_has_the_change_and_the_sentence(#[case] change: Change, #[case] word: &str) {
    let finding = Finding { summary: "a\nb".into(), ..finding("a", 1) };
    let line = Line { time: at(0), change, finding: &finding };
    let text = Text { line: &line, look: &look(false) }.to_string();
    assert_eq!(text, format!("2026-11-18 11:06:40  {word:8}  policy_denied         a?b\n"));
}

#[test]
fn an_end_has_its_reason() {
    let finding = resolved(finding("a", 1), 2);
    let line = Line { time: at(0), change: Change::Resolved, finding: &finding };
    let text = Text { line: &line, look: &look(false) }.to_string();
    assert!(
        text.ends_with("  resolved  policy_denied         summary of a (the policies allow it)\n"),
        "{text}"
    );
}

#[test]
fn a_state_limits_what_is_printed() {
    let changes = [(Change::New, finding("a", 1)), (Change::Resolved, resolved(finding("b", 1), 2))];
    let out = Written::default();
    let args = args("http://127.0.0.1:1", &["--state", "resolved"]);
    print(&args, &changes, &mut printer(out.clone(), Format::Text)).unwrap();
    assert!(out.text().lines().count() == 1 && out.text().contains("summary of b"), "{}", out.text());
}
