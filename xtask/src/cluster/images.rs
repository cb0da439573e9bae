//! The images that the nodes' pods run, packed without a registry.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::binaries::{Binaries, METALLB};
use super::place::Place;
use super::wait::Interrupt;
use crate::image::archive::Image;
use crate::run::capture;

/// A path in the image, and where the file comes from.
type File<'a> = (&'a str, &'a Path);

const BUSYBOX: &str = "/bin/busybox";

/// Writes the archives into the cluster's directory and returns their paths.
pub(super) fn pack(place: &Place, binaries: &Binaries) -> Result<Vec<PathBuf>> {
    let dir = place.data().join("images");
    fs::create_dir_all(&dir)?;
    let peer = binaries.peer.join("peer");
    let shell = Path::new(BUSYBOX);
    let images: [(&str, &str, &[File<'_>]); 4] = [
        ("pause", "1", &[("pause", &peer)]),
        ("peer", "1", &[("peer", &peer), ("busybox", shell), ("sh", shell)]),
        ("metallb-controller", METALLB, &[("controller", &binaries.metallb.join("controller"))]),
        ("metallb-speaker", METALLB, &[("speaker", &binaries.metallb.join("speaker"))]),
    ];
    // The module's manifest, for who installs MetalLB.
    fs::copy(binaries.metallb.join("metallb.yaml"), place.dir().join("metallb.yaml"))?;
    images.into_iter().map(|(name, tag, files)| image(&dir, name, tag, files)).collect()
}

/// One image, whose first file is what it runs.
fn image(dir: &Path, name: &str, tag: &str, files: &[File<'_>]) -> Result<PathBuf> {
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let mut content = BTreeMap::new();
    for (path, source) in files {
        content.insert(*path, (0o755, read(source)?));
    }
    let entrypoint = format!("/{}", files.first().map_or(name, |(path, _)| path));
    let image = Image {
        arch: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        name: &format!("localhost/{name}"),
        tag,
        files: content,
        entrypoint: &entrypoint,
        labels: BTreeMap::new(),
        small: false,
    };
    let path = dir.join(format!("{name}.tar"));
    fs::write(&path, image.pack()?.archive)?;
    Ok(path)
}

/// Imports an archive into the containerd of each node; a signal ends it between two nodes.
pub(super) fn load(place: &Place, archive: &Path, interrupt: &Interrupt) -> Result<()> {
    for node in place.nodes()? {
        interrupt.check()?;
        load_on(place, &node, archive)?;
    }
    Ok(())
}

/// Imports an archive into the containerd of one node.
pub(super) fn load_on(place: &Place, node: &str, archive: &Path) -> Result<()> {
    // The node has a /run of its own: the archive may lie anywhere.
    let file = fs::File::open(archive).with_context(|| archive.display().to_string())?;
    let mut ctr = place.on(node, "ctr")?;
    capture(ctr.args(["-n", "k8s.io", "images", "import", "-"]).stdin(file))
        .with_context(|| format!("{} on {node}", archive.display()))?;
    Ok(())
}

/// Gives an image of each node another name.
pub(super) fn tag(place: &Place, from: &str, to: &str) -> Result<()> {
    for node in place.nodes()? {
        capture(place.on(&node, "ctr")?.args(["-n", "k8s.io", "images", "tag", "--force", from, to]))?;
    }
    Ok(())
}
