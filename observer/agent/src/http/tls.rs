//! TLS with a certificate that can change while the agent runs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_util::sync::CancellationToken;

use crate::http::files::{self, Watched};

/// The error for a certificate or key that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files can't be read.
    #[error("{} can't be read: {source}; --tls-cert and --tls-key name PEM files", path.display())]
    Unreadable {
        /// The path, as given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file has no certificate.
    #[error("{} holds no certificate chain in PEM form: {reason}", path.display())]
    Certificate {
        /// The path, as given.
        path: PathBuf,
        /// A description of what is wrong with it.
        reason: String,
    },
    /// The file has no private key.
    #[error("{} holds no private key in PEM form (PKCS#8, PKCS#1 or SEC1, not encrypted)", path.display())]
    Key {
        /// The path, as given.
        path: PathBuf,
    },
    /// Both can be read, but not used together.
    #[error("the certificate {} can't be used with the key {}: {source}", cert.display(), key.display())]
    Pair {
        /// The path of the certificate, as given.
        cert: PathBuf,
        /// The path of the key, as given.
        key: PathBuf,
        /// The library's error.
        source: rustls::Error,
    },
}

/// A certificate with its key, and the files they come from.
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    files: Files,
    watched: Watched<2>,
}

#[derive(Clone)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// The pair that new connections use.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Tls {
    /// Reads PEM files: the chain, leaf first, and its key. TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// Fails when they can't be read or can't be used together.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files { cert: cert.to_owned(), key: key.to_owned() };
        let bytes = [read(cert)?, read(key)?];
        let current = Arc::new(Current(RwLock::new(files.pair(&bytes)?)));
        let resolver = Arc::<Current>::clone(&current);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|source| files.unusable(source))?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let watched = Watched::new([files.cert.clone(), files.key.clone()], &bytes);
        Ok(Self { config: Arc::new(config), current, files, watched })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config).into()
    }

    /// Loads the pair from the files. If it can't be used, the old pair stays.
    pub(super) async fn follow(self, every: Duration, cancel: CancellationToken) {
        let Self { current, files, watched, .. } = self;
        let renew = |contents| match files.renewed(contents) {
            Ok(pair) => {
                *current.0.write() = pair;
                tracing::info!(certificate = %files.cert.display(), "new TLS certificate");
            }
            Err(error) => tracing::error!(%error, "the old TLS certificate is kept"),
        };
        watched.follow(every, cancel, renew).await;
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("cert", &self.files.cert).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

impl Files {
    fn renewed(&self, [cert, key]: [io::Result<Vec<u8>>; 2]) -> Result<Arc<CertifiedKey>, TlsError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::Unreadable { path, source }
        };
        self.pair(&[cert.map_err(unreadable(&self.cert))?, key.map_err(unreadable(&self.key))?])
    }

    fn pair(&self, [cert, key]: &[Vec<u8>; 2]) -> Result<Arc<CertifiedKey>, TlsError> {
        let bad_cert = |reason: String| TlsError::Certificate { path: self.cert.clone(), reason };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
        let chain = chain.map_err(|error| bad_cert(error.to_string()))?;
        if chain.is_empty() {
            return Err(bad_cert("no CERTIFICATE section".into()));
        }
        // The library's error about a key might quote it.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key { path: self.key.clone() })?;
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider());
        pair.map(Arc::new).map_err(|source| self.unusable(source))
    }

    fn unusable(&self, source: rustls::Error) -> TlsError {
        TlsError::Pair { cert: self.cert.clone(), key: self.key.clone(), source }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    files::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}
