//! Who may ask. It owns which headers carry a key to which server and the words of a refusal; it refuses
//! to tell a key's value to anyone.

use hyper::header::{AUTHORIZATION, HeaderName};
use hyper::{HeaderMap, StatusCode};

use super::errors::Complaint;
use super::shared::Shared;
use crate::config::{ApiKey, Flavour, Keys};

/// Headers whose value is a secret: the log tells of their presence only.
pub(super) const CREDENTIALS: [&str; 8] = [
    "authorization",
    "api-key",
    "x-api-key",
    "ocp-apim-subscription-key",
    "proxy-authorization",
    "cookie",
    "x-goog-api-key",
    "x-amz-security-token",
];

/// A way to show a key.
#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    Header(&'static str, fn(&Keys) -> &Vec<ApiKey>),
}

const AZURE: Scheme = Scheme::Header("api-key", |keys| &keys.api_key);
const ANTHROPIC: Scheme = Scheme::Header("x-api-key", |keys| &keys.x_api_key);
const SUBSCRIPTION: Scheme = Scheme::Header("ocp-apim-subscription-key", |keys| &keys.subscription);

const fn schemes(flavour: Flavour) -> &'static [Scheme] {
    match flavour {
        Flavour::AzureOpenAi => &[Scheme::Bearer, AZURE],
        Flavour::Anthropic => &[ANTHROPIC, Scheme::Bearer],
        Flavour::Cognitive => &[SUBSCRIPTION, Scheme::Bearer],
        Flavour::OpenAi
        | Flavour::Vllm
        | Flavour::LlamaCpp
        | Flavour::Mistral
        | Flavour::KServe
        | Flavour::AzureMl
        | Flavour::Mcp => &[Scheme::Bearer],
    }
}

/// Lets a caller in, or says what is missing.
pub(super) fn check(shared: &Shared, headers: &HeaderMap) -> Result<(), Complaint> {
    let (flavour, keys) = (shared.flavour, shared.keys());
    let common = shared.with_config(|config| config.api_key.clone());
    let schemes = schemes(flavour);
    let shown: Vec<(Scheme, &str)> =
        schemes.iter().filter_map(|scheme| Some((*scheme, scheme.read(headers)?))).collect();
    if common.is_none() && keys.is_empty() {
        // Anthropic asks for some key in any case.
        return if flavour == Flavour::Anthropic && shown.is_empty() {
            Err(missing(flavour))
        } else {
            Ok(())
        };
    }
    if shown.is_empty() {
        return Err(missing(flavour));
    }
    let fits = |(scheme, given): &(Scheme, &str)| {
        common.iter().chain(scheme.keys(&keys)).any(|key| key.matches(given))
    };
    if shown.iter().any(fits) { Ok(()) } else { Err(wrong(flavour)) }
}

impl Scheme {
    fn read(self, headers: &HeaderMap) -> Option<&str> {
        match self {
            Self::Bearer => {
                let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
                let (scheme, token) = value.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
            }
            Self::Header(name, _) => headers.get(HeaderName::from_static(name))?.to_str().ok(),
        }
    }

    fn keys(self, keys: &Keys) -> &Vec<ApiKey> {
        match self {
            Self::Bearer => &keys.bearer,
            Self::Header(_, list) => list(keys),
        }
    }
}

fn missing(flavour: Flavour) -> Complaint {
    let message = match flavour {
        Flavour::Anthropic => "x-api-key header is required",
        Flavour::Cognitive => "The request needs the header `Ocp-Apim-Subscription-Key`, or a bearer token.",
        Flavour::AzureOpenAi => "The request needs the header `api-key`, or a bearer token.",
        _ => "The request needs the header `Authorization: Bearer …`.",
    };
    refused(message)
}

fn wrong(flavour: Flavour) -> Complaint {
    refused(match flavour {
        Flavour::Anthropic => "invalid x-api-key",
        Flavour::AzureOpenAi | Flavour::Cognitive => "Access denied: the key or token is not valid here.",
        _ => "Incorrect API key provided.",
    })
}

fn refused(message: &str) -> Complaint {
    Complaint::new(StatusCode::UNAUTHORIZED, message).coded("invalid_api_key")
}
