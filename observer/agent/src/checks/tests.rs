//! Checks against real listeners on loopback.

use std::net::Ipv4Addr;

use flow_model::inventory::{Service, ServicePort};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::*;

use crate::tasks::Tasks;

/// No test waits so long unless it fails.
const LONG: Duration = Duration::from_secs(60);

fn spec(more: &str) -> CheckSpec {
    let table = "name = \"lock\"\ntarget = \"127.0.0.1:1\"\nhold = \"10ms\"\ntimeout = \"10s\"";
    let merged: toml::Table = table.parse().unwrap();
    let merged: toml::Table = merged.into_iter().chain(more.parse::<toml::Table>().unwrap()).collect();
    merged.try_into().unwrap()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Accepts one connection and does `serve` with it.
async fn server<F: Future<Output = ()> + Send>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<SocketAddr>) {
    let (listener, address) = listen().await;
    let served = tokio::spawn(async move {
        let (stream, client) = listener.accept().await.unwrap();
        serve(stream).await;
        client
    });
    (address, served)
}

async fn until_end(stream: &mut TcpStream) {
    while stream.read(&mut [0; 64]).await.unwrap() > 0 {}
}

/// A RST instead of a FIN.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

#[track_caller]
fn check_failed(run: &Run, step: CheckStep, says: &str) {
    let failure = run.failed.as_ref().unwrap_or_else(|| panic!("it went well: {run:?}"));
    assert_eq!(failure.step, step, "{failure:?}");
    assert!(failure.why.contains(says), "{failure:?}");
}

#[tokio::test]
async fn nothing_need_be_said() {
    let (to, served) = server(|mut stream| async move { until_end(&mut stream).await }).await;
    let run = steps::run(&spec(""), to).await;
    assert_eq!(run.failed, None);
    assert_eq!(run.local, served.await.unwrap(), "the tuple is that of the connection");
}

#[tokio::test]
async fn a_payload_is_sent_and_the_answer_compared_as_it_comes() {
    let (to, served) = server(|mut stream| async move {
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"PING");
        stream.write_all(b"+PO").await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(b"NG and more").await.unwrap();
        until_end(&mut stream).await;
    })
    .await;
    let run = steps::run(&spec("send = \"PING\"\nexpect = \"+PONG\""), to).await;
    assert_eq!(run.failed, None);
    served.await.unwrap();
}

