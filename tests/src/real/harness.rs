//! Runs the scenarios one after the other, and holds the list of known faults to what really fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use super::Cluster;
use crate::wait;

/// The number of characters of an accepted error that are printed.
const SHOWN: usize = 200;

/// One scenario: a sentence that a user would recognise, and the test.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    name: &'static str,
    needs: fn(&Cluster) -> Result<()>,
    run: fn(&Cluster) -> Result<()>,
    known_fault: Option<KnownFault>,
}

/// A fault that is known and not mended yet.
#[derive(Clone, Copy, Debug)]
pub struct KnownFault {
    /// Its name in the list of known faults.
    pub name: &'static str,
    /// A part of the scenario's error by which the fault shows. Another error is another fault.
    pub shows: &'static str,
}

impl Scenario {
    /// Returns a scenario: a sentence with underscores, what installs what it needs unless it is there, and the test.
    #[must_use]
    pub const fn new(
        name: &'static str,
        needs: fn(&Cluster) -> Result<()>,
        run: fn(&Cluster) -> Result<()>,
    ) -> Self {
        Self { name, needs, run, known_fault: None }
    }

    /// Names the fault that makes it fail for now.
    #[must_use]
    pub const fn known_to_fail(self, fault: KnownFault) -> Self {
        Self { known_fault: Some(fault), ..self }
    }
}

/// Runs the scenarios that the arguments select. Scenarios with a known fault must fail: when one passes, its entry in
/// the list is out of date, and that is a failure too. Failures that were accepted are printed at the end.
#[must_use]
pub fn run(scenarios: &[Scenario]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share one cluster.
    arguments.test_threads = Some(1);
    let (accepted, all_accepted) = mpsc::channel();
    let trials = scenarios.iter().map(|scenario| {
        let (scenario, accepted) = (*scenario, accepted.clone());
        Trial::test(scenario.name, move || {
            if let Some(error) = verdict(&scenario)? {
                accepted.send((scenario, error))?;
            }
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    all_accepted.try_iter().for_each(|(scenario, error)| report_accepted(&scenario, &error));
    conclusion.exit_code()
}

#[expect(clippy::print_stdout, reason = "it belongs to the list of results")]
fn report_accepted(scenario: &Scenario, error: &str) {
    let fault = scenario.known_fault.map_or("", |fault| fault.name);
    let line = error.lines().next().unwrap_or_default();
    let shown: String = line.chars().take(SHOWN).collect();
    println!("accepted, {fault} is known: {}: {shown}", scenario.name);
}

/// Returns the error of a known fault.
fn verdict(scenario: &Scenario) -> Result<Option<String>, Failed> {
    wait::heed_signals().map_err(|error| format!("{error:#}"))?;
    let cluster = Cluster::from_env().map_err(|error| format!("{error:#}"))?;
    guarded(|| (scenario.needs)(&cluster)).map_err(|error| format!("what it needs: {error}"))?;
    expected(scenario.known_fault, guarded(|| (scenario.run)(&cluster))).map_err(Failed::from)
}

/// Runs a part of a scenario; a panic is an error like others.
fn guarded(part: impl FnOnce() -> Result<()>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(part)) {
        Ok(result) => result.map_err(|error| format!("{error:#}")),
        Err(panic) => Err(message(&*panic)),
    }
}

/// What counts: a known fault must show as it is known, and nothing else may. Returns the error of a known fault.
fn expected(known_fault: Option<KnownFault>, result: Result<(), String>) -> Result<Option<String>, String> {
    match (known_fault, result) {
        (Some(KnownFault { name, .. }), Ok(())) => {
            Err(format!("it passes, although {name} is listed as a known fault: remove it from the list"))
        }
        (Some(KnownFault { shows, .. }), Err(error)) if error.contains(shows) => Ok(Some(error)),
        (Some(KnownFault { name, .. }), Err(error)) => Err(format!("it fails, but not by {name}: {error}")),
        (None, result) => result.map(|()| None),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

#[cfg(test)]
mod tests;
