//! Scenarios on a real cluster, with all components. Run by `cargo xtask cluster test`, which starts the cluster.

mod faults;
mod hand_over;
mod helm;
mod incident_one;
mod incident_two;
mod install;
mod one_kernel;
mod quiet;
mod verdicts;

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::real::run(
        &[
            helm::SCENARIOS,
            install::SCENARIOS,
            hand_over::SCENARIOS,
            incident_one::SCENARIOS,
            quiet::SCENARIOS,
            verdicts::SCENARIOS,
            one_kernel::SCENARIOS,
            incident_two::SCENARIOS,
            faults::SCENARIOS,
            faults::LAST,
        ]
        .concat(),
    )
}
