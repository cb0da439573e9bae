use super::*;

#[test]
fn counters_are_found_by_name() {
    let text = "Ip: A B\nIp: 1 2\nTcp: OutRsts X\nTcp: 7 8\n";
    assert_eq!(find_counter(text, "Tcp", "OutRsts"), Some(7));
    assert_eq!(find_counter(text, "Ip", "B"), Some(2));
    assert_eq!(find_counter(text, "Tcp", "B"), None);
}

#[test]
fn namespaces_go_also_after_a_panic() {
    let guard = Guard::take().unwrap();
    let ns = Netns::new(&guard, "gone").unwrap();
    let path = format!("/run/netns/{}", ns.name());
    assert!(Path::new(&path).exists());
    let caught = panic::catch_unwind(panic::AssertUnwindSafe(move || {
        let ns = ns;
        ns.run(|| panic!("on purpose"));
    }));
    assert!(caught.is_err());
    assert!(!Path::new(&path).exists(), "{path} survived");
}

#[test]
fn run_is_inside() {
    let guard = Guard::take().unwrap();
    let ns = Netns::new(&guard, "inside").unwrap();
    let links = ns.exec("ip -o link").unwrap();
    assert_eq!(links.lines().count(), 1, "{links}");
    assert_eq!(ns.counter("Tcp", "OutRsts").unwrap(), 0);
}
