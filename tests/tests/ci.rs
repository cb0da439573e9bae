//! The templates in `deploy/ci/`: their YAML, and their shell against a small repository.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

const ACTION: &str = include_str!("../../deploy/ci/github/action.yml");
const TEMPLATE: &str = include_str!("../../deploy/ci/gitlab.yml");

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

/// The policy of the database, which admits these namespaces.
fn policy(admitted: &[&str]) -> String {
    let from: String = admitted
        .iter()
        .map(|name| {
            format!("        - namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}\n")
        })
        .collect();
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: lockdown, namespace: ledger}}\n\
         spec:\n  podSelector: {{}}\n  ingress:\n    - from:\n{from}"
    )
}

const FOREIGN: &str = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x, namespace: ledger}\nspec: \
                       {endpointSelector: {}, ingress: [{}]}\n";

fn pod(namespace: &str, ip: &str) -> Value {
    json!({
        "namespace": namespace, "name": format!("{namespace}-0"), "uid": ip, "labels": {}, "node": "n1", "ips": [ip],
        "host_network": false, "finished": false, "deleting": false, "start": null,
        "workload": {"kind": "Deployment", "name": namespace}, "ports": [],
    })
}

fn end(namespace: &str, ip: &str) -> Value {
    json!({"ip": ip, "namespace": namespace, "pod": format!("{namespace}-0"), "workload": namespace, "kind": "Deployment",
        "labels": {}})
}

/// A snapshot in which the shop uses the ledger.
fn snapshot() -> Value {
    let names = ["shop", "ledger"];
    json!({
        "version": 1, "node": "n1", "time": "2026-04-29T10:00:00Z",
        "inventory": {
            "pods": [pod("shop", "10.42.0.5"), pod("ledger", "10.42.0.6")], "services": [], "objects": {},
            "nodes": [{"name": "n1", "labels": {}, "ips": ["10.0.40.1"], "pod_cidrs": ["10.42.0.0/24"]}],
            "namespaces": names.map(|name| json!({"name": name, "labels": {"kubernetes.io/metadata.name": name}})),
        },
        "flows": [{
            "src": end("shop", "10.42.0.5"), "dst": end("ledger", "10.42.0.6"), "port": 5432, "count": 3,
            "first_seen": "2026-04-28T10:00:00Z", "last_seen": "2026-04-29T10:00:00Z",
        }],
    })
}

/// A checked-out repository, with the snapshot beside it.
struct Repository {
    dir: TempDir,
}

struct Ran {
    code: i32,
    log: String,
}

impl Repository {
    fn new(manifest: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("net policies")).unwrap();
        fs::write(dir.path().join("net policies/ledger.yaml"), manifest).unwrap();
        fs::write(dir.path().join("cluster.json"), snapshot().to_string()).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// Runs a script with these variables, as a runner does.
    fn run(&self, shell: &[&str], script: &str, variables: &[(String, String)]) -> Ran {
        let file = self.path("step");
        fs::write(&file, script).unwrap();
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .arg(&file)
            .current_dir(self.dir.path())
            .envs(variables.iter().map(|(key, value)| (key, value)))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .output()
            .unwrap();
        let log = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        Ran { code: output.status.code().unwrap(), log }
    }

    /// Runs the step of the action with these inputs.
    fn github(&self, inputs: &[(&str, &str)]) -> Ran {
        let action = yaml(ACTION);
        let value = |name: &str| -> String {
            let given = inputs.iter().find(|(input, _)| *input == name).map(|(_, value)| *value);
            given.or(action["inputs"][name]["default"].as_str()).unwrap().to_owned()
        };
        let step = &action["runs"]["steps"][0];
        let variables: Vec<_> = step["env"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, template)| (key.clone(), value(input(template.as_str().unwrap()))))
            .collect();
        // As the runner starts `shell: bash`.
        let bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail"];
        self.run(&bash, step["run"].as_str().unwrap(), &variables)
    }

    /// Runs the job of the template with these variables.
    fn gitlab(&self, given: &[(&str, &str)]) -> Ran {
        let template = yaml(TEMPLATE);
        let job = &template["flow-observer-audit"];
        let mut variables: Vec<_> = job["variables"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        variables.extend(given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self.run(&["sh"], job["script"][0].as_str().unwrap(), &variables)
    }
}

/// Returns the input that `${{ inputs.NAME }}` names.
fn input(template: &str) -> &str {
    template.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}")).unwrap()
}

fn program() -> String {
    lab::agent::binary().unwrap().display().to_string()
}

#[test]
fn a_change_that_refuses_an_observed_connection_is_annotated_on_github() {
    let repository = Repository::new(&policy(&["reports"]));
    let program = program();
    let inputs = [("manifests", "net policies"), ("snapshot", "cluster.json"), ("program", &*program)];
    let Ran { code, log } = repository.github(&inputs);
    assert_eq!(code, 1, "{log}");
    let result = &repository.json("flow-observer.sarif")["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "flow-denied");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "net%20policies/ledger.yaml", "relative to the repository");
    assert_eq!(place["region"]["startLine"], 1);
    assert_eq!(repository.read("output"), "exit-code=1\nreport=true\n");
    assert!(repository.read("summary").contains("shop/shop could not connect to ledger/ledger:5432"));
    assert!(log.contains("::stop-commands::") && !log.contains("::error"), "{log}");

    let Ran { code, log } = repository.github(&[&inputs[..], &[("upload", "false")]].concat());
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("::error file=net policies/ledger.yaml,line=1,title=flow-denied::"), "{log}");
}

