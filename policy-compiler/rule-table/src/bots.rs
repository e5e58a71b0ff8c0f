//! What kind of program a `User-Agent` says it is. It owns one table of names, from the most telling to the
//! least; it refuses to verify any of it: a `User-Agent` is a claim (RFC 9110 §10.1.5).
//!
//! Names are the product tokens that operators of these programs publish: the crawler pages of Google, Bing,
//! OpenAI, Anthropic, Perplexity, Common Crawl and Apple, the default strings of libraries in their own
//! documentation, and <https://www.iana.org/assignments/http-fields> for where they stand.

use crate::acl::BotClass;

/// Lower-case parts of user agents. The first that is found decides, so a program that names the library it
/// is built on comes before that library.
const NAMES: &[(&str, BotClass)] = &[
    // Crawlers for models and their assistants, before the search engines whose names some contain.
    ("gptbot", BotClass::AiCrawler),
    ("chatgpt-user", BotClass::AiCrawler),
    ("oai-searchbot", BotClass::AiCrawler),
    ("claudebot", BotClass::AiCrawler),
    ("claude-user", BotClass::AiCrawler),
    ("claude-searchbot", BotClass::AiCrawler),
    ("claude-web", BotClass::AiCrawler),
    ("anthropic-ai", BotClass::AiCrawler),
    ("perplexitybot", BotClass::AiCrawler),
    ("perplexity-user", BotClass::AiCrawler),
    ("google-extended", BotClass::AiCrawler),
    ("google-cloudvertexbot", BotClass::AiCrawler),
    ("applebot-extended", BotClass::AiCrawler),
    ("meta-externalagent", BotClass::AiCrawler),
    ("meta-externalfetcher", BotClass::AiCrawler),
    ("ccbot", BotClass::AiCrawler),
    ("bytespider", BotClass::AiCrawler),
    ("amazonbot", BotClass::AiCrawler),
    ("cohere-ai", BotClass::AiCrawler),
    ("cohere-training-data-crawler", BotClass::AiCrawler),
    ("mistralai-user", BotClass::AiCrawler),
    ("duckassistbot", BotClass::AiCrawler),
    ("youbot", BotClass::AiCrawler),
    ("diffbot", BotClass::AiCrawler),
    ("ai2bot", BotClass::AiCrawler),
    ("omgili", BotClass::AiCrawler),
    // Search engines.
    ("googlebot", BotClass::SearchEngine),
    ("googleother", BotClass::SearchEngine),
    ("google-inspectiontool", BotClass::SearchEngine),
    ("bingbot", BotClass::SearchEngine),
    ("bingpreview", BotClass::SearchEngine),
    ("msnbot", BotClass::SearchEngine),
    ("duckduckbot", BotClass::SearchEngine),
    ("baiduspider", BotClass::SearchEngine),
    ("yandexbot", BotClass::SearchEngine),
    ("yandeximages", BotClass::SearchEngine),
    ("slurp", BotClass::SearchEngine),
    ("applebot", BotClass::SearchEngine),
    ("sogou", BotClass::SearchEngine),
    ("seznambot", BotClass::SearchEngine),
    ("petalbot", BotClass::SearchEngine),
    ("qwantbot", BotClass::SearchEngine),
    ("mojeekbot", BotClass::SearchEngine),
    ("naverbot", BotClass::SearchEngine),
    // Made to copy sites, and crawlers of link and marketing databases.
    ("scrapy", BotClass::Scraper),
    ("httrack", BotClass::Scraper),
    ("firecrawl", BotClass::Scraper),
    ("crawl4ai", BotClass::Scraper),
    ("ahrefsbot", BotClass::Scraper),
    ("semrushbot", BotClass::Scraper),
    ("mj12bot", BotClass::Scraper),
    ("dotbot", BotClass::Scraper),
    ("dataforseobot", BotClass::Scraper),
    ("blexbot", BotClass::Scraper),
    ("webcopier", BotClass::Scraper),
    ("webzip", BotClass::Scraper),
    ("offline explorer", BotClass::Scraper),
    ("sitesnagger", BotClass::Scraper),
    ("colly", BotClass::Scraper),
    // Browsers that a program steers.
    ("headlesschrome", BotClass::HeadlessBrowser),
    ("phantomjs", BotClass::HeadlessBrowser),
    ("puppeteer", BotClass::HeadlessBrowser),
    ("playwright", BotClass::HeadlessBrowser),
    ("selenium", BotClass::HeadlessBrowser),
    ("slimerjs", BotClass::HeadlessBrowser),
    ("electron-headless", BotClass::HeadlessBrowser),
    // Monitoring and previews.
    ("uptimerobot", BotClass::Monitor),
    ("pingdom", BotClass::Monitor),
    ("statuscake", BotClass::Monitor),
    ("site24x7", BotClass::Monitor),
    ("datadog", BotClass::Monitor),
    ("newrelicpinger", BotClass::Monitor),
    ("better uptime", BotClass::Monitor),
    ("betterstack", BotClass::Monitor),
    ("googlehc", BotClass::Monitor),
    ("elb-healthchecker", BotClass::Monitor),
    ("kube-probe", BotClass::Monitor),
    ("blackbox-exporter", BotClass::Monitor),
    ("blackbox exporter", BotClass::Monitor),
    ("prometheus", BotClass::Monitor),
    ("slackbot", BotClass::Monitor),
    ("twitterbot", BotClass::Monitor),
    ("facebookexternalhit", BotClass::Monitor),
    ("linkedinbot", BotClass::Monitor),
    ("discordbot", BotClass::Monitor),
    ("telegrambot", BotClass::Monitor),
    ("whatsapp", BotClass::Monitor),
    ("skypeuripreview", BotClass::Monitor),
    // Clients of model APIs, before the libraries they are built on.
    ("openai/", BotClass::ModelClient),
    ("asyncopenai/", BotClass::ModelClient),
    ("azureopenai/", BotClass::ModelClient),
    ("asyncazureopenai/", BotClass::ModelClient),
    ("anthropic/", BotClass::ModelClient),
    ("asyncanthropic/", BotClass::ModelClient),
    ("claude-cli/", BotClass::ModelClient),
    ("litellm", BotClass::ModelClient),
    ("langchain", BotClass::ModelClient),
    ("llamaindex", BotClass::ModelClient),
    ("google-genai-sdk", BotClass::ModelClient),
    ("cohere-python", BotClass::ModelClient),
    ("mistral-client", BotClass::ModelClient),
    ("ollama", BotClass::ModelClient),
    ("azsdk-net-ai", BotClass::ModelClient),
    ("ai-sdk/", BotClass::ModelClient),
    ("codex_cli", BotClass::ModelClient),
    // Libraries and tools.
    ("curl/", BotClass::HttpLibrary),
    ("wget/", BotClass::HttpLibrary),
    ("python-requests/", BotClass::HttpLibrary),
    ("python-urllib", BotClass::HttpLibrary),
    ("python-httpx/", BotClass::HttpLibrary),
    ("aiohttp/", BotClass::HttpLibrary),
    ("go-http-client/", BotClass::HttpLibrary),
    ("okhttp/", BotClass::HttpLibrary),
    ("apache-httpclient/", BotClass::HttpLibrary),
    ("java/", BotClass::HttpLibrary),
    ("java-http-client/", BotClass::HttpLibrary),
    ("axios/", BotClass::HttpLibrary),
    ("node-fetch", BotClass::HttpLibrary),
    ("undici", BotClass::HttpLibrary),
    ("got (", BotClass::HttpLibrary),
    ("libwww-perl/", BotClass::HttpLibrary),
    ("guzzlehttp/", BotClass::HttpLibrary),
    ("postmanruntime/", BotClass::HttpLibrary),
    ("insomnia/", BotClass::HttpLibrary),
    ("httpie/", BotClass::HttpLibrary),
    ("reqwest/", BotClass::HttpLibrary),
    ("hyper/", BotClass::HttpLibrary),
    ("faraday", BotClass::HttpLibrary),
    ("powershell/", BotClass::HttpLibrary),
    ("k6/", BotClass::HttpLibrary),
];

impl BotClass {
    /// The class of a `User-Agent` in lower case; [`Self::Unnamed`] where there is none. Browsers and
    /// programs nobody has heard of have no class.
    #[must_use]
    pub fn of(user_agent: Option<&str>) -> Option<Self> {
        let Some(agent) = user_agent else { return Some(Self::Unnamed) };
        if agent == "node" {
            return Some(Self::HttpLibrary);
        }
        NAMES.iter().find(|(name, _)| agent.contains(name)).map(|(_, class)| *class)
    }
}

/// Whether a pattern takes a text, both in lower case: `*` stands for anything, also for nothing.
pub(crate) fn wild(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The leftmost place of each part leaves the most room for those after it.
    for part in middle.split('*') {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests;
