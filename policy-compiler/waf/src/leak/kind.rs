//! The kinds of leak: their names, categories and which are looked for unless told otherwise. It owns that table;
//! it refuses to know how any of them is recognised.

/// What a kind is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Whoever holds it can act as its owner.
    Secret,
    /// It identifies a person or a private place.
    Personal,
    /// Money can be taken or sent with it.
    Payment,
}

impl Category {
    /// The category's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Personal => "personal",
            Self::Payment => "payment",
        }
    }
}

macro_rules! kinds {
    ($($kind:ident $name:literal $label:literal $category:ident $default:literal $doc:literal;)*) => {
        /// What can be found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = $doc] $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name, in kebab case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What stands in its place in masked text.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$kind => $label,)* }
            }

            /// What it is about.
            pub const fn category(self) -> Category {
                match self { $(Self::$kind => Category::$category,)* }
            }

            /// Whether it is looked for where nothing else is said.
            pub const fn is_default(self) -> bool {
                match self { $(Self::$kind => $default,)* }
            }

            /// One line on what is recognised.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$kind => $doc,)* }
            }
        }
    };
}

kinds! {
    Card "card" "[card]" Payment true "Payment card number: issuer range, length and Luhn digit, plain or in groups.";
    Iban "iban" "[iban]" Payment true "International bank account number: country, its length, and mod 97 (ISO 13616).";
    UsSsn "us-ssn" "[us-ssn]" Personal true "United States social security number: 3-2-4, or nine digits after its name.";
    Email "email" "[email]" Personal true "E-mail address with a dotted host.";
    Phone "phone" "[phone]" Personal true "Telephone number in E.164 form, with its plus sign.";
    PrivateIpv4 "private-ipv4" "[private-ipv4]" Personal false "IPv4 address of a private network (RFC 1918).";
    GermanTaxId "german-tax-id" "[german-tax-id]" Personal true "German Steuer-ID: digit pattern and ISO 7064 mod 11,10.";
    UkNino "uk-nino" "[uk-nino]" Personal true "United Kingdom national insurance number: allotted prefixes and suffix.";
    UkNhs "uk-nhs" "[uk-nhs]" Personal true "NHS number: mod 11, after the letters NHS.";
    FrenchNir "french-nir" "[french-nir]" Personal true "French NIR: sex, month, department and mod 97 key.";
    SpanishDni "spanish-dni" "[spanish-dni]" Personal true "Spanish DNI or NIE: digits and their mod 23 letter.";
    BrazilianCpf "brazilian-cpf" "[brazilian-cpf]" Personal true "Brazilian CPF: two check digits; bare digits only after its name.";
    AwsAccessKeyId "aws-access-key-id" "[aws-access-key-id]" Secret true "AWS access key id: AKIA or ASIA and sixteen base-32 letters.";
    AwsSecretKey "aws-secret-key" "[aws-secret-key]" Secret true "AWS secret access key: forty letters after its name.";
    GcpApiKey "gcp-api-key" "[gcp-api-key]" Secret true "Google API key: AIza and thirty-five letters.";
    GcpToken "gcp-token" "[gcp-token]" Secret true "Google OAuth access token or client secret.";
    GcpServiceAccount "gcp-service-account" "[gcp-service-account]" Secret true "Key id of a Google service account, in its JSON.";
    AzureStorageKey "azure-storage-key" "[azure-storage-key]" Secret true "Azure storage account key: 64 bytes of base64 after AccountKey, or with its mark.";
    AzureSas "azure-sas" "[azure-sas]" Secret true "Signature of an Azure shared access signature.";
    OpenAiKey "openai-key" "[openai-key]" Secret true "OpenAI key: sk-proj-, sk-svcacct-, sk-admin- or the older form.";
    AnthropicKey "anthropic-key" "[anthropic-key]" Secret true "Anthropic key: sk-ant-.";
    HuggingFaceToken "hugging-face-token" "[hugging-face-token]" Secret true "Hugging Face token: hf_ or api_org_.";
    GitHubToken "github-token" "[github-token]" Secret true "GitHub token: ghp_, gho_, ghu_, ghs_, ghr_ or github_pat_.";
    GitLabToken "gitlab-token" "[gitlab-token]" Secret true "GitLab token: glpat- and its kin.";
    SlackToken "slack-token" "[slack-token]" Secret true "Slack token or incoming webhook.";
    StripeKey "stripe-key" "[stripe-key]" Secret true "Stripe secret or restricted key, or webhook secret.";
    TwilioKey "twilio-key" "[twilio-key]" Secret true "Twilio API key: SK and thirty-two hexadecimal digits.";
    SendGridKey "sendgrid-key" "[sendgrid-key]" Secret true "SendGrid key: SG., twenty-two letters, a dot and forty-three.";
    NpmToken "npm-token" "[npm-token]" Secret true "npm access token: npm_ and thirty-six letters.";
    PypiToken "pypi-token" "[pypi-token]" Secret true "PyPI upload token: a macaroon for pypi.org.";
    GroqKey "groq-key" "[groq-key]" Secret true "Groq key: gsk_.";
    XaiKey "xai-key" "[xai-key]" Secret true "xAI key: xai-.";
    ReplicateToken "replicate-token" "[replicate-token]" Secret true "Replicate token: r8_.";
    DatabricksToken "databricks-token" "[databricks-token]" Secret true "Databricks token: dapi and thirty-two hexadecimal digits.";
    DigitalOceanToken "digitalocean-token" "[digitalocean-token]" Secret true "DigitalOcean token: dop_v1_, doo_v1_ or dor_v1_.";
    ShopifyToken "shopify-token" "[shopify-token]" Secret true "Shopify access token or shared secret.";
    VaultToken "vault-token" "[vault-token]" Secret true "HashiCorp Vault token: hvs. or hvb.";
    TelegramToken "telegram-token" "[telegram-token]" Secret true "Telegram bot token: the bot's number, a colon and thirty-five letters.";
    Jwt "jwt" "[jwt]" Secret true "JSON web token whose header names an algorithm.";
    PrivateKey "private-key" "[private-key]" Secret true "Private key in PEM form.";
    UrlPassword "url-password" "[url-password]" Secret true "Password before the host of a URL.";
    Password "password" "[password]" Secret false "Value given to a name like password, secret or api_key.";
    Bearer "bearer" "[bearer]" Secret false "Token after the word Bearer.";
}

impl Kind {
    /// The kinds looked for where nothing else is said.
    pub fn defaults() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| kind.is_default())
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Its bit in a set of kinds.
    pub(super) const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}
