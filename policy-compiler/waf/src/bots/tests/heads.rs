//! Heads as clients send them: browsers as their developers' tools show them, libraries as their sources write them.

use super::*;

pub(super) type Headers = Vec<(&'static str, &'static str)>;

/// A library's name and the head it sends under a user agent.
type Library = (&'static str, fn(&'static str) -> Headers);

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
pub(super) const BRANDS: &str =
    "\"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"";

pub(super) fn chrome_page() -> Headers {
    vec![
        ("Host", "api.example"),
        ("Connection", "keep-alive"),
        ("sec-ch-ua", BRANDS),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", "\"Windows\""),
        ("Upgrade-Insecure-Requests", "1"),
        ("User-Agent", CHROME),
        ("Accept", HTML),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-User", "?1"),
        ("Sec-Fetch-Dest", "document"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
        ("Cookie", "a=b"),
    ]
}

pub(super) fn chrome_fetch() -> Headers {
    vec![
        ("Host", "api.example"),
        ("Connection", "keep-alive"),
        ("Content-Length", "120"),
        ("sec-ch-ua-platform", "\"Windows\""),
        ("Authorization", "Bearer x"),
        ("User-Agent", CHROME),
        ("sec-ch-ua", BRANDS),
        ("Content-Type", "application/json"),
        ("sec-ch-ua-mobile", "?0"),
        ("Accept", "*/*"),
        ("Origin", "https://app.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Referer", "https://app.example/"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "de-DE,de;q=0.9"),
    ]
}

