//! Which CPU runs what. It owns pinning, by inheritance: a child runs where its parent ran when it was
//! started; it refuses to insist: on a machine with one CPU, or without the right to pin, nothing is pinned.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPU of the server under test and the CPU of everything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pair: Option<(usize, usize)>,
}

impl Cores {
    /// Takes the first two CPUs this process may use.
    pub(crate) fn take() -> Self {
        let Ok(allowed) = sched_getaffinity(None) else { return Self { pair: None } };
        let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let pair = usable.next().zip(usable.next()).filter(|(server, _)| pin(*server));
        Self { pair }
    }

    /// The two CPUs, if the processes are pinned to them.
    pub(crate) fn pinned(self) -> Option<(usize, usize)> {
        self.pair
    }

    /// Runs this thread, and children it starts from now on, where the server belongs.
    pub(crate) fn as_server<T>(self, start: impl FnOnce() -> T) -> T {
        if let Some((server, load)) = self.pair {
            pin(server);
            let started = start();
            pin(load);
            return started;
        }
        start()
    }

    /// Runs this thread where load and backend belong.
    pub(crate) fn stay_aside(self) {
        if let Some((_, load)) = self.pair {
            pin(load);
        }
    }
}

fn pin(cpu: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).is_ok()
}
