use super::*;

const SHOW: &str = "Package: linux-image-cloud-amd64\nVersion: 6.12.107-1\n\n\
    Version: 6.1.192-2\nDepends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n\nVersion: 6.1.176-1\n";

#[test]
fn the_newest_version_of_a_series() {
    assert_eq!(newest_of(SHOW, "6.1"), Some("6.1.192-2"));
    assert_eq!(newest_of(SHOW, "6.12"), Some("6.12.107-1"));
    assert_eq!(newest_of(SHOW, "6"), Some("6.12.107-1"));
    assert_eq!(newest_of(SHOW, "4.19"), None);
    assert_eq!(all_series(SHOW), ["6.12", "6.1"]);
}

#[test]
fn the_kernel_behind_the_metapackage() {
    let kernel = ("linux-image-6.1.0-56-cloud-amd64".to_owned(), "6.1.192-2".to_owned());
    assert_eq!(dependency(SHOW), Some(kernel));
    assert_eq!(dependency("Version: 1\n"), None);
}
