//! Real Helm, and the chart in `deploy/helm/`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::manifest::{checkout, documents};

/// Names the directory with Helm.
const ENV: &str = "FLOW_OBSERVER_HELM";
/// Labels of Helm itself, which the manifests for kubectl don't have.
const OWN_LABELS: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

/// Returns the directory of the chart.
#[must_use]
pub fn chart() -> PathBuf {
    checkout("deploy/helm/flow-observer")
}

/// Helm with none of its user's settings.
#[derive(Clone, Debug)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// Returns Helm for what needs no cluster.
    ///
    /// # Errors
    /// Fails when there is none; the message explains where it comes from.
    pub fn from_env() -> Result<Self> {
        let hint = "`cargo xtask test` builds Helm and sets it";
        let dir = std::env::var_os(ENV).with_context(|| format!("{ENV} is not set: {hint}"))?;
        let program = PathBuf::from(dir).join("helm");
        ensure!(program.is_file(), "{} is missing, which {ENV} names: {hint}", program.display());
        Ok(Self { program, kubeconfig: None })
    }

    /// Returns a program that works on a cluster.
    #[must_use]
    pub fn on_cluster(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { program, kubeconfig: Some(kubeconfig) }
    }

    /// Runs Helm and returns its standard output.
    ///
    /// # Errors
    /// Fails when Helm does, and when it warns about something; the message holds all that it printed.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let mut helm = Command::new(&self.program);
        for name in ["CACHE", "CONFIG", "DATA"] {
            helm.env(format!("HELM_{name}_HOME"), checkout("target/helm"));
        }
        helm.env_remove("HELM_NAMESPACE").args(args);
        if let Some(kubeconfig) = &self.kubeconfig {
            helm.arg("--kubeconfig").arg(kubeconfig);
        }
        let output = helm.output().with_context(|| format!("start {}", self.program.display()))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        let quiet = output.status.success() && complained.is_empty() && !printed.contains("[WARNING]");
        ensure!(quiet, "helm {}: {}{complained}", args.join(" "), printed.trim());
        Ok(printed)
    }

    /// Checks the chart with these values, each `name=value`.
    ///
    /// # Errors
    /// Fails when Helm finds something.
    pub fn lint(&self, values: &[&str]) -> Result<()> {
        self.of_chart(&["lint", "--strict"], values).map(drop)
    }

    /// Returns the objects of the chart with these values, as a release in the namespace `default`.
    ///
    /// # Errors
    /// Fails when Helm can't render it.
    pub fn template(&self, values: &[&str]) -> Result<Vec<Value>> {
        self.template_in("default", values)
    }

    /// Returns the objects of a release in this namespace.
    ///
    /// # Errors
    /// Fails when Helm can't render it.
    pub fn template_in(&self, namespace: &str, values: &[&str]) -> Result<Vec<Value>> {
        let text = self.of_chart(&["template", "flow-observer", "--namespace", namespace], values)?;
        documents(&text).context("helm template")
    }

    /// Runs a command of Helm that takes the chart and values, and returns its standard output.
    ///
    /// # Errors
    /// Fails as [`Self::run`] does.
    pub fn of_chart(&self, command: &[&str], values: &[&str]) -> Result<String> {
        let chart = chart().to_string_lossy().into_owned();
        let set = values.iter().flat_map(|value| ["--set", value]);
        let args: Vec<&str> = command.iter().copied().chain([chart.as_str()]).chain(set).collect();
        self.run(&args)
    }
}

/// Returns objects by kind and name, without the labels of Helm.
#[must_use]
pub fn without_own_labels(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let plain = objects.into_iter().map(|mut object| {
        if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.retain(|name, _| !OWN_LABELS.contains(&name.as_str()));
        }
        (format!("{} {}", object["kind"], object["metadata"]["name"]), object)
    });
    plain.collect()
}
