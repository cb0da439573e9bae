//! Reading and comparing versions.

use super::*;

#[test]
fn releases_are_read() {
    let check = |release: &str, major, minor| {
        let version = Version::parse(release).unwrap();
        assert_eq!((version.major, version.minor), (major, minor), "{release}");
    };
    check("5.10.0-33-cloud-amd64\n", 5, 10);
    check("6.18.44-fc-v669", 6, 18);
    check("7.2-rc1", 7, 2);
    check("6.1", 6, 1);
    assert_eq!(Version::parse("linux"), None);
    assert_eq!(Version::parse(""), None);
}

#[test]
fn versions_compare_by_number() {
    let version = Version::parse("5.10.1").unwrap();
    assert!(version.at_least(5, 9) && version.at_least(5, 10) && version.at_least(4, 20));
    assert!(!version.at_least(5, 11) && !version.at_least(6, 1));
    assert_eq!(check(Some(&version)).status, crate::probes::host::check::Status::Ok);
    let old = Version::parse("5.4.0").unwrap();
    assert_eq!(check(Some(&old)).status, crate::probes::host::check::Status::Fail);
}
