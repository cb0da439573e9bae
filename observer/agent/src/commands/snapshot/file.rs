//! The file of a snapshot.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flow_model::baseline::{Baseline, BaselineError};
use flow_objects::encoding;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Writes the whole file or nothing: readers see the old content until the new one is complete. A pipe or a device, which
/// can't be replaced, is written to.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return fs::write(path, content);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    // The umask takes from these permissions, as from those of any new file.
    let mut new = tempfile::Builder::new()
        .prefix(".flow-observer-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent.unwrap_or(Path::new(".")))?;
    new.write_all(content)?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    Ok(())
}

/// The fields by which a snapshot is known.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "version")]
    _version: u64,
    #[serde(rename = "inventory")]
    _inventory: IgnoredAny,
}

/// Reads a snapshot; `None` for any other file, and for what is no readable file.
///
/// # Errors
/// Fails when it is a snapshot of another version, or a damaged one.
pub(in crate::commands) fn read_if_one(path: &Path) -> Result<Option<Baseline>, BaselineError> {
    if !may_be_one(path).unwrap_or_default() {
        return Ok(None);
    }
    let Ok(bytes) = fs::read(path) else { return Ok(None) };
    let json = encoding::utf8(&bytes);
    match serde_json::from_slice::<Probe>(&json) {
        Ok(_) => Baseline::from_json(&json).map(Some),
        Err(_) => Ok(None),
    }
}

/// Checks the beginning of a file: a snapshot is an object of JSON. Large files of YAML are not read twice.
fn may_be_one(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut head = Vec::new();
    fs::File::open(path)?.take(64).read_to_end(&mut head)?;
    let head = encoding::utf8(&head);
    Ok(head.trim_ascii_start().starts_with(b"{"))
}
