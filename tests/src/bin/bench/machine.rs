//! Where and when figures were taken, without which they mean nothing. It owns reading that from the
//! system, and raising its limit of open files; it refuses names of hosts and people.

use std::time::SystemTime;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::cores::Cores;

/// The circumstances of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// The processor's own name.
    pub(crate) processor: String,
    /// CPUs this process may use.
    pub(crate) cpus: usize,
    /// Kernel release.
    pub(crate) kernel: String,
    /// The compiler of both programs, as `rustc --version` has it.
    pub(crate) compiler: &'static str,
    /// Load average over one minute, before the run: what the neighbours were doing.
    pub(crate) load_before: String,
    /// The CPUs of the server under test and of everything else, if pinned.
    pub(crate) pinned: Option<(usize, usize)>,
    /// When the run began, in UTC.
    pub(crate) date: String,
}

impl Machine {
    /// As it is now.
    pub(crate) fn now(cores: Cores, cpus: usize) -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let load = read("/proc/loadavg");
        Self {
            processor: processor.map_or("unknown", |(_, name)| name).to_owned(),
            cpus,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            compiler: option_env!("BENCH_COMPILER").unwrap_or("an unnamed rustc"),
            load_before: load.split_whitespace().next().unwrap_or("unknown").to_owned(),
            pinned: cores.pinned(),
            date: httpdate::fmt_http_date(SystemTime::now()),
        }
    }
}

/// Raises the soft limit of open files to the hard one, for this process and those it starts, and gives
/// what then holds.
pub(crate) fn raise_file_limit() -> usize {
    let limits = getrlimit(Resource::Nofile);
    let most = limits.maximum;
    let raised = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    let holds = if raised.is_ok() { most } else { limits.current };
    holds.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}
