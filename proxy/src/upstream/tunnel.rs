//! A connection through an HTTP proxy by `CONNECT` (RFC 9110 §9.3.6). It owns the request, what the
//! proxy's answer means and the bound on reading it; it refuses to resolve the target, which is the
//! proxy's to do.

use std::net::SocketAddr;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest head a proxy may answer with.
const LONGEST_HEAD: usize = 16 * 1024;

/// Where a tunnel leads.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// Host name or address of the target, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whole value of `Proxy-Authorization`; marked sensitive, so that it never prints.
    pub authorization: Option<HeaderValue>,
}

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The proxy cannot be reached, or the connection to it broke.
    #[error("the egress proxy cannot be reached: {0}")]
    Io(#[from] std::io::Error),
    /// It said no.
    #[error("the egress proxy refused the connection with status {0}{hint}", hint = hint(*.0))]
    Refused(u16),
    /// It said something else.
    #[error("the egress proxy's answer to CONNECT is not HTTP/1.1: {0}")]
    Protocol(&'static str),
}

fn hint(status: u16) -> &'static str {
    match status {
        407 => "; it wants other credentials: mend `egressProxy.authorization`",
        502..=504 => "; it could not reach the backend",
        _ => "",
    }
}

impl Tunnel {
    /// Connects to `proxy` and has it connect to the target. Every byte of the stream it returns is the
    /// target's.
    ///
    /// # Errors
    /// See [`TunnelError`]. It has no patience of its own: the caller bounds it.
    pub async fn open(&self, proxy: SocketAddr) -> Result<TcpStream, TunnelError> {
        let mut stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&self.head()).await?;
        let mut read = Vec::with_capacity(512);
        loop {
            if stream.read_buf(&mut read).await? == 0 {
                return Err(TunnelError::Protocol("it ended before its head did"));
            }
            while let Some((status, rest)) = head(&read)? {
                match status {
                    100..200 => read = rest,
                    200..300 if rest.is_empty() => return Ok(stream),
                    200..300 => {
                        return Err(TunnelError::Protocol("bytes follow before anything was asked for"));
                    }
                    _ => return Err(TunnelError::Refused(status)),
                }
            }
            if read.len() > LONGEST_HEAD {
                return Err(TunnelError::Protocol("its head is longer than 16 KiB"));
            }
        }
    }

    fn head(&self) -> Vec<u8> {
        let host = &self.host;
        let authority = if host.contains(':') {
            format!("[{host}]:{}", self.port)
        } else {
            format!("{host}:{}", self.port)
        };
        let mut head = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
        if let Some(value) = &self.authorization {
            head.extend_from_slice(b"proxy-authorization: ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// The status of a complete head and what follows it; nothing while the head is incomplete.
fn head(read: &[u8]) -> Result<Option<(u16, Vec<u8>)>, TunnelError> {
    let begins = b"HTTP/1.";
    let seen = read.len().min(begins.len());
    if read.get(..seen) != begins.get(..seen) {
        return Err(TunnelError::Protocol("it does not begin with a status line"));
    }
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    // RFC 9112 §4: `HTTP/1.1 200 reason`.
    let status = read.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let spaced = read.get(8) == Some(&b' ') && matches!(read.get(12), Some(b' ' | b'\r'));
    match status {
        Some(status) if spaced && status >= 100 => {
            Ok(Some((status, read.get(end + 4..).unwrap_or_default().to_vec())))
        }
        _ => Err(TunnelError::Protocol("its status line names no status")),
    }
}

#[cfg(test)]
mod tests;
