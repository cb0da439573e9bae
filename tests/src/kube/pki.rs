//! The certificates and keys of one API server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

const SERVER_NAMES: [&str; 4] = ["127.0.0.1", "10.43.0.1", "localhost", "kubernetes.default.svc"];

/// Files of a directory. `x.crt` is a certificate, `x.key` a private key, `x.pub` a public one.
#[derive(Clone, Debug)]
pub(super) struct Pki {
    dir: PathBuf,
}

impl Pki {
    pub(super) fn make(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let pki = Self { dir: dir.to_owned() };
        let mut params = named("flow-observer-test-ca", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        fs::write(pki.path("ca.crt"), ca.pem())?;
        let mut server = named("kube-apiserver", &SERVER_NAMES)?;
        server.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        pki.issue("server", &server, &ca)?;
        let mut admin = named("admin", &[])?;
        admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
        admin.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
        pki.issue("admin", &admin, &ca)?;
        pki.accounts()?;
        Ok(pki)
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    fn issue(&self, name: &str, params: &CertificateParams, ca: &CertifiedIssuer<'_, KeyPair>) -> Result<()> {
        let key = KeyPair::generate()?;
        fs::write(self.path(&format!("{name}.crt")), params.signed_by(&key, ca)?.pem())?;
        self.secret(&format!("{name}.key"), &key.serialize_pem())
    }

    /// Creates a new key for the tokens of ServiceAccounts.
    pub(super) fn accounts(&self) -> Result<()> {
        let key = KeyPair::generate()?;
        fs::write(self.path("accounts.pub"), key.public_key_pem())?;
        self.secret("accounts.key", &key.serialize_pem())
    }

    fn secret(&self, file: &str, text: &str) -> Result<()> {
        write_secret(&self.path(file), text)
    }
}

/// Writes a file that only this user may read.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

fn named(name: &str, alternatives: &[&str]) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(alternatives.iter().map(|&n| n.to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
