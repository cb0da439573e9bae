//! Tokens of a file, one per line, for agents without a cluster to ask.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::RwLock;
use ring::digest;
use subtle::{Choice, ConstantTimeEq as _};
use tokio_util::sync::CancellationToken;

use crate::http::auth::looks_like_a_token;
use crate::http::files::{self, Watched};

/// Number of tokens in the longest list. A longer file is not a list of tokens.
const MAX_TOKENS: usize = 1_024;

/// The file can't be read at the start.
#[derive(Debug, thiserror::Error)]
#[error("--token-file {}: {source}; it holds one token a line, e.g. from `head -c 32 /dev/urandom | base64`", path.display())]
pub struct TokenFileError {
    path: PathBuf,
    source: io::Error,
}

/// The accepted tokens. Each permits every request. A file that is empty, missing or unreadable admits no one.
pub struct TokenFile {
    path: PathBuf,
    /// Digests, which have one length for the comparison, and from which no token can be read.
    tokens: RwLock<Vec<[u8; 32]>>,
    watched: Watched<1>,
}

impl TokenFile {
    /// Reads the file.
    ///
    /// # Errors
    /// Fails when it can't be read. Later failures are logged instead.
    pub fn load(path: &Path) -> Result<Self, TokenFileError> {
        let bytes = files::read(path).map_err(|source| TokenFileError { path: path.to_owned(), source })?;
        let bytes = [bytes];
        let watched = Watched::new([path.to_owned()], &bytes);
        let file = Self { path: path.to_owned(), tokens: RwLock::default(), watched };
        let [bytes] = bytes;
        file.set(Ok(bytes));
        Ok(file)
    }

    /// Is true for a token of the file. The comparison takes as long for an almost right token as for any other.
    pub(super) fn admits(&self, token: &str) -> bool {
        let given = digest_of(token.as_bytes());
        let tokens = self.tokens.read();
        let found = tokens.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&given));
        found.into()
    }

    pub(super) async fn follow(&self, every: Duration, cancel: CancellationToken) {
        self.watched.clone().follow(every, cancel, |[content]| self.set(content)).await;
    }

    fn set(&self, content: io::Result<Vec<u8>>) {
        let path = self.path.display();
        let tokens = content.map(|bytes| tokens(&bytes)).unwrap_or_else(|error| {
            tracing::error!(%path, %error, "the token file can't be read");
            Vec::new()
        });
        if tokens.is_empty() {
            tracing::warn!(%path, "the token file holds no token: nobody is admitted to /api");
        }
        *self.tokens.write() = tokens;
    }
}

/// Leaves out lines that can't be tokens. The log names them by number only.
fn tokens(bytes: &[u8]) -> Vec<[u8; 32]> {
    let (mut tokens, mut bad) = (Vec::new(), Vec::new());
    for (number, line) in (1_usize..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match str::from_utf8(line) {
            Ok(token) if looks_like_a_token(token) && tokens.len() < MAX_TOKENS => {
                tokens.push(digest_of(line));
            }
            _ => bad.push(number),
        }
    }
    if let Some(first) = bad.first() {
        let bad = bad.len();
        tracing::warn!(
            line = first,
            bad,
            "lines of the token file are no bearer tokens (RFC 6750), or too many"
        );
    }
    tokens
}

fn digest_of(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
