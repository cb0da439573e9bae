//! The way in which requests reach a guarded agent: its certificate is checked, and a token is sent.

#[cfg(test)]
mod tests;
mod tls;

use std::env;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use hyper::header::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

/// The variable that holds a token itself, for environments where no file can be mounted.
const TOKEN: &str = "FLOW_OBSERVER_TOKEN";

/// Holds the options for agents that are guarded.
#[derive(Args, Clone, Debug, Default)]
pub struct ConnectArgs {
    /// Bearer token for the agent: the first line of FILE, read for each request. Without this option,
    /// FLOW_OBSERVER_TOKEN may hold the token itself
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// CA that signed the agent's certificate, PEM [default: the system's]
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOW_OBSERVER_CA_FILE",
        conflicts_with = "insecure_skip_tls_verify"
    )]
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate: everybody on the network path can then read the token and forge the answers
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
}

/// The reason why no connection can be prepared.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file that an option names can't be read.
    #[error("{} can't be read: {source}", path.display())]
    File {
        /// The path as given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The token can't be sent in a header.
    #[error("{0} holds no bearer token")]
    Token(String),
    /// There is no CA to trust.
    #[error("{0}; --ca-file names the CA that signed the agent's certificate")]
    Roots(String),
    /// No certificate can be issued for this name.
    #[error("`{0}` is no host name or address, so that no certificate can be for it")]
    Name(String),
    /// The TLS library rejects these settings.
    #[error("TLS can't be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// The source of the token.
#[derive(Clone)]
enum Token {
    None,
    Fixed(HeaderValue),
    /// A file that is read for each request: tokens of pods are renewed every hour, and a tail runs for longer.
    File(PathBuf),
}

/// Prepares connections according to the options.
#[derive(Clone)]
pub(crate) struct Connector {
    token: Token,
    /// The TLS settings, with the name that the agent's certificate must have.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A stream that carries HTTP.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Connector {
    /// Reads the options. Prints a warning on standard error where they expose the token.
    pub(crate) fn new(args: &ConnectArgs, https: bool, host: &str) -> Result<Self, ConnectError> {
        let fixed = env::var(TOKEN).ok().filter(|token| !token.trim().is_empty());
        let token = match (&args.token_file, fixed) {
            (Some(path), _) => Token::File(path.clone()),
            (None, Some(token)) => Token::Fixed(bearer(token.trim(), TOKEN)?),
            (None, None) => Token::None,
        };
        if let Some(warning) = warning(args, https, host, !matches!(token, Token::None)) {
            anstream::eprintln!("warning: {warning}");
        }
        let tls = if https { Some(tls_connector(args, host)?) } else { None };
        Ok(Self { token, tls })
    }

    /// Returns the header that a request carries, if there is a token.
    ///
    /// # Errors
    /// Fails when the file can't be read or holds no token.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, ConnectError> {
        match &self.token {
            Token::None => Ok(None),
            Token::Fixed(value) => Ok(Some(value.clone())),
            Token::File(path) => {
                let text = read(path)?;
                let text = String::from_utf8_lossy(&text);
                let token = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
                bearer(token, &path.display().to_string()).map(Some)
            }
        }
    }

    /// Returns true when requests carry a token.
    pub(crate) fn has_token(&self) -> bool {
        !matches!(self.token, Token::None)
    }

    /// Puts TLS on a connection, if the agent is asked by HTTPS.
    ///
    /// # Errors
    /// Fails when the handshake fails; the text names the remedy.
    pub(crate) async fn over(&self, stream: Box<dyn Wire>) -> io::Result<Box<dyn Wire>> {
        let Some((tls, name)) = &self.tls else { return Ok(stream) };
        Ok(Box::new(tls.connect(name.clone(), stream).await.map_err(tls::with_remedy)?))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

/// Returns TLS as the options want it, and the name that the certificate of this host must have.
///
/// # Errors
/// Fails when certificates can't be read, or none can be for this host.
pub(crate) fn tls_connector(
    args: &ConnectArgs,
    host: &str,
) -> Result<(TlsConnector, ServerName<'static>), ConnectError> {
    Ok((tls::connector(args)?, name(host)?))
}

fn warning(args: &ConnectArgs, https: bool, host: &str, token: bool) -> Option<&'static str> {
    let is_local =
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
    if https && args.insecure_skip_tls_verify {
        return Some(
            "--insecure-skip-tls-verify: the agent's certificate is not checked; everybody on the network path can read \
             the token and forge the answers",
        );
    }
    (token && !https && !is_local)
        .then_some("the token goes over the network in the clear: the URL is not https://")
}

fn name(host: &str) -> Result<ServerName<'static>, ConnectError> {
    ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Name(host.to_owned()))
}

fn bearer(token: &str, from: &str) -> Result<HeaderValue, ConnectError> {
    let bad = || ConnectError::Token(from.to_owned());
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(bad());
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| bad())?;
    value.set_sensitive(true);
    Ok(value)
}

fn read(path: &Path) -> Result<Vec<u8>, ConnectError> {
    std::fs::read(path).map_err(|source| ConnectError::File { path: path.to_owned(), source })
}
