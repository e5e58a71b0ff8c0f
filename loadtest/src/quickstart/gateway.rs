//! The real gateway as a child process. It owns finding the program, starting, watching and stopping
//! it; it refuses to leave it behind.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::console::Console;
use crate::Error;

/// Names the gateway's program when it is not beside this one.
const BINARY_VARIABLE: &str = "SLUICEGATE_BIN";
const PROGRAM: &str = "sluicegate";
/// Longest wait until the gateway is ready.
const START: Duration = Duration::from_secs(20);
/// Longest wait until it has stopped by itself.
const STOP: Duration = Duration::from_secs(5);
/// Lines of its log shown when it fails.
const LAST_WORDS: usize = 20;

/// The running gateway. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Gateway {
    child: Child,
    log: PathBuf,
}

/// The gateway's program.
pub(super) fn find_program() -> Result<PathBuf, Error> {
    let beside = env::current_exe()?.with_file_name(PROGRAM);
    let program = env::var_os(BINARY_VARIABLE).map_or(beside, PathBuf::from);
    if program.is_file() {
        // Absolute, since the gateway starts in a directory of its own.
        return Ok(program.canonicalize()?);
    }
    Err(Error::Usage(format!(
        "there is no gateway at {}. Build it (cargo build --release --bin {PROGRAM}), or name it in {BINARY_VARIABLE}",
        program.display()
    )))
}

impl Gateway {
    /// Starts `program` on `manifest`; its files go to the manifest's directory.
    pub(super) fn start(program: &Path, manifest: &Path, time_scale: f64) -> Result<Self, Error> {
        let home = manifest.parent().unwrap_or(Path::new("."));
        let log = home.join("gateway.log");
        let child = Command::new(program)
            .arg("run")
            .arg("--manifest")
            .arg(manifest)
            .arg("--time-scale")
            .arg(time_scale.to_string())
            .arg("--state-dir")
            .arg(home.join("state"))
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            // A group of its own: Ctrl-C at the terminal is for the quickstart, which then stops the
            // gateway after its callers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child, log })
    }

    /// Waits until it is ready to serve.
    pub(super) async fn ready(&mut self, console: &Console) -> Result<(), Error> {
        let deadline = Instant::now() + START;
        while !console.is_ready().await {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(status));
            }
            if Instant::now() >= deadline {
                let words = self.last_words();
                return Err(Error::Internal(format!(
                    "the gateway was not ready after {} s\n{words}",
                    START.as_secs()
                )));
            }
            sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    }

    /// Waits until it ends by itself, which it should not.
    pub(super) async fn ended(&mut self) -> Error {
        match self.child.wait().await {
            Ok(status) => self.failed(status),
            Err(error) => error.into(),
        }
    }

    /// Asks it to stop, and makes it when it does not.
    pub(super) async fn stop(mut self) -> Result<(), Error> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have ended meanwhile; that is what was wanted.
            let _ = kill_process(id, Signal::TERM);
        }
        if timeout(STOP, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }

    /// Where it writes its log.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    fn failed(&self, status: ExitStatus) -> Error {
        Error::Internal(format!("the gateway ended ({status})\n{}", self.last_words()))
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LAST_WORDS)..).unwrap_or_default();
        last.iter().map(|line| format!("  | {line}\n")).collect()
    }
}
