//! Section `identities`: what the gateway presents to backends. It owns the ways there are; which one a
//! backend takes is the backend's business.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::secret::{SecretRef, Setting};

/// A credential that the gateway presents to backends: exactly one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Identity {
    /// An API key, sent as the backend's kind wants it: `Authorization: Bearer`, `api-key`, `x-api-key` or
    /// `Ocp-Apim-Subscription-Key`.
    ApiKey(SecretRef),
    /// A header of any name whose whole value is the secret.
    Header(HeaderCredential),
    /// The machine's managed identity in Azure.
    ManagedIdentity(ManagedIdentity),
    /// A federated token, as Kubernetes projects one.
    WorkloadIdentity(WorkloadIdentity),
    /// An application's secret in Microsoft Entra ID.
    ClientSecret(ClientSecret),
}

impl JsonSchema for Identity {
    fn schema_name() -> Cow<'static, str> {
        "Identity".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let way = |schema: Schema, description: &str| {
            let mut schema = schema;
            schema.insert("description".to_owned(), description.into());
            schema
        };
        json_schema!({
            "type": "object",
            "description": "A credential that the gateway presents to backends: exactly one of these.",
            "properties": {
                "apiKey": way(
                    generator.subschema_for::<SecretRef>(),
                    "An API key, sent as the backend's kind wants it: `Authorization: Bearer`, `api-key`, `x-api-key` or `Ocp-Apim-Subscription-Key`.",
                ),
                "header": way(
                    generator.subschema_for::<HeaderCredential>(),
                    "A header of any name whose whole value is the secret.",
                ),
                "managedIdentity": way(
                    generator.subschema_for::<ManagedIdentity>(),
                    "The machine's managed identity in Azure, from the metadata service.",
                ),
                "workloadIdentity": way(
                    generator.subschema_for::<WorkloadIdentity>(),
                    "A federated token, as Kubernetes projects one, exchanged for one of Microsoft Entra ID.",
                ),
                "clientSecret": way(
                    generator.subschema_for::<ClientSecret>(),
                    "An application's secret in Microsoft Entra ID.",
                ),
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "examples": [{"apiKey": {"env": "OPENAI_API_KEY"}}],
        })
    }
}

/// A header of any name whose whole value is the secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderCredential {
    /// The header's name.
    #[schemars(length(min = 1), example = "x-api-key")]
    pub name: String,
    /// Its whole value, scheme included, such as `Bearer …`.
    pub value: SecretRef,
}

/// The machine's managed identity in Azure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ManagedIdentity {
    /// The client id of a user-assigned identity; the system-assigned one unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Setting>,
    /// Base URL of the metadata service, when it is not the machine's usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "http://169.254.169.254")]
    pub endpoint: Option<String>,
    /// What the token is for; follows from the backend's kind unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// A federated token, as Kubernetes projects one. Without fields it is what AKS gives a labelled pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadIdentity {
    /// The tenant; the environment variable `AZURE_TENANT_ID` unless stated.
    pub tenant_id: Setting,
    /// The application's client id; the environment variable `AZURE_CLIENT_ID` unless stated.
    pub client_id: Setting,
    /// The file of the federated token, read anew for each exchange.
    #[schemars(length(min = 1))]
    pub token_file: String,
    /// What the token is for; follows from the backend's kind unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Base URL of the sign-in service; another one for sovereign clouds.
    pub authority: Authority,
}

impl Default for WorkloadIdentity {
    fn default() -> Self {
        let env = |name: &str| Setting::Kept(SecretRef::Env(name.to_owned()));
        Self {
            tenant_id: env("AZURE_TENANT_ID"),
            client_id: env("AZURE_CLIENT_ID"),
            // Where the workload identity webhook of AKS mounts it.
            token_file: "/var/run/secrets/azure/tokens/azure-identity-token".to_owned(),
            scope: None,
            authority: Authority::default(),
        }
    }
}

/// An application's secret in Microsoft Entra ID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientSecret {
    /// The tenant.
    pub tenant_id: Setting,
    /// The application's client id.
    pub client_id: Setting,
    /// The application's secret.
    pub client_secret: SecretRef,
    /// What the token is for; follows from the backend's kind unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Base URL of the sign-in service; another one for sovereign clouds.
    #[serde(default)]
    pub authority: Authority,
}

/// What a token is for: a resource and `/.default`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub String);

impl JsonSchema for Scope {
    fn schema_name() -> Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "scope that ends in `/.default`",
            "pattern": "^[!-~]{1,256}/\\.default$",
            "description": "A resource and `/.default`, the only form of scope that applications may ask for.",
            "examples": ["https://cognitiveservices.azure.com/.default"],
        })
    }
}

/// Base URL of the sign-in service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Authority(
    /// `https://` and a host.
    #[schemars(example = "https://login.microsoftonline.us")]
    pub String,
);

impl Default for Authority {
    fn default() -> Self {
        Self("https://login.microsoftonline.com".to_owned())
    }
}

impl Identity {
    /// What a token is asked for, for the ways in through Microsoft Entra ID: `None` for the others.
    #[must_use]
    pub const fn scope(&self) -> Option<&Option<Scope>> {
        match self {
            Self::ApiKey(_) | Self::Header(_) => None,
            Self::ManagedIdentity(managed) => Some(&managed.scope),
            Self::WorkloadIdentity(workload) => Some(&workload.scope),
            Self::ClientSecret(application) => Some(&application.scope),
        }
    }

    /// The same, to write a default into.
    pub(crate) const fn scope_mut(&mut self) -> Option<&mut Option<Scope>> {
        match self {
            Self::ApiKey(_) | Self::Header(_) => None,
            Self::ManagedIdentity(managed) => Some(&mut managed.scope),
            Self::WorkloadIdentity(workload) => Some(&mut workload.scope),
            Self::ClientSecret(application) => Some(&mut application.scope),
        }
    }
}
