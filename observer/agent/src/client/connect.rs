//! The way to a guarded agent: its certificate checked, a token shown.

#[cfg(test)]
mod tests;

use std::env;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use hyper::header::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// A token itself, for where no file can be had.
const TOKEN: &str = "FLOW_OBSERVER_TOKEN";

/// How to reach an agent that is guarded.
#[derive(Args, Clone, Debug, Default)]
pub struct ConnectArgs {
    /// Bearer token for the agent: the first line of FILE, read for each request. Without, FLOW_OBSERVER_TOKEN may hold
    /// the token itself
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
    /// Take any certificate: whoever is on the way can read the token and forge the answers
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
}

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file that was named.
    #[error("{} can't be read: {source}", path.display())]
    File {
        /// As given.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Nothing that fits into a header.
    #[error("{0} holds no bearer token")]
    Token(String),
    /// No CA to trust.
    #[error("{0}; --ca-file names the CA that signed the agent's certificate")]
    Roots(String),
    /// No name that a certificate can have.
    #[error("`{0}` is no host name or address, so that no certificate can be for it")]
    Name(String),
    /// The library does not take these settings.
    #[error("TLS can't be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// Where the token is.
#[derive(Clone)]
enum Token {
    None,
    Fixed(HeaderValue),
    /// Tokens of pods are renewed every hour, and a tail goes on for longer.
    File(PathBuf),
}

/// Opens connections as the arguments say.
#[derive(Clone)]
pub(super) struct Connector {
    token: Token,
    /// With the name that the certificate must have.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What HTTP is spoken over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Connector {
    /// Says on standard error what is dangerous.
    pub(super) fn new(args: &ConnectArgs, https: bool, host: &str) -> Result<Self, ConnectError> {
        let fixed = env::var(TOKEN).ok().filter(|token| !token.trim().is_empty());
        let token = match (&args.token_file, fixed) {
            (Some(path), _) => Token::File(path.clone()),
            (None, Some(token)) => Token::Fixed(bearer(token.trim(), TOKEN)?),
            (None, None) => Token::None,
        };
        if let Some(warning) = warning(args, https, host, !matches!(token, Token::None)) {
            anstream::eprintln!("warning: {warning}");
        }
        let tls = if https { Some((tls(args)?, name(host)?)) } else { None };
        Ok(Self { token, tls })
    }

    /// What to send with a request.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, ConnectError> {
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

    /// Whether requests show a token.
    pub(super) fn has_token(&self) -> bool {
        !matches!(self.token, Token::None)
    }

    /// Encrypts what goes over a connection, if that was asked for.
    pub(super) async fn over(&self, stream: Box<dyn Wire>) -> io::Result<Box<dyn Wire>> {
        let Some((tls, name)) = &self.tls else { return Ok(stream) };
        Ok(Box::new(tls.connect(name.clone(), stream).await.map_err(with_remedy)?))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

fn warning(args: &ConnectArgs, https: bool, host: &str, token: bool) -> Option<&'static str> {
    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
    if https && args.insecure_skip_tls_verify {
        return Some(
            "--insecure-skip-tls-verify: the agent's certificate is not checked; whoever is on the way can read the \
             token and forge the answers",
        );
    }
    (token && !https && !here)
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

fn tls(args: &ConnectArgs) -> Result<TlsConnector, ConnectError> {
    let provider = Arc::new(ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = if args.insecure_skip_tls_verify {
        let any = Arc::new(AnyCertificate(provider));
        config.dangerous().with_custom_certificate_verifier(any).with_no_client_auth()
    } else {
        config.with_root_certificates(roots(args.ca_file.as_deref())?).with_no_client_auth()
    };
    Ok(Arc::new(config).into())
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(ConnectError::Roots("this system trusts no CA".into()));
        }
        return Ok(roots);
    };
    let bad = || ConnectError::Roots(format!("{} holds no certificate in PEM form", path.display()));
    for certificate in CertificateDer::pem_slice_iter(&read(path)?) {
        roots.add(certificate.map_err(|_| bad())?).map_err(|_| bad())?;
    }
    if roots.is_empty() { Err(bad()) } else { Ok(roots) }
}

fn read(path: &Path) -> Result<Vec<u8>, ConnectError> {
    std::fs::read(path).map_err(|source| ConnectError::File { path: path.to_owned(), source })
}

fn with_remedy(error: io::Error) -> io::Error {
    use rustls::{CertificateError, Error, InvalidMessage};
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    let remedy = match cause {
        Some(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "--url, or with --all-nodes --agent-tls, names what the certificate is for",
        Some(Error::InvalidCertificate(_)) => "--ca-file names the CA that signed it",
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "the agent doesn't speak TLS: ask by http://, or with --all-nodes without --agent-tls"
        }
        _ => return error,
    };
    io::Error::other(format!("{error} ({remedy})"))
}

/// Checks that the peer has the certificate's key, not whose certificate it is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
