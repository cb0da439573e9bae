//! The set against a model, other tables, and the real kernel.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::netlink::testing::Namespace;

/// On an idle machine everything here takes a fraction of this.
const PATIENCE: Duration = Duration::from_secs(20);

fn tuple(sport: u16) -> FlowTuple {
    let ip = |last| IpAddr::from([10, 42, 0, last]);
    FlowTuple { src: ip(1), sport, dst: ip(2), dport: 80, backend: None }
}

/// A follower and what it sent.
struct Followed {
    inputs: mpsc::Receiver<Input>,
    at_once: Arc<Notify>,
    task: tokio::task::JoinHandle<Result<(), NetlinkError>>,
    cancel: CancellationToken,
}

impl Followed {
    fn new(source: Source, config: Config) -> Self {
        let (tx, inputs) = mpsc::channel(16);
        let (at_once, cancel) = (Arc::new(Notify::new()), CancellationToken::new());
        let task =
            tokio::spawn(follow(source, config, Box::new(|_| {}), Arc::clone(&at_once), tx, cancel.clone()));
        Self { inputs, at_once, task, cancel }
    }

    /// Requests reads until there is a change.
    async fn next(&mut self) -> (Vec<OpenConnection>, Vec<FlowTuple>) {
        let asking = async {
            loop {
                self.at_once.notify_one();
                if let Ok(input) = tokio::time::timeout(PATIENCE / 1_000, self.inputs.recv()).await {
                    return input;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await.unwrap() {
            Some(Input::Connections { opened, closed }) => (opened, closed),
            other => panic!("{other:?}"),
        }
    }

    async fn end(self) {
        self.cancel.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// Returns a table that reads as these, one after the other; `None` fails. The last one stays.
fn table<const N: usize>(script: [Option<Vec<u16>>; N]) -> Table {
    let mut script = script.into_iter();
    let mut last = None;
    Box::new(move || {
        last = script.next().or(last.take());
        let sports = last.clone().flatten().ok_or_else(|| io::Error::other("broken"))?;
        Ok(Listing { open: sports.into_iter().map(tuple).collect(), all: false })
    })
}

fn sports(opened: &[OpenConnection]) -> Vec<u16> {
    opened.iter().map(|c| c.tuple.sport).collect()
}

#[tokio::test]
async fn another_table_gives_the_same_deltas() {
    let source = Source::Table(table([Some(vec![1, 2, 2]), Some(vec![2, 3])]));
    let mut followed = Followed::new(source, Config::default());
    let (opened, closed) = followed.next().await;
    assert_eq!((sports(&opened), closed), (vec![1, 2], vec![]));
    assert!(opened.iter().all(|c| !c.older), "the probes saw them open");
    assert_eq!(followed.next().await, (vec![], vec![tuple(1)]));
    assert_eq!(sports(&followed.next().await.0), [3]);
    followed.end().await;
}

#[tokio::test]
async fn a_table_that_fails_closes_nothing() {
    let source = Source::Table(table([Some(vec![1, 2]), None, None, Some(vec![2])]));
    let mut followed = Followed::new(source, Config::default());
    assert_eq!(sports(&followed.next().await.0), [1, 2]);
    assert_eq!(followed.next().await, (vec![], vec![tuple(1)]));
    followed.end().await;
}

#[tokio::test]
async fn a_large_table_comes_in_pieces() {
    let many = u16::try_from(CHUNK).unwrap() + 10;
    let source = Source::Table(table([Some((0..many).collect())]));
    let mut followed = Followed::new(source, Config { max: CHUNK + 5 });
    assert_eq!(followed.next().await.0.len(), CHUNK);
    assert_eq!(followed.next().await.0.len(), 5, "the rest found no room");
    followed.end().await;
}

#[test]
fn conntrack_tells_what_opens_and_closes() {
    let node = Namespace::new();
    for command in ["addr add 10.42.0.5/32 dev lo", "link set lo up", "route add 10.43.0.1/32 dev lo"] {
        node.ip(command);
    }
    node.block_on(async {
        let listener = TcpListener::bind("10.42.0.5:0").unwrap();
        let backend = listener.local_addr().unwrap();
        run(&format!(
            "iptables -w -t nat -A OUTPUT -p tcp -d 10.43.0.1 --dport 80 -j DNAT --to-destination {backend}"
        ));
        let connect = || {
            let client = TcpStream::connect("10.43.0.1:80").unwrap();
            (client.local_addr().unwrap().port(), client, listener.accept().unwrap())
        };
        let (old_port, _old, _accepted) = connect();

        let source = Source::Conntrack { otherwise: None };
        let mut followed = Followed::new(source, Config::default());
        let (opened, closed) = followed.next().await;
        let of = |c: &OpenConnection| (c.tuple.sport, c.tuple.dst.to_string(), c.tuple.dport, c.older);
        assert_eq!(opened.iter().map(of).collect::<Vec<_>>(), [(old_port, "10.43.0.1".into(), 80, true)]);
        assert_eq!(opened[0].tuple.backend, Some((backend.ip(), backend.port())));
        assert_eq!(closed, []);

        let (new_port, new, accepted) = connect();
        let (opened, _) = followed.next().await;
        assert_eq!(opened.iter().map(of).collect::<Vec<_>>(), [(new_port, "10.43.0.1".into(), 80, false)]);
        drop((new, accepted));
        let (opened, closed) = followed.next().await;
        assert_eq!((opened, closed.iter().map(|t| t.sport).collect::<Vec<_>>()), (vec![], vec![new_port]));
        followed.end().await;
    });
}

#[test]
fn where_nothing_is_tracked_the_other_table_tells() {
    let node = Namespace::new();
    node.block_on(async {
        let source = Source::Conntrack { otherwise: Some(table([Some(vec![7])])) };
        let mut followed = Followed::new(source, Config::default());
        let (opened, _) = followed.next().await;
        assert_eq!((sports(&opened), opened[0].older), (vec![7], false));
        followed.end().await;
    });
}

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{command}: {status}");
}

proptest! {
    #[test]
    fn deltas_add_up(rounds in proptest::collection::vec((proptest::collection::vec(0u16..20, 0..20), any::<bool>()), 1..20)) {
        let mut set = Set::new(usize::MAX);
        let mut open: BTreeSet<u16> = BTreeSet::new();
        for (seen, complete) in rounds {
            set.begin();
            for sport in &seen {
                set.see(tuple(*sport));
            }
            let delta = set.end(complete);
            for closed in delta.closed {
                prop_assert!(open.remove(&closed.sport));
            }
            for opened in delta.opened {
                prop_assert!(open.insert(opened.sport));
            }
            let seen: BTreeSet<u16> = seen.into_iter().collect();
            prop_assert!(open.is_superset(&seen));
            prop_assert!(!complete || open == seen);
            prop_assert_eq!(set.len(), open.len());
        }
    }

    #[test]
    fn the_set_is_bounded(max in 0usize..10, seen in proptest::collection::btree_set(0u16..50, 0..30)) {
        let mut set = Set::new(max);
        set.begin();
        for sport in &seen {
            set.see(tuple(*sport));
        }
        prop_assert_eq!(set.end(true).opened.len(), seen.len().min(max));
        prop_assert_eq!(set.left_out() as usize, seen.len().saturating_sub(max));
    }
}
