//! Runs all tests: unit tests first, then the scenarios on this machine's kernel.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::background::Background;
use crate::build::{Built, PACKAGES};
use crate::cluster::{self, Tool};
use crate::dist;
use crate::page;
use crate::run::{cargo, need_root, report_step, run};
use crate::setup::{self, Need};

/// Names the task that builds the container image, and the scenarios that need it.
const IMAGE: &str = "image";
/// Names the scenarios that install the archive of a release.
const PLUGIN: &str = "plugin";

/// What the tests use.
const NEEDS: &[Need] = &[
    Need::Linker,
    Need::Probes,
    Need::Lab,
    Need::Keepalived,
    Need::Prometheus,
    Need::Node,
    Need::Etcd,
    Need::Page,
];

#[derive(Args, Debug, Default)]
pub(crate) struct TestArgs {
    /// Run only tests whose name contains this
    filter: Option<String>,
}

/// Builds everything, then runs it. Nothing is skipped.
///
/// # Errors
/// Fails when a test fails, and when the scenarios can't run.
pub(crate) fn run_all(root: &Path, args: &TestArgs) -> Result<()> {
    need_root("the test suite")?;
    cluster::api_server_can_be_had()?;
    Tool::ALL.into_iter().try_for_each(Tool::can_be_had)?;
    let filter: Vec<&str> = args.filter.iter().map(String::as_str).collect();
    // The image takes minutes, so a filter for other tests leaves it out.
    let wanted = |target: &str| args.filter.as_deref().is_none_or(|filter| filter.contains(target));
    report_step(
        "the first run installs what the next lines name, and builds for 5 to 10 minutes on two processors, and \
         Kubernetes, Helm and VictoriaLogs for 12 more; all tests take about 10",
    );
    let (image, built) = setup::meanwhile(root, NEEDS, |progress| {
        let image = if wanted(IMAGE) { Some(Background::start(root, IMAGE, &[])?) } else { None };
        report_step("building the agent and its tests");
        Ok((image, Built::beside(root, progress)?))
    })?;
    page::install(root)?;
    let kubernetes = cluster::api_server(root)?;
    let tools = Tool::ALL.into_iter().map(|tool| Ok((tool.variable(), tool.ensure(root)?)));
    let tools = tools.collect::<Result<Vec<_>>>()?;
    let agent = built.executable("flow-observer")?;
    let tests = Tests { root, filter: &filter, agent, kubernetes: &kubernetes, tools: &tools };
    report_step("unit tests");
    tests.units(built.unit_tests())?;
    if wanted(PLUGIN) {
        dist::for_tests(root)?;
    }
    report_step("scenarios on this kernel");
    // Those of the cluster have a command of their own: `cargo xtask cluster test`.
    let here = |name: &&str| *name != IMAGE && *name != cluster::TESTS;
    let others = tests.scenarios(built.scenarios().into_iter().filter(here));
    if let Some(image) = image {
        report_step("waiting for the image");
        image.wait()?;
    }
    let of_image = tests.scenarios([IMAGE]);
    others.and(of_image)
}

struct Tests<'a> {
    root: &'a Path,
    filter: &'a [&'a str],
    agent: &'a Path,
    kubernetes: &'a Path,
    /// Variables of programs' directories.
    tools: &'a [(&'static str, PathBuf)],
}

impl Tests<'_> {
    /// Runs the tests inside the crates, and the targets `names` that need no lab.
    fn units<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let targets: Vec<_> = names.into_iter().flat_map(|name| ["--test", name]).collect();
        self.run(&[&["--lib", "--bin", "xtask"], &targets[..]].concat(), &[])
    }

    /// Runs the lab's tests one at a time: the drop tracepoint runs for the packets of the whole machine.
    fn scenarios<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let targets: Vec<_> = names.into_iter().flat_map(|name| ["--test", name]).collect();
        self.run(&[&targets, &["--no-fail-fast"][..]].concat(), &["--test-threads=1"])
    }

    fn run(&self, targets: &[&str], options: &[&str]) -> Result<()> {
        let mut test = cargo(self.root, &["test"]);
        test.args(PACKAGES).args(targets).args(self.filter).arg("--").args(options);
        test.env("FLOW_OBSERVER_BIN", self.agent);
        run(test
            .env(cluster::PROGRAMS, self.kubernetes)
            .envs(self.tools.iter().map(|(name, dir)| (name, dir))))
    }
}
