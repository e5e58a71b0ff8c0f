//! The built `sluicegate` program. It owns finding it next to the test, running it and reading what it
//! says; it refuses to build it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::shared::missing;
use crate::wait::within;

/// Where cargo puts the program of this test's own profile; nothing, loudly, when it was not built.
///
/// # Panics
/// When it is missing although `SLUICEGATE_REQUIRE_BINARIES` is `1`.
#[must_use]
pub fn sluicegate() -> Option<PathBuf> {
    let test = std::env::current_exe().expect("a test knows where it is");
    // target/<profile>/deps/e2e-<hash>
    let profile = test.parent().and_then(Path::parent).expect("a test is two folders deep");
    let program = profile.join("sluicegate");
    if program.exists() {
        return Some(program);
    }
    missing("SLUICEGATE_REQUIRE_BINARIES", &format!("{} is not built", program.display()));
    None
}

/// The program `name` in the folder of another one, if it was built.
#[must_use]
pub fn beside(other: &Path, name: &str) -> Option<PathBuf> {
    Some(other.parent()?.join(name)).filter(|program| program.exists())
}

/// A program under way. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    lines: watch::Receiver<()>,
    reader: JoinSet<()>,
}

impl Running {
    /// Starts `program` with these arguments and variables.
    #[must_use]
    pub fn start(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).envs(variables.iter().copied()).env("NO_COLOR", "1").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let stderr = child.stderr.take().expect("standard error is piped");
        let said = Arc::new(Mutex::new(String::new()));
        let (changed, lines) = watch::channel(());
        let mut reader = JoinSet::new();
        let heard = Arc::clone(&said);
        reader.spawn(async move {
            let mut stderr = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = stderr.next_line().await {
                heard.lock().push_str(&(line + "\n"));
                changed.send_replace(());
            }
        });
        Self { child, said, lines, reader }
    }

    /// Everything it has said so far on standard error.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().clone()
    }

    /// Waits until it has said something that holds `words`, and gives that line.
    pub async fn says(&self, words: &str) -> String {
        let find = || self.said().lines().find(|line| line.contains(words)).map(str::to_owned);
        let mut lines = self.lines.clone();
        let heard = within(&format!("`{words}`"), lines.wait_for(|()| find().is_some())).await.is_ok();
        match find() {
            Some(line) => line,
            None => panic!("`{words}` was not said (still running: {heard}), but:\n{}", self.said()),
        }
    }

    /// The address of a listener, once it serves.
    pub async fn listener(&self, name: &str) -> SocketAddr {
        let line = self.says(&format!("listener `{name}` on ")).await;
        address(&line)
    }

    /// The address of the admin API, once it serves.
    pub async fn admin(&self) -> SocketAddr {
        let line = self.says("admin API on http://").await;
        self.says("sluicegate: ready").await;
        address(&line)
    }

    /// How much memory it holds, in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        kilobytes * 1024
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it runs");
        kill_process(id, signal).expect("a signal to our own child");
    }

    /// Waits for its end, and for its last words.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = within("the program's end", self.child.wait()).await.expect("a status");
        within("its last words", self.reader.join_next()).await;
        status
    }
}

fn address(line: &str) -> SocketAddr {
    let last = line.rsplit([' ', '/']).next().unwrap_or_default();
    last.parse().unwrap_or_else(|_| panic!("no address in `{line}`"))
}
