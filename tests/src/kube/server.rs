//! etcd and kube-apiserver.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::kubeconfig::{Kubeconfig, User};
use super::kubectl::Kubectl;
use super::pki::Pki;
use super::place::Place;
use super::process::Process;

/// The time that a start gets; 5 s is usual.
const PATIENCE: Duration = Duration::from_secs(90);

/// The range of the lab's Service addresses.
const SERVICE_NET: &str = "10.43.0.0/16";

/// A running API server with RBAC, on loopback. Dropping it kills it.
#[derive(Debug)]
pub struct ApiServer {
    place: Place,
    dir: PathBuf,
    programs: PathBuf,
    pki: Pki,
    ports: Ports,
    // The server before its store.
    server: Option<Process>,
    etcd: Option<Process>,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    api: u16,
    etcd: u16,
    peer: u16,
}

/// Names the directory with kube-apiserver and kubectl of the version under test. etcd comes from the PATH.
const ENV: &str = "FLOW_OBSERVER_KUBE";

/// Returns a program of Kubernetes.
///
/// # Errors
/// Fails when there is none; the message explains where it comes from.
pub fn program(name: &str) -> Result<PathBuf> {
    let hint = "`cargo xtask test` builds Kubernetes and sets it";
    let dir =
        std::env::var_os(ENV).map(PathBuf::from).with_context(|| format!("{ENV} is not set: {hint}"))?;
    let program = dir.join(name);
    ensure!(program.is_file(), "{} is missing, which {ENV} names: {hint}", program.display());
    Ok(program)
}

impl ApiServer {
    /// Starts one with its files in `dir`, and waits until it is ready.
    ///
    /// # Errors
    /// Fails when the server isn't built, ends, or is not ready in time.
    pub fn start(place: &Place, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let dir = std::path::absolute(dir)?;
        let [api, etcd, peer] = place.free_ports()?;
        let mut server = Self {
            place: place.clone(),
            programs: program("kube-apiserver")?.with_file_name(""),
            pki: Pki::make(&dir.join("pki"))?,
            dir,
            ports: Ports { api, etcd, peer },
            server: None,
            etcd: None,
        };
        let (certificate, key) = (server.pki.path("admin.crt"), server.pki.path("admin.key"));
        Kubeconfig { server: server.url(), ca: server.ca(), user: User::Certificate { certificate, key } }
            .write(&server.admin())?;
        server.etcd = Some(Process::start(place, &mut server.etcd_command(), &server.dir.join("etcd.log"))?);
        server.restart()?;
        Ok(server)
    }

    /// Kills the server with SIGKILL: its port refuses and its watches break. Its objects stay.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts the server again, on the same port and with the same objects.
    ///
    /// # Errors
    /// Fails as [`Self::start`] does.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let log = self.dir.join("kube-apiserver.log");
        self.server = Some(Process::start(&self.place, &mut self.server_command(), &log)?);
        self.wait_ready().context("kube-apiserver")
    }

    /// Starts it again with another key for the tokens of accounts, so that older tokens are no longer valid.
    ///
    /// # Errors
    /// Fails as [`Self::restart`] does.
    pub fn restart_with_new_key(&mut self) -> Result<()> {
        self.kill();
        self.pki.accounts()?;
        self.restart()
    }

    /// Runs kubectl as admin.
    ///
    /// # Errors
    /// Fails when kubectl fails; the error holds its output.
    pub fn kubectl(&self, args: &[&str], stdin: Option<&str>) -> Result<String> {
        self.as_admin().run(args, stdin)
    }

    /// Returns kubectl as admin.
    #[must_use]
    pub fn as_admin(&self) -> Kubectl {
        let kubectl = self.programs.join("kubectl");
        Kubectl::new(kubectl, &self.place, &self.admin(), &self.dir.join("kubectl"))
    }

    /// Returns the admin's kubeconfig.
    #[must_use]
    pub fn admin(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    /// Returns the address where it listens.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.api).into()
    }

    /// Returns the address, `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.at())
    }

    /// Returns the certificate of its CA.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.pki.path("ca.crt")
    }

    /// Returns where it runs.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn etcd_at(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.etcd).into()
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn pki(&self) -> &Pki {
        &self.pki
    }

    fn wait_ready(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !self.is_ready() {
            for process in [self.etcd.as_mut(), self.server.as_mut()].into_iter().flatten() {
                process.check()?;
            }
            if crate::wait::interrupted() || Instant::now() > end {
                let log = self.server.as_ref().map(Process::tail).unwrap_or_default();
                bail!("it was not ready within {PATIENCE:?}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let at = self.at();
        self.place.run(|| TcpStream::connect(at)).is_ok()
            && self.kubectl(&["get", "--raw", "/readyz"], None).is_ok()
            // The server makes it itself, as soon as it can give Services their addresses.
            && self.kubectl(&["get", "--raw", "/api/v1/namespaces/default/services/kubernetes"], None).is_ok()
    }

    fn etcd_command(&self) -> Command {
        let client = format!("http://{}", self.etcd_at());
        let peer = format!("http://127.0.0.1:{}", self.ports.peer);
        let mut command = Command::new("etcd");
        command
            .args(["--name", "test", "--log-level", "error"])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}")])
            .arg("--data-dir")
            .arg(self.dir.join("etcd"));
        command
    }

    fn server_command(&self) -> Command {
        let mut command = Command::new(self.programs.join("kube-apiserver"));
        command
            .arg(format!("--etcd-servers=http://{}", self.etcd_at()))
            .arg(format!("--secure-port={}", self.ports.api))
            // Its own address would be among the endpoints of Service `kubernetes`; loopback may not be.
            .args([
                "--bind-address=127.0.0.1",
                "--advertise-address=192.0.2.10",
                "--endpoint-reconciler-type=none",
            ])
            .args(["--authorization-mode=RBAC", "--allow-privileged=true"])
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!("--service-cluster-ip-range={SERVICE_NET}"))
            // It would have every pod wait for a controller that makes accounts.
            .arg("--disable-admission-plugins=ServiceAccount");
        for (flag, file) in [
            ("tls-cert-file", "server.crt"),
            ("tls-private-key-file", "server.key"),
            ("client-ca-file", "ca.crt"),
            ("service-account-key-file", "accounts.pub"),
            ("service-account-signing-key-file", "accounts.key"),
        ] {
            command.arg(format!("--{flag}={}", self.pki.path(file).display()));
        }
        command
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(server) = &self.server
        {
            report(&server.tail());
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows the logs of its servers")]
fn report(log: &str) {
    eprintln!("--- the end of kube-apiserver's log:\n{log}\n---");
}
