//! Clients that say what they are. It owns the names, from the projects' own pages; it refuses to doubt them.

use aho_corasick::AhoCorasick;

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

/// Where a name has to stand to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Start,
    /// At the start of a word, where the whole does not begin as a browser's does.
    Word,
}

type Row = (&'static [&'static str], Place, Class, Evidence);

/// Every list; an earlier one has the last word.
const ROWS: [Row; 7] = [
    (ATTACKS, Place::Anywhere, Class::Scanner, Evidence::AttackInName),
    (SCANNERS, Place::Anywhere, Class::Scanner, Evidence::NamedScanner),
    (SDKS, Place::Start, Class::ApiClient, Evidence::NamedSdk),
    (HEADLESS, Place::Anywhere, Class::Headless, Evidence::NamedHeadless),
    (CRAWLERS, Place::Anywhere, Class::Crawler, Evidence::NamedCrawler),
    (&["powershell", "winhttp"], Place::Anywhere, Class::Script, Evidence::NamedTool),
    (TOOLS, Place::Word, Class::Script, Evidence::NamedTool),
];

/// The place of [`CRAWLERS`] among them.
const CRAWLER_ROW: usize = 4;

/// The names of all lists as one automaton.
#[derive(Debug)]
pub(super) struct Names {
    automaton: AhoCorasick,
    /// For each name, its row.
    rows: Vec<usize>,
}

impl Names {
    /// The automaton. It is built from the lists above alone.
    ///
    /// # Errors
    /// When the lists outgrow what an automaton can hold.
    pub(super) fn new() -> Result<Self, aho_corasick::BuildError> {
        let names =
            ROWS.iter().enumerate().flat_map(|(row, (names, ..))| names.iter().map(move |name| (row, name)));
        let (rows, names): (Vec<usize>, Vec<&str>) = names.map(|(row, name)| (row, *name)).unzip();
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(names)?;
        Ok(Self { automaton, rows })
    }

    /// What the user agent says it is, if it says so.
    pub(super) fn named(&self, agent: &str) -> Option<(Class, Evidence)> {
        let browser = super::starts_folded(agent, "mozilla/");
        // A maker of telephones is called Cubot.
        let telephone = holds(agent, &["cubot"]);
        let bot = (ends_in_bot(agent) && !telephone).then_some(CRAWLER_ROW);
        let found = self.automaton.find_overlapping_iter(agent).filter_map(|name| {
            let row = *self.rows.get(name.pattern().as_usize())?;
            let (_, place, ..) = ROWS.get(row)?;
            let before = name.start().checked_sub(1).and_then(|place| agent.as_bytes().get(place));
            let counts = match place {
                Place::Anywhere => row != CRAWLER_ROW || !telephone,
                Place::Start => before.is_none(),
                Place::Word => !browser && before.is_none_or(|byte| b" (/;,".contains(byte)),
            };
            counts.then_some(row)
        });
        let (_, _, class, evidence) = ROWS.get(found.chain(bot).min()?)?;
        Some((*class, *evidence))
    }
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
