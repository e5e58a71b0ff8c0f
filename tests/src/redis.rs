//! A Redis server of a test's own, on a free port, without anything on disk but what the test asks for. It
//! owns starting, freezing and killing it; it refuses to use one that is there already.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::shared::missing;
use crate::wait::until_async;

/// A server under way. Dropping it kills it.
#[derive(Debug)]
pub struct RedisServer {
    /// Where it listens, also after it was killed and started again.
    pub address: SocketAddr,
    program: PathBuf,
    folder: TempDir,
    child: Child,
    keeps: bool,
}

impl RedisServer {
    /// Starts one; nothing, loudly, when the program is not installed.
    ///
    /// # Panics
    /// When it is missing although `SLUICEGATE_REQUIRE_REDIS` is `1`, or does not start.
    pub async fn start() -> Option<Self> {
        Self::begin(false).await
    }

    /// Starts one that has every change on its disk before it answers.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_keeping() -> Option<Self> {
        Self::begin(true).await
    }

    async fn begin(keeps: bool) -> Option<Self> {
        let Some(program) = installed() else {
            missing("SLUICEGATE_REQUIRE_REDIS", "neither redis-server nor valkey-server is installed");
            return None;
        };
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let folder = tempfile::tempdir().expect("a folder");
        let child = spawn(&program, address, &folder, keeps);
        let server = Self { address, program, folder, child, keeps };
        server.ready().await;
        Some(server)
    }

    /// What a manifest calls it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it without warning. It comes back with what it had saved, if anything.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("our own child");
    }

    /// Starts it again after [`Self::kill`].
    pub async fn restart(&mut self) {
        self.child = spawn(&self.program, self.address, &self.folder, self.keeps);
        self.ready().await;
    }

    /// Stops it in its tracks: connections stay, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends one command of words without blanks and gives the answer as it came.
    pub async fn command(&self, words: &str) -> String {
        self.tried(words).await.unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// How often `command` was called since the start.
    pub async fn calls(&self, command: &str) -> u64 {
        let said = self.command("INFO commandstats").await;
        let begin = format!("cmdstat_{command}:calls=");
        let count = said.lines().find_map(|line| line.strip_prefix(&begin)?.split(',').next()?.parse().ok());
        count.unwrap_or(0)
    }

    async fn ready(&self) {
        until_async("redis", async || self.tried("PING").await.ok().filter(|said| said.contains("PONG")))
            .await;
    }

    async fn tried(&self, words: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(format!("{words}\r\nQUIT\r\n").as_bytes()).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok(said)
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it runs");
        kill_process(id, signal).expect("a signal to our own child");
    }
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    ["redis-server", "valkey-server"]
        .iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|program| program.exists()))
}

fn spawn(program: &PathBuf, address: SocketAddr, folder: &TempDir, keeps: bool) -> Child {
    let port = address.port().to_string();
    Command::new(program)
        .args(["--bind", "127.0.0.1", "--port", &port, "--save", ""])
        .args(["--appendonly", if keeps { "yes" } else { "no" }, "--appendfsync", "always"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts")
}
