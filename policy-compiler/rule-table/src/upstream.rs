//! How a backend is reached: its protocol, what is presented to it and what lies on the way. It owns the
//! plain data of it; it refuses secret values (references only) and sockets.

use serde::{Deserialize, Serialize};
use vocabulary::Operation;

use crate::sections::SecretRef;

/// What protocol a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// OpenAI and anything with its API.
    Openai,
    /// Azure OpenAI: deployments in the path, `api-version`, `api-key`.
    AzureOpenai,
    /// vLLM's OpenAI-compatible server.
    Vllm,
    /// llama.cpp's server.
    LlamaCpp,
    /// Mistral's API, OpenAI's with fields left out.
    Mistral,
    /// Anthropic's API.
    Anthropic,
    /// Azure Cognitive Services (Azure AI services); piped.
    AzureCognitive,
    /// An Azure Machine Learning online endpoint; piped.
    AzureMl,
    /// A KServe v2 or Triton inference server; piped.
    Kserve,
    /// Any HTTP service; piped.
    Http,
}

impl BackendKind {
    /// Whether its requests are read and decided on by model; others are piped as they are.
    #[must_use]
    pub const fn has_models(self) -> bool {
        !matches!(self, Self::AzureCognitive | Self::AzureMl | Self::Kserve | Self::Http)
    }

    /// Whether it offers `operation` itself, without translation.
    #[must_use]
    pub const fn offers(self, operation: Operation) -> bool {
        match self {
            Self::Openai | Self::AzureOpenai => {
                !matches!(operation, Operation::Messages | Operation::CountTokens)
            }
            Self::Vllm | Self::LlamaCpp => {
                matches!(operation, Operation::Chat | Operation::TextCompletion | Operation::Embeddings)
            }
            Self::Mistral => matches!(operation, Operation::Chat | Operation::Embeddings),
            Self::Anthropic => matches!(operation, Operation::Messages | Operation::CountTokens),
            Self::AzureCognitive | Self::AzureMl | Self::Kserve | Self::Http => false,
        }
    }

    /// The operation by which it serves `operation`: itself where it offers it, its own way to chat
    /// where that can be translated, and nothing otherwise.
    #[must_use]
    pub const fn serves_as(self, operation: Operation) -> Option<Operation> {
        if self.offers(operation) {
            return Some(operation);
        }
        if !self.has_models() || !operation.is_chat() {
            return None;
        }
        Some(if matches!(self, Self::Anthropic) { Operation::Messages } else { Operation::Chat })
    }
}

/// A value that is written out or kept elsewhere; not a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// The value itself.
    Literal(String),
    /// An environment variable's name.
    Env(String),
    /// A file's path; trailing newlines are not part of the value.
    File(String),
}

/// What is presented to a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A key, in the header its kind wants.
    ApiKey(SecretRef),
    /// A header of any name, with the whole value as the secret.
    Header {
        /// Lower-case name.
        name: String,
        /// Value.
        value: SecretRef,
    },
    /// A token of Microsoft Entra ID, as `Authorization: Bearer`.
    Entra(Entra),
}

impl Credential {
    /// The secret that has to be readable before the gateway starts, if there is one.
    #[must_use]
    pub const fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::ApiKey(secret) | Self::Header { value: secret, .. } => Some(secret),
            Self::Entra(entra) => match &entra.source {
                EntraSource::ClientSecret { secret, .. } => Some(secret),
                EntraSource::ManagedIdentity { .. } | EntraSource::WorkloadFederation { .. } => None,
            },
        }
    }
}

/// How a token of Microsoft Entra ID is got.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entra {
    /// The scope asked for, such as `https://cognitiveservices.azure.com/.default`.
    pub scope: String,
    /// The sign-in service's base URL, without trailing slash.
    pub authority: String,
    /// On whose behalf.
    pub source: EntraSource,
}

/// On whose behalf a token is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntraSource {
    /// The machine's managed identity, through the Instance Metadata Service or, in App Service and
    /// Container Apps, through `IDENTITY_ENDPOINT`.
    ManagedIdentity {
        /// A user-assigned identity; the system-assigned one when absent.
        client_id: Option<Setting>,
        /// The metadata service's base URL when it is not the usual one.
        endpoint: Option<String>,
    },
    /// A federated token, as Kubernetes projects one.
    WorkloadFederation {
        /// Tenant.
        tenant: Setting,
        /// Application.
        client_id: Setting,
        /// File of the federated token; reread for each request.
        token_file: String,
    },
    /// An application's secret.
    ClientSecret {
        /// Tenant.
        tenant: Setting,
        /// Application.
        client_id: Setting,
        /// Its secret.
        secret: SecretRef,
    },
}

/// What TLS to a backend needs beyond the system's own trust. Files are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TlsOptions {
    /// Certificates of the authorities to trust instead of the system's.
    pub ca: Option<String>,
    /// Our own certificate chain for mutual TLS.
    pub certificate: Option<String>,
    /// Its private key.
    pub key: Option<String>,
    /// The name to send (SNI) and verify, when it is not the URL's host.
    pub server_name: Option<String>,
}

/// An HTTP proxy on the way out, used by `CONNECT` (RFC 9110 §9.3.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EgressProxy {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whole value of `Proxy-Authorization`.
    pub authorization: Option<SecretRef>,
}