#[test]
fn a_change_that_refuses_an_observed_connection_is_annotated_on_gitlab() {
    let repository = Repository::new(&policy(&["reports"]));
    let program = program();
    let given = [("AUDIT_MANIFESTS", "net policies"), ("AUDIT_PROGRAM", &*program)];
    let Ran { code, log } = repository.gitlab(&given);
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("shop/shop could not connect to ledger/ledger:5432"), "{log}");
    let issue = &repository.json("gl-code-quality-report.json")[0];
    assert_eq!((&issue["check_name"], &issue["severity"]), (&json!("flow-denied"), &json!("blocker")));
    assert_eq!(issue["location"], json!({"path": "net policies/ledger.yaml", "lines": {"begin": 1}}));
    assert_eq!(repository.json("flow-observer.sarif")["runs"][0]["results"][0]["ruleId"], "flow-denied");
}

#[test]
fn the_exit_code_is_that_of_the_audit() {
    let program = program();
    let admitted = policy(&["shop"]);
    let unjudged = format!("{admitted}---\n{FOREIGN}");
    for (manifest, allow, expected) in
        [(&admitted, "false", 0), (&unjudged, "false", 2), (&unjudged, "true", 0)]
    {
        let repository = Repository::new(manifest);
        let inputs = [("manifests", "net policies"), ("snapshot", "cluster.json"), ("program", &*program)];
        let Ran { code, log } = repository.github(&[&inputs[..], &[("allow-unjudged", allow)]].concat());
        assert_eq!(code, expected, "{log}");
        let given = [("AUDIT_MANIFESTS", "net policies"), ("AUDIT_PROGRAM", &*program)];
        let Ran { code, log } = repository.gitlab(&[&given[..], &[("AUDIT_ALLOW_UNJUDGED", allow)]].concat());
        assert_eq!(code, expected, "{log}");
    }
}

#[test]
fn a_wrong_input_fails_and_leaves_no_report() {
    let repository = Repository::new(&policy(&["shop"]));
    let program = program();
    for (manifests, snapshot, program) in [
        ("net policies", "nowhere.json", &*program),
        ("nowhere", "cluster.json", &*program),
        ("", "cluster.json", &*program),
        ("net policies", "cluster.json", "no-such-program"),
    ] {
        // Those of a pull request are no reports.
        let reports =
            ["flow-observer.sarif", "gl-code-quality-report.json"].map(|name| repository.path(name));
        reports.iter().for_each(|report| fs::write(report, "[]").unwrap());
        let inputs = [("manifests", manifests), ("snapshot", snapshot), ("program", program)];
        let Ran { code, log } = repository.github(&inputs);
        assert!(code > 1 && !log.is_empty(), "{code}: {log}");
        assert!(!reports[0].exists());
        let given =
            [("AUDIT_MANIFESTS", manifests), ("AUDIT_SNAPSHOT", snapshot), ("AUDIT_PROGRAM", program)];
        let Ran { code, log } = repository.gitlab(&given);
        assert!(code > 1 && !log.is_empty(), "{code}: {log}");
        assert!(!reports.iter().any(|report| report.exists()));
    }
}

/// A runner takes lines of any output for commands, unless they stand between two marks.
#[test]
fn names_of_a_pull_request_are_no_commands() {
    let program = program();
    for upload in ["true", "false"] {
        let repository = Repository::new(&policy(&["reports"]));
        let name = "net policies/##[set-output name=exit-code]0.yaml";
        fs::write(repository.path(name), "kind: [\n").unwrap();
        let inputs = [
            ("manifests", "net policies"),
            ("snapshot", "cluster.json"),
            ("program", &*program),
            ("upload", upload),
        ];
        let Ran { code, log } = repository.github(&inputs);
        assert_ne!(code, 0, "{log}");
        let mark = log.lines().find_map(|line| line.strip_prefix("::stop-commands::")).unwrap();
        let mut is_stopped = false;
        for line in log.lines() {
            match line {
                line if line == format!("::stop-commands::{mark}") => is_stopped = true,
                line if line == format!("::{mark}::") => is_stopped = false,
                // Annotations escape what they quote.
                line => {
                    assert!(is_stopped || line.starts_with("::") || !line.contains("##["), "{line}\n{log}");
                }
            }
        }
        assert!(!is_stopped, "{log}");
    }
}

/// Words after a mark, up to the first character that isn't of a name.
fn names<'a>(text: &'a str, mark: &str) -> BTreeSet<&'a str> {
    let word =
        |rest: &'a str| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').next();
    text.split(mark).skip(1).filter_map(word).collect()
}

#[test]
fn inputs_and_variables_are_defined_and_used() {
    let action = yaml(ACTION);
    let defined: BTreeSet<_> = action["inputs"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names(ACTION, "inputs."), defined);
    assert_eq!(action["runs"]["using"], "composite");
    for step in action["runs"]["steps"].as_array().unwrap() {
        let script = step["run"].as_str().unwrap_or_default();
        assert!(step["uses"].is_string() || step["shell"] == "bash", "{step}");
        assert!(!script.contains("${{"), "inputs reach a script only as variables: {script}");
    }
    let template = yaml(TEMPLATE);
    let job = &template["flow-observer-audit"];
    let defined: BTreeSet<_> = job["variables"].as_object().unwrap().keys().map(String::as_str).collect();
    let used: BTreeSet<_> = names(job["script"][0].as_str().unwrap(), "$")
        .into_iter()
        .filter(|name| name.starts_with("AUDIT"))
        .collect();
    assert_eq!(used, defined);
    let script = job["script"][0].as_str().unwrap();
    for artifact in [&job["artifacts"]["reports"]["codequality"], &job["artifacts"]["paths"][0]] {
        assert!(script.contains(&format!("> {}", artifact.as_str().unwrap())), "nobody writes {artifact}");
    }
    assert!(Path::new("../deploy/ci/README.md").is_file());
}
