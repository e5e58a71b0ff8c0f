//! Headers that are the gateway's own business. It owns that list (RFC 9110 §7.6.1 for hop-by-hop,
//! RFC 9112 §6 for framing); it refuses to say who may not touch them.

/// Why a header is not for the manifest to edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// It concerns one connection only.
    HopByHop,
    /// It says where a message goes or ends, or how its body is to be read.
    Framing,
    /// It carries a credential.
    Credential,
    /// The gateway sets it itself.
    Own,
}

impl Reserved {
    /// As the end of a sentence that begins with the header's name.
    pub(crate) const fn because(self) -> &'static str {
        match self {
            Self::HopByHop => "concerns one connection only",
            Self::Framing => "says where a message goes or how its body is to be read",
            Self::Credential => "carries a credential",
            Self::Own => "is set by the gateway itself",
        }
    }
}

/// Why the header `name` is reserved, if it is.
pub(crate) fn reserved(name: &str) -> Option<Reserved> {
    Some(match name.to_ascii_lowercase().as_str() {
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding"
        | "upgrade" | "http2-settings" => Reserved::HopByHop,
        "host" | "content-length" | "content-type" | "content-encoding" | "accept-encoding" | "expect"
        | "content-range" | "range" => Reserved::Framing,
        "authorization"
        | "proxy-authorization"
        | "proxy-authenticate"
        | "www-authenticate"
        | "api-key"
        | "x-api-key"
        | "ocp-apim-subscription-key"
        | "cookie"
        | "set-cookie" => Reserved::Credential,
        "x-request-id" | "traceparent" | "tracestate" => Reserved::Own,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_headers_are_known_in_any_case() {
        assert_eq!(reserved("Transfer-Encoding"), Some(Reserved::HopByHop));
        assert_eq!(reserved("HOST"), Some(Reserved::Framing));
        assert_eq!(reserved("Api-Key"), Some(Reserved::Credential));
        assert_eq!(reserved("anthropic-beta"), None);
        assert_eq!(reserved("idempotency-key"), None);
    }
}
