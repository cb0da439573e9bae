use super::*;

#[test]
fn text_and_back() {
    let mac: Mac = "02:0A:00:00:00:ff".parse().unwrap();
    assert_eq!(mac.to_string(), "02:0a:00:00:00:ff");
    for bad in ["", "02:0a:00:00:00", "02:0a:00:00:00:ff:01", "2:0a:00:00:00:ff", "zz:0a:00:00:00:ff"] {
        assert!(bad.parse::<Mac>().is_err(), "{bad}");
    }
    assert!(mac.is_host() && !Mac([0; 6]).is_host() && !Mac([0xff; 6]).is_host());
}