pub(super) fn firefox_page() -> Headers {
    vec![
        ("Host", "api.example"),
        ("User-Agent", FIREFOX),
        ("Accept", HTML),
        ("Accept-Language", "en-US,en;q=0.5"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Connection", "keep-alive"),
        ("Upgrade-Insecure-Requests", "1"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-User", "?1"),
        ("Priority", "u=0, i"),
    ]
}

pub(super) fn firefox_fetch() -> Headers {
    vec![
        ("Host", "api.example"),
        ("User-Agent", FIREFOX),
        ("Accept", "*/*"),
        ("Accept-Language", "en-US,en;q=0.5"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Referer", "https://app.example/"),
        ("Content-Type", "application/json"),
        ("Content-Length", "10"),
        ("Origin", "https://app.example"),
        ("Connection", "keep-alive"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "cross-site"),
    ]
}

fn safari_page() -> Headers {
    vec![
        ("Host", "api.example"),
        ("Sec-Fetch-Dest", "document"),
        ("User-Agent", SAFARI),
        ("Accept", HTML),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Accept-Language", "en-GB,en;q=0.9"),
        ("Priority", "u=0, i"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Connection", "keep-alive"),
    ]
}

/// With some headers' values changed, or taken out where the value is none.
pub(super) fn with(mut headers: Headers, changes: &[(&'static str, Option<&'static str>)]) -> Headers {
    for (name, value) in changes {
        match value {
            Some(value) => {
                headers.iter_mut().filter(|(known, _)| known == name).for_each(|pair| pair.1 = value)
            }
            None => headers.retain(|(known, _)| known != name),
        }
    }
    headers
}

const EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
                    Safari/537.36 Edg/142.0.0.0";
const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) \
                   Chrome/142.0.0.0 Safari/537.36";
const ANDROID: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile \
                       Safari/537.36";
const WEB_VIEW: &str = "Mozilla/5.0 (Linux; Android 14; CUBOT X70; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
                        Chrome/142.0.0.0 Mobile Safari/537.36";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/18.6 Mobile/15E148 Safari/604.1";
const CHROME_ON_IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                                Gecko) CriOS/142.0.7000.0 Mobile/15E148 Safari/604.1";
const OLD_SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                          Version/15.6 Safari/605.1.15";

pub(super) fn browsers() -> Vec<(&'static str, Headers)> {
    let android = &[
        ("User-Agent", Some(ANDROID)),
        ("sec-ch-ua-mobile", Some("?1")),
        ("sec-ch-ua-platform", Some("\"Android\"")),
    ];
    let no_metadata = &[
        ("User-Agent", Some(OLD_SAFARI)),
        ("Sec-Fetch-Dest", None),
        ("Sec-Fetch-Mode", None),
        ("Sec-Fetch-Site", None),
    ];
    let no_hints = &[
        ("User-Agent", Some(WEB_VIEW)),
        ("sec-ch-ua", None),
        ("sec-ch-ua-mobile", None),
        ("sec-ch-ua-platform", None),
    ];
    vec![
        ("Chrome, a page", chrome_page()),
        ("Chrome, a script's request", chrome_fetch()),
        ("Edge", with(chrome_page(), &[("User-Agent", Some(EDGE))])),
        (
            "Chrome on a Mac",
            with(chrome_page(), &[("User-Agent", Some(MAC)), ("sec-ch-ua-platform", Some("\"macOS\""))]),
        ),
        ("Chrome on Android", with(chrome_fetch(), android)),
        ("a web view", with(chrome_page(), no_hints)),
        ("Firefox, a page", firefox_page()),
        ("Firefox, a script's request", firefox_fetch()),
        ("Safari", safari_page()),
        ("Safari on an iPhone", with(safari_page(), &[("User-Agent", Some(IPHONE))])),
        ("Chrome on an iPhone", with(safari_page(), &[("User-Agent", Some(CHROME_ON_IPHONE))])),
        ("an older Safari", with(safari_page(), no_metadata)),
    ]
}

/// How a library sends a head when its user sets only the user agent, and where it puts further headers: before the
/// named one, or last.
fn libraries() -> Vec<Library> {
    vec![
        ("curl", |agent| vec![("Host", "h"), ("User-Agent", agent), ("Accept", "*/*")]),
        ("curl --compressed", |agent| {
            vec![
                ("Host", "h"),
                ("User-Agent", agent),
                ("Accept", "*/*"),
                ("Accept-Encoding", "deflate, gzip, br, zstd"),
            ]
        }),
        ("requests", |agent| {
            vec![
                ("Host", "h"),
                ("User-Agent", agent),
                ("Accept-Encoding", "gzip, deflate, br"),
                ("Accept", "*/*"),
                ("Connection", "keep-alive"),
            ]
        }),
        ("aiohttp", |agent| {
            vec![
                ("Host", "h"),
                ("User-Agent", agent),
                ("Accept", "*/*"),
                ("Accept-Encoding", "gzip, deflate, br"),
            ]
        }),
        ("httpx", |agent| {
            vec![
                ("Host", "h"),
                ("Accept", "*/*"),
                ("Accept-Encoding", "gzip, deflate, br, zstd"),
                ("Connection", "keep-alive"),
                ("User-Agent", agent),
            ]
        }),
        ("Go", |agent| vec![("Host", "h"), ("User-Agent", agent), ("Accept-Encoding", "gzip")]),
        ("Java's HttpClient", |agent| {
            vec![
                ("Connection", "Upgrade, HTTP2-Settings"),
                ("Content-Length", "5"),
                ("Host", "h"),
                ("User-Agent", agent),
            ]
        }),
        ("Java's URLConnection", |agent| {
            vec![("User-Agent", agent), ("Host", "h"), ("Accept", "*/*"), ("Connection", "keep-alive")]
        }),
        ("OkHttp", |agent| {
            vec![
                ("User-Agent", agent),
                ("Host", "h"),
                ("Connection", "Keep-Alive"),
                ("Accept-Encoding", "gzip"),
            ]
        }),
        ("Node's fetch", |agent| {
            vec![
                ("host", "h"),
                ("connection", "keep-alive"),
                ("user-agent", agent),
                ("accept", "*/*"),
                ("accept-language", "*"),
                ("sec-fetch-mode", "cors"),
                ("accept-encoding", "gzip, deflate"),
            ]
        }),
        ("axios", |agent| {
            vec![
                ("Accept", "application/json, text/plain, */*"),
                ("User-Agent", agent),
                ("Accept-Encoding", "gzip, compress, deflate, br"),
                ("Host", "h"),
                ("Connection", "keep-alive"),
            ]
        }),
        ("Scrapy", |agent| {
            vec![
                ("Accept", HTML),
                ("Accept-Language", "en"),
                ("User-Agent", agent),
                ("Accept-Encoding", "gzip, deflate, br"),
                ("Host", "h"),
            ]
        }),
        ("wget", |agent| {
            vec![
                ("Host", "h"),
                ("User-Agent", agent),
                ("Accept", "*/*"),
                ("Accept-Encoding", "identity"),
                ("Connection", "Keep-Alive"),
            ]
        }),
        ("urllib", |agent| {
            vec![
                ("Accept-Encoding", "identity"),
                ("Host", "h"),
                ("User-Agent", agent),
                ("Connection", "close"),
            ]
        }),
        ("reqwest", |agent| vec![("user-agent", agent), ("accept", "*/*"), ("host", "h")]),
    ]
}

/// What careful authors copy from a browser and hand to their library.
fn copied(extra: &[&'static str]) -> Headers {
    chrome_page().into_iter().filter(|(name, _)| extra.contains(name)).collect()
}

const LANGUAGE: &[&str] = &["Accept-Language"];
const METADATA: &[&str] = &["Accept-Language", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"];
const EVERYTHING: &[&str] = &[
    "Accept-Language",
    "Sec-Fetch-Site",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Dest",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
];

pub(super) fn scripts() -> Vec<(String, Headers)> {
    let mut all = Vec::new();
    for (name, send) in libraries() {
        for (browser, agent) in [("Chrome", CHROME), ("Firefox", FIREFOX), ("Safari", SAFARI)] {
            all.push((format!("{name} as {browser}"), send(agent)));
        }
        for (what, extra) in [("a language", LANGUAGE), ("metadata", METADATA), ("everything", EVERYTHING)] {
            let mut headers = send(CHROME);
            headers.extend(copied(extra));
            all.push((format!("{name} as Chrome with {what}"), headers));
        }
        let old =
            "Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/58.0 Safari/537.36";
        let mut headers = send(old);
        headers.extend(copied(LANGUAGE));
        all.push((format!("{name} as an old Chrome"), headers));
    }
    // The order, names and values of a browser, as its developers' tools copy them for curl.
    all.push(("curl with a copied head".to_owned(), chrome_page()));
    all
}
