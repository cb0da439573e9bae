use serde_json::json;

use super::*;

#[test]
fn executables_are_found_in_cargos_messages() {
    let message = |manifest: &str, name: &str, kind: &str, executable: Option<&str>| {
        let target = json!({ "name": name, "kind": [kind] });
        json!({ "manifest_path": manifest, "target": target, "executable": executable }).to_string()
    };
    let messages = [
        "Compiling".to_owned(),
        message("/w/tests/Cargo.toml", "core", "test", None),
        message("/w/tests/Cargo.toml", "lab", "lib", Some("/t/lab")),
        message("/w/tests/Cargo.toml", "core", "test", Some("/t/core-1")),
        message("/w/observer-ebpf/Cargo.toml", "decode", "test", Some("/t/decode-1")),
    ];
    let built = Built::read(&messages.join("\n"));
    assert_eq!(built.executable("core").unwrap(), Path::new("/t/core-1"));
    assert!(built.executable("other").is_err());
    assert_eq!(built.scenarios(), ["core"].into());
    assert_eq!(built.unit_tests(), ["decode"].into());
}
