//! Socket addresses. It owns their one accepted form and when two of them collide.

use std::net::{IpAddr, SocketAddr};

/// Why a text is not an address, with the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressFault {
    pub(crate) what: &'static str,
    pub(crate) help: String,
}

/// Reads `address:port`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, AddressFault> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let fault = |what, help: String| Err(AddressFault { what, help });
    if text.parse::<IpAddr>().is_ok() {
        let host = if text.contains(':') { format!("[{text}]") } else { text.to_owned() };
        return fault("it has no port", format!("write for example `{host}:8080`"));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return match text.parse::<u16>() {
            Ok(port) => {
                fault("it has no IP address", format!("write `127.0.0.1:{port}` or `0.0.0.0:{port}`"))
            }
            Err(_) => {
                fault("it is not an IP address and a port", "write for example `127.0.0.1:8080`".to_owned())
            }
        };
    };
    if port.parse::<u16>().is_err() {
        return fault("its port is not a number up to 65535", format!("write for example `{host}:8080`"));
    }
    match host {
        "" | "*" => {
            fault("it has no IP address", format!("write `0.0.0.0:{port}` for every address of this machine"))
        }
        "localhost" => fault("a name is not an address", format!("write `127.0.0.1:{port}`")),
        _ => fault(
            "its host is not an IP address",
            format!("write for example `127.0.0.1:{port}` or `[::1]:{port}`"),
        ),
    }
}

/// Whether a socket on `wide` takes the address of one on `narrow`. Port 0 is never taken.
pub(crate) fn covers(wide: SocketAddr, narrow: SocketAddr) -> bool {
    let same_family = wide.is_ipv4() == narrow.is_ipv4();
    wide.port() == narrow.port()
        && wide.port() != 0
        && (wide.ip() == narrow.ip() || (wide.ip().is_unspecified() && same_family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_to_write_instead() {
        for (text, help) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:80", "127.0.0.1:80"),
            ("10.0.0.1", "10.0.0.1:8080"),
            ("::1", "[::1]:8080"),
            ("127.0.0.1:99999", "127.0.0.1:8080"),
            ("gateway", "127.0.0.1:8080"),
        ] {
            let fault = address(text).unwrap_err();
            assert!(fault.help.contains(help), "{text}: {fault:?}");
        }
        assert!(address("[::]:443").is_ok());
    }

    #[test]
    fn an_unspecified_address_covers_its_family() {
        let at = |text: &str| address(text).unwrap();
        assert!(covers(at("0.0.0.0:80"), at("127.0.0.1:80")));
        assert!(!covers(at("127.0.0.1:80"), at("0.0.0.0:80")));
        assert!(!covers(at("0.0.0.0:80"), at("127.0.0.1:81")));
        assert!(!covers(at("[::]:80"), at("127.0.0.1:80")));
        assert!(!covers(at("0.0.0.0:0"), at("0.0.0.0:0")));
    }
}
