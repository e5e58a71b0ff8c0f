//! A first manifest from a few answers. It owns that text; it refuses to ask: the command line does.

use crate::manifest::BackendKind;
use crate::source::plain_yaml;

/// What the first manifest is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Where to listen.
    pub listen: String,
    /// What the first backend speaks.
    pub kind: BackendKind,
    /// Its URL.
    pub url: String,
    /// The model callers ask for; not used for kinds without models.
    pub model: String,
    /// Name of Azure's deployment; the model's name unless stated.
    pub deployment: Option<String>,
    /// Environment variable that holds the backend's API key, if it needs one.
    pub api_key_env: Option<String>,
}

impl Answers {
    /// The usual answers for a kind.
    #[must_use]
    pub fn for_kind(kind: BackendKind) -> Self {
        let (url, model, key) = match kind {
            BackendKind::Openai => ("https://api.openai.com", "gpt-4o", Some("OPENAI_API_KEY")),
            BackendKind::AzureOpenai => {
                ("https://my-resource.openai.azure.com", "gpt-4o", Some("AZURE_OPENAI_KEY"))
            }
            BackendKind::Vllm => ("http://127.0.0.1:8000", "llama-70b", None),
            // Its own default port is the one the gateway listens on.
            BackendKind::LlamaCpp => ("http://127.0.0.1:8081", "llama-8b", None),
            BackendKind::Mistral => {
                ("https://api.mistral.ai", "mistral-large-latest", Some("MISTRAL_API_KEY"))
            }
            BackendKind::Anthropic => {
                ("https://api.anthropic.com", "claude-sonnet-4-5", Some("ANTHROPIC_API_KEY"))
            }
            BackendKind::AzureCognitive => {
                ("https://my-resource.cognitiveservices.azure.com", "", Some("AZURE_AI_KEY"))
            }
            BackendKind::AzureMl => {
                ("https://my-endpoint.westeurope.inference.ml.azure.com", "", Some("AZURE_ML_KEY"))
            }
            BackendKind::Kserve => ("http://127.0.0.1:8000", "", None),
            BackendKind::Http => ("http://127.0.0.1:9000", "", None),
        };
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            kind,
            url: url.to_owned(),
            model: model.to_owned(),
            deployment: None,
            api_key_env: key.map(str::to_owned),
        }
    }
}

/// A commented first manifest. With answers of the right form it compiles without an error.
#[must_use]
pub fn first_manifest(answers: &Answers) -> String {
    let ai = answers.kind.has_models();
    let mut text = format!(
        "# yaml-language-server: $schema=./gateway.schema.json\n\
         # Check it with `sluicegate check`, see every default with `sluicegate expand`, run it with\n\
         # `sluicegate run`. `sluicegate schema > gateway.schema.json` lets editors complete it.\n\
         apiVersion: sluicegate/v1\n\n\
         # Where callers connect. Beyond this machine add tls and consumers.\n\
         listeners:\n  main: {{address: {}}}\n",
        plain_yaml(&answers.listen)
    );
    if let Some(env) = &answers.api_key_env {
        text.push_str(&format!(
            "\n# Credentials for backends: always a reference, {{env: NAME}} or {{file: path}}.\n\
             identities:\n  main: {{apiKey: {{env: {}}}}}\n",
            plain_yaml(env)
        ));
    }
    text.push_str(&backend(answers));
    text.push_str(
        "\n# Interchangeable members. With several, the strategy decides: round-robin, weighted, or\n\
         # adaptive, which weighs waiting time against cost and needs a price or cost for every member.\n\
         pools:\n  main:\n    members: [main]\n",
    );
    let path = if ai { "/v1/*" } else { "/*" };
    text.push_str(&format!(
        "\n# Which requests go where. The most specific match wins; order never decides.\n\
         routes:\n  main:\n    match: {{path: {path}}}\n    pool: main\n"
    ));
    text.push_str(REST);
    text
}

fn backend(answers: &Answers) -> String {
    let kind = answers.kind.name();
    let mut text = format!(
        "\n# Servers and what is on them.\nbackends:\n  main:\n    kind: {kind}\n    url: {}\n",
        plain_yaml(&answers.url)
    );
    let model = plain_yaml(&answers.model);
    if answers.api_key_env.is_some() {
        text.push_str("    auth: main\n");
    }
    match answers.kind.serves_in() {
        None => return text,
        Some("deployments") => {
            let deployment = plain_yaml(answers.deployment.as_ref().unwrap_or(&answers.model));
            text.push_str(&format!("    deployments:\n      {deployment}:            # its name in Azure\n        model: {model}\n"));
        }
        Some(_) => {
            text.push_str(&format!("    models:\n      {model}:\n        contextWindow: 128000\n"));
        }
    }
    text.push_str(
        "        # What it costs lets an adaptive pool choose, and puts dollars into metrics:\n\
         \x20       # price: {input: 2.50 USD/1M, output: 10 USD/1M}\n\
         \x20       # cost: 9.80 USD/hour\n\
         \x20       # quota: {tokens: 450k tokens/min, requests: 600 requests/min}\n",
    );
    text
}

const REST: &str = "
# Callers and the SHA-256 of their keys: printf %s \"$KEY\" | sha256sum
# Once there are consumers, every route needs a key unless it says `public: true`.
# consumers:
#   my-team:
#     keys: {primary: {sha256: …}}
#     limit: standard

# limits:
#   standard: {requests: 600 requests/min, tokens: 200k tokens/min}

# telemetry:
#   otlp: {endpoint: http://127.0.0.1:4317}
#   accessLog: {file: access.jsonl}
";
