//! ServiceAccounts and their tokens.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use jsonwebtoken::{DecodingKey, EncodingKey, Validation};
use serde_json::{Value, json};

use super::kubeconfig::{Kubeconfig, User};
use super::server::ApiServer;

/// The parameters of a request to the TokenRequest API.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// The server's own when absent; the server rejects tokens for another audience.
    pub audience: Option<&'a str>,
    /// The lifetime in seconds, at least 600.
    pub seconds: u32,
}

impl Default for Token<'_> {
    fn default() -> Self {
        Self { audience: None, seconds: 3600 }
    }
}

impl ApiServer {
    /// Returns a token of an existing account.
    ///
    /// # Errors
    /// Fails when the server refuses.
    pub fn token(&self, namespace: &str, name: &str, wanted: Token<'_>) -> Result<String> {
        let audiences: Vec<&str> = wanted.audience.into_iter().collect();
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": audiences, "expirationSeconds": wanted.seconds},
        });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let answer = self.kubectl(&["create", "--raw", &path, "-f", "-"], Some(&request.to_string()))?;
        let answer: Value = serde_json::from_str(&answer)?;
        answer["status"]["token"].as_str().map(str::to_owned).context("an answer without a token")
    }

    /// Returns the same token as if the server had made it this much earlier, signed with the server's own key. A test
    /// can't wait ten minutes, the shortest lifetime, until one expires.
    ///
    /// # Errors
    /// Fails when `token` isn't a token of the server.
    pub fn aged(&self, token: &str, by: Duration) -> Result<String> {
        let mut anything = Validation::default();
        anything.insecure_disable_signature_validation();
        anything.required_spec_claims.clear();
        (anything.validate_aud, anything.validate_exp) = (false, false);
        let header = jsonwebtoken::decode_header(token)?;
        let mut claims: Value =
            jsonwebtoken::decode(token, &DecodingKey::from_secret(&[]), &anything)?.claims;
        for name in ["iat", "nbf", "exp"] {
            let at = claims[name].as_u64().with_context(|| format!("a token without {name}"))?;
            claims[name] = at.saturating_sub(by.as_secs()).into();
        }
        let key = EncodingKey::from_ec_pem(&std::fs::read(self.pki().path("accounts.key"))?)?;
        Ok(jsonwebtoken::encode(&header, &claims, &key)?)
    }

    /// Creates an account and a token of it.
    ///
    /// # Errors
    /// Fails when the server refuses.
    pub fn account(&self, namespace: &str, name: &str) -> Result<String> {
        let metadata = json!({"namespace": namespace, "name": name});
        self.apply(&[json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})])?;
        self.token(namespace, name, Token::default())
    }

    /// Lets an account read the agents' API, by the role in `deploy/`.
    ///
    /// # Errors
    /// Fails when the server refuses.
    pub fn make_reader(&self, namespace: &str, name: &str) -> Result<()> {
        let (role, subject) =
            ("--clusterrole=flow-observer-reader", format!("--serviceaccount={namespace}:{name}"));
        self.kubectl(&["create", "clusterrolebinding", name, role, &subject], None).map(drop)
    }

    /// Returns a kubeconfig of an existing account.
    ///
    /// # Errors
    /// Fails as [`Self::token`] does.
    pub fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.token(namespace, name, Token::default())?;
        self.kubeconfig_with(&format!("{namespace}-{name}"), User::Token(token))
    }

    /// Writes a kubeconfig for this server, called `name`.
    ///
    /// # Errors
    /// Fails when the file can't be written.
    pub fn kubeconfig_with(&self, name: &str, user: User) -> Result<PathBuf> {
        let path = self.dir().join(format!("{name}.kubeconfig"));
        Kubeconfig { server: self.url(), ca: self.ca(), user }.write(&path)?;
        Ok(path)
    }
}
