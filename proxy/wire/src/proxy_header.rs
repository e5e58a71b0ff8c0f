//! The PROXY protocol, versions 1 and 2 (HAProxy, `doc/proxy-protocol.txt` of 2020/03/05): who connected to
//! the load balancer in front. It owns the bytes of that header, never reading one beyond it; it refuses to
//! decide who may send one.
//!
//! TLVs are skipped. A header is at most [`LONGEST`] bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first bytes of version 2 (§2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_HEAD: usize = 16;
/// The longest line of version 1, its end included (§2.1).
const V1_LONGEST: usize = 107;
/// The shortest line of version 1, `PROXY UNKNOWN` and its end: what can be asked for without reading on.
const V1_SHORTEST: usize = 15;
/// The longest header taken. Addresses need 232 bytes; the rest is room for TLVs, of which a balancer that
/// keeps to §2.2 sends fewer than 536 bytes in all.
pub const LONGEST: usize = 2048;

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// At least this many more bytes belong to the header.
    Needs(usize),
    /// These many bytes were the header, and this is what it says.
    Complete(usize, Source),
}

/// For whom the balancer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// For this client.
    Client(IpAddr, u16),
    /// For itself, as its health checks do, or for nobody it can name.
    Itself,
}

/// Why bytes are no PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither version begins like that.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// A line of version 1 that is none.
    #[error("the PROXY protocol header of version 1 is malformed")]
    MalformedLine,
    /// A version, command, family or length that the specification does not know.
    #[error("the PROXY protocol header of version 2 is malformed")]
    MalformedBlock,
    /// Longer than [`LONGEST`].
    #[error("the PROXY protocol header is longer than {LONGEST} bytes")]
    TooLong,
}

/// Reads the header that `bytes` begins with. Whoever reads a connection asks again with as many bytes more
/// as were needed, and so never takes one that is not the header's.
///
/// # Errors
/// As soon as the bytes cannot become a header.
pub fn read(bytes: &[u8]) -> Result<Progress, Fault> {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if begins(&SIGNATURE) {
        return read_block(bytes);
    }
    if begins(b"PROXY ") { read_line(bytes) } else { Err(Fault::Missing) }
}

fn read_line(bytes: &[u8]) -> Result<Progress, Fault> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        if bytes.len() >= V1_LONGEST {
            return Err(Fault::MalformedLine);
        }
        // After the shortest line, one at a time: what follows the line's end is somebody else's.
        return Ok(Progress::Needs(V1_SHORTEST.saturating_sub(bytes.len()).max(1)));
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Fault::MalformedLine)?;
    if end >= V1_LONGEST {
        return Err(Fault::MalformedLine);
    }
    let line = std::str::from_utf8(line).map_err(|_| Fault::MalformedLine)?;
    let source = source_of(line).ok_or(Fault::MalformedLine)?;
    Ok(Progress::Complete(end + 1, source))
}

