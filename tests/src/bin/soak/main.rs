//! Loads an agent for minutes with everything that wears: bursts of connections, pods that come and go, policies that
//! change, followers that vanish, and an API server that goes away. It fails when the agent's memory grows, when
//! descriptors, links or map entries stay behind, when a count is wrong, or when a part of the agent no longer works.

mod args;
mod churn;
mod followers;
mod objects;
mod outage;
mod report;
mod round;
mod sample;
mod stage;
mod storm;
mod verdict;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use lab::kube::ApiServer;
use lab::wait;

use args::Args;
use churn::Churn;
use report::progress;
use round::Round;
use sample::Sample;
use stage::Stage;
use verdict::Outcome;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(usage) => {
            progress(&usage);
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(outcome) => {
            report::print(&outcome, args.json);
            if outcome.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(_) if wait::interrupted() => ExitCode::from(130),
        Err(error) => {
            progress(&format!("soak: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Outcome> {
    progress("starting an API server, a node and its agent");
    let (stage, mut api) = Stage::build()?;
    let outcome = soak(args, &stage, &mut api).map_err(|error| error.context(stage.last_words()))?;
    stage.agent.stop().context("the agent's end")?;
    Ok(outcome)
}

fn soak(args: &Args, stage: &Stage, api: &mut ApiServer) -> Result<Outcome> {
    let began = Instant::now();
    let empty = Sample::take(stage, began)?;
    progress(&format!("starting {} pods", args.pods));
    let mut churn = Churn::fill(stage, args.pods).context("the pods could not be started")?;
    let mut rounds = Vec::new();
    let load = Instant::now();
    while load.elapsed() < args.length() {
        let round = Round::play(stage, api, &mut churn, args, rounds.len(), began)?;
        progress(&round.to_string());
        rounds.push(round);
    }
    progress("stopping all pods but those of the load");
    churn.empty(stage)?;
    let end = Sample::take_like(&empty, stage, began)?;
    let log = verdict::complaints(&stage.agent.log());
    Ok(Outcome::judge(args, empty, rounds, end, &log))
}
