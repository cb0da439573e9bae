//! Reads the packets that the enforcer of the policies logs: kube-router sends them to group 100 of netlink's packet log
//! (NFLOG), where one program can read them.

mod gaps;
mod message;
mod policy;
mod syn;
#[cfg(test)]
mod tests;

use std::fs;
use std::time::Duration;

use flow_model::input::{Input, LoggedSyn, LostStage};
use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until};

use self::gaps::Gaps;
use self::message::{CONFIG, Line, bind, line};
use self::policy::policy;
use self::syn::syn;
use crate::netlink::error::NetlinkError;
use crate::netlink::socket::Socket;
use crate::netlink::wire::messages;

/// Bytes that the kernel queues: some hundred lines. kube-router logs ten a minute for each pod.
const BUFFER: usize = 256 << 10;
/// Most lines read in a second. A rule of somebody else's that logs to the same group without a limit must not cost a
/// core; the kernel drops the rest, which is counted.
const RATE: u32 = 1_000;
const SECOND: Duration = Duration::from_secs(1);
/// The programs that read the packet log, one a line: group, netlink port, and five numbers more. See `seq_show` in
/// <https://github.com/torvalds/linux/blob/v6.12/net/netfilter/nfnetlink_log.c>.
const READERS: &str = "/proc/thread-self/net/netfilter/nfnetlink_log";

/// Holds the log's group, from which no other program can read meanwhile.
pub struct EnforcerLog {
    socket: Socket,
    gaps: Gaps,
}

impl EnforcerLog {
    /// Becomes the reader of a group in the network namespace of the calling thread. It may block while the kernel loads
    /// a module, and needs the async runtime.
    ///
    /// # Errors
    /// Fails with [`NetlinkError::LogTaken`] where another program reads the group, with [`NetlinkError::NoPacketLog`]
    /// where the kernel has no packet log, and with [`NetlinkError::LogDenied`] without CAP_NET_ADMIN.
    pub fn open(group: u16) -> Result<Self, NetlinkError> {
        let mut socket = Socket::subscribe(SockProtocol::NetlinkNetFilter, 0, BUFFER)?;
        match socket.command(CONFIG, &bind(group)) {
            Ok(()) => Ok(Self { socket, gaps: Gaps::default() }),
            Err(errno) => Err(refusal(group, errno, &fs::read_to_string(READERS).unwrap_or_default())),
        }
    }

    /// Sends each SYN in the log to `to` as [`Input::Logged`], and what was lost. Returns when the receiver is closed.
    ///
    /// # Errors
    /// Fails when the log can't be read any more.
    pub async fn follow(mut self, to: &Sender<Input>) -> Result<(), NetlinkError> {
        let (mut since, mut taken) = (Instant::now(), 0);
        loop {
            if since.elapsed() >= SECOND {
                (since, taken) = (Instant::now(), 0);
            }
            if taken >= RATE {
                sleep_until(since + SECOND).await;
                continue;
            }
            taken += 1;
            for input in self.receive().await? {
                if to.send(input).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    /// Waits for a datagram, and returns what it becomes.
    async fn receive(&mut self) -> Result<Vec<Input>, NetlinkError> {
        let datagram = match self.socket.receive().await {
            Ok(datagram) => datagram,
            // The numbers of the next lines show how many were lost.
            Err(Errno::ENOBUFS | Errno::EMSGSIZE) => return Ok(Vec::new()),
            Err(errno) => return Err(NetlinkError::Io { what: "reading the enforcer's log", errno }),
        };
        let (gaps, now) = (&mut self.gaps, Timestamp::now());
        let lines = messages(datagram).filter_map(|message| line(message.kind, message.body));
        Ok(lines.flat_map(|line| inputs(&line, gaps, now)).flatten().collect())
    }
}

/// Returns what a line becomes: the number of lines that are missing before it, and its SYN, if it is one.
fn inputs(line: &Line<'_>, gaps: &mut Gaps, time: Timestamp) -> [Option<Input>; 2] {
    let count = line.number.map_or(0, |number| gaps.before(number));
    let lost = (count > 0).then_some(Input::Lost { stage: LostStage::EnforcerLog, count });
    let logged = syn(line.packet).map(|syn| {
        let policy = policy(line.prefix);
        Input::Logged(LoggedSyn { time, src: syn.src, sport: syn.sport, isn: syn.isn, policy })
    });
    [lost, logged]
}

/// Names the reason why the kernel refused the group. It answers EPERM both where another program has the group and where
/// the caller lacks the capability; the list of readers tells them apart. EBUSY means that this socket has it already. See
/// `nfulnl_recv_config` in <https://github.com/torvalds/linux/blob/v6.12/net/netfilter/nfnetlink_log.c>.
fn refusal(group: u16, errno: Errno, readers: &str) -> NetlinkError {
    match (errno, reader(group, readers)) {
        (Errno::EPERM | Errno::EBUSY, Some(port)) => NetlinkError::LogTaken { group, port },
        (Errno::EPERM | Errno::EACCES, None) => NetlinkError::LogDenied(errno),
        // No subsystem of netfilter's netlink has this number: the module is missing.
        (Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOENT, _) => NetlinkError::NoPacketLog(errno),
        (errno, _) => NetlinkError::Refused { what: "packet log", errno },
    }
}

/// Returns the netlink port of the program that reads the group.
fn reader(group: u16, readers: &str) -> Option<u32> {
    readers.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let is_group = words.next()?.parse() == Ok(group);
        let port = words.next()?.parse().ok()?;
        is_group.then_some(port)
    })
}
