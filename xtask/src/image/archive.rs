//! An OCI image layout as one tar file, the same bytes for the same content.
//!
//! Written for three readers: containerd and k3s take the OCI layout (`oci-layout`, `index.json`), Docker takes
//! `manifest.json`; both find the same blobs. The documents are made with `serde_json`, whose maps are sorted; the `oci-spec`
//! crate keeps labels and annotations in hash maps and so writes them in another order each time.
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

/// What an image is made of.
#[derive(Clone, Debug)]
pub(crate) struct Image<'a> {
    /// As Go calls it: `amd64`, `arm64`.
    pub(crate) arch: &'a str,
    /// Without a tag.
    pub(crate) name: &'a str,
    pub(crate) tag: &'a str,
    /// Path in the image, without a leading slash; permissions; content. Sorted by path.
    pub(crate) files: BTreeMap<&'a str, (u32, Vec<u8>)>,
    /// Path of the program in the image, with its slash.
    pub(crate) entrypoint: &'a str,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
}

/// The archive, and by which digest a registry or `crictl images` knows it.
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
        let layer = blobs.add(LAYER, gzip(&layer)?);
        let config = blobs.add(CONFIG, config.to_string().into_bytes());
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let mut descriptor = blobs.add(MANIFEST, manifest.to_string().into_bytes());
        let digest = text(&descriptor["digest"]);
        descriptor["platform"] = json!({ "architecture": self.arch, "os": "linux" });
        descriptor["annotations"] = json!({
            "org.opencontainers.image.ref.name": self.tag,
            // How `ctr images import` names it; without, containerd invents a name.
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

    /// `created` is left out: it would be the only thing that changes from build to build.
    fn config(&self, diff_id: &str) -> Value {
        json!({
            "architecture": self.arch,
            "os": "linux",
            "config": {
                "Entrypoint": [self.entrypoint],
                // So that `kubectl exec POD -- flow-observer doctor` finds the program.
                "Env": ["PATH=/"],
                "WorkingDir": "/",
                "Labels": self.labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        })
    }
}

/// Content by its place in the layout.
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

/// `blobs/sha256/...` of a descriptor.
fn path(descriptor: &Value) -> String {
    format!("blobs/{}", text(&descriptor["digest"]).replace(':', "/"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `sha256:...`
pub(crate) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::from("sha256:"), |text, byte| format!("{text}{byte:02x}"))
}

/// Everything belongs to root and is of 1970. Directories come before what they hold, as old unpackers need.
fn tar<'a>(files: impl Iterator<Item = (&'a str, u32, &'a [u8])>) -> io::Result<Vec<u8>> {
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

/// Without a name and a time in the header.
fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

#[cfg(test)]
mod tests;
