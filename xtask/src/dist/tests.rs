use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn built() -> Program {
    Program { program: b"program".to_vec(), bill: b"{}".to_vec() }
}

#[test]
fn an_archive_has_the_program_its_licences_and_its_parts() {
    let packed = archive(&root(), &built(), true).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(packed.as_slice()));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, mode) = (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.push((path, mode, content.is_empty()));
    }
    let expected = [
        ("flow-observer", 0o755),
        ("LICENSE-APACHE", 0o644),
        ("LICENSE-MIT", 0o644),
        ("flow-observer.cdx.json", 0o644),
    ];
    assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode, false)));
}

#[test]
fn the_same_content_is_the_same_archive() {
    assert_eq!(archive(&root(), &built(), true).unwrap(), archive(&root(), &built(), true).unwrap());
}

#[test]
fn checksums_are_what_sha256sum_reads() {
    let files = BTreeMap::from([("a".to_owned(), Vec::new())]);
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(checksums(&files), format!("{empty}  a\n"));
}

#[test]
fn the_manifest_names_each_archive_with_its_checksum() {
    let archives = Arch::ALL.map(|arch| krew::Archive {
        arch,
        file: format!("{}.tar.gz", arch.goarch()),
        sha256: arch.goarch().repeat(2),
    });
    let text = krew::manifest("1.2.3", "https://example.org/r", &archives).unwrap();
    let manifest: Value = serde_yaml_ng::from_str(&text).unwrap();
    assert_eq!(manifest["spec"]["version"], "v1.2.3");
    for (index, arch) in ["amd64", "arm64"].into_iter().enumerate() {
        let platform = &manifest["spec"]["platforms"][index];
        assert_eq!(platform["selector"]["matchLabels"]["arch"], arch);
        assert_eq!(platform["uri"], format!("https://example.org/r/{arch}.tar.gz"));
        assert_eq!(platform["sha256"], arch.repeat(2));
    }
}

#[test]
fn only_the_files_of_an_earlier_release_go() {
    let dir = std::env::temp_dir().join(format!("flow-observer-dist-{}", std::process::id()));
    let release = |name: &str| {
        let mut files = BTreeMap::from([(name.to_owned(), vec![1])]);
        files.insert(CHECKSUMS.to_owned(), checksums(&files).into_bytes());
        files
    };
    write(&dir, &release("old")).unwrap();
    fs::write(dir.join("notes"), "mine").unwrap();
    write(&dir, &release("new")).unwrap();
    let found = ["old", "new", "notes"].map(|name| dir.join(name).exists());
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(found, [false, true, true]);
}
