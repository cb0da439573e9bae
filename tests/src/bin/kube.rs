//! The program behind `cargo xtask kube`: `kube DIR start|stop|status|kubectl ARGS`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use lab::kube::standing::Standing;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    run(&args).unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn run(args: &[String]) -> Result<ExitCode> {
    let [dir, what, rest @ ..] = args else { bail!("usage: kube DIR start|stop|status|kubectl ARGS") };
    let server = Standing::new(Path::new(dir))?;
    match what.as_str() {
        "start" => start(&server),
        "stop" => {
            let stopped = server.stop()?;
            say(if stopped { "stopped" } else { "nothing was running" })
        }
        "status" => status(&server),
        "kubectl" => {
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            let status = server.kubectl()?.command(&rest).status().context("start kubectl")?;
            Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
        }
        other => bail!("`{other}` is none of start, stop, status, kubectl"),
    }
}

fn start(server: &Standing) -> Result<ExitCode> {
    let url = server.start()?;
    let kubeconfig = server.admin();
    say(&format!(
        "{url} is ready\n  cargo xtask kube kubectl get namespaces\n  export KUBECONFIG={}\nEnd it with `cargo xtask kube stop`.",
        kubeconfig.display()
    ))
}

/// Prints the status. The exit code is 1 when nothing runs, for scripts.
fn status(server: &Standing) -> Result<ExitCode> {
    let Some(url) = server.url() else {
        say("not running")?;
        return Ok(ExitCode::FAILURE);
    };
    let seconds = server.age().unwrap_or_default().as_secs();
    say(&format!("{url}, for {seconds} s, admin's kubeconfig {}", server.admin().display()))
}

fn say(text: &str) -> Result<ExitCode> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "a command says why it failed")]
fn complain(text: &str) {
    eprintln!("error: {text}");
}
