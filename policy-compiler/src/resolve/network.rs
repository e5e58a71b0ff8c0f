//! Networks. It owns their one accepted form, CIDR without bits of a host, and the canonical one; it refuses
//! to look anything up.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::address::AddressFault;

/// Reads an address or a network in CIDR form. An IPv4-mapped network (RFC 4291 §2.5.5.2) is the IPv4 one.
pub(crate) fn network(text: &str) -> Result<IpNet, AddressFault> {
    let fault = |what, help: String| AddressFault { what, help };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let Ok(network) = text.parse::<IpNet>() else {
        let help = "write for example `10.0.0.0/8`, `192.0.2.7` or `2001:db8::/32`".to_owned();
        return Err(match text.split_once('/') {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                let longest = if address.contains(':') { 128 } else { 32 };
                fault(
                    "its prefix is not a length that its addresses have",
                    format!("write a number up to {longest} after the `/`"),
                )
            }
            _ => fault("it is neither an IP address nor a network", help),
        });
    };
    let whole = network.trunc();
    if whole.addr() != network.addr() {
        let help = format!("write `{whole}` for the network, or `{}` for the address", network.addr());
        return Err(fault("its address has bits beyond the prefix", help));
    }
    Ok(canonical(whole))
}

/// An IPv4-mapped network as what it means.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    let v4 = mapped.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(network("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
        assert_eq!(network("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::/0").unwrap().to_string(), "::/0");
    }

    #[test]
    fn a_mapped_network_is_the_ipv4_one() {
        assert_eq!(network("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::ffff:10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
    }

    #[test]
    fn a_fault_says_what_to_write_instead() {
        for (text, help) in [
            ("10.0.0.1/8", "`10.0.0.0/8`"),
            ("10.0.0.1/8", "`10.0.0.1`"),
            ("10.0.0.0/33", "up to 32"),
            ("2001:db8::/129", "up to 128"),
            ("10.0.0.0/", "up to 32"),
            ("office", "10.0.0.0/8"),
            ("10.0.0/8", "10.0.0.0/8"),
        ] {
            let fault = network(text).unwrap_err();
            assert!(fault.help.contains(help), "{text}: {fault:?}");
        }
    }
}
