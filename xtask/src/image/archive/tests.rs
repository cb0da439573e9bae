use std::io::Read;

use flate2::read::GzDecoder;

use super::*;

fn entries(archive: impl Read) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.insert(path, content);
    }
    Ok(files)
}

fn image() -> Image<'static> {
    let file = |mode, text: &str| (mode, text.as_bytes().to_vec());
    Image {
        arch: "amd64",
        name: "localhost/a",
        tag: "1.0",
        files: BTreeMap::from([("a", file(0o755, "program")), ("licenses/b", file(0o644, "free"))]),
        entrypoint: "/a",
        labels: ["x", "y", "z"].into_iter().map(|key| (key, "1")).collect(),
        small: true,
    }
}

fn parse(content: &[u8]) -> Value {
    serde_json::from_slice(content).unwrap()
}

#[test]
fn every_descriptor_leads_to_its_blob() {
    let packed = image().pack().unwrap();
    let files = entries(packed.archive.as_slice()).unwrap();
    assert_eq!(parse(&files["oci-layout"])["imageLayoutVersion"], "1.0.0");
    let index = parse(&files["index.json"]);
    let descriptor = &index["manifests"][0];
    assert_eq!(descriptor["digest"], packed.digest.as_str());
    assert_eq!(descriptor["annotations"]["io.containerd.image.name"], "localhost/a:1.0");
    assert_eq!(descriptor["platform"], json!({ "architecture": "amd64", "os": "linux" }));
    let manifest = parse(&files[&path(descriptor)]);
    for descriptor in [descriptor, &manifest["config"], &manifest["layers"][0]] {
        let blob = &files[&path(descriptor)];
        assert_eq!(digest(blob), descriptor["digest"].as_str().unwrap());
        assert_eq!(blob.len() as u64, descriptor["size"].as_u64().unwrap());
    }
    let docker = &parse(&files["manifest.json"])[0];
    assert_eq!(docker["RepoTags"][0], "localhost/a:1.0");
    assert_eq!(docker["Config"], path(&manifest["config"]).as_str());
    assert_eq!(docker["Layers"][0], path(&manifest["layers"][0]).as_str());
}

#[test]
fn the_layer_is_what_the_config_says() {
    let packed = image().pack().unwrap();
    let files = entries(packed.archive.as_slice()).unwrap();
    let manifest = parse(&files[&path(&parse(&files["index.json"])["manifests"][0])]);
    let mut layer = Vec::new();
    GzDecoder::new(files[&path(&manifest["layers"][0])].as_slice()).read_to_end(&mut layer).unwrap();
    let config = parse(&files[&path(&manifest["config"])]);
    assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer).as_str());
    assert_eq!(config["config"]["Entrypoint"], json!(["/a"]));
    let mut seen = Vec::new();
    for entry in tar::Archive::new(layer.as_slice()).entries().unwrap() {
        let header = entry.unwrap().header().clone();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
        seen.push((header.path().unwrap().display().to_string(), header.mode().unwrap()));
    }
    let expected = [("a", 0o755), ("licenses/", 0o755), ("licenses/b", 0o644)];
    assert_eq!(seen, expected.map(|(path, mode)| (path.to_owned(), mode)));
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let (one, two) = (image().pack().unwrap(), image().pack().unwrap());
    assert!(one.archive == two.archive);
    let mut other = image();
    other.files.insert("a", (0o755, b"changed".to_vec()));
    assert_ne!(other.pack().unwrap().digest, one.digest);
}
