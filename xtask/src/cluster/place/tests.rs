use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn names_that_fit_into_namespaces() {
    for good in ["lab", "a", "two2", "abcdefghijkl"] {
        assert_eq!(name(good).as_deref(), Ok(good));
    }
    for bad in ["", "Lab", "a_b", "a/b", "a-b", "1", "12-0", "abcdefghijklm"] {
        assert!(name(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_api_server_is_on_the_first_node() {
    assert_eq!(address("n1"), API);
}

#[test]
fn a_name_is_given_once_and_its_files_are_private() {
    let dir = std::env::temp_dir().join(format!("xtask-place-{}", std::process::id()));
    let place = Place::below(&dir, "a");
    fs::create_dir_all(dir.join("data-of-a/old")).unwrap();
    place.free().unwrap();
    place.claim_with(&dir.join("data-of-a")).unwrap();
    for error in [place.claim_with(&dir.join("other")), place.free()] {
        let error = error.unwrap_err();
        assert!(error.is::<Environment>() && error.to_string().contains("cluster down --name a"), "{error}");
    }
    assert!(!dir.join("other").exists());
    assert!(!place.data().join("old").exists(), "the data of an earlier cluster goes");
    for private in [place.dir(), &place.data()] {
        assert_eq!(fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o700, "{private:?}");
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn data_that_nodes_could_not_see_is_refused() {
    let place = Place::below(Path::new("/nowhere"), "a");
    let error = place.claim_with(Path::new("/var/lib/ci/cache/a")).unwrap_err().to_string();
    assert!(error.contains("/var/lib") && error.contains("FLOW_OBSERVER_CACHE"), "{error}");
}
