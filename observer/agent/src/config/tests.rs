mod checks;

use std::path::Path;

use clap::builder::Resettable;
use clap::{Args as _, Command, FromArgMatches as _};
use rstest::rstest;

use super::*;
use crate::commands::run::RunArgs;

/// Returns the error of a file with this text, without the file's name.
fn error(text: &str) -> String {
    let error = File::parse(Path::new("flow-observer.toml"), text).unwrap_err().to_string();
    error.strip_prefix("flow-observer.toml: ").expect("the file is named").to_owned()
}

/// Returns the settings by these flags and a file with this text.
fn merged(flags: &[&str], text: &str) -> Options {
    let file = File::parse(Path::new("flow-observer.toml"), text).unwrap();
    let command = Options::augment_args(Command::new("run").no_binary_name(true));
    let command = command.mut_args(|arg| arg.env(Resettable::Reset));
    Options::from_arg_matches(&file.apply(command).get_matches_from(flags)).unwrap()
}

#[test]
fn flags_take_precedence_over_the_file() {
    let file = "listen = \"127.0.0.1:1\"\nnode_name = \"file\"\ncluster = \"dir:/x\"\nattach = \"clsact\"\n\
                auth = \"token\"\ntoken_file = \"/t\"\ntls_cert = \"/c\"\ntls_key = \"/k\"\n\
                vip = [\"10.0.0.1\", \"fd00::1\"]\nuplink = [\"eth0\"]\nno_kube_events = true\nmax_series = 7";
    let both = merged(&["--node-name", "flag", "--max-series=8"], file);
    assert_eq!((both.node_name.as_deref(), both.max_series), (Some("flag"), 8));
    assert_eq!(both.listen, "127.0.0.1:1".parse().unwrap());
    assert_eq!(both.cluster, ClusterSource::Dir("/x".into()));
    assert_eq!((both.attach, both.auth), (AttachMode::Clsact, AuthMode::Token));
    assert_eq!(both.vip, ["10.0.0.1".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
    assert_eq!((both.uplink, both.no_kube_events), (vec!["eth0".to_owned()], true));
    let files =
        [both.token_file, both.tls_cert, both.tls_key].map(|file| file.unwrap().display().to_string());
    assert_eq!(files, ["/t", "/c", "/k"]);
    assert_eq!(merged(&["--vip", "10.0.0.9"], file).vip, ["10.0.0.9".parse::<IpAddr>().unwrap()]);
}

/// A file with every setting, each of which differs from its default.
const EVERY_SETTING: &str = "
attach = 'clsact'
auth = 'token'
burst_floor = 6
burst_window = '11s'
cluster = 'dir:/objects'
enforcer = 'kube-router'
enforcement_grace = '16s'
enforcer_log = 'off'
flap_moves = 4
flap_window = '6m'
flood_rate = 101
kube_retry = '31s'
kube_silence = '91s'
kubeconfig = '/kubeconfig'
listen = '127.0.0.1:1'
max_series = 7
no_kube_events = true
node_name = 'n1'
otlp_ca_file = '/ca'
otlp_endpoint = 'http://vl:9428/insert/opentelemetry'
otlp_headers = 'x-scope=a'
otlp_headers_file = '/headers'
otlp_interval = '2s'
otlp_logs_endpoint = 'https://logs.example/v1/logs'
otlp_queue_bytes = 65536
otlp_resource_attributes = 'k8s.cluster.name=c'
otlp_timeout = '3s'
pair_map_entries = 8
pin_dir = '/sys/fs/bpf/other'
probe_log = 'debug'
record = '/record'
resolve_after = '12m'
ring_bytes = 8192
scan_targets = 21
state_dir = '/state'
tail_records = 9
tls_cert = '/cert'
tls_key = '/key'
token_file = '/token'
uplink = ['eth0', 'eth1']
vip = ['10.0.0.1', 'fd00::1']
";

/// Returns what one would write after the flag for this value of the file.
fn after_the_flag(value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::Array(items) => items.iter().flat_map(after_the_flag).collect(),
        toml::Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

#[test]
fn the_file_accepts_every_argument_of_run() {
    let table: toml::Table = toml::from_str(EVERY_SETTING).unwrap();
    let file = File::parse(Path::new("flow-observer.toml"), EVERY_SETTING).unwrap();
    let command = RunArgs::augment_args(Command::new("run").no_binary_name(true));
    let command = command.mut_args(|arg| arg.env(Resettable::Reset));
    let matches = file.apply(command.clone()).get_matches_from([""; 0]);
    // The file itself can't be named in the file.
    for id in command.get_arguments().map(|arg| arg.get_id().as_str()).filter(|id| *id != "config") {
        let value = table.get(id).unwrap_or_else(|| panic!("EVERY_SETTING lacks `{id}`"));
        let used: Vec<_> = matches.get_raw(id).unwrap().map(|text| text.to_str().unwrap()).collect();
        assert_eq!(used, after_the_flag(value), "{id}");
    }
    assert_eq!(merged(&[], "vip = []\nuplink = []").vip, Vec::<IpAddr>::new());
}

/// Returns the type of a value in TOML by what it looks like after the flag.
fn natural_type(text: &str) -> &'static str {
    match text {
        _ if text.parse::<i64>().is_ok() => "integer",
        _ if text.parse::<f64>().is_ok() => "float",
        _ if text.parse::<bool>().is_ok() => "boolean",
        _ => "string",
    }
}

/// Numbers and switches have no quotes in the file, everything else has. A flag of another type of number would need them
/// until the file's reader knows that type.
#[test]
fn each_argument_has_the_type_in_the_file_that_its_value_has() {
    let table: toml::Table = toml::from_str(EVERY_SETTING).unwrap();
    for (key, value) in &table {
        for item in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
            let [text] = &after_the_flag(item)[..] else { panic!("{key}") };
            assert_eq!(item.type_str(), natural_type(text), "{key}");
        }
    }
}

#[test]
fn the_file_gives_the_same_values_as_the_flags() {
    let table: toml::Table = toml::from_str(EVERY_SETTING).unwrap();
    let flag = |(key, value): (&String, &toml::Value)| match value {
        toml::Value::Boolean(true) => vec![format!("--{}", key.replace('_', "-"))],
        value => after_the_flag(value)
            .into_iter()
            .map(|text| format!("--{}={text}", key.replace('_', "-")))
            .collect(),
    };
    let flags: Vec<String> = table.iter().flat_map(flag).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let again = toml::to_string(&table).unwrap();
    for text in [EVERY_SETTING, &again] {
        assert_eq!(format!("{:#?}", merged(&[], text)), format!("{:#?}", testing::options(&flags)));
    }
}

#[test]
fn the_environment_stands_between_flags_and_the_file() {
    let file =
        File::parse(Path::new("flow-observer.toml"), "node_name = \"file\"\nresolve_after = \"7m\"").unwrap();
    // PATH is a variable that every test has.
    let command = Options::augment_args(Command::new("run").no_binary_name(true));
    let command = file.apply(command.mut_arg("node_name", |arg| arg.env("PATH")));
    let read = |flags: &[&str]| Options::from_arg_matches(&command.clone().get_matches_from(flags)).unwrap();
    assert_eq!(read(&[]).node_name, std::env::var("PATH").ok());
    assert_eq!(read(&["--node-name=flag"]).node_name.as_deref(), Some("flag"));
    assert_eq!(read(&[]).resolve_after, SignedDuration::from_mins(7));
}

#[test]
fn defaults_are_those_of_the_parts() {
    let (options, engine) = (testing::options(&[]), EngineConfig::default());
    assert_eq!(options.enforcement_grace, engine.enforcement.grace);
    assert_eq!(options.burst_window, engine.bursts.window);
    assert_eq!(options.kube_silence.unsigned_abs(), Patience::default().silence);
    assert_eq!(options.cluster, ClusterSource::None);
    let help = Options::augment_args(Command::new("run")).render_long_help().to_string();
    for default in
        ["[default: 15s]", "[default: 10m]", "[default: 1m30s]", "[default: 2000]", "[default: none]"]
    {
        assert!(help.contains(default), "{default}: {help}");
    }
}

#[rstest]
#[case("listne = \"127.0.0.1:1\"", "`listne`: unknown key; did you mean `listen`?")]
#[case("checks = 1", "`checks`: unknown key; did you mean `check`?")]
#[case("zzz = 1", "`zzz`: unknown key; `flow-observer run --help` lists the settings")]
#[case("config = \"x\"", "`config`: unknown key")]
#[case("cluster = \"dir:\"", "`cluster`: expected `kube`, `none` or `dir:PATH`")]
#[case("ring_bytes = 5000", "`ring_bytes`: expected a power of two")]
#[case("pair_map_entries = 0", "`pair_map_entries`: 0 is not in 1..=4194304")]
#[case("pair_map_entries = 4194305", "`pair_map_entries`: 4194305 is not in 1..=4194304")]
#[case("tail_records = 0", "`tail_records`: 0 is not in 1..=16777216")]
#[case("tail_records = 16777217", "`tail_records`: 16777217 is not in 1..=16777216")]
#[case("max_series = 0", "`max_series`: 0 is not in 1..=1000000")]
#[case("max_series = 1000001", "`max_series`: 1000001 is not in 1..=1000000")]
#[case("max_series = -1", "`max_series`: ")]
#[case("max_series = 1.5", "`max_series`: has the type float instead of integer")]
#[case("max_series = [1]", "`max_series`: has the type array instead of integer")]
#[case("max_series = \"7\"", "`max_series`: has the type string instead of integer")]
#[case("ring_bytes = \"8192\"", "`ring_bytes`: has the type string instead of integer")]
#[case("flap_moves = true", "`flap_moves`: has the type boolean instead of integer")]
#[case("node_name = true", "`node_name`: has the type boolean instead of string")]
#[case("node_name = 7", "`node_name`: has the type integer instead of string")]
#[case("token_file = 7", "`token_file`: has the type integer instead of string")]
#[case("auth = false", "`auth`: has the type boolean instead of string")]
#[case("vip = \"10.0.0.1\"", "`vip`: has the type string instead of array")]
#[case("uplink = [7]", "`uplink`: has the type integer instead of string")]
#[case("no_kube_events = \"true\"", "`no_kube_events`: has the type string instead of boolean")]
#[case("no_kube_events = 1", "`no_kube_events`: has the type integer instead of boolean")]
#[case("enforcement_grace = \"soon\"", "`enforcement_grace`: `soon` is not a duration like 90s, 5m or 1h30m")]
#[case("enforcement_grace = 15", "`enforcement_grace`: has the type integer instead of string")]
#[case("attach = \"xdp\"", "`attach`: `xdp` is not one of auto, tcx, clsact")]
#[case("auth = \"basic\"", "`auth`: `basic` is not one of auto, none, kube, token")]
#[case("token_file = \"\"", "`token_file`: a value is missing")]
#[case("vip = [\"ten\"]", "`vip`: invalid IP address syntax")]
#[case("vip = [[\"ten\"]]", "`vip`: has the type array instead of string")]
#[case("flap_moves = 65", "`flap_moves`: 65 is not in 1..=64")]
#[case("flood_rate = 0", "`flood_rate`: 0 is not in 1..")]
#[case("scan_targets = 1", "`scan_targets`: 1 is not in 2..=1000")]
#[case("burst_floor = 0", "`burst_floor`: 0 is not in 1..")]
#[case("kube_retry = \"0s\"", "`kube_retry`: expected 1s or more")]
#[case("kube_silence = \"10ms\"", "`kube_silence`: expected 1s or more")]
#[case("burst_window = \"1500ms\"", "`burst_window`: expected whole seconds, from 1s to 5m")]
#[case("listen = ", "TOML parse error at line 1")]
fn errors_name_file_key_and_reason(#[case] text: &str, #[case] expected: &str) {
    let error = error(text);
    assert!(error.starts_with(expected), "{text}: {error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = File::read(Path::new("/nowhere/flow-observer.toml")).unwrap_err().to_string();
    assert!(
        error.starts_with("the config file /nowhere/flow-observer.toml can't be read: No such file"),
        "{error}"
    );
}
