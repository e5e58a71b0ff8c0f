//! The quickstart's ports. It owns their arithmetic, the check that they are free and the manifest's
//! addresses; it refuses to search for free ones: the ports shown in the documentation are the ports.

use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// The manifest's own first port.
pub(super) const DEFAULT_BASE: u16 = 18_080;
const HOST: &str = "127.0.0.1:";
/// From the first port to the first backend's.
const BACKENDS: u16 = 21;

/// Ports of one quickstart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    base: u16,
}

impl Ports {
    pub(super) fn new(base: u16) -> Self {
        Self { base }
    }

    /// Where the gateway listens.
    pub(super) fn gateway(self) -> u16 {
        self.base
    }

    /// Where its admin API listens.
    pub(super) fn admin(self) -> u16 {
        self.base + 1
    }

    /// Listeners of the backends, in order of `names`, after showing that the gateway's ports are free.
    pub(super) fn take(self, names: &[&str]) -> Result<Vec<TcpListener>, Error> {
        for (port, what) in [(self.gateway(), "the gateway"), (self.admin(), "the gateway's admin API")] {
            self.bind(port, what)?;
        }
        let backends = (self.base + BACKENDS..).zip(names);
        backends.map(|(port, name)| self.bind(port, &format!("the simulated backend `{name}`"))).collect()
    }

    fn bind(self, port: u16, what: &str) -> Result<TcpListener, Error> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            let other = if self.base < 50_000 { self.base + 10_000 } else { DEFAULT_BASE };
            Error::Usage(format!(
                "port {port}, meant for {what}, cannot be used: {error}. Stop what listens there, or choose \
                 other ports: sluicegate-loadtest quickstart --base-port {other}"
            ))
        })
    }

    /// The manifest with its addresses moved to these ports.
    pub(super) fn rewrite(self, manifest: &str) -> String {
        let mut pieces = manifest.split(HOST);
        let mut moved = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let digits = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
            let (port, rest) = piece.split_at(digits);
            moved.push_str(HOST);
            match port.parse::<u16>().ok().and_then(|port| port.checked_sub(DEFAULT_BASE)) {
                Some(offset) => moved.push_str(&(self.base + offset).to_string()),
                None => moved.push_str(port),
            }
            moved.push_str(rest);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::MANIFEST;
    use super::*;

    #[test]
    fn the_manifest_moves_to_other_ports_as_a_whole() {
        let moved = Ports::new(18_081).rewrite(MANIFEST);
        for port in [18_081, 18_082, 18_102, 18_103, 18_104, 18_105] {
            assert_eq!(
                moved.matches(&format!("127.0.0.1:{port}\n")).count()
                    + moved.matches(&format!("127.0.0.1:{port}}}")).count(),
                1,
                "{port}"
            );
        }
        assert_eq!(Ports::new(DEFAULT_BASE).rewrite(MANIFEST), MANIFEST);
    }

    #[test]
    fn a_taken_port_is_named_with_a_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Ports::new(port).take(&[]).unwrap_err();
        assert_eq!(error.exit(), crate::Exit::Usage);
        let text = error.to_string();
        assert!(text.contains(&port.to_string()) && text.contains("--base-port"), "{text}");
    }
}
