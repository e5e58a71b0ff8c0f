//! Clients that say what they are. It owns the names, from the projects' own pages; it refuses to doubt them.

use super::{Class, Evidence};

const SCANNERS: &[&str] = &[
    "sqlmap",
    "nikto",
    "nmap",
    "masscan",
    "zgrab",
    "nuclei",
    "wpscan",
    "dirbuster",
    "gobuster",
    "feroxbuster",
    "ffuf",
    "acunetix",
    "nessus",
    "openvas",
    "w3af",
    "arachni",
    "owasp zap",
    "zaproxy",
    "netsparker",
    "invicti",
    "havij",
    "whatweb",
    "wfuzz",
    "skipfish",
    "jaeles",
    "commix",
    "xsstrike",
    "dalfox",
    "qualys",
    "burpsuite",
    "censysinspect",
    "expanse",
    "l9explore",
    "l9tcpid",
    "garak",
    "promptfoo",
    "pyrit",
];

const ATTACKS: &[&str] = &["${jndi:", "() {", "<script", "union select", "../..", "<?php"];

const SDKS: &[&str] = &[
    "openai/",
    "asyncopenai/",
    "azureopenai/",
    "asyncazureopenai/",
    "openai-",
    "openai-node",
    "anthropic/",
    "asyncanthropic/",
    "anthropicbedrock/",
    "anthropicvertex/",
    "anthropic-sdk",
    "claude-cli/",
    "claude-code/",
    "google-genai-sdk/",
    "genai-",
    "mistral-client",
    "mistralai",
    "cohere",
    "groq/",
    "asyncgroq/",
    "together/",
    "litellm/",
    "langchain",
    "llama-index",
    "llama_index",
    "ai-sdk/",
    "vercel-ai",
    "semantic-kernel",
    "azsdk-",
    "azure-ai",
    "boto3/",
    "aws-sdk-",
    "botocore/",
    "semantickernel",
    "pydantic-ai",
    "ollama",
    "codex",
    "opencode/",
    "openclaw",
    "dspy",
    "haystack",
    "instructor/",
];

const HEADLESS: &[&str] = &[
    "headlesschrome",
    "headless",
    "phantomjs",
    "slimerjs",
    "puppeteer",
    "playwright",
    "selenium",
    "webdriver",
    "htmlunit",
    "splash",
    "cypress",
];

/// Crawlers whose names have neither `bot` nor `crawler` nor `spider` in them.
const CRAWLERS: &[&str] = &[
    "chatgpt-user",
    "claude-user",
    "claude-web",
    "perplexity-user",
    "google-extended",
    "googleother",
    "mediapartners-google",
    "apis-google",
    "feedfetcher",
    "google-inspectiontool",
    "slurp",
    "facebookexternalhit",
    "meta-externalagent",
    "meta-externalfetcher",
    "archive.org",
    "ia_archiver",
    "bytedance",
    "bingpreview",
    "embedly",
    "whatsapp/",
    "skypeuripreview",
    "cohere-ai",
    "crawl",
    "spider",
    "scrapy",
    "bot/",
    "bot;",
    "bot)",
    "bot ",
    "bot-",
    "mj12",
    "yandex.com/bots",
];

const TOOLS: &[&str] = &[
    "curl/",
    "wget/",
    "wget2/",
    "libcurl",
    "python-requests/",
    "python-urllib",
    "python/",
    "aiohttp/",
    "python-httpx/",
    "httpx/",
    "urllib3/",
    "pycurl",
    "httplib2",
    "go-http-client",
    "gorequest",
    "fasthttp",
    "resty",
    "java/",
    "java-http-client",
    "apache-httpclient",
    "apache-httpasyncclient",
    "okhttp",
    "jersey",
    "jakarta",
    "unirest",
    "node-fetch",
    "undici",
    "node",
    "node.js",
    "node/",
    "axios/",
    "got (",
    "got/",
    "superagent",
    "needle/",
    "bun/",
    "deno/",
    "ruby",
    "faraday",
    "httparty",
    "typhoeus",
    "rest-client",
    "libwww-perl",
    "lwp::",
    "lwp-",
    "mojolicious",
    "php/",
    "guzzlehttp",
    "symfony",
    "postmanruntime",
    "insomnia",
    "httpie",
    "xh/",
    "hurl/",
    "k6/",
    "wrk",
    "hey/",
    "apachebench",
    "jmeter",
    "locust",
    "vegeta",
    "powershell",
    "winhttp",
    "winhttprequest",
    "dart/",
    "dart:io",
    "reqwest",
    "hyper/",
    "ureq",
    "isahc",
    "restsharp",
    "httpclient",
    "alamofire",
    "cfnetwork",
    "colly",
    "mechanize",
    "lua-resty",
    "grpc",
    "elixir",
    "hackney",
    "finch",
    "req/",
    "erlang",
    "haskell",
    "http.rb",
    "bruno",
    "paw/",
    "rapidapi",
];

/// What the user agent says it is, if it says so.
pub(super) fn named(agent: &str) -> Option<(Class, Evidence)> {
    if holds(agent, ATTACKS) {
        return Some((Class::Scanner, Evidence::AttackInName));
    }
    if holds(agent, SCANNERS) {
        return Some((Class::Scanner, Evidence::NamedScanner));
    }
    if begins(agent, SDKS) {
        return Some((Class::ApiClient, Evidence::NamedSdk));
    }
    if holds(agent, HEADLESS) {
        return Some((Class::Headless, Evidence::NamedHeadless));
    }
    // A maker of telephones is called Cubot.
    if (holds(agent, CRAWLERS) || ends_in_bot(agent)) && !holds(agent, &["cubot"]) {
        return Some((Class::Crawler, Evidence::NamedCrawler));
    }
    let browser = begins(agent, &["mozilla/"]);
    let tool = if browser { holds(agent, &["powershell", "winhttp"]) } else { begins_word(agent, TOOLS) };
    tool.then_some((Class::Script, Evidence::NamedTool))
}

fn ends_in_bot(agent: &str) -> bool {
    let end = agent.len().checked_sub(3).and_then(|start| agent.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case("bot"))
}

/// Whether one of `names`, in lower case, stands anywhere in `text`.
pub(super) fn holds(text: &str, names: &[&str]) -> bool {
    let bytes = text.as_bytes();
    names.iter().any(|name| bytes.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes())))
}

fn begins(text: &str, names: &[&str]) -> bool {
    names.iter().any(|name| super::starts_folded(text, name))
}

/// Whether one of `names` begins `text` or a word of it.
fn begins_word(text: &str, names: &[&str]) -> bool {
    let starts = text.match_indices([' ', '(', '/', ';', ',']).map(|(place, _)| place + 1);
    std::iter::once(0).chain(starts).any(|start| text.get(start..).is_some_and(|rest| begins(rest, names)))
}
