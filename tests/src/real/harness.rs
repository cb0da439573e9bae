//! Runs the scenarios one after the other, and holds the list of known faults to what really fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use super::Cluster;
use crate::wait;

/// One scenario: a sentence that a user would recognise, and the test.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The sentence, with underscores.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&Cluster) -> Result<()>,
    /// The fault that makes it fail for now.
    pub known_fault: Option<KnownFault>,
}

/// A fault that is known and not mended yet.
#[derive(Clone, Copy, Debug)]
pub struct KnownFault {
    /// Its name in the list of known faults.
    pub name: &'static str,
    /// A part of the scenario's error by which the fault shows. Another error is another fault.
    pub shows: &'static str,
}

/// Runs the scenarios that the arguments select. Scenarios with a known fault must fail: when one passes, its entry in
/// the list is out of date, and that is a failure too.
#[must_use]
pub fn run(scenarios: &[Scenario]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share one cluster.
    arguments.test_threads = Some(1);
    let trials = scenarios.iter().map(|scenario| {
        let scenario = *scenario;
        Trial::test(scenario.name, move || verdict(&scenario))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn verdict(scenario: &Scenario) -> Result<(), Failed> {
    wait::heed_signals().map_err(|error| format!("{error:#}"))?;
    let cluster = Cluster::from_env().map_err(|error| format!("{error:#}"))?;
    let result = match catch_unwind(AssertUnwindSafe(|| (scenario.run)(&cluster))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(panic) => Err(message(&*panic)),
    };
    expected(scenario.known_fault, result).map_err(Failed::from)
}

/// What counts: a known fault must show as it is known, and nothing else may.
fn expected(known_fault: Option<KnownFault>, result: Result<(), String>) -> Result<(), String> {
    match (known_fault, result) {
        (Some(KnownFault { name, .. }), Ok(())) => {
            Err(format!("it passes, although {name} is listed as a known fault: remove it from the list"))
        }
        (Some(KnownFault { shows, .. }), Err(error)) if error.contains(shows) => Ok(()),
        (Some(KnownFault { name, .. }), Err(error)) => Err(format!("it fails, but not by {name}: {error}")),
        (None, result) => result,
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

#[cfg(test)]
mod tests;
