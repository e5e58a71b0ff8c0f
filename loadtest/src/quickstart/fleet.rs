//! The four simulated backends. It owns starting, rewinding and summing them up; it refuses to know who
//! calls them.

use std::net::TcpListener;

use model_sim::{Fault, SimConfig, SimHandle, Totals, presets};
use vocabulary::Moment;

use super::story::{BROWN_OUT, PRICE_RISE, RISING, TROUBLED, risen};
use crate::Error;

/// The running backends.
#[derive(Debug)]
pub(super) struct Fleet {
    backends: Vec<(String, SimHandle)>,
}

/// The backends as they will be, before they have a port.
pub(super) fn configs(time_scale: f64, seed: u64) -> Vec<SimConfig> {
    let mut configs = presets::quickstart();
    for config in &mut configs {
        config.time_scale = time_scale;
        config.seed ^= seed.rotate_left(16);
        if config.name == TROUBLED {
            config.faults.faults.push(brown_out());
        }
        if config.name == RISING {
            let prices = std::mem::take(&mut config.prices);
            config.prices = prices.with_change(Moment::ZERO + PRICE_RISE, risen());
        }
    }
    configs
}

fn brown_out() -> Fault {
    presets::brown_out(BROWN_OUT.start.as_secs_f64(), (BROWN_OUT.end - BROWN_OUT.start).as_secs_f64())
}

impl Fleet {
    /// Starts each of `configs` on its listener.
    pub(super) fn start(configs: Vec<SimConfig>, listeners: Vec<TcpListener>) -> Result<Self, Error> {
        let started = configs.into_iter().zip(listeners).map(|(config, listener)| {
            let name = config.name.clone();
            Ok((name, model_sim::spawn_thread(listener, config)?))
        });
        Ok(Self { backends: started.collect::<Result<_, Error>>()? })
    }

    /// Back to the beginning of the story, with empty logs.
    pub(super) fn rewind(&self) {
        for (_, backend) in &self.backends {
            backend.reset();
        }
    }

    /// What each backend has sent and charged since it was rewound, by its own account.
    pub(super) fn totals(&self) -> Vec<(String, Totals)> {
        self.backends.iter().map(|(name, backend)| (name.clone(), backend.totals())).collect()
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::Usage;

    use super::*;

    #[test]
    fn one_backend_browns_out_and_another_becomes_dear() {
        let configs = configs(20.0, 1);
        let of = |name: &str| configs.iter().find(|config| config.name == name).unwrap();
        assert!(of(TROUBLED).faults.faults.contains(&brown_out()));
        let usage = Usage { input: 1_000_000, ..Usage::default() };
        let cost = |at| of(RISING).prices.cost(at, &usage).as_f64();
        assert!((cost(Moment::ZERO + PRICE_RISE) / cost(Moment::ZERO) - 5.0).abs() < 1e-9);
        assert!(configs.iter().all(|config| (config.time_scale - 20.0).abs() < 1e-9));
    }
}
