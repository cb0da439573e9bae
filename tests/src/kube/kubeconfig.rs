//! Kubeconfig files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::pki::write_secret;

/// A server's address and a user.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// `https://127.0.0.1:6443`.
    pub server: String,
    /// The CA's certificate.
    pub ca: PathBuf,
    pub user: User,
}

/// The user of a kubeconfig.
#[derive(Clone, Debug)]
pub enum User {
    Certificate {
        certificate: PathBuf,
        key: PathBuf,
    },
    Token(String),
    /// A file that is read again when the token in it changes.
    TokenFile(PathBuf),
}

impl Kubeconfig {
    /// Writes it, readable only by this user.
    ///
    /// # Errors
    /// Fails when the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let cluster = json!({"server": self.server, "certificate-authority": self.ca});
        let user = match &self.user {
            User::Certificate { certificate, key } => {
                json!({"client-certificate": certificate, "client-key": key})
            }
            User::Token(token) => json!({"token": token}),
            User::TokenFile(file) => json!({"tokenFile": file}),
        };
        // JSON is YAML.
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        write_secret(path, &config.to_string())
    }
}
