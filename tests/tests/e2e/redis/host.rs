//! Where a Redis server runs: a container made of this machine's own program, or a process. It owns starting
//! and stopping either so that a test cannot tell them apart; it refuses to speak to the server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::wait::within;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::process::{Child, Command};

use super::Wanted;
use crate::images::image_of;

/// Where it listens inside its container.
const INSIDE: u16 = 6379;

/// What a server runs on.
pub(super) enum Host {
    Container(Box<ContainerAsync<GenericImage>>),
    Process(Box<Process>),
}

/// A server that is a child of this process.
pub(super) struct Process {
    program: PathBuf,
    options: Vec<String>,
    folder: TempDir,
    child: Child,
}

impl Host {
    /// A container that is reached at `address`.
    pub(super) async fn container(program: &Path, address: SocketAddr, wanted: Wanted) -> Self {
        let image = image_of("redis", &[program]).await;
        let name = program.file_name().unwrap().to_str().unwrap();
        let options = options("0.0.0.0", INSIDE, &wanted);
        let mut request = image
            .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
            // A port of Docker's choosing would be another one after each start.
            .with_mapped_port(address.port(), INSIDE.tcp())
            .with_cmd(std::iter::once(format!("/{name}")).chain(options));
        for (name, bytes) in wanted.files {
            request = request.with_copy_to(format!("/{name}"), bytes);
        }
        Self::Container(Box::new(within("a container with Redis", request.start()).await.unwrap()))
    }

    /// A process that listens at `address`.
    pub(super) fn process(program: PathBuf, address: SocketAddr, wanted: Wanted) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options("127.0.0.1", address.port(), &wanted);
        for (name, bytes) in wanted.files {
            std::fs::write(folder.path().join(name), bytes).expect("a file of the server's");
        }
        let child = spawn(&program, &options, &folder);
        Self::Process(Box::new(Process { program, options, folder, child }))
    }

    pub(super) async fn kill(&mut self) {
        match self {
            // Not its `stop`, which asks first: a server that is asked saves what it has.
            Self::Container(container) => {
                let docker = docker_client_instance().await.unwrap();
                docker.kill_container(container.id(), None).await.unwrap();
                e2e::wait::until_async("the container's end", async || {
                    (!container.is_running().await.unwrap()).then_some(())
                })
                .await;
            }
            Self::Process(process) => process.child.kill().await.expect("our own child"),
        }
    }

    pub(super) async fn restart(&mut self) {
        match self {
            Self::Container(container) => container.start().await.unwrap(),
            Self::Process(process) => {
                process.child = spawn(&process.program, &process.options, &process.folder);
            }
        }
    }

    pub(super) async fn freeze(&self) {
        match self {
            Self::Container(container) => container.pause().await.unwrap(),
            Self::Process(process) => process.signal(Signal::STOP),
        }
    }

    pub(super) async fn thaw(&self) {
        match self {
            Self::Container(container) => container.unpause().await.unwrap(),
            Self::Process(process) => process.signal(Signal::CONT),
        }
    }
}

impl Process {
    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it runs");
        kill_process(id, signal).expect("a signal to our own child");
    }
}

fn options(bind: &str, port: u16, wanted: &Wanted) -> Vec<String> {
    let port = port.to_string();
    let (plain, tls) = if wanted.tls { ("0", port.as_str()) } else { (port.as_str(), "0") };
    let keeps = if wanted.keeps { "yes" } else { "no" };
    let mut options: Vec<String> = [
        ["--bind", bind],
        ["--port", plain],
        // Within a container callers come from outside it; outside of one `bind` sees to them.
        ["--protected-mode", "no"],
        ["--save", ""],
        ["--appendonly", keeps],
        ["--appendfsync", "always"],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .collect();
    if wanted.tls {
        options.extend(["--tls-port", tls].map(str::to_owned));
    }
    options.extend(wanted.options.iter().cloned());
    options
}

fn spawn(program: &Path, options: &[String], folder: &TempDir) -> Child {
    Command::new(program)
        .args(options)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts")
}
