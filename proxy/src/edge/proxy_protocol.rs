//! Connections by way of a load balancer. It owns taking the PROXY header off a connection before anything
//! else reads it; it refuses to know the header's form (`wire` does) and to wait by its own clock: whoever
//! calls bounds the time.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt};
use wire::proxy_header::{Fault, Progress, Source, read};

/// Why the header could not be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHeader {
    /// The bytes are none.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The connection ended first.
    #[error("the connection ended within its PROXY protocol header")]
    Ended(#[from] std::io::Error),
}

/// Takes the header off `stream`, not a byte more; the client's address, unless the balancer speaks for
/// itself. At most [`wire::proxy_header::LONGEST`] bytes are held.
pub(super) async fn take<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<IpAddr>, NoHeader> {
    let mut bytes = Vec::new();
    loop {
        match read(&bytes)? {
            Progress::Needs(more) => {
                let have = bytes.len();
                bytes.resize(have + more, 0);
                let Some(rest) = bytes.get_mut(have..) else { continue };
                stream.read_exact(rest).await?;
            }
            Progress::Complete(_, Source::Client(address, _)) => return Ok(Some(address.to_canonical())),
            Progress::Complete(_, Source::Itself) => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_follows_the_header_is_left_on_the_connection() {
        let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x07\x0a\0\0\x01\0\x01\0\x02\x04\0\0";
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n";
        for header in [&v1[..], v2] {
            for cut in 0..header.len() {
                let (before, after) = header.split_at(cut);
                let mut stream = before.chain(after).chain(&b"PRI * HTTP/2.0"[..]);
                let client = take(&mut stream).await.unwrap();
                assert_eq!(client, Some("192.0.2.7".parse().unwrap()));
                let mut rest = String::new();
                stream.read_to_string(&mut rest).await.unwrap();
                assert_eq!(rest, "PRI * HTTP/2.0");
            }
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_early_or_says_something_else_has_none() {
        assert!(matches!(take(&mut &b"PROXY TCP4 192"[..]).await, Err(NoHeader::Ended(_))));
        assert!(matches!(take(&mut &b"GET / HTTP/1.1\r\n"[..]).await, Err(NoHeader::Fault(Fault::Missing))));
    }
}
