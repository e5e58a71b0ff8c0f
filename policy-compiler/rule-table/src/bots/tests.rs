use proptest::prelude::*;

use super::{NAMES, wild};
use crate::acl::BotClass::{
    self, AiCrawler, HeadlessBrowser, HttpLibrary, ModelClient, Monitor, Scraper, SearchEngine, Unnamed,
};

/// User agents as their programs send them.
const SENT: &[(&str, Option<BotClass>)] = &[
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        None,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
        None,
    ),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", None),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        None,
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
        None,
    ),
    ("acme-inventory/2.1", None),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Some(SearchEngine)),
    ("Googlebot-Image/1.0", Some(SearchEngine)),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", Some(SearchEngine)),
    ("DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)", Some(SearchEngine)),
    (
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        Some(SearchEngine),
    ),
    ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", Some(SearchEngine)),
    (
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
        Some(SearchEngine),
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
        Some(SearchEngine),
    ),
    (
        "Mozilla/5.0 (compatible; SeznamBot/4.0; +http://napoveda.seznam.cz/seznambot-intro/)",
        Some(SearchEngine),
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        Some(AiCrawler),
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
        Some(AiCrawler),
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; OAI-SearchBot/1.0; +https://openai.com/searchbot",
        Some(AiCrawler),
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        Some(AiCrawler),
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)",
        Some(AiCrawler),
    ),
    ("CCBot/2.0 (https://commoncrawl.org/faq/)", Some(AiCrawler)),
    (
        "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)",
        Some(AiCrawler),
    ),
    (
        "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
        Some(AiCrawler),
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10_1) AppleWebKit/600.2.5 (KHTML, like Gecko) Version/8.0.2 Safari/600.2.5 (Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot)",
        Some(AiCrawler),
    ),
    ("Mozilla/5.0 (compatible; Diffbot/1.0)", Some(AiCrawler)),
    ("Scrapy/2.11.2 (+https://scrapy.org)", Some(Scraper)),
    ("Mozilla/4.5 (compatible; HTTrack 3.0x; Windows 98)", Some(Scraper)),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", Some(Scraper)),
    ("Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)", Some(Scraper)),
    ("Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)", Some(Scraper)),
    ("FirecrawlAgent/1.0", Some(Scraper)),
    ("colly - https://github.com/gocolly/colly/v2", Some(Scraper)),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
        Some(HeadlessBrowser),
    ),
    (
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
        Some(HeadlessBrowser),
    ),
    ("Playwright/1.44.0 (x64; ubuntu 22.04) node/20.12", Some(HeadlessBrowser)),
    ("curl/8.7.1", Some(HttpLibrary)),
    ("Wget/1.21.4", Some(HttpLibrary)),
    ("python-requests/2.32.3", Some(HttpLibrary)),
    ("Python-urllib/3.12", Some(HttpLibrary)),
    ("python-httpx/0.27.0", Some(HttpLibrary)),
    ("Python/3.12 aiohttp/3.9.5", Some(HttpLibrary)),
    ("Go-http-client/2.0", Some(HttpLibrary)),
    ("okhttp/4.12.0", Some(HttpLibrary)),
    ("Apache-HttpClient/5.3.1 (Java/21.0.3)", Some(HttpLibrary)),
    ("Java-http-client/21.0.3", Some(HttpLibrary)),
    ("axios/1.7.2", Some(HttpLibrary)),
    ("node", Some(HttpLibrary)),
    ("undici", Some(HttpLibrary)),
    ("PostmanRuntime/7.39.0", Some(HttpLibrary)),
    ("HTTPie/3.2.2", Some(HttpLibrary)),
    ("OpenAI/Python 1.35.3", Some(ModelClient)),
    ("AsyncOpenAI/Python 1.35.3", Some(ModelClient)),
    ("OpenAI/JS 4.52.0", Some(ModelClient)),
    ("AzureOpenAI/Python 1.35.3", Some(ModelClient)),
    ("Anthropic/Python 0.30.0", Some(ModelClient)),
    ("AsyncAnthropic/Python 0.30.0", Some(ModelClient)),
    ("litellm/1.41.0", Some(ModelClient)),
    ("google-genai-sdk/0.3.0 gl-python/3.12", Some(ModelClient)),
    ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", Some(Monitor)),
    ("Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)", Some(Monitor)),
    ("kube-probe/1.30", Some(Monitor)),
    ("GoogleHC/1.0", Some(Monitor)),
    ("ELB-HealthChecker/2.0", Some(Monitor)),
    ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", Some(Monitor)),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", Some(Monitor)),
    ("Prometheus/2.53.0", Some(Monitor)),
];

#[test]
fn programs_are_told_by_what_they_send() {
    for (sent, class) in SENT {
        assert_eq!(BotClass::of(Some(&sent.to_ascii_lowercase())), *class, "{sent}");
    }
    assert_eq!(BotClass::of(None), Some(Unnamed));
}

#[test]
fn every_name_is_lower_case_and_can_be_reached() {
    for (name, class) in NAMES {
        assert_eq!(*name, name.to_ascii_lowercase());
        assert_eq!(BotClass::of(Some(name)), Some(*class), "{name} is hidden by one before it");
    }
}

/// The definition of a pattern, by trying everything.
fn slowly(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| slowly(rest, &text[at..])),
        Some((first, rest)) => text.first() == Some(first) && slowly(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn a_pattern_agrees_with_trying_everything(pattern in "[ab*]{0,6}", text in "[ab]{0,7}") {
        prop_assert_eq!(wild(&pattern, &text), slowly(pattern.as_bytes(), text.as_bytes()));
    }
}
