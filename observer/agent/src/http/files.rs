//! Small files that others change: certificates and tokens.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest;
use tokio_util::sync::CancellationToken;

/// Between two looks. The kubelet takes up to a minute to hand a changed Secret on, so this adds nothing that matters.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// Of one file.
const LARGEST: u64 = 1 << 20;

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("more than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// Files whose contents are compared, not their times or inodes: a Secret changes by a swap of symbolic links, an editor
/// renames, `cp` writes in place. Only digests are kept.
#[derive(Clone)]
pub(super) struct Watched<const N: usize> {
    paths: [PathBuf; N],
    seen: [Result<Vec<u8>, io::ErrorKind>; N],
}

impl<const N: usize> Watched<N> {
    /// What was loaded already is no change.
    pub(super) fn new(paths: [PathBuf; N], loaded: &[Vec<u8>; N]) -> Self {
        Self { paths, seen: loaded.each_ref().map(|bytes| Ok(digest_of(bytes))) }
    }

    /// The contents, if they are not those of last time. Blocks.
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

    /// Tells of every change until the cancellation.
    pub(super) async fn follow(
        mut self,
        every: Duration,
        cancel: CancellationToken,
        changed: impl Fn([io::Result<Vec<u8>>; N]),
    ) {
        while cancel.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let look = tokio::task::spawn_blocking(move || {
                let contents = self.look();
                (self, contents)
            });
            let Ok((watched, contents)) = look.await else { return };
            self = watched;
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