/// `PROXY TCP4 <source> <destination> <source port> <destination port>`.
fn source_of(line: &str) -> Option<Source> {
    let mut words = line.split(' ');
    let (_, family) = (words.next()?, words.next()?);
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored.
        return Some(Source::Itself);
    }
    let (client, ours) = (words.next()?, words.next()?);
    let (client, ours): (IpAddr, IpAddr) = match family {
        "TCP4" => (client.parse::<Ipv4Addr>().ok()?.into(), ours.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (client.parse::<Ipv6Addr>().ok()?.into(), ours.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let (port, _) = (port(words.next()?)?, port(words.next()?)?);
    let whole = words.next().is_none() && client.is_ipv4() == ours.is_ipv4();
    whole.then_some(Source::Client(client, port))
}

/// A port in decimal, without sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn read_block(bytes: &[u8]) -> Result<Progress, Fault> {
    let Some((head, rest)) = bytes.split_at_checked(V2_HEAD) else {
        // Of nothing yet it may become a line of version 1, which may be shorter.
        let head = if bytes.is_empty() { V1_SHORTEST } else { V2_HEAD - bytes.len() };
        return Ok(Progress::Needs(head));
    };
    let &[.., command, family, high, low] = head else { return Err(Fault::MalformedBlock) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if V2_HEAD + length > LONGEST {
        return Err(Fault::TooLong);
    }
    let (local, addresses) = match (command, family) {
        (0x20, _) => (true, 0),
        (0x21, 0x00) => (true, 0),
        (0x21, 0x11) => (false, 12),
        (0x21, 0x21) => (false, 36),
        // A socket of the same machine (stream) has no address that any rule could name.
        (0x21, 0x31) => (true, 216),
        _ => return Err(Fault::MalformedBlock),
    };
    if length < addresses {
        return Err(Fault::MalformedBlock);
    }
    let Some(payload) = rest.get(..length) else { return Ok(Progress::Needs(length - rest.len())) };
    let source = if local { Some(Source::Itself) } else { client(payload, addresses) };
    source.map(|source| Progress::Complete(V2_HEAD + length, source)).ok_or(Fault::MalformedBlock)
}

/// Source and destination address, source and destination port.
fn client(payload: &[u8], addresses: usize) -> Option<Source> {
    let half = (addresses - 4) / 2;
    let (address, port) = (payload.get(..half)?, payload.get(half * 2..half * 2 + 2)?);
    let port = u16::from_be_bytes(port.try_into().ok()?);
    let address = match <[u8; 4]>::try_from(address) {
        Ok(v4) => IpAddr::from(v4),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
    };
    Some(Source::Client(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Source {
        match read(bytes).unwrap() {
            Progress::Complete(used, source) => {
                assert_eq!(used, bytes.len());
                source
            }
            Progress::Needs(more) => panic!("{more} more bytes"),
        }
    }

    fn block(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn lines_name_the_client() {
        let client = |text: &str, port| Source::Client(text.parse().unwrap(), port);
        assert_eq!(whole(b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n"), client("192.0.2.7", 56324));
        assert_eq!(whole(b"PROXY TCP6 2001:db8::7 ::1 1 65535\r\n"), client("2001:db8::7", 1));
        assert_eq!(whole(b"PROXY UNKNOWN\r\n"), Source::Itself);
        let longest = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
        assert_eq!(whole(longest), Source::Itself);
    }

    #[test]
    fn malformed_lines_are_refused() {
        for line in [
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 056 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +1 443\r\n",
            "PROXY TCP4 192.0.2.7  10.0.0.1 1 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 443 \r\n",
            "PROXY TCP4 ::1 ::1 1 443\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 1 443\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 443\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(read(line.as_bytes()), Err(Fault::MalformedLine), "{line:?}");
        }
        let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 200]].concat();
        assert_eq!(read(&endless), Err(Fault::MalformedLine));
    }

    #[test]
    fn what_is_no_header_is_known_by_its_first_byte_that_differs() {
        for bytes in ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "proxy ", "\r\n\r\n\r", "\u{16}\u{3}\u{1}"]
        {
            assert_eq!(read(bytes.as_bytes()), Err(Fault::Missing), "{bytes:?}");
        }
        assert_eq!(read(b""), Ok(Progress::Needs(15)));
        assert_eq!(read(b"PROX"), Ok(Progress::Needs(11)));
    }

    #[test]
    fn blocks_name_the_client_and_their_tlvs_are_skipped() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 0x04, 1, 0xbb];
        let client = Source::Client("192.0.2.7".parse().unwrap(), 56324);
        assert_eq!(whole(&block(0x21, 0x11, &v4)), client);
        let with_tlv = [&v4[..], &[0x04, 0, 2, 0, 0]].concat();
        assert_eq!(whole(&block(0x21, 0x11, &with_tlv)), client);
        let mut v6 = [0_u8; 36];
        v6[0] = 0xfd;
        v6[33] = 9;
        assert_eq!(whole(&block(0x21, 0x21, &v6)), Source::Client("fd00::".parse().unwrap(), 9));
        for (command, family) in [(0x20, 0x00), (0x20, 0x11), (0x21, 0x00)] {
            assert_eq!(whole(&block(command, family, &v4)), Source::Itself);
        }
        assert_eq!(whole(&block(0x21, 0x31, &[0; 216])), Source::Itself);
    }

    #[test]
    fn malformed_blocks_are_refused_before_their_payload_is_read() {
        for (command, family, length) in
            [(0x11, 0x11, 12), (0x22, 0x11, 12), (0x21, 0x12, 12), (0x21, 0x41, 12), (0x21, 0x11, 11)]
        {
            let head = block(command, family, &vec![0; length]);
            assert_eq!(read(&head[..V2_HEAD]), Err(Fault::MalformedBlock), "{command:x} {family:x}");
        }
        assert_eq!(read(&block(0x21, 0x11, &[0; LONGEST])[..V2_HEAD]), Err(Fault::TooLong));
    }
}
