//! Tokens that vendors give a prefix to, so that they can be found. It owns the table, taken from the vendors' own
//! pages on secret scanning; it refuses a token with too few different characters, which is a placeholder.

use super::Kind;
use super::cursor::{Cursor, is_word};
use super::keyword::varied;
use super::long::{Class, Tail};

/// A prefix and what follows it.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) prefix: &'static str,
    class: Class,
    least: usize,
    /// None: as long as it goes.
    most: Option<usize>,
}

const fn exact(kind: Kind, prefix: &'static str, class: Class, count: usize) -> Shape {
    Shape { kind, prefix, class, least: count, most: Some(count) }
}

const fn open(kind: Kind, prefix: &'static str, class: Class, least: usize) -> Shape {
    Shape { kind, prefix, class, least, most: None }
}

/// Every shape. Where one prefix begins another, the longer stands first.
pub(super) const SHAPES: &[Shape] = &[
    exact(Kind::AwsAccessKeyId, "AKIA", Class::Base32, 16),
    exact(Kind::AwsAccessKeyId, "ASIA", Class::Base32, 16),
    exact(Kind::GcpApiKey, "AIza", Class::Word, 35),
    open(Kind::GcpToken, "ya29.", Class::Word, 30),
    open(Kind::GcpToken, "GOCSPX-", Class::Word, 24),
    open(Kind::AnthropicKey, "sk-ant-", Class::Word, 30),
    open(Kind::OpenAiKey, "sk-proj-", Class::Word, 32),
    open(Kind::OpenAiKey, "sk-svcacct-", Class::Word, 32),
    open(Kind::OpenAiKey, "sk-admin-", Class::Word, 32),
    exact(Kind::OpenAiKey, "sk-", Class::Alnum, 48),
    open(Kind::HuggingFaceToken, "hf_", Class::Alnum, 30),
    open(Kind::HuggingFaceToken, "api_org_", Class::Alnum, 30),
    open(Kind::GitHubToken, "ghp_", Class::Alnum, 36),
    open(Kind::GitHubToken, "gho_", Class::Alnum, 36),
    open(Kind::GitHubToken, "ghu_", Class::Alnum, 36),
    open(Kind::GitHubToken, "ghs_", Class::Alnum, 36),
    open(Kind::GitHubToken, "ghr_", Class::Alnum, 36),
    open(Kind::GitHubToken, "github_pat_", Class::Word, 60),
    open(Kind::GitLabToken, "glpat-", Class::Word, 20),
    open(Kind::GitLabToken, "gldt-", Class::Word, 20),
    open(Kind::GitLabToken, "glrt-", Class::Word, 20),
    open(Kind::GitLabToken, "glptt-", Class::Word, 20),
    open(Kind::GitLabToken, "glcbt-", Class::Word, 20),
    open(Kind::SlackToken, "xoxb-", Class::Dashed, 20),
    open(Kind::SlackToken, "xoxp-", Class::Dashed, 20),
    open(Kind::SlackToken, "xoxa-", Class::Dashed, 20),
    open(Kind::SlackToken, "xoxr-", Class::Dashed, 20),
    open(Kind::SlackToken, "xoxs-", Class::Dashed, 20),
    open(Kind::SlackToken, "xapp-", Class::Dashed, 20),
    open(Kind::SlackToken, "hooks.slack.com/services/", Class::Base64, 30),
    open(Kind::StripeKey, "sk_live_", Class::Alnum, 20),
    open(Kind::StripeKey, "sk_test_", Class::Alnum, 20),
    open(Kind::StripeKey, "rk_live_", Class::Alnum, 20),
    open(Kind::StripeKey, "rk_test_", Class::Alnum, 20),
    open(Kind::StripeKey, "whsec_", Class::Base64, 30),
    exact(Kind::TwilioKey, "SK", Class::Hex, 32),
    open(Kind::SendGridKey, "SG.", Class::Word, 22),
    exact(Kind::NpmToken, "npm_", Class::Alnum, 36),
    open(Kind::PypiToken, "pypi-AgEIcHlwaS5vcmc", Class::Word, 50),
    open(Kind::PypiToken, "pypi-AgENdGVzdC5weXBpLm9yZw", Class::Word, 50),
    open(Kind::GroqKey, "gsk_", Class::Alnum, 48),
    open(Kind::XaiKey, "xai-", Class::Alnum, 70),
    exact(Kind::ReplicateToken, "r8_", Class::Alnum, 37),
    exact(Kind::DatabricksToken, "dapi", Class::Hex, 32),
    exact(Kind::DigitalOceanToken, "dop_v1_", Class::Hex, 64),
    exact(Kind::DigitalOceanToken, "doo_v1_", Class::Hex, 64),
    exact(Kind::DigitalOceanToken, "dor_v1_", Class::Hex, 64),
    exact(Kind::ShopifyToken, "shpat_", Class::Hex, 32),
    exact(Kind::ShopifyToken, "shpss_", Class::Hex, 32),
    exact(Kind::ShopifyToken, "shpca_", Class::Hex, 32),
    exact(Kind::ShopifyToken, "shppa_", Class::Hex, 32),
    open(Kind::VaultToken, "hvs.", Class::Word, 24),
    open(Kind::VaultToken, "hvb.", Class::Word, 24),
];

impl Shape {
    /// The length of such a token here, and what may follow it.
    pub(super) fn read(&self, cursor: &Cursor<'_>) -> Option<(usize, Option<Tail>)> {
        if cursor.before().is_some_and(is_word) || !cursor.has(0, self.prefix) {
            return None;
        }
        let start = self.prefix.len();
        let wanted = self.most.map_or(self.least, |most| most + 1);
        let count = cursor.run(start, wanted, |byte| self.class.has(byte));
        let fits = count >= self.least && self.most.is_none_or(|most| count <= most);
        let end = start + count;
        if !fits || !varied(cursor.bytes(start, end), 7) {
            return None;
        }
        match self.kind {
            Kind::SendGridKey => send_grid(cursor).map(|end| (end, None)),
            _ if self.most.is_some() => (!cursor.at(end).is_some_and(is_word)).then_some((end, None)),
            _ => Some((end, Some(Tail::Run(self.class)))),
        }
    }
}

/// The end of a SendGrid key: `SG.`, 22 letters, a dot, 43 letters.
fn send_grid(cursor: &Cursor<'_>) -> Option<usize> {
    let word = |byte: u8| Class::Word.has(byte);
    let fits = cursor.run(3, 23, word) == 22 && cursor.at(25) == Some(b'.') && cursor.run(26, 44, word) == 43;
    fits.then_some(69)
}

/// The length of a Telegram bot token: eight to ten digits, a colon, `A` and 34 more letters.
pub(super) fn telegram(cursor: &Cursor<'_>) -> Option<usize> {
    let number = cursor.run(0, 11, |byte| byte.is_ascii_digit());
    if !(8..=10).contains(&number) || !cursor.has(number, ":A") {
        return None;
    }
    let count = cursor.run(number + 1, 36, |byte| Class::Word.has(byte));
    (count == 35 && varied(cursor.bytes(number + 1, number + 36), 10)).then_some(number + 36)
}