#[tokio::test]
async fn another_answer_fails_the_exchange() {
    for (answer, says) in [
        (&b"-ERR no"[..], "expected `+PONG`, got `-ERR `"),
        (b"+PA", "expected `+PONG`, got `+PA`"),
        (b"\xff\n", "expected `+PONG`, got `\\xff\\n`"),
    ] {
        let (to, served) = server(move |mut stream| async move {
            stream.write_all(answer).await.unwrap();
            // It stays open: what can't become the answer any more needn't be waited for.
            let _ = stream.read(&mut [0]).await.unwrap_or(0);
        })
        .await;
        let run = steps::run(&spec("expect = \"+PONG\""), to).await;
        check_failed(&run, CheckStep::Exchange, says);
        served.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_or_never_comes_fails_the_exchange() {
    let (to, _served) = server(|mut stream| async move {
        stream.write_all(b"+P").await.unwrap();
    })
    .await;
    let run = steps::run(&spec("expect = \"+PONG\""), to).await;
    check_failed(&run, CheckStep::Exchange, "closed by the server; expected `+PONG`, got `+P`");

    let (to, served) = server(|mut stream| async move { until_end(&mut stream).await }).await;
    let run = steps::run(&spec("expect = \"+PONG\"\ntimeout = \"50ms\""), to).await;
    check_failed(&run, CheckStep::Exchange, "no answer within 50ms");
    served.await.unwrap();
}

#[tokio::test]
async fn a_reset_of_the_idle_connection_fails_the_hold_at_once() {
    let (to, served) = server(|mut stream| async move {
        // Reset any earlier, the client might see it before it sees that it is connected.
        stream.read_exact(&mut [0; 4]).await.unwrap();
        reset(stream);
    })
    .await;
    let started = Instant::now();
    let run = steps::run(&spec("send = \"lock\"\nhold = \"10m\""), to).await;
    check_failed(&run, CheckStep::Hold, "connection reset after ");
    assert!(run.failed.unwrap().why.ends_with(" of 10m"));
    assert!(started.elapsed() < LONG);
    assert_eq!(run.local, served.await.unwrap());
}

#[tokio::test]
async fn what_the_server_sends_does_not_hide_that_it_closes() {
    let (to, _served) = server(|mut stream| async move {
        stream.write_all(&[b'x'; 100_000]).await.unwrap();
    })
    .await;
    let run = steps::run(&spec("hold = \"10m\""), to).await;
    check_failed(&run, CheckStep::Hold, "closed by the server after ");
}

#[tokio::test]
async fn the_close_must_be_answered_in_order() {
    let (to, served) = server(|mut stream| async move {
        until_end(&mut stream).await;
        reset(stream);
    })
    .await;
    check_failed(&steps::run(&spec(""), to).await, CheckStep::Close, "connection reset");
    served.await.unwrap();

    let (listener, to) = listen().await;
    let run = steps::run(&spec("timeout = \"50ms\""), to).await;
    check_failed(&run, CheckStep::Close, "no answer within 50ms");
    drop(listener);
}

#[tokio::test]
async fn nobody_listening_fails_to_connect_and_tells_from_where() {
    // Bound, so that nobody else gets the port, but not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let run = steps::run(&spec(""), socket.local_addr().unwrap()).await;
    check_failed(&run, CheckStep::Connect, "connection refused");
    assert_eq!(run.local.ip(), Ipv4Addr::LOCALHOST);
    assert_ne!(run.local.port(), 0);
}

fn cluster(port: u16) -> Arc<Inventory> {
    let tcp = ServicePort { name: None, protocol: "TCP".into(), port, node_port: None, target_port: None };
    let service = Service {
        namespace: "dbaas".into(),
        name: "pg".into(),
        labels: Default::default(),
        selector: Default::default(),
        cluster_ips: vec![Ipv4Addr::LOCALHOST.into()],
        external_ips: vec![],
        vips: vec![],
        ports: vec![tcp],
        external_local: false,
        backends: vec![],
        ..Service::default()
    };
    Arc::new(Inventory { services: vec![Arc::new(service)], ..Inventory::default() })
}

/// Checks that run, and their end.
struct Running {
    cluster: watch::Sender<Arc<Inventory>>,
    results: mpsc::Receiver<Input>,
    tasks: Tasks,
    cancel: CancellationToken,
}

fn start(specs: Vec<CheckSpec>) -> Running {
    let (cluster, inventories) = watch::channel(Arc::default());
    let (to, results) = mpsc::channel(8);
    let (tasks, cancel) = (Tasks::default(), CancellationToken::new());
    spawn(specs, &inventories, &to, &tasks, &cancel);
    Running { cluster, results, tasks, cancel }
}

impl Running {
    async fn result(&mut self) -> CheckResult {
        match tokio::time::timeout(LONG, self.results.recv()).await.unwrap() {
            Some(Input::Check(result)) => result,
            other => panic!("{other:?}"),
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        tokio::time::timeout(LONG, self.tasks.ended()).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_is_followed_and_its_absence_is_a_failure() {
    let (listener, to) = listen().await;
    let echo = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            until_end(&mut stream).await;
        }
    });
    let target = format!("target = \"dbaas/pg:{}\"\ninterval = \"1s\"", to.port());
    let mut running = start(vec![spec(&target)]);
    running.cluster.send_replace(Arc::default());
    let absent = running.result().await;
    assert_eq!(absent.failed, Some((CheckStep::Connect, "there is no Service dbaas/pg".into())));
    assert_eq!((absent.tuple.dst, absent.tuple.dport), (Ipv4Addr::UNSPECIFIED.into(), to.port()));
    assert_eq!(absent.service, Some("dbaas/pg".into()));

    running.cluster.send_replace(cluster(to.port()));
    let there = running.result().await;
    assert_eq!((&there.name, there.failed), (&"lock".into(), None));
    assert_eq!((there.tuple.dst, there.tuple.dport), (to.ip(), to.port()));
    assert!((10_000..60_000_000).contains(&there.duration_us), "{}", there.duration_us);
    running.stop().await;
    echo.abort();
}

#[tokio::test]
async fn a_service_is_not_judged_before_the_cluster_is_known() {
    let (_listener, to) = listen().await;
    let service = spec(&format!("target = \"dbaas/pg:{}\"\ninterval = \"1s\"", to.port()));
    let address = spec(&format!("name = \"other\"\ntarget = \"{to}\"\ninterval = \"1s\"\ntimeout = \"1ms\""));
    let mut running = start(vec![service, address]);
    for _ in 0..2 {
        assert_eq!(running.result().await.name, "other");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_end_waits_for_nothing() {
    let (listener, to) = listen().await;
    let held = format!("target = \"{to}\"\nhold = \"10m\"\ninterval = \"1s\"");
    let waiting = format!("name = \"waiting\"\n{held}");
    let running = start(vec![spec(&held), spec(&waiting)]);
    let (mut stream, _) = listener.accept().await.unwrap();
    running.stop().await;
    until_end(&mut stream).await;
}

#[tokio::test]
async fn two_checks_of_one_target_take_turns() {
    let (listener, to) = listen().await;
    let table =
        |name: &str| format!("name = \"{name}\"\ntarget = \"{to}\"\nhold = \"300ms\"\ninterval = \"1s\"");
    let mut running = start(["a", "b", "c"].map(|name| spec(&table(name))).into());
    let serving = tokio::spawn(async move {
        for _ in 0..6 {
            let (mut stream, _) = listener.accept().await.unwrap();
            until_end(&mut stream).await;
            // A second one would be in the queue by now.
            let next = std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx).is_ready()));
            assert!(!next.await, "two at once");
        }
        listener
    });
    for _ in 0..6 {
        assert_eq!(running.result().await.failed, None);
    }
    drop(serving.await.unwrap());
    running.stop().await;
}

proptest! {
    #[test]
    fn jitter_stays_within_a_fifth(ms in 1_000u64..86_400_000, random: u64) {
        let interval = Duration::from_millis(ms);
        let slack = Duration::from_micros(1);
        let jittered = jittered(interval, random);
        prop_assert!(jittered + slack >= interval.mul_f64(0.8), "{jittered:?}");
        prop_assert!(jittered <= interval.mul_f64(1.2) + slack, "{jittered:?}");
        prop_assert!(part(interval, random) <= interval);
    }
}

#[test]
fn jitter_uses_the_whole_range() {
    let second = Duration::from_secs(1);
    assert_eq!(jittered(second, 0), Duration::from_millis(800));
    assert_eq!(jittered(second, u64::MAX), Duration::from_millis(1_200));
    assert_ne!(random(), random());
}
