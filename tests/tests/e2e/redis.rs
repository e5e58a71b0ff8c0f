//! A Redis server of a test's own, on a free port, without anything on disk but what the test asks for. It
//! owns what a test may do to one; where it runs (a container, a process) is next door.

mod host;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use e2e::shared::missing;
use e2e::wait::until_async;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::images::docker_answers;
use host::Host;

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// It has every change on its disk before it answers.
    pub(crate) keeps: bool,
    /// It speaks TLS, and nothing else.
    pub(crate) tls: bool,
    /// Options beside those that follow from the above.
    pub(crate) options: Vec<String>,
    /// Files by name; an option refers to one by that name alone.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

/// A server under way. Dropping it kills it.
pub(crate) struct RedisServer {
    /// Where it listens, also after it was killed and started again.
    pub(crate) address: SocketAddr,
    tls: bool,
    host: Host,
}

impl RedisServer {
    /// Starts one; nothing, loudly, when the program is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_as(Wanted::default()).await
    }

    /// Starts one that has every change on its disk before it answers.
    pub(crate) async fn start_keeping() -> Option<Self> {
        Self::start_as(Wanted { keeps: true, ..Wanted::default() }).await
    }

    /// Starts one in a container where live tests run and Docker answers, else as a process.
    pub(crate) async fn start_as(wanted: Wanted) -> Option<Self> {
        let Some(program) = installed() else {
            missing("SLUICEGATE_REQUIRE_REDIS", "neither redis-server nor valkey-server is installed");
            return None;
        };
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let tls = wanted.tls;
        let host = if live() && docker_answers() {
            Host::container(&program, address, wanted).await
        } else {
            if live() {
                missing("SLUICEGATE_REQUIRE_DOCKER", "no Docker daemon answers; Redis runs as a process");
            }
            Host::process(program, address, wanted)
        };
        let server = Self { address, tls, host };
        server.ready().await;
        Some(server)
    }

    /// Where it runs, for people.
    pub(crate) fn place(&self) -> &'static str {
        match self.host {
            Host::Container(_) => "container",
            Host::Process(_) => "process",
        }
    }

    /// What a manifest calls it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.address)
    }

    /// Ends it without warning. It comes back with what it had saved, if anything.
    pub(crate) async fn kill(&mut self) {
        self.host.kill().await;
    }

    /// Starts it again after [`Self::kill`].
    pub(crate) async fn restart(&mut self) {
        self.host.restart().await;
        self.ready().await;
    }

    /// Stops it in its tracks: connections stay, nothing is answered.
    pub(crate) async fn freeze(&self) {
        self.host.freeze().await;
    }

    /// Lets it go on.
    pub(crate) async fn thaw(&self) {
        self.host.thaw().await;
    }

    /// Sends one command of words without blanks and gives the answer as it came. Not over TLS.
    pub(crate) async fn command(&self, words: &str) -> String {
        self.tried(words).await.unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// How often `command` was called since the start.
    pub(crate) async fn calls(&self, command: &str) -> u64 {
        let said = self.command("INFO commandstats").await;
        let begin = format!("cmdstat_{command}:calls=");
        let count = said.lines().find_map(|line| line.strip_prefix(&begin)?.split(',').next()?.parse().ok());
        count.unwrap_or(0)
    }

    /// Waits until it answers, be it that it wants a password first.
    async fn ready(&self) {
        let answers = |said: &String| said.contains("PONG") || said.contains("NOAUTH");
        if self.tls {
            // Its words are for callers with TLS; that it listens has to do.
            until_async("redis", async || TcpStream::connect(self.address).await.ok()).await;
        } else {
            until_async("redis", async || self.tried("PING").await.ok().filter(answers)).await;
        }
    }

    async fn tried(&self, words: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(format!("{words}\r\nQUIT\r\n").as_bytes()).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok(said)
    }
}

fn live() -> bool {
    std::env::var_os("SLUICEGATE_LIVE").is_some_and(|value| value == "1")
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    ["redis-server", "valkey-server"]
        .iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|program| program.exists()))
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_server_that_is_killed_comes_back_where_it_was_with_what_it_kept() {
    for (keeps, left) in [(false, "$-1"), (true, "$4")] {
        let Some(mut server) = RedisServer::start_as(Wanted { keeps, ..Wanted::default() }).await else {
            return;
        };
        eprintln!("redis runs as a {}", server.place());
        server.command("SET word kept").await;
        server.kill().await;
        assert!(server.tried("PING").await.is_err(), "nobody listens");
        server.restart().await;
        let said = server.command("GET word").await;
        assert!(said.starts_with(left), "{said}");
    }
}
