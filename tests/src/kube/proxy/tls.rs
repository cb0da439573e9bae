//! TLS of both sides.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::kube::pki::Pki;

/// A connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) type BoxStream = Box<dyn Stream>;

#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// The server's own certificate towards clients; its CA towards the server.
    pub(super) fn new(pki: &Pki) -> Result<Self> {
        let provider = Arc::new(default_provider());
        let chain = vec![CertificateDer::from_pem_file(pki.path("server.crt"))?];
        let key = PrivateKeyDer::from_pem_file(pki.path("server.key"))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(pki.path("ca.crt"))?)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<BoxStream> {
        Ok(Box::new(self.acceptor.accept(stream).await?))
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> std::io::Result<BoxStream> {
        let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        Ok(Box::new(self.connector.connect(name, stream).await?))
    }
}
