//! Firewalls at the edge: a request's head as one sees it, a terminated body, and a piped one, which is held until it
//! has been inspected. It owns that holding; what is inspected and what refuses is `decision`'s.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use decision::{CountryOf, Exchange, Refusal, WafRequest};
use http::Version;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use rule_table::Listener;
use vocabulary::Operation;

use crate::countries::Countries;
use crate::live::InForce;

/// The error of a body that its firewall refuses; the refusal itself is kept beside it.
pub(super) const REFUSED: &str = "RefusedBody";

/// A piped body on its way through its firewall.
pub(super) enum PipedBody {
    /// Nothing inspects it, or there is none.
    Free,
    /// Held until it is whole.
    Gathering {
        /// What has come so far.
        held: BytesMut,
        /// Whether it may leave with another length than it came with.
        resized: bool,
    },
    /// It passed; this is what backends get, the next one too where one fails.
    Passed(Bytes),
}

/// The database of countries, as `decision` asks it.
struct Known(Arc<Countries>);

impl CountryOf for Known {
    fn country(&self, address: IpAddr) -> Option<String> {
        let code = self.0.country(address)?;
        std::str::from_utf8(&code).ok().map(str::to_owned)
    }
}

/// Inspects a request's head.
pub(super) fn head(
    session: &Session,
    exchange: &mut Exchange,
    in_force: &InForce,
    listener: &Listener,
) -> std::result::Result<(), Refusal> {
    if !exchange.is_guarded() {
        return Ok(());
    }
    let header = session.req_header();
    let http1 = !matches!(header.version, Version::HTTP_2 | Version::HTTP_3);
    let headers: Vec<(&str, &[u8])> = if header.has_case() {
        let spelled = header.case_header_iter();
        spelled
            .filter_map(|(name, value)| Some((str::from_utf8(name.as_slice()).ok()?, value.as_bytes())))
            .collect()
    } else {
        header.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    };
    let target = header.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let bound = listener.address.parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
    let client = exchange.peer.address.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    exchange.guard_head(&WafRequest {
        target,
        protocol: if http1 { "HTTP/1.1" } else { "HTTP/2.0" },
        headers: &headers,
        client: SocketAddr::new(client, 0),
        server: bound,
        secure: listener.tls.is_some() || client.is_loopback(),
        http1,
        countries: Some(Arc::new(Known(Arc::clone(&in_force.countries)))),
    })
}

/// Inspects a terminated body and puts what backends are to get in its place.
pub(super) fn body(
    exchange: &mut Exchange,
    operation: Operation,
    body: &mut Bytes,
) -> std::result::Result<(), Refusal> {
    match exchange.guard_body(Some(operation), body)? {
        Some(changed) => {
            exchange.replace_body(operation, &changed)?;
            *body = changed;
            Ok(())
        }
        None => Ok(()),
    }
}

/// Inspects a request without a body.
pub(super) fn nothing(exchange: &mut Exchange) -> std::result::Result<(), Refusal> {
    exchange.guard_body(exchange.operation, &Bytes::new()).map(drop)
}

impl PipedBody {
    /// The body of a request whose head has passed.
    pub(super) fn begin(exchange: &mut Exchange, ends_here: bool) -> std::result::Result<Self, Refusal> {
        if !exchange.is_guarded() {
            return Ok(Self::Free);
        }
        if ends_here {
            nothing(exchange)?;
            return Ok(Self::Free);
        }
        Ok(Self::Gathering { held: BytesMut::new(), resized: exchange.may_rewrite_body() })
    }

    /// Another backend is tried: what was gathered for the one before comes again.
    pub(super) fn again(&mut self) {
        if let Self::Gathering { held, .. } = self {
            held.clear();
        }
    }

    /// Says no length where it may be another.
    pub(super) fn unsized_head(&self, upstream: &mut RequestHeader) -> Result<()> {
        let resized = match self {
            Self::Free => false,
            Self::Passed(_) => true,
            Self::Gathering { resized, .. } => *resized,
        };
        if !resized || upstream.remove_header(&CONTENT_LENGTH).is_none() {
            return Ok(());
        }
        upstream.insert_header(TRANSFER_ENCODING, "chunked")
    }

    /// Takes the next piece, and gives the whole when it is complete and passes.
    pub(super) fn take(
        &mut self,
        exchange: &mut Exchange,
        piece: &mut Option<Bytes>,
        last: bool,
    ) -> std::result::Result<(), Refusal> {
        match self {
            Self::Free => {}
            // Nothing at all would be the end of the body: no bytes are not.
            Self::Passed(whole) => *piece = Some(if last { whole.clone() } else { Bytes::new() }),
            Self::Gathering { held, .. } => {
                if let Some(piece) = piece.replace(Bytes::new()) {
                    held.extend_from_slice(&piece);
                }
                if last {
                    let whole = std::mem::take(held).freeze();
                    let whole = exchange.guard_body(None, &whole)?.unwrap_or(whole);
                    *piece = Some(whole.clone());
                    *self = Self::Passed(whole);
                }
            }
        }
        Ok(())
    }
}

/// The error for Pingora.
pub(super) fn refused() -> Box<Error> {
    Error::explain(ErrorType::Custom(REFUSED), "the firewall refuses the body")
}
