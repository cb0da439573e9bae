//! Keys, certificates and tokens of one cluster.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::place::{API, Place};
use crate::run::capture;

/// Users besides the kubelets: name, user, groups.
const USERS: [(&str, &str, &str); 5] = [
    ("admin", "admin", "system:masters"),
    ("controllers", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("proxy", "system:kube-proxy", ""),
    ("router", "kube-router", "system:masters"),
];

/// Writes everything below `pki/`: `ca.crt`, `server.{crt,key}`, `sa.key`, `tokens.csv` and a kubeconfig for each user.
pub(super) fn write(place: &Place, nodes: &[String]) -> Result<()> {
    let dir = place.dir().join("pki");
    fs::create_dir(&dir)?;
    certificates(&dir)?;
    let kubelets = nodes.iter().map(|node| (node.clone(), format!("system:node:{node}"), "system:nodes"));
    let users = USERS.iter().map(|(name, user, groups)| ((*name).to_owned(), (*user).to_owned(), *groups));
    let mut tokens = String::new();
    for (name, user, groups) in users.chain(kubelets) {
        let token = token()?;
        tokens.push_str(&format!("{token},{user},{name},\"{groups}\"\n"));
        write_private(&dir.join(format!("{name}.token")), &token)?;
        write_private(&place.kubeconfig(&name), &kubeconfig(&dir, (API, 6443).into(), &token))?;
    }
    write_private(&dir.join("tokens.csv"), &tokens)
}

/// Writes the administrator's kubeconfig by another address of the API server.
pub(super) fn write_admin(place: &Place, address: SocketAddr) -> Result<()> {
    let dir = place.dir().join("pki");
    let token = fs::read_to_string(dir.join("admin.token"))?;
    write_private(&place.dir().join("kubeconfig"), &kubeconfig(&dir, address, &token))
}

/// Writes a new file that only its owner can read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

fn certificates(dir: &Path) -> Result<()> {
    let names = format!(
        "subjectAltName=IP:{},IP:{API},IP:10.43.0.1,DNS:localhost,DNS:kubernetes.default.svc\n\
         extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n",
        Ipv4Addr::LOCALHOST
    );
    fs::write(dir.join("server.ext"), names)?;
    for command in [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=lab-ca -days 30",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=kube-apiserver",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext -out server.crt",
        "genrsa -out sa.key 2048",
    ] {
        capture(Command::new("openssl").current_dir(dir).args(command.split(' ')))?;
    }
    Ok(())
}

fn token() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn kubeconfig(dir: &Path, server: SocketAddr, token: &str) -> String {
    let ca = dir.join("ca.crt");
    format!(
        "apiVersion: v1\nkind: Config\n\
         clusters: [{{name: lab, cluster: {{server: \"https://{server}\", certificate-authority: \"{}\"}}}}]\n\
         users: [{{name: lab, user: {{token: \"{token}\"}}}}]\n\
         contexts: [{{name: lab, context: {{cluster: lab, user: lab}}}}]\ncurrent-context: lab\n",
        ca.display()
    )
}
