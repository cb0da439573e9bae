//! Writes an OCI image layout as one tar file, with the same bytes for the same content.
//!
//! It has three readers: containerd and k3s read the OCI layout (`oci-layout`, `index.json`), Docker reads
//! `manifest.json`; both find the same blobs. `serde_json` writes the documents, because its maps are sorted. The
//! `oci-spec` crate keeps labels and annotations in hash maps, and so writes them in another order each time.
//!
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Holds the parts of an image.
#[derive(Clone, Debug)]
pub(crate) struct Image<'a> {
    /// The architecture by Go's name: `amd64`, `arm64`.
    pub(crate) arch: &'a str,
    /// The name without its tag.
    pub(crate) name: &'a str,
    pub(crate) tag: &'a str,
    /// Maps the path in the image, without a leading slash, to permissions and content.
    pub(crate) files: BTreeMap<&'a str, (u32, Vec<u8>)>,
    /// The program's path in the image, with a leading slash.
    pub(crate) entrypoint: &'a str,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    /// Is false where packing fast matters more than the size.
    pub(crate) small: bool,
}

/// Holds the archive, and the digest that a registry and `crictl images` show.
pub(crate) struct Packed {
    pub(crate) archive: Vec<u8>,
    pub(crate) digest: String,
}

impl Image<'_> {
    /// Packs everything.
    pub(crate) fn pack(&self) -> io::Result<Packed> {
        let mut blobs = Blobs::default();
        let layer = tar(self.files.iter().map(|(path, (mode, content))| (*path, *mode, content.as_slice())))?;
        let config = self.config(&digest(&layer));
        let layer = blobs.add(LAYER, gzip(&layer, self.small)?);
        let config = blobs.add(CONFIG, config.to_string().into_bytes());
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let mut descriptor = blobs.add(MANIFEST, manifest.to_string().into_bytes());
        let digest = text(&descriptor["digest"]);
        descriptor["platform"] = json!({ "architecture": self.arch, "os": "linux" });
        descriptor["annotations"] = json!({
            "org.opencontainers.image.ref.name": self.tag,
            // `ctr images import` takes the name from here. Without it containerd makes one up.
            "io.containerd.image.name": self.reference(),
        });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor] });
        let docker =
            json!([{ "Config": path(&config), "RepoTags": [self.reference()], "Layers": [path(&layer)] }]);
        let mut files = blobs.0;
        files.insert("index.json".into(), index.to_string().into_bytes());
        files.insert("manifest.json".into(), docker.to_string().into_bytes());
        files.insert("oci-layout".into(), json!({ "imageLayoutVersion": "1.0.0" }).to_string().into_bytes());
        let archive = tar(files.iter().map(|(path, content)| (path.as_str(), 0o644, content.as_slice())))?;
        Ok(Packed { archive, digest })
    }

    fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }

    /// Returns the configuration. It has no `created`, which alone would change from build to build.
    fn config(&self, diff_id: &str) -> Value {
        json!({
            "architecture": self.arch,
            "os": "linux",
            "config": {
                "Entrypoint": [self.entrypoint],
                // `kubectl exec POD -- flow-observer doctor` finds the program by it.
                "Env": ["PATH=/"],
                "WorkingDir": "/",
                "Labels": self.labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        })
    }
}

/// Maps places in the layout to their content.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Keeps a blob and returns its descriptor.
    fn add(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let descriptor =
            json!({ "mediaType": media_type, "digest": digest(&content), "size": content.len() });
        self.0.insert(path(&descriptor), content);
        descriptor
    }
}

/// Returns the place of a descriptor's blob: `blobs/sha256/...`.
fn path(descriptor: &Value) -> String {
    format!("blobs/{}", text(&descriptor["digest"]).replace(':', "/"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns the digest of some content: `sha256:...`.
pub(crate) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::from("sha256:"), |text, byte| format!("{text}{byte:02x}"))
}

/// Packs files that belong to root and have the time 0. Directories precede their files, as old unpackers need it.
pub(crate) fn tar<'a>(files: impl Iterator<Item = (&'a str, u32, &'a [u8])>) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut made: Vec<String> = Vec::new();
    for (path, mode, content) in files {
        for (end, _) in path.match_indices('/') {
            let dir = format!("{}/", &path[..end]);
            if !made.contains(&dir) {
                append(&mut builder, tar::EntryType::Directory, &dir, 0o755, &[])?;
                made.push(dir);
            }
        }
        append(&mut builder, tar::EntryType::Regular, path, mode, content)?;
    }
    builder.into_inner()
}

fn append(
    builder: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    path: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    builder.append_data(&mut header, path, content)
}

/// Compresses without a name and a time in the header.
pub(crate) fn gzip(content: &[u8], small: bool) -> io::Result<Vec<u8>> {
    let level = if small { Compression::best() } else { Compression::none() };
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), level);
    encoder.write_all(content)?;
    encoder.finish()
}

#[cfg(test)]
mod tests;
