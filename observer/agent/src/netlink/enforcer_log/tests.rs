//! The real kernel's log, and its refusals.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::netlink::testing::Namespace;

fn run(command: &str) {
    let status = Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(status.success(), "{command}: {status}");
}

/// Connects to a port of this namespace, whatever comes of it.
fn knock(port: u16) {
    drop(TcpStream::connect(("127.0.0.1", port)));
}

#[test]
fn gaps_are_counted_once() {
    let mut gaps = Gaps::default();
    let missing = [7, 8, 11, 11, u32::MAX, 0].map(|number| gaps.before(number));
    assert_eq!(missing, [0, 0, 2, 0, 0, 0], "what comes again or goes back is no gap");
    assert_eq!(gaps.before(2), 1);
}

#[test]
fn refusals_are_told_apart() {
    let readers = "    7    811     0 2 65535    100  1\n  100   4711     0 2   128    100  1\n";
    let taken = refusal(100, Errno::EPERM, readers);
    assert!(matches!(taken, NetlinkError::LogTaken { group: 100, port: 4711 }), "{taken}");
    assert!(matches!(refusal(10, Errno::EPERM, readers), NetlinkError::LogDenied(_)));
    assert!(matches!(refusal(100, Errno::EPERM, ""), NetlinkError::LogDenied(_)));
    assert!(matches!(refusal(100, Errno::EINVAL, ""), NetlinkError::NoPacketLog(_)));
    assert!(matches!(refusal(100, Errno::ENOMEM, ""), NetlinkError::Refused { .. }));
}

#[test]
fn a_group_has_one_reader() {
    let node = Namespace::new();
    node.block_on(async {
        let first = EnforcerLog::open(100).unwrap();
        let Err(taken) = EnforcerLog::open(100) else { panic!("a second reader") };
        assert!(matches!(taken, NetlinkError::LogTaken { group: 100, .. }), "{taken}");
        drop(EnforcerLog::open(101).unwrap());
        drop(first);
        // A process that another test starts has the socket, too, until it runs its program.
        let free = async {
            while EnforcerLog::open(100).is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), free).await.unwrap();
    });
}

#[test]
fn logged_syns_are_read_with_the_policy() {
    let node = Namespace::new();
    node.ip("link set lo up");
    node.block_on(async {
        run("iptables -w -A OUTPUT -p tcp --syn --dport 81 -j NFLOG --nflog-group 100 --nflog-prefix 'DROP by policy data/lockdown'");
        run("iptables -w -A OUTPUT -p tcp --syn --dport 82 -j NFLOG --nflog-group 100");
        run("iptables -w -A INPUT -p tcp --tcp-flags RST RST -j NFLOG --nflog-group 100");
        let log = EnforcerLog::open(100).unwrap();
        let (to, mut inputs) = mpsc::channel(16);
        let following = tokio::spawn(async move { log.follow(&to).await });
        for (port, policy) in [(81, Some("data/lockdown")), (82, None)] {
            knock(port);
            let Some(Input::Logged(syn)) = inputs.recv().await else { panic!("port {port}") };
            assert_eq!((syn.src.to_string().as_str(), syn.policy.as_deref()), ("127.0.0.1", policy));
            assert!(syn.sport > 0);
        }
        following.abort();
    });
}

/// A rule that logs without a limit costs a bounded part of a core, and what it logged in vain is counted.
#[test]
fn more_lines_than_the_rate_are_counted_as_lost() {
    let node = Namespace::new();
    node.ip("link set lo up");
    node.block_on(async {
        run("iptables -w -A OUTPUT -p tcp --syn -j NFLOG --nflog-group 100");
        let log = EnforcerLog::open(100).unwrap();
        let (to, mut inputs) = mpsc::channel(16);
        let following = tokio::spawn(async move { log.follow(&to).await });
        let mut lost = 0;
        while lost == 0 {
            (0..500).for_each(|_| knock(81));
            while let Ok(input) = inputs.try_recv() {
                if let Input::Lost { stage: LostStage::EnforcerLog, count } = input {
                    lost += count;
                }
            }
            tokio::task::yield_now().await;
        }
        following.abort();
    });
}
