//! A server under test as a process. It owns starting it on its CPU, learning its addresses from what it
//! says, and reading how much CPU and memory it has used; it refuses to know what it serves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;

use crate::Fallible;
use crate::cores::Cores;

/// The longest a server may take until it says that it is ready.
const START: Duration = Duration::from_secs(20);
/// The longest it may take to stop.
const STOP: Duration = Duration::from_secs(20);

/// A server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens, in the order it said so.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Keeps reading what it says, or it would block on a full pipe.
    _reader: JoinSet<()>,
}

impl Server {
    /// Starts `command` where servers run, and waits until it has said `… ready`.
    pub(crate) async fn announced(mut command: Command, cores: Cores) -> Fallible<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let name = command.as_std().get_program().display().to_string();
        let mut child = cores.as_server(|| command.spawn()).map_err(|error| format!("{name}: {error}"))?;
        let stderr = child.stderr.take().ok_or("no pipe for what a server says")?;
        let mut lines = BufReader::new(stderr).lines();
        let addresses = tokio::time::timeout(START, ready(&mut lines)).await;
        let addresses = addresses.map_err(|_| format!("{name} was not ready in {} s", START.as_secs()))?;
        let addresses = addresses.map_err(|said| format!("{name} did not start:\n{said}"))?;
        let mut reader = JoinSet::new();
        reader.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, addresses, _reader: reader })
    }

    /// Starts a server that says nothing, where servers run, and waits until it answers at `address`.
    pub(crate) async fn silent(
        mut command: Command,
        address: SocketAddr,
        patience: Duration,
        cores: Cores,
    ) -> Fallible<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let name = command.as_std().get_program().display().to_string();
        let child = cores.as_server(|| command.spawn()).map_err(|error| format!("{name}: {error}"))?;
        let answers = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(patience, answers).await;
        waited.map_err(|_| format!("{name} does not answer on {address}"))?;
        Ok(Self { child, addresses: vec![address], _reader: JoinSet::new() })
    }

    /// Where it takes requests.
    pub(crate) fn address(&self) -> Fallible<SocketAddr> {
        self.addresses.first().copied().ok_or_else(|| "a server named no address".into())
    }

    /// Asks it to stop and waits until it has written what it still holds.
    pub(crate) async fn stop(mut self) -> Fallible<()> {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(id.ok_or("the server under test has ended")?, Signal::TERM)?;
        let ended = tokio::time::timeout(STOP, self.child.wait()).await;
        ended.map_err(|_| format!("a server did not stop in {} s", STOP.as_secs()))??;
        Ok(())
    }

    /// CPU time used so far by each of its threads, and by those of processes it has started.
    pub(crate) fn cpu(&self) -> Fallible<CpuTimes> {
        CpuTimes::of(self.child.id().ok_or("the server under test has ended")?)
    }

    /// What it has in memory now and had at most, in bytes (`VmRSS` and `VmHWM`, proc(5)).
    pub(crate) fn memory(&self) -> Fallible<(u64, u64)> {
        let id = self.child.id().ok_or("the server under test has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            kibibytes.map(|kibibytes| kibibytes * 1024).ok_or("this kernel does not tell memory")
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }
}

/// Reads lines up to `… ready`; gives the addresses they named, or the lines.
async fn ready(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<Vec<SocketAddr>, String> {
    let (mut addresses, mut said) = (Vec::new(), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        if line.ends_with(": ready") {
            return Ok(addresses);
        }
        addresses
            .extend(line.rsplit_once(" on ").and_then(|(_, address)| address.parse::<SocketAddr>().ok()));
        said.push_str(&line);
        said.push('\n');
    }
    Err(said)
}

/// Nanoseconds each thread of a process has run, by thread id.
#[derive(Clone, Debug)]
pub(crate) struct CpuTimes(BTreeMap<u32, u64>);

impl CpuTimes {
    fn of(process: u32) -> Fallible<Self> {
        let mut times = BTreeMap::new();
        let mut processes = vec![process];
        while let Some(process) = processes.pop() {
            processes.extend(read_threads(process, &mut times)?);
        }
        Ok(Self(times))
    }

    /// CPU time used since `earlier`, by threads that still run.
    pub(crate) fn since(&self, earlier: &Self) -> Used {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or(0);
        let used = self.0.iter().map(|(thread, ran)| ran.saturating_sub(before(thread)));
        let (all, busiest) = used.fold((0, 0), |(all, busiest): (u64, u64), ns| (all + ns, busiest.max(ns)));
        Used { all: Duration::from_nanos(all), beside: Duration::from_nanos(all - busiest) }
    }
}

/// Adds `schedstat` of every thread, which counts nanoseconds where `stat` counts ticks (proc(5)), and
/// gives the process's children.
fn read_threads(process: u32, times: &mut BTreeMap<u32, u64>) -> Fallible<Vec<u32>> {
    let folder = format!("/proc/{process}/task");
    let mut children = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))? {
        let entry = entry?;
        let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A thread may end between the listing and the reading; it has nothing more to add.
        let Ok(text) = std::fs::read_to_string(entry.path().join("schedstat")) else { continue };
        let ran = text.split_whitespace().next().and_then(|field| field.parse().ok());
        times.insert(thread, ran.ok_or("this kernel keeps no schedstat")?);
        let text = std::fs::read_to_string(entry.path().join("children")).unwrap_or_default();
        children.extend(text.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(children)
}

/// CPU time a server used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// By all of its threads.
    pub(crate) all: Duration,
    /// By all but the busiest, which is the one that serves requests.
    pub(crate) beside: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_counts_from_where_it_was_and_a_new_one_from_zero() {
        let earlier = CpuTimes(BTreeMap::from([(1, 500), (2, 70)]));
        let later = CpuTimes(BTreeMap::from([(1, 800), (3, 40)]));
        let used = Used { all: Duration::from_nanos(340), beside: Duration::from_nanos(40) };
        assert_eq!(later.since(&earlier), used);
    }

    #[test]
    fn this_process_has_used_some_cpu_by_now() {
        let times = CpuTimes::of(std::process::id()).unwrap();
        assert!(times.since(&CpuTimes(BTreeMap::new())).all > Duration::ZERO);
    }
}
