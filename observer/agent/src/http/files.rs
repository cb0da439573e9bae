//! Small files that others change: certificates and tokens.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest;
use tokio_util::sync::CancellationToken;

use crate::tasks::blocking;

/// Interval between two checks. The kubelet takes up to a minute to deliver a changed Secret, so this adds little.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// Size of the largest file, in bytes.
const LARGEST: u64 = 1 << 20;

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("more than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// Detects changes of files. It compares contents, not times or inodes: a Secret changes by a swap of symbolic links,
/// an editor renames, `cp` writes in place. Only digests are kept.
#[derive(Clone)]
pub(super) struct Watched<const N: usize> {
    paths: [PathBuf; N],
    seen: [Result<Vec<u8>, io::ErrorKind>; N],
}

impl<const N: usize> Watched<N> {
    /// Records the contents that were loaded already, so that they are not a change.
    pub(super) fn new(paths: [PathBuf; N], loaded: &[Vec<u8>; N]) -> Self {
        Self { paths, seen: loaded.each_ref().map(|bytes| Ok(digest_of(bytes))) }
    }

    /// Returns the contents if they differ from the last ones. It blocks.
    pub(super) fn look(&mut self) -> Option<[io::Result<Vec<u8>>; N]> {
        let contents = self.paths.each_ref().map(|path| read(path));
        let seen = contents.each_ref().map(|content| match content {
            Ok(bytes) => Ok(digest_of(bytes)),
            Err(error) => Err(error.kind()),
        });
        if seen == self.seen {
            return None;
        }
        self.seen = seen;
        Some(contents)
    }

    /// Calls back at every change until the cancellation.
    pub(super) async fn follow(
        mut self,
        every: Duration,
        cancel: CancellationToken,
        changed: impl Fn([io::Result<Vec<u8>>; N]),
    ) {
        while cancel.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let contents;
            (self, contents) = blocking(move || {
                let contents = self.look();
                (self, contents)
            })
            .await;
            tracing::trace!(files = ?self.paths, "looked at files");
            if let Some(contents) = contents {
                changed(contents);
            }
        }
    }
}

fn digest_of(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}
