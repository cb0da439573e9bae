use std::time::Duration;

use clap::Parser;
use rstest::rstest;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;
use crate::client::print::Format;
use crate::client::print::testing::printer;
use crate::commands::tail::tests::{Agent, PATIENCE, Shared, args};

const HOUR: Duration = Duration::from_secs(3_600);

fn intervals(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_replay_ends_with_its_summary() {
    let mut agent = Agent::start("127.0.0.1:0").await;
    agent.push(0..5);
    let args = args(agent.address, &["--since", "1000y", "--no-follow"]);
    let out = Shared::default();
    let printer = printer(out.clone(), Format::Json);
    let never = std::future::pending();
    timeout(PATIENCE, summarise(&args, HOUR, printer, Shared::default(), never)).await.unwrap().unwrap();
    let intervals = intervals(&out.text());
    assert_eq!((intervals.len(), &intervals[0]["pairs"][0]["refused"]), (1, &5.into()));
}

#[tokio::test]
async fn a_stop_prints_the_last_partial_interval() {
    let mut agent = Agent::start("127.0.0.1:0").await;
    agent.push(0..2);
    let args = args(agent.address, &["--since", "1000y"]);
    let (out, (stop, stopped)) = (Shared::default(), oneshot::channel::<()>());
    let printer = printer(out.clone(), Format::Json);
    let every = Duration::from_secs(1);
    let stopped = async { stopped.await.unwrap() };
    let task =
        tokio::spawn(async move { summarise(&args, every, printer, Shared::default(), stopped).await });
    out.until("interval", |text| text.contains("\"refused\":2")).await;
    stop.send(()).unwrap();
    timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
    let intervals = intervals(&out.text());
    assert!(intervals.len() >= 2, "{intervals:?}");
    assert!(intervals.windows(2).all(|pair| pair[0]["end"] == pair[1]["begin"]), "{intervals:?}");
}

#[tokio::test]
async fn without_an_agent_there_is_only_the_error() {
    let address = Agent::start("127.0.0.1:0").await.stop().await;
    let out = Shared::default();
    let printer = printer(out.clone(), Format::Text);
    let stop = std::future::pending();
    assert!(summarise(&args(address, &[]), HOUR, printer, Shared::default(), stop).await.is_err());
    assert_eq!(out.text(), "");
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    tail: TailArgs,
}

#[rstest]
#[case("10s", Some(10))]
#[case("1m 30s", Some(90))]
#[case("1d", Some(86_400))]
#[case("500ms", None)]
#[case("2d", None)]
#[case("ten", None)]
fn intervals_are_durations_of_a_second_to_a_day(#[case] text: &str, #[case] seconds: Option<u64>) {
    let parsed = Cli::try_parse_from(["tail", "--summary", text]).ok().and_then(|cli| cli.tail.summary);
    assert_eq!(parsed.map(|interval| interval.as_secs()), seconds);
}
