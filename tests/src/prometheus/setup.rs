//! Prometheus and Alertmanager with the rules that ship: their files, arguments and addresses.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{RULES, hurried};

/// The address of Prometheus, in the namespace that it has for this.
pub(crate) const PROMETHEUS: SocketAddr = local(9090);
/// The address of Alertmanager.
pub(crate) const ALERTMANAGER: SocketAddr = local(9093);
/// The address of what receives its notifications.
pub(crate) const RECEIVER: SocketAddr = local(9095);

const fn local(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// A server to be started.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) program: &'static str,
    pub(crate) args: [String; 4],
    pub(crate) at: SocketAddr,
}

/// Returns an Alertmanager that passes every alert on at once, and its end. Its files are in `dir`.
///
/// # Errors
/// Fails when its configuration can't be written.
pub(crate) fn alertmanager(dir: &Path) -> Result<Server> {
    let config = dir.join("alertmanager.yml");
    let receiver = json!({
        "name": "test",
        "webhook_configs": [{"url": format!("http://{RECEIVER}/"), "send_resolved": true}],
    });
    let route = json!({
        "receiver": "test", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h",
    });
    write(&config, &json!({"route": route, "receivers": [receiver]}))?;
    let args = [
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", dir.join("alertmanager").display()),
        format!("--web.listen-address={ALERTMANAGER}"),
        "--cluster.listen-address=".to_owned(),
    ];
    Ok(Server { program: "prometheus-alertmanager", args, at: ALERTMANAGER })
}

/// Returns a Prometheus that scrapes these targets (`static_configs`) and has the rules, shortened. Its files are in `dir`.
///
/// # Errors
/// Fails when the rules can't be read, or its files can't be written.
pub(crate) fn prometheus(dir: &Path, scraped: &[Value]) -> Result<Server> {
    let rules = dir.join("rules.yaml");
    fs::write(&rules, hurried(&fs::read_to_string(RULES).context(RULES)?))?;
    let config = dir.join("prometheus.yml");
    let alertmanagers = json!([{"static_configs": [{"targets": [ALERTMANAGER.to_string()]}]}]);
    let settings = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules],
        "alerting": {"alertmanagers": alertmanagers},
        "scrape_configs": [{"job_name": "flow-observer", "static_configs": scraped}],
    });
    write(&config, &settings)?;
    let args = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", dir.join("prometheus").display()),
        format!("--web.listen-address={PROMETHEUS}"),
        "--rules.alert.resend-delay=1s".to_owned(),
    ];
    Ok(Server { program: "prometheus", args, at: PROMETHEUS })
}

fn write(path: &Path, config: &Value) -> Result<()> {
    fs::write(path, serde_yaml_ng::to_string(config)?).with_context(|| path.display().to_string())
}
